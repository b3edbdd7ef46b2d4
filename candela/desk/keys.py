"""Keys of a person: of exchanges, brokers and advisers; shown by their ends only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.errors import UniqueViolation

from candela.desk.opening import KeyTaken, insert_account, refuse_beyond_plan
from candela.desk.secrets import Purpose, destroy_secret, seal_secret
from candela.errors import Conflict, NotFound
from candela.vault.credential import Credential, last_four

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.accounts import AccountRow
    from candela.desk.opening import KeyGiven
    from candela.desk.session import TenantSession
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "MOST_KEYS",
    "KeyInUse",
    "KeyLabelTaken",
    "KeyNotGood",
    "KeyRow",
    "TooManyKeys",
    "UnknownKey",
    "add_exchange_key",
    "add_untested",
    "all_keys",
    "ask_again",
    "key_of",
    "open_keyed",
    "remove_key",
]

CheckState = Literal["checking", "good", "refused", "lapsed", "untested", "destroyed"]

MOST_KEYS: Final = 50
_KEYS: Final = """
SELECT s.secret_id AS key_id, s.purpose, s.label, s.venue, s.mode, s.check_state AS state,
    s.check_reason AS reason, s.last_four, s.rights, s.totals, s.created_at, s.asked_at,
    s.checked_at, s.try_at IS NOT NULL AS is_asked, s.replaces_id,
    (SELECT max(u.used_at) FROM tenancy.secret_uses AS u
     WHERE u.tenant_id = s.tenant_id AND u.secret_id = s.secret_id) AS last_used_at,
    array(SELECT a.name FROM trading.accounts AS a
     WHERE a.tenant_id = s.tenant_id AND a.secret_id = s.secret_id AND a.state <> 'closed'
     ORDER BY a.name) AS accounts
FROM tenancy.secrets AS s
WHERE s.tenant_id = %(tenant)s
    AND (%(purpose)s::text IS NULL OR s.purpose = %(purpose)s)
    AND (
        s.secret_id = %(key)s
        OR (%(key)s::uuid IS NULL AND s.check_state <> 'destroyed' AND s.doomed_at IS NULL)
    )
ORDER BY s.created_at, s.secret_id
"""
_ASK: Final = """
UPDATE tenancy.secrets SET
    mode = %(mode)s, check_state = 'checking', asked_at = %(at)s, try_at = %(at)s,
    replaces_id = %(replaces)s
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_ASK_AGAIN: Final = """
UPDATE tenancy.secrets SET asked_at = %(at)s, try_at = %(at)s
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s AND sealed <> ''
"""
_FORGET: Final = """
UPDATE tenancy.secrets SET check_state = 'destroyed'
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_UNTESTED: Final = """
UPDATE tenancy.secrets SET check_state = 'untested'
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""


class UnknownKey(NotFound):
    """The tenant has no such key."""

    code = "unknown_key"


class KeyInUse(Conflict):
    """An account trades with the key."""

    code = "key_in_use"


class KeyLabelTaken(Conflict):
    """Another key of the tenant has the label."""

    code = "key_label_taken"


class KeyNotGood(Conflict):
    """The venue has not said yet that the key may be used, or said that it may not."""

    code = "key_not_good"


class TooManyKeys(Conflict):
    """The tenant has as many keys as there may be."""

    code = "too_many_keys"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as its owner sees it: everything but the key.

    Parameters
    ----------
    is_asked
        An executor shall ask the venue, or ask it again.
    accounts
        Names of the open accounts that trade with it.
    """

    key_id: UUID
    purpose: Purpose
    label: str
    venue: str | None
    mode: Literal["demo", "live"] | None
    state: CheckState
    reason: str | None
    last_four: str
    rights: Mapping[str, bool | None] | None
    totals: Mapping[str, str] | None
    created_at: datetime
    asked_at: datetime | None
    checked_at: datetime | None
    is_asked: bool
    replaces_id: UUID | None
    last_used_at: datetime | None
    accounts: tuple[str, ...]


def all_keys(session: TenantSession, purpose: Purpose) -> list[KeyRow]:
    """Return the keys of a kind, oldest first; those that were destroyed are left out."""
    rows = session.rows(_KEYS, {"purpose": purpose, "key": None})
    return [_key(row) for row in rows]


def key_of(session: TenantSession, key_id: UUID, purpose: Purpose | None = None) -> KeyRow:
    """Return a key, also one that was refused or lapsed, to say why.

    Raises
    ------
    UnknownKey
        The tenant has none of that id, or it was destroyed.
    """
    row = session.row(_KEYS, {"purpose": purpose, "key": key_id})
    if row is None or row["state"] == "destroyed":
        message = f"There is no key {key_id}."
        raise UnknownKey(message, "GET /keys/exchange, /keys/broker and /keys/ai list yours.")
    return _key(row)


def add_exchange_key(
    session: TenantSession,
    masters: MasterKeys,
    given: KeyGiven,
    *,
    label: str,
    venue: str,
    mode: Literal["demo", "live"],
    clock: Clock,
    replaces: KeyRow | None = None,
) -> KeyRow:
    """Seal a key and have an executor ask its venue about it, from where it would trade.

    Until the venue was asked it opens no account.

    Parameters
    ----------
    replaces
        The key whose accounts and label it takes over once it was found good.

    Raises
    ------
    PlanLimitReached
        The plan is for paper only.
    KeyTaken
        It is there already.
    KeyLabelTaken, TooManyKeys
        Another has the label; there are too many.
    """
    refuse_beyond_plan(session, mode)
    session.lock()
    end = last_four(given.api_key)
    for one in all_keys(session, "exchange"):
        if end and (one.venue, one.mode, one.last_four) == (venue, mode, end):
            message = f"The key that ends in {end} is there already, as {one.label}."
            raise KeyTaken(message, "Use that one, or delete it first.")
    content = {"api_key": given.api_key, "secret": given.secret}
    if given.password is not None:
        content["password"] = given.password
    key_id = _sealed(
        session,
        masters,
        content,
        purpose="exchange",
        label=label if replaces is None else f"{label} (next)",
        venue=venue,
        shown=given.api_key,
        clock=clock,
    )
    values = {"key": key_id, "mode": mode, "at": clock.now()}
    session.run(_ASK, values | {"replaces": None if replaces is None else replaces.key_id})
    session.announce(str(key_id), {"secret": str(key_id)})
    return key_of(session, key_id)


def add_untested(
    session: TenantSession,
    masters: MasterKeys,
    content: Mapping[str, Credential],
    *,
    purpose: Literal["broker", "adviser"],
    label: str,
    venue: str,
    shown: Credential,
    clock: Clock,
) -> KeyRow:
    """Seal a login of a broker or a key of an adviser, whom nobody here can ask about it.

    Raises
    ------
    KeyLabelTaken, TooManyKeys
        Another has the label; there are too many.
    """
    session.lock()
    key_id = _sealed(
        session,
        masters,
        content,
        purpose=purpose,
        label=label,
        venue=venue,
        shown=shown,
        clock=clock,
    )
    session.run(_UNTESTED, {"key": key_id})
    return key_of(session, key_id)


def ask_again(session: TenantSession, key_id: UUID, *, clock: Clock) -> KeyRow:
    """Have an executor ask the venue about a key once more; accounts go on meanwhile.

    Raises
    ------
    UnknownKey
        There is none.
    KeyNotGood
        It was refused or lapsed, so nothing is left to ask with.
    """
    key = key_of(session, key_id)
    if key.purpose != "exchange":
        return key
    if not session.run(_ASK_AGAIN, {"key": key_id, "at": clock.now()}):
        message = f"The key {key.label} was {key.state}: {key.reason}."
        raise KeyNotGood(message, "Enter the key again.")
    session.announce(str(key_id), {"secret": str(key_id)})
    return key_of(session, key_id)


def remove_key(session: TenantSession, key_id: UUID, *, clock: Clock) -> KeyRow:
    """Destroy a key that no account trades with; return what it was.

    Raises
    ------
    UnknownKey
        There is none.
    KeyInUse
        An account has it.
    """
    session.lock()
    key = key_of(session, key_id)
    if key.accounts:
        message = f"The account {key.accounts[0]} trades with the key."
        raise KeyInUse(message, "Delete the account's connection first.")
    if not destroy_secret(session, key_id, reason="deleted by its owner", clock=clock):
        # Refused or lapsed before: only the row that says why is left.
        session.run(_FORGET, {"key": key_id})
    return key


def open_keyed(
    session: TenantSession, *, name: str, key_id: UUID, quote_ccy: str, clock: Clock
) -> AccountRow:
    """Make an account of a key that its venue was asked about, with what it held then.

    Raises
    ------
    UnknownKey
        There is none.
    KeyNotGood
        It was not found good.
    KeyTaken
        An account has it: two would share one balance unseen.
    PlanLimitReached
        The plan is for paper only.
    AccountNameTaken, BadAccount
        There is one of that name, or it is no name.
    """
    session.lock()
    key = key_of(session, key_id, "exchange")
    if key.state != "good" or key.venue is None or key.mode is None:
        why = "" if key.reason is None else f": {key.reason}"
        message = f"The key {key.label} is {key.state}{why}."
        raise KeyNotGood(message, "Wait until it was tested, or enter another one.")
    refuse_beyond_plan(session, key.mode)
    if key.accounts:
        message = f"The key {key.label} is that of the account {key.accounts[0]} already."
        raise KeyTaken(message, "Let the bots trade there.")
    return insert_account(
        session,
        name=name,
        venue=key.venue,
        kind="spot",
        mode=key.mode,
        secret_id=key_id,
        quote_ccy=quote_ccy,
        totals={ccy: Decimal(total) for ccy, total in (key.totals or {}).items()},
        clock=clock,
    )


def _sealed(
    session: TenantSession,
    masters: MasterKeys,
    content: Mapping[str, Credential],
    *,
    purpose: Purpose,
    label: str,
    venue: str,
    shown: Credential,
    clock: Clock,
) -> UUID:
    known = all_keys(session, purpose)
    if len(known) >= MOST_KEYS:
        message = f"There are {len(known)} keys already; limit: {MOST_KEYS}."
        raise TooManyKeys(message, "Delete those that are not used.")
    taken = f"There is a key {label!r} already."
    if any(one.label == label for one in known):
        raise KeyLabelTaken(taken, "Give it another label.")
    try:
        return seal_secret(
            session,
            masters,
            content,
            purpose=purpose,
            label=label,
            venue=venue,
            shown=shown,
            clock=clock,
        )
    except UniqueViolation:
        raise KeyLabelTaken(taken, "Give it another label.") from None


def _key(row: Mapping[str, Any]) -> KeyRow:
    values: dict[str, Any] = {**row, "accounts": tuple(row["accounts"])}
    return KeyRow(**values)

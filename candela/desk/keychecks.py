"""What becomes of a key when its venue was asked: good, refused and destroyed, or asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from candela.desk.opening import refuse_unfit
from candela.desk.secrets import destroy_secret
from candela.errors import CandelaError

if TYPE_CHECKING:
    import psycopg

    from candela.clock import Clock
    from candela.desk.opening import Seen
    from candela.desk.session import TenantSession

__all__ = ["LAPSES_AFTER", "AskedKey", "doomed_keys", "found", "keys_to_ask", "not_answered",
           "refused"]  # fmt: skip

LAPSES_AFTER: Final = timedelta(minutes=10)
_DOOMED_FOR: Final = timedelta(hours=1)
_RETRY: Final = timedelta(seconds=15)

_TO_ASK: Final = """
SELECT s.tenant_id, s.secret_id AS key_id, s.venue, s.mode, s.asked_at, s.check_state AS state
FROM tenancy.secrets AS s
WHERE s.tenant_id = ANY(%(ids)s) AND s.try_at <= %(now)s AND s.sealed <> ''
ORDER BY s.try_at LIMIT 100
"""
# Only the answer to the question that was asked last counts.
_ASKED: Final = """
SELECT secret_id, replaces_id, label FROM tenancy.secrets
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s AND asked_at = %(asked)s AND sealed <> ''
FOR UPDATE
"""
_GOOD: Final = """
UPDATE tenancy.secrets SET
    check_state = 'good', check_reason = NULL, checked_at = %(at)s, try_at = NULL,
    rights = %(rights)s, totals = %(totals)s, replaces_id = NULL
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_REFUSED: Final = """
UPDATE tenancy.secrets SET
    check_state = 'refused', check_reason = %(reason)s, checked_at = %(at)s, try_at = NULL,
    rights = %(rights)s
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_LATER: Final = """
UPDATE tenancy.secrets SET check_reason = %(reason)s, try_at = %(next)s
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_IN_USE: Final = """
SELECT 1 FROM trading.accounts
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s AND state <> 'closed'
"""
_TAKE_OVER: Final = """
UPDATE trading.accounts SET
    secret_id = %(key)s,
    state = CASE WHEN state_reason LIKE 'credentials_dead%%' THEN 'active' ELSE state END,
    state_reason = CASE WHEN state_reason LIKE 'credentials_dead%%' THEN NULL ELSE state_reason END
WHERE tenant_id = %(tenant)s AND secret_id = %(old)s AND state <> 'closed'
RETURNING account_id
"""
_LABEL: Final = (
    "SELECT label FROM tenancy.secrets WHERE tenant_id = %(tenant)s AND secret_id = %(old)s"
)
_RELABEL: Final = """
UPDATE tenancy.secrets SET label = %(label)s
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_DOOMED: Final = """
SELECT s.tenant_id, s.secret_id FROM tenancy.secrets AS s
WHERE s.tenant_id = ANY(%(ids)s) AND s.doomed_at IS NOT NULL AND (
    s.doomed_at <= %(since)s OR NOT EXISTS (
        SELECT FROM trading.accounts AS a
        INNER JOIN trading.positions AS p USING (tenant_id, account_id)
        WHERE a.tenant_id = s.tenant_id AND a.secret_id = s.secret_id AND p.quantity > 0
    )
)
"""


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A key whose venue is to be asked about it.

    Parameters
    ----------
    asked_at
        When its owner asked; an answer to an older question is worth nothing.
    """

    tenant_id: UUID
    key_id: UUID
    venue: str
    mode: Literal["demo", "live"]
    asked_at: datetime
    state: str


def keys_to_ask(
    connection: psycopg.Connection[Any], tenants: Iterable[UUID], now: datetime
) -> list[AskedKey]:
    """Return the keys of tenants that are to be asked about now.

    Parameters
    ----------
    connection
        In a transaction that acts for these tenants.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_TO_ASK, {"ids": list(tenants), "now": now})
        return [AskedKey(**row) for row in cursor.fetchall()]


def found(session: TenantSession, key: AskedKey, seen: Seen, *, clock: Clock) -> str:
    """Write what a venue showed, and return the state that the key is in now.

    One that may withdraw or may not trade is refused, as one that the venue does not know.
    """
    try:
        refuse_unfit(seen.rights, key.venue)
    except CandelaError as error:
        return refused(session, key, error, clock=clock, rights=_rights(seen))
    session.lock()
    asked = _asked(session, key)
    if asked is None:
        return "gone"
    values = {
        "key": key.key_id,
        "at": clock.now(),
        "rights": Jsonb(_rights(seen)),
        "totals": Jsonb({ccy: str(total) for ccy, total in seen.totals.items()}),
    }
    session.run(_GOOD, values)
    if asked["replaces_id"] is not None:
        _take_over(session, key.key_id, asked["replaces_id"], clock)
    return "good"


def refused(
    session: TenantSession,
    key: AskedKey,
    error: CandelaError,
    *,
    clock: Clock,
    rights: Mapping[str, bool | None] | None = None,
) -> str:
    """Write why a key cannot be used. It is destroyed, unless an account trades with it.

    Of such an account the positions still have to be managed: its owner is told, and decides.
    """
    session.lock()
    if _asked(session, key) is None:
        return "gone"
    reason = f"{error.code}: {error.message}"
    values = {"key": key.key_id, "reason": reason, "at": clock.now(), "rights": Jsonb(rights)}
    session.run(_REFUSED, values)
    if session.row(_IN_USE, {"key": key.key_id}) is None:
        destroy_secret(session, key.key_id, reason=reason, clock=clock, state="refused")
    return "refused"


def not_answered(
    session: TenantSession, key: AskedKey, error: CandelaError, *, clock: Clock
) -> str:
    """Write that the venue gave no usable answer; after ten minutes a new key lapses."""
    session.lock()
    if _asked(session, key) is None:
        return "gone"
    reason, now = f"{error.code}: {error.message}", clock.now()
    is_over = now - key.asked_at >= LAPSES_AFTER
    if is_over and key.state == "checking":
        destroy_secret(session, key.key_id, reason=reason, clock=clock, state="lapsed")
        return "lapsed"
    values = {"key": key.key_id, "reason": reason, "next": None if is_over else now + _RETRY}
    session.run(_LATER, values)
    return key.state


def doomed_keys(
    connection: psycopg.Connection[Any], tenants: Iterable[UUID], now: datetime
) -> list[tuple[UUID, UUID]]:
    """Return the keys, with their tenants, of those who left, that nothing is held by any more."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_DOOMED, {"ids": list(tenants), "since": now - _DOOMED_FOR})
        return [(row["tenant_id"], row["secret_id"]) for row in cursor.fetchall()]


def _asked(session: TenantSession, key: AskedKey) -> dict[str, Any] | None:
    return session.row(_ASKED, {"key": key.key_id, "asked": key.asked_at})


def _take_over(session: TenantSession, key_id: UUID, old_id: UUID, clock: Clock) -> None:
    """Let the accounts of an older key trade with the new one, and destroy the older one."""
    before = session.row(_LABEL, {"old": old_id})
    moved = session.rows(_TAKE_OVER, {"key": key_id, "old": old_id})
    if destroy_secret(session, old_id, reason="replaced by its owner", clock=clock) and before:
        session.run(_RELABEL, {"key": key_id, "label": before["label"]})
    accounts = [str(row["account_id"]) for row in moved]
    session.announce(str(key_id), {"secret": str(key_id), "reopen": accounts})


def _rights(seen: Seen) -> dict[str, bool | None]:
    names = ("can_trade", "can_withdraw", "is_bound_to_address")
    return {name: getattr(seen.rights, name, None) for name in names}

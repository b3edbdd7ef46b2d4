"""What is done with keys: sealed, asked about, renewed, destroyed; each change in the audit log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.keys.schemas import KeyShown
from candela.audit.record import record
from candela.desk.keys import (
    KeyNotGood,
    add_exchange_key,
    add_untested,
    ask_again,
    key_of,
    remove_key,
)
from candela.desk.opening import KeyGiven
from candela.vault.credential import Credential
from candela.venues.known import require_venue

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pydantic import SecretStr

    from api.keys.schemas import (
        AdviserKeyGiven,
        BrokerKeyGiven,
        ExchangeKeyGiven,
        ExchangeKeyRenewed,
    )
    from candela.clock import Clock
    from candela.desk.secrets import Purpose
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "LONGEST_WAIT_S",
    "add_adviser",
    "add_broker",
    "add_exchange",
    "answered",
    "destroy_key",
    "renew_exchange",
    "retest_key",
]

LONGEST_WAIT_S: Final = 10
_LOOK_S: Final = 0.2
# Each who waits holds a thread of the pool that all handlers share.
_WAITING: Final = threading.BoundedSemaphore(8)


def add_exchange(
    session: TenantSession,
    caller: Caller,
    given: ExchangeKeyGiven,
    masters: MasterKeys,
    clock: Clock,
) -> KeyShown:
    """Seal a key of an exchange, and have an executor ask about it.

    Raises
    ------
    UnknownVenue
        Nobody trades there.
    PlanLimitReached, KeyTaken, KeyLabelTaken, TooManyKeys
        As of the desk.
    """
    require_venue(given.venue)
    with _parts(given) as parts:
        made = add_exchange_key(
            session,
            masters,
            parts,
            label=given.label,
            venue=given.venue,
            mode=given.mode,
            clock=clock,
        )
    detail = {"venue": given.venue, "mode": given.mode, "label": given.label}
    record(session, caller.actor, "key.add", "key", made.key_id, clock=clock, detail=detail)
    return KeyShown.of(made)


def renew_exchange(
    session: TenantSession,
    caller: Caller,
    key_id: UUID,
    given: ExchangeKeyRenewed,
    masters: MasterKeys,
    clock: Clock,
) -> KeyShown:
    """Seal a key that takes another one's place once its venue was asked.

    Raises
    ------
    UnknownKey
        There is none of that id.
    KeyNotGood
        A key that was refused has no place to be taken.
    PlanLimitReached, KeyTaken, KeyLabelTaken, TooManyKeys
        As of the desk.
    """
    before = key_of(session, key_id, "exchange")
    if before.venue is None or before.state in {"refused", "lapsed"}:
        message = f"The key {before.label} is {before.state}."
        raise KeyNotGood(message, "Add the new key by POST /keys/exchange.")
    with _parts(given) as parts:
        made = add_exchange_key(
            session,
            masters,
            parts,
            label=before.label,
            venue=before.venue,
            mode=before.mode or "live",
            clock=clock,
            replaces=before,
        )
    detail = {"replaces": str(key_id)}
    record(session, caller.actor, "key.renew", "key", made.key_id, clock=clock, detail=detail)
    return KeyShown.of(made)


def add_broker(
    session: TenantSession,
    caller: Caller,
    given: BrokerKeyGiven,
    masters: MasterKeys,
    clock: Clock,
) -> KeyShown:
    """Seal a login of a broker.

    Raises
    ------
    KeyLabelTaken, TooManyKeys
        As of the desk.
    """
    login, password = _credential(given.login), _credential(given.password)
    with login, password:
        made = add_untested(
            session,
            masters,
            {"login": login, "password": password},
            purpose="broker",
            label=given.label,
            venue=given.broker,
            shown=login,
            clock=clock,
        )
    detail = {"broker": given.broker, "label": given.label}
    record(session, caller.actor, "key.add", "key", made.key_id, clock=clock, detail=detail)
    return KeyShown.of(made)


def add_adviser(
    session: TenantSession,
    caller: Caller,
    given: AdviserKeyGiven,
    masters: MasterKeys,
    clock: Clock,
) -> KeyShown:
    """Seal a key of a provider of language models.

    Raises
    ------
    KeyLabelTaken, TooManyKeys
        As of the desk.
    """
    with _credential(given.api_key) as key:
        made = add_untested(
            session,
            masters,
            {"api_key": key},
            purpose="adviser",
            label=given.label,
            venue=given.provider,
            shown=key,
            clock=clock,
        )
    detail = {"provider": given.provider, "label": given.label}
    record(session, caller.actor, "key.add", "key", made.key_id, clock=clock, detail=detail)
    return KeyShown.of(made)


def retest_key(session: TenantSession, caller: Caller, key_id: UUID, clock: Clock) -> KeyShown:
    """Have an executor ask about a key once more.

    Raises
    ------
    UnknownKey, KeyNotGood
        There is none, or nothing is left of it.
    """
    found = ask_again(session, key_id, clock=clock)
    record(session, caller.actor, "key.test", "key", key_id, clock=clock)
    return KeyShown.of(found)


def destroy_key(
    session: TenantSession, caller: Caller, key_id: UUID, purpose: Purpose, clock: Clock
) -> None:
    """Destroy a key that no account trades with.

    Raises
    ------
    UnknownKey, KeyInUse
        There is none, or an account has it.
    """
    key_of(session, key_id, purpose)
    gone = remove_key(session, key_id, clock=clock)
    detail = {"label": gone.label, "venue": gone.venue}
    record(session, caller.actor, "key.delete", "key", key_id, clock=clock, detail=detail)


def answered(
    act: Callable[[], AbstractContextManager[TenantSession]], shown: KeyShown, wait_s: float
) -> KeyShown:
    """Wait until an executor has said what a key is worth; return it as it is then.

    Nobody waits longer than a few others: a thread is waited with, and no transaction is open.
    """
    if shown.kind != "exchange" or not _WAITING.acquire(blocking=False):
        return shown
    try:
        deadline = time.monotonic() + min(wait_s, LONGEST_WAIT_S)
        while time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            with act() as session:
                row = key_of(session, shown.key_id)
            if not row.is_asked:
                return KeyShown.of(row)
        return shown
    finally:
        _WAITING.release()


@contextmanager
def _parts(given: ExchangeKeyRenewed) -> Generator[KeyGiven]:
    """Give the parts of a key in memory, overwritten at the end of the block."""
    third = given.password
    with ExitStack() as stack:
        yield KeyGiven(
            stack.enter_context(_credential(given.api_key)),
            stack.enter_context(_credential(given.secret)),
            None if third is None else stack.enter_context(_credential(third)),
        )


def _credential(secret: SecretStr) -> Credential:
    return Credential(secret.get_secret_value())

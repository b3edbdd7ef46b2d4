"""Kill switches: of a bot, an account, a tenant or the whole platform, on until released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from candela.desk.accounts import account_named
from candela.desk.bots import bot_named
from candela.ids import new_id

if TYPE_CHECKING:
    import psycopg

    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "HaltRow",
    "active_halts",
    "kill",
    "kill_platform",
    "release",
    "release_platform",
]

_ACTIVE: Final = """
SELECT h.halt_id, h.scope, h.tenant_id, h.account_id, h.bot_id, h.flatten, h.reason, h.halted_by,
    h.halted_at, coalesce(a.name, b.name) AS name
FROM trading.halts AS h
LEFT JOIN trading.accounts AS a ON a.tenant_id = h.tenant_id AND a.account_id = h.account_id
LEFT JOIN trading.bots AS b ON b.tenant_id = h.tenant_id AND b.bot_id = h.bot_id
WHERE h.released_at IS NULL AND (h.tenant_id = %(tenant)s OR h.scope = 'platform')
ORDER BY h.halted_at
"""
_HALT: Final = """
INSERT INTO trading.halts
    (halt_id, scope, tenant_id, account_id, bot_id, flatten, reason, halted_by, halted_at)
VALUES
    (%(halt)s, %(scope)s, %(tenant)s, %(account)s, %(bot)s, %(flatten)s, %(reason)s, %(by)s,
     %(at)s)
"""
_FLATTEN: Final = "UPDATE trading.halts SET flatten = true WHERE halt_id = %(halt)s"
_RELEASE: Final = """
UPDATE trading.halts SET released_at = %(at)s, released_by = %(by)s
WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND released_at IS NULL
    AND account_id IS NOT DISTINCT FROM %(account)s AND bot_id IS NOT DISTINCT FROM %(bot)s
"""
_PLATFORM_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('platform halt', 0))"
_PLATFORM: Final = """
SELECT halt_id FROM trading.halts WHERE scope = 'platform' AND released_at IS NULL
"""
_RELEASE_PLATFORM: Final = """
UPDATE trading.halts SET released_at = %(at)s, released_by = %(by)s
WHERE scope = 'platform' AND released_at IS NULL
"""
_TELL: Final = "INSERT INTO live.outbox (stream, key, payload) VALUES ('wanted', 'halt', %s)"


@dataclass(frozen=True, slots=True)
class HaltRow:
    """A kill switch that is on.

    Parameters
    ----------
    flatten
        What is held in its scope is sold.
    name
        Of the account or bot.
    """

    halt_id: UUID
    scope: Literal["platform", "tenant", "account", "bot"]
    tenant_id: UUID | None
    account_id: UUID | None
    bot_id: UUID | None
    flatten: bool
    reason: str
    halted_by: str
    halted_at: datetime
    name: str | None

    @property
    def words(self) -> str:
        """What it halts, for a person."""
        fixed = {"platform": "the whole platform", "tenant": "all accounts"}
        return fixed.get(self.scope) or f"{self.scope} {self.name}"

    def covers(self, account_id: UUID, bot_id: UUID | None) -> bool:
        """Whether it holds for a bot, or with None for orders by hand, of an account."""
        if self.scope == "bot":
            return bot_id is not None and self.bot_id == bot_id
        return self.scope != "account" or self.account_id == account_id


def active_halts(session: TenantSession) -> list[HaltRow]:
    """Return what is on for the tenant, oldest first, the platform's included."""
    return [HaltRow(**row) for row in session.rows(_ACTIVE, {})]


def kill(
    session: TenantSession,
    *,
    by: str,
    reason: str,
    clock: Clock,
    account: str | None = None,
    bot: str | None = None,
    flatten: bool = False,
) -> HaltRow:
    """Enter nothing any more on a bot, an account, or with neither on all of the tenant's.

    A switch that is on stays as it is, but takes `flatten` on.

    Raises
    ------
    UnknownBot, UnknownAccount
        There is none of that name.
    """
    session.lock()
    values = _scope(session, account, bot)
    found = _same(session, values)
    if found is None:
        session.run(
            _HALT,
            values
            | {
                "halt": new_id(clock.now()),
                "flatten": flatten,
                "reason": reason,
                "by": by,
                "at": clock.now(),
            },
        )
    elif flatten and not found.flatten:
        session.run(_FLATTEN, {"halt": found.halt_id})
    session.announce("halt", {"scope": values["scope"]})
    made = _same(session, values)
    assert made is not None  # noqa: S101 - written above, in this transaction
    return made


def release(
    session: TenantSession,
    *,
    by: str,
    clock: Clock,
    account: str | None = None,
    bot: str | None = None,
) -> bool:
    """Release a kill switch; False where none was on.

    Raises
    ------
    UnknownBot, UnknownAccount
        There is none of that name.
    """
    session.lock()
    values = _scope(session, account, bot)
    touched = session.run(_RELEASE, values | {"by": by, "at": clock.now()})
    if touched:
        session.announce("halt", {"scope": values["scope"]})
    return touched > 0


def kill_platform(
    connection: psycopg.Connection[Any],
    *,
    by: str,
    reason: str,
    clock: Clock,
    flatten: bool = False,
) -> None:
    """Enter nothing any more for anybody.

    Parameters
    ----------
    connection
        As candela_executor: no door to the world may do this.
    """
    values: dict[str, Any] = dict.fromkeys(("tenant", "account", "bot"))
    with connection.transaction():
        connection.execute(_PLATFORM_LOCK)
        found = connection.execute(_PLATFORM).fetchone()
        if found is None:
            values |= {"halt": new_id(clock.now()), "scope": "platform", "flatten": flatten}
            values |= {"reason": reason, "by": by, "at": clock.now()}
            connection.execute(_HALT, values)
        elif flatten:
            connection.execute(_FLATTEN, {"halt": found[0]})
        connection.execute(_TELL, (Jsonb({"scope": "platform"}),))


def release_platform(connection: psycopg.Connection[Any], *, by: str, clock: Clock) -> bool:
    """Release the platform's kill switch; False where it was not on.

    Parameters
    ----------
    connection
        As candela_executor.
    """
    with connection.transaction():
        connection.execute(_PLATFORM_LOCK)
        done = connection.execute(_RELEASE_PLATFORM, {"at": clock.now(), "by": by}).rowcount
        if done:
            connection.execute(_TELL, (Jsonb({"scope": "platform"}),))
    return done > 0


def _scope(session: TenantSession, account: str | None, bot: str | None) -> dict[str, Any]:
    """Return the columns that say what is halted."""
    values: dict[str, Any] = {"account": None, "bot": None, "tenant": session.tenant_id}
    if bot is not None:
        return values | {"scope": "bot", "bot": bot_named(session, bot).bot_id}
    if account is not None:
        found = account_named(session, account)
        return values | {"scope": "account", "account": found.account_id}
    return values | {"scope": "tenant"}


def _same(session: TenantSession, values: dict[str, Any]) -> HaltRow | None:
    wanted = values["scope"], values["account"], values["bot"]
    for halt in active_halts(session):
        if (halt.scope, halt.account_id, halt.bot_id) == wanted:
            return halt
    return None

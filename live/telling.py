"""Telling people what executors did: trades that closed, bots that stand, keys that died."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.desk.session import act_for
from candela.errors import CandelaError
from candela.notify.inbox import notify
from candela.notify.telling import tell_tenant

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = ["Telling", "tell_news"]

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 15.0
_BATCH: Final = 500
# A fill may be booked long after the venue executed it; what an executor of before left untold is
# found by the first look.
_BACK: Final = timedelta(hours=1)
_FAR_BACK: Final = timedelta(days=1)
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"
_TENANTS: Final = """
SELECT tenant_id FROM tenancy.directory WHERE shard = ANY(%s) ORDER BY tenant_id
"""
_UNTOLD: Final[LiteralString] = """
NOT EXISTS (
    SELECT FROM notify.notifications AS n
    WHERE n.tenant_id = u.tenant_id AND n.user_id = u.user_id AND n.once_key =
"""
# Bets are told as trades are: both are rows of the same table.
_TRADES: Final[LiteralString] = f"""
SELECT t.tenant_id, u.user_id, 'trade:' || t.trade_id::text AS once, b.name AS bot, t.symbol,
    t.mode, t.pnl AS profit, a.quote_ccy AS currency
FROM trading.trades AS t
INNER JOIN trading.accounts AS a ON a.tenant_id = t.tenant_id AND a.account_id = t.account_id
LEFT JOIN trading.bots AS b ON b.tenant_id = t.tenant_id AND b.bot_id = t.bot_id
INNER JOIN tenancy.users AS u ON u.tenant_id = t.tenant_id AND u.is_active
WHERE t.tenant_id = ANY(%(ids)s) AND t.closed_at > %(since)s AND t.closed_at <= %(now)s
    AND t.pnl IS NOT NULL AND {_UNTOLD} 'trade:' || t.trade_id::text)
ORDER BY t.closed_at, t.trade_id
"""  # noqa: S608 - constants of this program
# A bot that its account took along is told of with the account's key, where that is the reason.
_STANDING: Final[LiteralString] = f"""
SELECT DISTINCT b.tenant_id, 'stands:' || b.bot_id::text || ':' || b.state_at::text AS once,
    b.name AS bot, coalesce(b.state_reason, b.state) AS reason
FROM trading.bots AS b
INNER JOIN tenancy.users AS u ON u.tenant_id = b.tenant_id AND u.is_active
WHERE b.tenant_id = ANY(%(ids)s) AND b.removed_at IS NULL AND b.wanted = 'running'
    AND b.state IN ('blocked', 'error') AND b.state_at > %(since)s
    AND coalesce(b.state_reason, '') NOT LIKE 'credentials_dead%%'
    AND {_UNTOLD} 'stands:' || b.bot_id::text || ':' || b.state_at::text)
"""  # noqa: S608 - constants of this program
# Breakers stay open until a person starts the bot anew: told once a start. What a kill switch sold
# is told once a day.
_HALTED: Final[LiteralString] = f"""
SELECT DISTINCT ON (k.once) k.tenant_id, k.once, k.bot, k.reason
FROM (
    SELECT l.tenant_id, b.name AS bot, l.message AS reason, l.logged_at,
        CASE l.event
            WHEN 'refused'
                THEN 'breaker:' || b.bot_id::text || ':' || (l.data ->> 'gate') || ':'
                    || b.wanted_at::text
            ELSE 'halted:' || b.bot_id::text || ':' || l.logged_at::date::text
        END AS once
    FROM trading.bot_logs AS l
    INNER JOIN trading.bots AS b ON b.tenant_id = l.tenant_id AND b.bot_id = l.bot_id
    WHERE l.tenant_id = ANY(%(ids)s) AND l.logged_at > %(since)s AND (
        l.event = 'halted' OR (
            l.event = 'refused' AND l.logged_at >= b.wanted_at
            AND l.data ->> 'gate' IN ('loss_streak', 'drawdown')
        )
    )
) AS k
INNER JOIN tenancy.users AS u ON u.tenant_id = k.tenant_id AND u.is_active
WHERE {_UNTOLD} k.once)
ORDER BY k.once, k.logged_at
"""  # noqa: S608 - constants of this program
_DEAD: Final[LiteralString] = f"""
SELECT DISTINCT a.tenant_id, 'dead:' || a.account_id::text || ':' || a.state_at::text AS once,
    a.venue, coalesce(s.label, a.name) AS label, a.state_reason AS reason
FROM trading.accounts AS a
LEFT JOIN tenancy.secrets AS s ON s.tenant_id = a.tenant_id AND s.secret_id = a.secret_id
INNER JOIN tenancy.users AS u ON u.tenant_id = a.tenant_id AND u.is_active
WHERE a.tenant_id = ANY(%(ids)s) AND a.state = 'blocked' AND a.state_at > %(since)s
    AND a.state_reason LIKE 'credentials_dead%%'
    AND {_UNTOLD} 'dead:' || a.account_id::text || ':' || a.state_at::text)
"""  # noqa: S608 - constants of this program
_QUERIES: Final[Sequence[tuple[str, LiteralString]]] = (
    ("trade_closed", _TRADES),
    ("bot_halted", _STANDING),
    ("bot_halted", _HALTED),
    ("key_refused", _DEAD),
)


class Telling:
    """Looks for news beside everything else, so that no order waits for it.

    Parameters
    ----------
    shards
        Gives those that the executor holds now.
    """

    def __init__(
        self, database: Database, clock: Clock, shards: Callable[[], Iterable[int]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._shards = shards
        self._known: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Go on until cancelled; a look that fails is made up by the next one."""
        while True:
            await asyncio.sleep(_EVERY_S)
            held = frozenset(self._shards())
            back = _BACK if held <= self._known else _FAR_BACK
            try:
                await asyncio.to_thread(tell_news, self._database, self._clock, held, back=back)
            except (CandelaError, psycopg.Error) as error:
                _LOG.warning("news are not told now: %s", type(error).__name__)
            else:
                self._known = held


def tell_news(
    database: Database, clock: Clock, shards: Iterable[int], *, back: timedelta = _FAR_BACK
) -> int:
    """Tell the people of shards what is not told yet; return how many lines there are.

    Parameters
    ----------
    back
        How long ago it may have happened; each thing is told once, however often this runs.
    """
    wanted = sorted(shards)
    if not wanted:
        return 0
    now, told = clock.now(), 0
    with database.connect(Role.EXECUTOR, autocommit=True) as connection:
        tenants = [row[0] for row in connection.execute(_TENANTS, (wanted,)).fetchall()]
        for first in range(0, len(tenants), _BATCH):
            found = _news(connection, tenants[first : first + _BATCH], now, back)
            for tenant_id, news in found.items():
                with act_for(connection, tenant_id) as session:
                    told += sum(_tell(session, kind, row, clock) for kind, row in news)
    return told


def _news(
    connection: psycopg.Connection[Any], tenants: list[UUID], now: datetime, back: timedelta
) -> dict[UUID, list[tuple[str, dict[str, Any]]]]:
    """Return what is not told, by tenant: the kind, and the row that says it."""
    found: dict[UUID, list[tuple[str, dict[str, Any]]]] = {}
    values = {"ids": tenants, "since": now - back, "now": now}
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_ACT, (",".join(map(str, tenants)),))
        for kind, query in _QUERIES:
            for row in cursor.execute(query, values).fetchall():
                found.setdefault(row.pop("tenant_id"), []).append((kind, row))
    return found


def _tell(session: TenantSession, kind: str, row: dict[str, Any], clock: Clock) -> int:
    once = str(row.pop("once"))
    if kind == "trade_closed":
        return int(notify(session, "trade_closed", clock=clock, once_key=once, **row))
    told = "bot_halted" if kind == "bot_halted" else "key_refused"
    return tell_tenant(session, told, clock=clock, once_key=once, **row)

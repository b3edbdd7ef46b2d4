"""How a bot stands: what is wanted, what is said, who is alive, and why it does what it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.desk.bots import BotRow
from candela.desk.halts import HaltRow, active_halts
from candela.desk.reads import (
    DecisionRow,
    OrderRow,
    PositionRow,
    decisions_of,
    orders_of,
    positions_of,
)
from candela.desk.users import zone_of
from candela.money import ZERO
from candela.risk.hours import day_bounds, trading_day

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["BotStatus", "Keeper", "status_of"]

# A heartbeat is due each 5 s; three in a row are missing.
_SILENT_AFTER: Final = timedelta(seconds=16)

_KEEPER: Final = """
SELECT s.owner, s.expires_at, e.seen_at
FROM live.shards AS s LEFT JOIN live.executors AS e ON e.executor = s.owner
WHERE s.kind = 'trade' AND s.shard = %(shard)s
"""
_TODAY: Final = """
SELECT coalesce(sum(t.pnl), 0) AS pnl, count(*) AS trades
FROM trading.trades AS t
WHERE t.tenant_id = %(tenant)s AND t.bot_id = %(bot)s
    AND t.closed_at >= %(since)s AND t.closed_at < %(until)s
"""
_BROKEN: Final = """
SELECT broken_reason FROM live.definitions
WHERE definition_id = %(definition)s AND broken_since IS NOT NULL
"""
_LAST_BAR: Final = """
SELECT max(s.bar_at) AS bar_at FROM live.signals AS s WHERE s.definition_id = %(definition)s
"""
# A bar is told within seconds of its close; this much later a person is told that it is not there.
_LATE_AFTER: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who works for the tenant.

    Parameters
    ----------
    executor
        None: nobody does.
    seen_at
        Its last heartbeat.
    is_alive
        Its lease has not run out, and its heartbeat is not late.
    """

    executor: str | None
    seen_at: datetime | None
    lease_until: datetime | None
    is_alive: bool


@dataclass(frozen=True, slots=True)
class BotStatus:
    """Everything that its owner asks first.

    Parameters
    ----------
    last_decision
        With its gates: why, or why not.
    pnl_today, trades_today
        Of trades that closed on the calendar day in the tenant's zone; quote, after fees.
    pnl_total
        Quote, over the life of the bot, after fees.
    broken
        Why its strategy is not evaluated any more.
    late_since
        When the bar closed that it waits for, where that one should have been there by now.
    """

    bot: BotRow
    keeper: Keeper
    halts: tuple[HaltRow, ...]
    last_decision: DecisionRow | None
    position: PositionRow | None
    open_orders: tuple[OrderRow, ...]
    pnl_today: Decimal
    trades_today: int
    pnl_total: Decimal
    zone: str
    broken: str | None
    late_since: datetime | None = None

    @property
    def words(self) -> str:
        """One sentence: whether it does what is wanted, and if not, why."""
        bot = self.bot
        if bot.wanted == "stopped":
            return "stopped" if not bot.is_active else f"stopping ({bot.state})"
        if not self.keeper.is_alive:
            return "shall run, and no executor is alive: start one with `candela live`"
        if self.halts:
            halt = self.halts[0]
            return f"runs, but enters nothing: kill switch of {halt.words} ({halt.reason})"
        if self.broken is not None:
            return f"its strategy failed: {self.broken}"
        if bot.state in {"blocked", "error"}:
            return f"{bot.state}: {bot.state_reason or 'no reason given'}"
        return self._waiting or (bot.state if bot.state != "stopped" else "starting")

    @property
    def _waiting(self) -> str | None:
        """That a decision is late, which is how an outage of a venue shows first."""
        bot = self.bot
        if self.late_since is None or bot.state != "running":
            return None
        return (
            f"running, but undecided on the bar that closed at {self.late_since:%H:%M:%S} UTC:"
            f" {bot.venue} did not give it, or its evaluation is late"
        )


def status_of(session: TenantSession, bot: BotRow, *, clock: Clock) -> BotStatus:
    """Return how a bot stands now."""
    now = clock.now()
    zone = zone_of(session)
    since, until = day_bounds(trading_day(now, zone), zone)
    today = session.row(_TODAY, {"bot": bot.bot_id, "since": since, "until": until})
    positions = positions_of(session, bot.bot_id, flat=True)
    broken = session.row(_BROKEN, {"definition": bot.definition_id})
    return BotStatus(
        bot=bot,
        keeper=_keeper(session, now),
        halts=tuple(one for one in active_halts(session) if one.covers(bot.account_id, bot.bot_id)),
        last_decision=next(iter(decisions_of(session, bot.bot_id, limit=1)), None),
        position=next((one for one in positions if one.quantity), None),
        open_orders=tuple(orders_of(session, bot.bot_id, only_open=True)),
        pnl_today=Decimal(today["pnl"]) if today else ZERO,
        trades_today=int(today["trades"]) if today else 0,
        pnl_total=sum((one.realised for one in positions), ZERO),
        zone=zone,
        broken=None if broken is None else str(broken["broken_reason"]),
        late_since=_late_since(session, bot, now),
    )


def _late_since(session: TenantSession, bot: BotRow, now: datetime) -> datetime | None:
    """Return the close of the bar that is awaited, where it is late."""
    row = session.row(_LAST_BAR, {"definition": bot.definition_id})
    if row is None or row["bar_at"] is None:
        return None
    last: datetime = row["bar_at"]
    due = last + 2 * bot.config.interval.delta
    return due if now - due > _LATE_AFTER else None


def _keeper(session: TenantSession, now: datetime) -> Keeper:
    row = session.row(_KEEPER, {"shard": session.shard})
    if row is None or row["owner"] is None or row["expires_at"] is None:
        return Keeper(None, None, None, is_alive=False)
    seen: datetime | None = row["seen_at"]
    is_seen = seen is not None and now - seen < _SILENT_AFTER
    is_alive = row["expires_at"] > now and is_seen
    return Keeper(row["owner"], seen, row["expires_at"], is_alive=is_alive)

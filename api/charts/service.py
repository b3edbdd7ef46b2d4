"""A bot's chart, as far back as its plan shows candles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.charts.repository import candles_before, fills_between
from api.charts.schemas import CandleOut, ChartOut, MarkerOut
from candela.desk.bots import bot_with_id
from candela.desk.users import subscription_of
from candela.plans import plan_named

if TYPE_CHECKING:
    from uuid import UUID

    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["chart"]

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def chart(
    session: TenantSession, bot_id: UUID, before: datetime | None, limit: int, *, clock: Clock
) -> ChartOut:
    """Return the last candles of a bot's series before an instant, with its fills on them.

    Raises
    ------
    UnknownBot
        There is no such bot.
    """
    bot = bot_with_id(session, bot_id)
    interval = bot.config.interval
    days = plan_named(subscription_of(session).plan).history_days
    rows = candles_before(
        session,
        {
            "venue": bot.config.venue,
            "symbol": bot.config.symbol,
            "seconds": interval.seconds,
            "since": _FIRST if days is None else clock.now() - timedelta(days=days),
            "before": before,
            "limit": limit,
        },
    )
    fills = (
        fills_between(session, bot_id, rows[0]["time"], rows[-1]["time"] + interval.delta)
        if rows
        else []
    )
    return ChartOut(
        instrument=bot.config.instrument,
        timeframe=str(interval),
        candles=[CandleOut(**row) for row in rows],
        markers=[MarkerOut(**row) for row in fills],
    )

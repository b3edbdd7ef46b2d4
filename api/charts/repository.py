"""The SQL of a bot's chart: stored candles of its series, and its fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["candles_before", "fills_between"]

# The newest are sought behind the index, then put in order.
_CANDLES: Final = """
SELECT c.time, c.open, c.high, c.low, c.close, c.volume
FROM market.candles AS c
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND c.timeframe_s = %(seconds)s
    AND c.time >= %(since)s AND (%(before)s::timestamptz IS NULL OR c.time < %(before)s)
ORDER BY c.time DESC LIMIT %(limit)s
"""
_FILLS: Final = """
SELECT executed_at AS at, side, price, quantity FROM trading.fills
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
    AND executed_at >= %(since)s AND executed_at < %(until)s
ORDER BY executed_at LIMIT 2000
"""


def candles_before(session: TenantSession, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the last candles of a series, oldest first.

    Parameters
    ----------
    values
        venue, symbol, seconds of the timeframe, since, before, limit.
    """
    return session.rows(_CANDLES, values)[::-1]


def fills_between(
    session: TenantSession, bot_id: UUID, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Return a bot's fills of a span, oldest first."""
    return session.rows(_FILLS, {"bot": bot_id, "since": since, "until": until})

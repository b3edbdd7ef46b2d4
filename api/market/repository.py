"""The SQL of market data: spans of candles, instruments and venues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from candela.candles.series import route

if TYPE_CHECKING:
    from datetime import datetime

    from candela.candles.series import Route
    from candela.desk.session import TenantSession
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["candles", "chosen", "covered_to", "quality", "symbols", "venues"]

_STORED: Final = """
SELECT time, open, high, low, close, volume FROM market.candles
WHERE instrument_id = %(id)s AND timeframe_s = %(source)s
    AND time >= %(since)s AND time < %(until)s
ORDER BY time
"""
_ROLLED_UP: Final = """
SELECT time, open, high, low, close, volume::double precision AS volume
FROM market.read_{relation}(%(id)s, %(source)s, %(since)s, %(until)s)
ORDER BY time
"""
_COMPUTED: Final = """
SELECT date_bin(make_interval(secs => %(seconds)s), time, to_timestamp(%(origin)s)) AS time,
    (array_agg(open ORDER BY time))[1] AS open, max(high) AS high, min(low) AS low,
    (array_agg(close ORDER BY time))[count(*)::integer] AS close,
    sum(volume::numeric)::double precision AS volume
FROM market.candles
WHERE instrument_id = %(id)s AND timeframe_s = %(source)s
    AND time >= %(since)s AND time < %(until)s
GROUP BY 1 ORDER BY 1
"""
_ROLLUPS: Final[dict[str, LiteralString]] = {
    "candles_5m": "candles_5m",
    "candles_15m": "candles_15m",
    "candles_1h": "candles_1h",
    "candles_4h": "candles_4h",
    "candles_1d": "candles_1d",
}
_COVERED: Final = """
SELECT max(to_at) AS at FROM market.batches
WHERE instrument_id = %(id)s AND timeframe_s = %(source)s
"""
_SYMBOLS: Final = """
SELECT i.venue || ':' || i.symbol AS instrument, i.venue, i.symbol, i.kind, i.base_ccy, i.quote_ccy,
    i.is_active, trim_scale(i.price_tick) AS price_tick, trim_scale(i.amount_step) AS amount_step,
    trim_scale(i.minimum_cost) AS minimum_cost,
    ARRAY(
        SELECT DISTINCT b.timeframe_s FROM market.batches AS b
        WHERE b.instrument_id = i.instrument_id ORDER BY 1
    ) AS stored
FROM market.instruments AS i
WHERE (%(venue)s::text IS NULL OR i.venue = %(venue)s)
    AND (%(quote)s::text IS NULL OR i.quote_ccy = %(quote)s)
    AND (%(active)s::boolean IS NULL OR i.is_active = %(active)s)
    AND (%(search)s::text IS NULL OR strpos(lower(i.symbol), lower(%(search)s)) > 0)
    AND (%(venue_behind)s::text IS NULL
         OR (i.venue, i.symbol) > (%(venue_behind)s, %(symbol_behind)s))
ORDER BY i.venue, i.symbol
LIMIT %(limit)s
"""
_VENUES: Final = """
SELECT v.venue, v.kind, v.source, v.refreshed_at, count(i.instrument_id) AS instruments
FROM market.venues AS v LEFT JOIN market.instruments AS i USING (venue)
GROUP BY v.venue ORDER BY v.venue
"""
_QUALITY: Final = """
SELECT q.instrument, q.timeframe_s, q.rows_read, q.rows_new, q.rows_changed, q.rows_refused,
    q.rows_flagged, q.missing_not_fetched, q.missing_no_trades, q.missing_source_hole,
    q.missing_outage, q.missing_closed
FROM market.data_quality AS q WHERE q.instrument = %(instrument)s ORDER BY q.timeframe_s
"""


def chosen(session: TenantSession, instrument: Instrument, timeframe: Timeframe) -> Route:
    """Return what answers for an instrument and a timeframe.

    Raises
    ------
    NoSuchInstrument, NoSuchSeries
        Nothing stored answers.
    """
    return route(session.connection, instrument, timeframe)


def covered_to(session: TenantSession, found: Route) -> datetime | None:
    """Return until when the source answers; what begins later is not known yet."""
    row = session.row(_COVERED, _series(found))
    return None if row is None else row["at"]


def candles(
    session: TenantSession, found: Route, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Return the candles that begin in a span of whole candles, oldest first."""
    values = _series(found) | {
        "since": since,
        "until": until,
        "seconds": found.timeframe.seconds,
        "origin": found.timeframe.origin_s,
    }
    if found.relation == "candles":
        return session.rows(_STORED, values)
    if found.relation is not None:
        query = _ROLLED_UP.replace("{relation}", _ROLLUPS[found.relation])
        return session.rows(query, values)
    return session.rows(_COMPUTED, values)


def symbols(session: TenantSession, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return instruments by the names of venue and symbol."""
    return session.rows(_SYMBOLS, values)


def venues(session: TenantSession) -> list[dict[str, Any]]:
    """Return all venues with the number of their instruments."""
    return session.rows(_VENUES, {})


def quality(session: TenantSession, instrument: Instrument) -> list[dict[str, Any]]:
    """Return what became of the rows of each series of an instrument."""
    return session.rows(_QUALITY, {"instrument": str(instrument)})


def _series(found: Route) -> dict[str, Any]:
    return {"id": found.series.instrument_id, "source": found.series.timeframe.seconds}

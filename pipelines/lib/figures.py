"""Figures of stored partitions: rows, refusals and gaps by month, read from the database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Final, cast

from candela.market.candle import Flag
from pipelines.lib.partitions import month_of

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from pipelines.lib.partitions import Span

__all__ = ["MonthFigures", "Refusal", "month_figures", "open_refusals"]

_ROWS: Final = """
SELECT date_trunc('month', c.time), count(*), min(c.time), max(c.time),
    count(*) FILTER (WHERE c.flags <> 0)
FROM market.candles AS c
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND c.timeframe_s = %(timeframe)s
  AND c.time >= %(start)s AND c.time < %(end)s
GROUP BY 1
"""
_FLAGS: Final = """
SELECT date_trunc('month', c.time), c.flags, count(*)
FROM market.candles AS c
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND c.timeframe_s = %(timeframe)s
  AND c.time >= %(start)s AND c.time < %(end)s AND c.flags <> 0
GROUP BY 1, 2
"""
_GAPS: Final = """
SELECT g.from_at, g.to_at, g.candles_missing, g.reason
FROM market.gaps AS g
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND g.timeframe_s = %(timeframe)s
  AND g.from_at >= %(start)s AND g.from_at < %(end)s
ORDER BY g.from_at
"""
# A refusal is settled once the same source brought other bytes for that time. A row without a
# readable time may have been of any month that its source answers for.
_REFUSALS: Final = """
SELECT q.time, q.check_name, q.row_number, q.line_number, q.value, q.message, q.source
FROM market.quarantine AS q
WHERE (
    q.instrument = %(instrument)s AND (q.timeframe_s = %(timeframe)s OR q.timeframe_s IS NULL)
    AND ((q.time >= %(start)s AND q.time < %(end)s) OR q.time IS NULL)
    OR q.instrument IS NULL AND q.source = ANY(%(sources)s)
)
AND NOT EXISTS (
    SELECT 1 FROM market.batches AS b
    INNER JOIN market.instruments AS i USING (instrument_id)
    WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND b.timeframe_s = %(timeframe)s
      AND b.source = q.source AND b.source_digest <> q.source_digest AND b.known_at > q.refused_at
      AND (q.time IS NULL OR (b.from_at <= q.time AND b.to_at > q.time))
)
ORDER BY q.quarantine_id
LIMIT %(limit)s
"""
_MOST_REFUSALS: Final = 50_000


@dataclass(slots=True)
class MonthFigures:
    """What is stored of one series and month."""

    rows: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    flagged: int = 0
    flags: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    gaps: list[tuple[datetime, datetime, int, str]] = field(
        default_factory=list["tuple[datetime, datetime, int, str]"]
    )

    @property
    def missing(self) -> int:
        """How many candles are absent."""
        return sum(gap[2] for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of the quarantine that still stands."""

    time: datetime | None
    check: str
    row: int
    line: int | None
    value: str
    message: str
    source: str


def _values(span: Span) -> dict[str, object]:
    instrument = span.series.instrument
    return {
        "instrument": str(instrument),
        "venue": instrument.venue,
        "symbol": instrument.symbol,
        "timeframe": span.series.timeframe.seconds,
        "start": span.start,
        "end": span.end,
    }


def open_refusals(
    connection: psycopg.Connection, span: Span, sources: tuple[str, ...] = ()
) -> list[Refusal]:
    """Return the refused rows of a span, and those of its sources that tell no time.

    Parameters
    ----------
    sources
        Names of the files that feed the span: what was refused of a file as a whole names no
        series.
    """
    rows = connection.execute(
        _REFUSALS, _values(span) | {"sources": list(sources), "limit": _MOST_REFUSALS}
    ).fetchall()
    return [
        Refusal(*cast("tuple[datetime | None, str, int, int | None, str, str, str]", row))
        for row in rows
    ]


def month_figures(
    connection: psycopg.Connection, span: Span, sources: tuple[str, ...] = ()
) -> dict[datetime, MonthFigures]:
    """Return the figures of each month of a span, empty ones included."""
    figures = {month: MonthFigures() for month in span.months}
    for row in connection.execute(_ROWS, _values(span)).fetchall():
        month, rows, first, last, flagged = cast(
            "tuple[datetime, int, datetime, datetime, int]", row
        )
        one = figures[month.astimezone(UTC)]
        one.rows, one.first_at, one.last_at, one.flagged = rows, first, last, flagged
    for row in connection.execute(_FLAGS, _values(span)).fetchall():
        month, bits, count = cast("tuple[datetime, int, int]", row)
        for flag in Flag(bits):
            figures[month.astimezone(UTC)].flags[str(flag.name).lower()] += count
    for row in connection.execute(_GAPS, _values(span)).fetchall():
        gap = cast("tuple[datetime, datetime, int, str]", row)
        figures[month_of(gap[0])].gaps.append(gap)
    for refusal in open_refusals(connection, span, sources):
        months = span.months if refusal.time is None else (month_of(refusal.time),)
        for month in months:
            figures[month].refused[refusal.check] += 1
    return figures

"""Fetch cursors: how far a fetch has come, moved only with the candles that it brought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final, cast

from candela.candles.series import Series

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["Cursor", "is_answered", "open_cursor", "stored_around", "unanswered"]

_START: Final = """
INSERT INTO market.fetch_cursors AS c
    (instrument_id, timeframe_s, since_at, until_at, next_at)
VALUES (%(instrument)s, %(timeframe)s, %(since)s, %(until)s, %(since)s)
ON CONFLICT (instrument_id, timeframe_s, since_at, until_at) DO UPDATE SET
    next_at = CASE WHEN %(again)s THEN excluded.next_at ELSE c.next_at END,
    pages = CASE WHEN %(again)s THEN 0 ELSE c.pages END,
    updated_at = now()
RETURNING next_at
"""
_ADVANCE: Final = """
UPDATE market.fetch_cursors
SET next_at = greatest(next_at, %(next)s), pages = pages + 1, updated_at = now()
WHERE instrument_id = %(instrument)s AND timeframe_s = %(timeframe)s
  AND since_at = %(since)s AND until_at = %(until)s
RETURNING next_at
"""
_DROP: Final = """
DELETE FROM market.fetch_cursors
WHERE instrument_id = %(instrument)s AND timeframe_s = %(timeframe)s
  AND since_at = %(since)s AND until_at = %(until)s
"""
# Files do not count: what a file lacks says nothing of what the venue has.
_UNANSWERED: Final = """
SELECT lower(part.span), upper(part.span)
FROM (
    SELECT unnest(
        tstzmultirange(tstzrange(%(since)s, %(until)s))
        - coalesce(range_agg(tstzrange(b.from_at, b.to_at)), '{}'::tstzmultirange)
    ) AS span
    FROM market.batches AS b
    WHERE b.instrument_id = %(instrument)s AND b.timeframe_s = %(timeframe)s
      AND b.kind IN ('fetch', 'repair', 'live')
      AND b.from_at < %(until)s AND b.to_at > %(since)s
) AS part
ORDER BY 1
"""
_BEFORE: Final = """
SELECT c.time, c.open, c.high, c.low, c.close, c.volume
FROM market.candles AS c
WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s AND c.time < %(at)s
ORDER BY c.time DESC LIMIT %(limit)s
"""
_AFTER: Final = """
SELECT c.time, c.open, c.high, c.low, c.close, c.volume
FROM market.candles AS c
WHERE c.instrument_id = %(instrument)s AND c.timeframe_s = %(timeframe)s AND c.time >= %(at)s
ORDER BY c.time LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of one fetch of a span; everything before `next_at` has been asked and stored."""

    series: Series
    since: datetime
    until: datetime
    next_at: datetime

    @property
    def _key(self) -> dict[str, object]:
        return {
            "instrument": self.series.instrument_id,
            "timeframe": self.series.timeframe.seconds,
            "since": self.since,
            "until": self.until,
        }

    def advance(self, cursor: psycopg.Cursor, next_at: datetime) -> datetime:
        """Move on in the caller's transaction; another fetch of the span may be further already.

        Returns
        -------
        datetime
            How far the two of them are.
        """
        row = cursor.execute(_ADVANCE, {**self._key, "next": next_at}).fetchone()
        # Another fetch of the same span may have finished and put its cursor away.
        return next_at if row is None else cast("datetime", row[0]).astimezone(UTC)

    def drop(self, connection: psycopg.Connection) -> None:
        """Put the cursor away: the batches themselves tell what was answered."""
        with connection.transaction():
            connection.execute(_DROP, self._key)


def open_cursor(
    connection: psycopg.Connection,
    series: Series,
    since: datetime,
    until: datetime,
    *,
    again: bool = False,
) -> Cursor:
    """Return where a fetch of the span goes on; at its start if it is new or to be done again."""
    values = {
        "instrument": series.instrument_id,
        "timeframe": series.timeframe.seconds,
        "since": since,
        "until": until,
        "again": again,
    }
    with connection.transaction():
        row = connection.execute(_START, values).fetchone()
    assert row is not None  # noqa: S101 - RETURNING always gives the row
    return Cursor(series, since, until, cast("datetime", row[0]).astimezone(UTC))


def unanswered(
    connection: psycopg.Connection, series: Series, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the parts of a span that the venue has not answered for yet, oldest first."""
    if not since < until:
        return []
    values = {
        "instrument": series.instrument_id,
        "timeframe": series.timeframe.seconds,
        "since": since,
        "until": until,
    }
    with connection.transaction():
        rows = connection.execute(_UNANSWERED, values).fetchall()
    return [(start.astimezone(UTC), end.astimezone(UTC)) for start, end in rows]


def is_answered(
    connection: psycopg.Connection,
    instrument: Instrument,
    timeframe: Timeframe,
    since: datetime,
    until: datetime,
) -> bool:
    """Whether the venue has answered for the whole span."""
    with connection.transaction():
        row = connection.execute(
            "SELECT instrument_id FROM market.instruments WHERE venue = %s AND symbol = %s",
            (instrument.venue, instrument.symbol),
        ).fetchone()
    if row is None:
        return False
    series = Series(instrument, cast("int", row[0]), timeframe)
    return not unanswered(connection, series, since, until)


def stored_around(
    connection: psycopg.Connection, series: Series, at: datetime, limit: int, *, before: bool
) -> list[tuple[object, ...]]:
    """Return up to so many stored candles before an instant, or from it on, oldest first.

    Each is (time, open, high, low, close, volume).
    """
    values = {
        "instrument": series.instrument_id,
        "timeframe": series.timeframe.seconds,
        "at": at,
        "limit": limit,
    }
    with connection.transaction():
        rows = connection.execute(_BEFORE if before else _AFTER, values).fetchall()
    return rows[::-1] if before else rows

"""Candle sources: which files and venues feed which series, so that they can be kept complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from candela.errors import NotFound
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.candles.store import CandleStore

__all__ = ["CandleSource", "NoSuchSource", "add_source", "list_sources", "stop_source"]


class NoSuchSource(NotFound):
    """No source has that number."""

    code = "no_such_source"


@dataclass(frozen=True, slots=True)
class CandleSource:
    """A file or venue that feeds one series from ``since_at`` on.

    Parameters
    ----------
    location
        The file's path, or the ccxt id of the venue.
    until_at
        End of what a file can give; None for a venue, which goes on.
    """

    source_id: int
    instrument: Instrument
    timeframe: Timeframe
    kind: Literal["file", "exchange"]
    location: str
    since_at: datetime
    until_at: datetime | None
    is_active: bool


_LIST: Final = """
SELECT s.source_id, i.venue, i.symbol, s.timeframe_s, s.kind, s.location, s.since_at, s.until_at,
    s.is_active
FROM market.candle_sources AS s
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE s.is_active OR %s
ORDER BY i.venue, i.symbol, s.timeframe_s, s.source_id
"""
_ADD: Final = """
INSERT INTO market.candle_sources AS s
    (instrument_id, timeframe_s, kind, location, since_at, until_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (instrument_id, timeframe_s, kind, location) DO UPDATE SET
    since_at = least(s.since_at, excluded.since_at), until_at = excluded.until_at,
    is_active = true
RETURNING source_id
"""


def list_sources(connection: psycopg.Connection, *, stopped: bool = False) -> list[CandleSource]:
    """Return the active sources, with ``stopped`` also those that were stopped."""
    return [
        CandleSource(
            source_id=cast("int", row[0]),
            instrument=Instrument(cast("str", row[1]), cast("str", row[2])),
            timeframe=Timeframe(cast("int", row[3])),
            kind=cast('Literal["file", "exchange"]', row[4]),
            location=cast("str", row[5]),
            since_at=cast("datetime", row[6]),
            until_at=cast("datetime | None", row[7]),
            is_active=cast("bool", row[8]),
        )
        for row in connection.execute(_LIST, (stopped,)).fetchall()
    ]


def add_source(
    connection: psycopg.Connection,
    store: CandleStore,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    kind: Literal["file", "exchange"],
    location: str,
    since_at: datetime,
    until_at: datetime | None = None,
) -> int:
    """Register a source, or reach further back with one that is there; return its number."""
    instrument_id = store.ensure_instrument(instrument, venue_kind=kind)
    row = connection.execute(
        _ADD, (instrument_id, timeframe.seconds, kind, location, since_at, until_at)
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING always gives the row
    return cast("int", row[0])


def stop_source(connection: psycopg.Connection, source_id: int) -> None:
    """Stop feeding from a source; its candles stay.

    Raises
    ------
    NoSuchSource
        No source has that number.
    """
    stopped = connection.execute(
        "UPDATE market.candle_sources SET is_active = false WHERE source_id = %s", (source_id,)
    ).rowcount
    if not stopped:
        raise NoSuchSource(f"No source {source_id}.", "`candela sources list` shows them.")

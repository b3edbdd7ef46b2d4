"""Files as candle sources: which series a file gives, and from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.candles.sources import add_source
from candela.candles.store import CandleStore
from candela.files.slices import read_slices

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import psycopg

    from candela.clock import Clock
    from candela.files.options import ReadOptions
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["add_file", "series_of_file"]


def series_of_file(
    path: Path, options: ReadOptions, clock: Clock
) -> dict[tuple[Instrument, Timeframe], tuple[datetime, datetime]]:
    """Return for each series of a file the span [first candle, end of the last accepted).

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken.
    """
    spans: dict[tuple[Instrument, Timeframe], tuple[datetime, datetime]] = {}
    with read_slices(path, options, clock) as slices:
        for part in slices:
            if part.accepted.height == 0:
                continue
            key = (part.instrument, part.timeframe)
            first = part.accepted["time"][0]
            end = part.accepted["time"][-1] + part.timeframe.delta
            known = spans.get(key)
            spans[key] = (min(first, known[0]), max(end, known[1])) if known else (first, end)
    return spans


def add_file(
    connection: psycopg.Connection, path: Path, options: ReadOptions, *, clock: Clock
) -> list[tuple[Instrument, Timeframe, int]]:
    """Register a file as the source of every series in it; return them with their numbers.

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken.
    """
    store = CandleStore(connection, clock)
    return [
        (
            instrument,
            timeframe,
            add_source(
                connection,
                store,
                instrument,
                timeframe,
                kind="file",
                location=str(path.resolve()),
                since_at=first,
                until_at=end,
            ),
        )
        for (instrument, timeframe), (first, end) in series_of_file(path, options, clock).items()
    ]

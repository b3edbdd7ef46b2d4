"""Series: which candles of an instrument are stored, and which of them answer a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from candela.errors import NotFound
from candela.market.timeframe import ROLLUPS, Timeframe

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.market.instrument import Instrument

__all__ = ["NoSuchInstrument", "NoSuchSeries", "Route", "Series", "find_series", "route"]


class NoSuchInstrument(NotFound):
    """No instrument of that name is known to the database."""

    code = "no_such_instrument"


class NoSuchSeries(NotFound):
    """No stored candles of the instrument answer the timeframe."""

    code = "no_such_series"


@dataclass(frozen=True, slots=True)
class Series:
    """The stored candles of one instrument and timeframe."""

    instrument: Instrument
    instrument_id: int
    timeframe: Timeframe


@dataclass(frozen=True, slots=True)
class Route:
    """How a request is answered: from which stored series, and through which relation.

    Parameters
    ----------
    relation
        A relation of schema market that already has the timeframe asked for; None where the
        candles must be rolled up on the way.
    """

    series: Series
    timeframe: Timeframe
    relation: str | None


_STORED: Final = """
SELECT i.instrument_id, t.timeframe_s
FROM market.instruments AS i
LEFT JOIN LATERAL (
    SELECT DISTINCT b.timeframe_s FROM market.batches AS b
    WHERE b.instrument_id = i.instrument_id
      AND (%(as_of)s::timestamptz IS NULL OR b.known_at <= %(as_of)s)
) AS t ON true
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s
ORDER BY t.timeframe_s
"""


def find_series(
    connection: psycopg.Connection, instrument: Instrument, as_of: datetime | None = None
) -> list[Series]:
    """Return the instrument's series, finest first: those stored, or those known as of then.

    Raises
    ------
    NoSuchInstrument
        The name is unknown; the hint lists near ones.
    """
    values = {"venue": instrument.venue, "symbol": instrument.symbol, "as_of": as_of}
    rows = connection.execute(_STORED, values).fetchall()
    if not rows:
        raise NoSuchInstrument(
            f"No instrument {instrument} is known.", _near(connection, instrument)
        )
    return [
        Series(instrument, cast("int", instrument_id), Timeframe(cast("int", seconds)))
        for instrument_id, seconds in rows
        if seconds is not None
    ]


def _near(connection: psycopg.Connection, instrument: Instrument) -> str:
    names = connection.execute(
        "SELECT i.venue || ':' || i.symbol FROM market.instruments AS i"
        " WHERE lower(i.symbol) = lower(%s) OR i.venue = %s"
        " ORDER BY lower(i.symbol) = lower(%s) DESC, i.symbol LIMIT 5",
        (instrument.symbol, instrument.venue, instrument.symbol),
    ).fetchall()
    if not names:
        return "Import a file or fetch candles first; `candela status` lists what is stored."
    return "Known are " + ", ".join(str(name) for (name,) in names) + "."


def route(
    connection: psycopg.Connection,
    instrument: Instrument,
    timeframe: Timeframe,
    as_of: datetime | None = None,
) -> Route:
    """Choose what answers a request: candles stored as such, else a rollup of the finest.

    As of an instant only series of then are chosen from, so that one which came later does not
    change the answer; where none answers, any of now does, with no candles.

    Raises
    ------
    NoSuchInstrument
        The name is unknown.
    NoSuchSeries
        Nothing stored fills candles of that timeframe.
    """
    stored = find_series(connection, instrument)
    then = stored if as_of is None else find_series(connection, instrument, as_of)
    chosen = _choose(then, timeframe) or _choose(stored, timeframe)
    if chosen is not None:
        return chosen
    have = ", ".join(str(series.timeframe) for series in stored)
    message = f"No stored candles of {instrument} give {timeframe}."
    hint = f"Stored: {have}." if have else "None are stored yet: import a file or fetch first."
    raise NoSuchSeries(message, hint)


def _choose(stored: list[Series], timeframe: Timeframe) -> Route | None:
    for series in stored:
        if series.timeframe == timeframe:
            return Route(series, timeframe, "candles")
    for series in stored:
        if series.timeframe.seconds < timeframe.seconds and series.timeframe.divides(timeframe):
            relation = f"candles_{timeframe}" if timeframe in ROLLUPS else None
            return Route(series, timeframe, relation)
    return None

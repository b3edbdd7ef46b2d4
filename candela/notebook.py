"""The analyst's door: open Candela in a notebook and read candles as polars frames or by SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import polars as pl
from psycopg import sql

from candela.candles.arrow import ArrowSession
from candela.candles.duck import CandleSQL
from candela.candles.funding import read_funding_rates
from candela.candles.read import Candles, read_candles
from candela.candles.series import find_series
from candela.candles.spans import When, instant
from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.settings import Settings

__all__ = ["Candela", "open_candela"]

_SERIES = """
SELECT i.venue || ':' || i.symbol AS instrument, b.timeframe_s, min(b.from_at) AS from_at,
    max(b.to_at) AS to_at, sum(b.rows_new)::bigint AS candles,
    sum(b.rows_changed)::bigint AS revised, sum(b.rows_refused)::bigint AS refused,
    sum(b.rows_flagged)::bigint AS flagged
FROM market.batches AS b INNER JOIN market.instruments AS i USING (instrument_id)
GROUP BY 1, 2 ORDER BY 1, 2
"""
_QUARANTINE = """
SELECT source, row_number, line_number, check_name, column_name, value, message, instrument, time
FROM market.quarantine ORDER BY quarantine_id
"""
_GAPS = sql.SQL(
    "SELECT from_at, to_at, candles_missing, reason FROM market.gaps"
    " WHERE instrument_id = {instrument} AND timeframe_s = {timeframe} ORDER BY from_at"
)


class Candela:
    """Candles for analysis: read only, with the rights of the analyst role."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def candles(
        self,
        instrument: Instrument | str,
        timeframe: Timeframe | str,
        since: When | None = None,
        until: When | None = None,
        *,
        as_of: When | None = None,
    ) -> Candles:
        """Read candles whose start lies in [since, until), now or as known at ``as_of``.

        Instants may be datetimes, dates or ISO 8601 texts; without a zone they are UTC. See
        `candela.candles.read.read_candles`.
        """
        return read_candles(
            self.database,
            Instrument.parse(instrument) if isinstance(instrument, str) else instrument,
            Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe,
            instant(since),
            instant(until),
            as_of=instant(as_of),
        )

    def series(self) -> pl.DataFrame:
        """Return what is stored, a row for each instrument and timeframe."""
        return self._frame(_SERIES).with_columns(
            timeframe=pl.col("timeframe_s").map_elements(
                lambda seconds: str(Timeframe(cast("int", seconds))), return_dtype=pl.String
            )
        )

    def gaps(self, instrument: Instrument | str, timeframe: Timeframe | str) -> pl.DataFrame:
        """Return the recorded gaps of a series with their reasons, oldest first."""
        if isinstance(instrument, str):
            instrument = Instrument.parse(instrument)
        if isinstance(timeframe, str):
            timeframe = Timeframe.parse(timeframe)
        with self.database.connect(Role.ANALYST, autocommit=True) as connection:
            series = find_series(connection, instrument)
        if not series:
            return self._frame(_GAPS.format(instrument=0, timeframe=0).as_string())
        return self._frame(
            _GAPS.format(
                instrument=sql.Literal(series[0].instrument_id),
                timeframe=sql.Literal(timeframe.seconds),
            ).as_string()
        )

    def funding(self, instrument: Instrument | str) -> pl.DataFrame:
        """Return the funding rates of a perpetual, oldest first; positive: longs pay shorts."""
        if isinstance(instrument, str):
            instrument = Instrument.parse(instrument)
        return read_funding_rates(self.database, instrument)

    def quarantine(self) -> pl.DataFrame:
        """Return every refused row with its source, row, line, check and value."""
        return self._frame(_QUARANTINE)

    def sql(self) -> CandleSQL:
        """Return an in-memory DuckDB into which candles are read as tables."""
        return CandleSQL(self.database)

    def _frame(self, query: str) -> pl.DataFrame:
        with ArrowSession(self.database.url(Role.ANALYST)) as session:
            return session.frame(query)


def open_candela(settings: Settings | None = None) -> Candela:
    """Open Candela as the settings say; the embedded servers are started if they do not run."""
    from candela.embedded import open_places
    from candela.settings import load_settings

    return Candela(open_places(settings or load_settings()).database)

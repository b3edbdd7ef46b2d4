"""SQL over candles in DuckDB: reads become tables of an in-memory database, without a copy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from candela.candles.read import Candles, read_candles
from candela.errors import DataError
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from candela.db.connect import Database

__all__ = ["BadTableName", "CandleSQL"]

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class BadTableName(DataError):
    """The text cannot name a table."""

    code = "bad_table_name"


class CandleSQL:
    """An in-memory DuckDB whose tables are candles that were read.

    Examples
    --------
    >>> lab = CandleSQL(database)  # doctest: +SKIP
    >>> lab.table("btc", "bitvavo:BTC/EUR", "1h")  # doctest: +SKIP
    >>> lab.sql(
    ...     "SELECT date_trunc('day', time), max(high) FROM btc GROUP BY 1"
    ... ).pl()  # doctest: +SKIP
    """

    def __init__(self, database: Database) -> None:
        import duckdb

        self._database = database
        # Nothing may be installed or loaded at run time: the tables are frames in memory.
        self._duck = duckdb.connect(
            ":memory:",
            config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"},
        )

    def table(
        self,
        name: str,
        instrument: Instrument | str,
        timeframe: Timeframe | str,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        as_of: datetime | None = None,
    ) -> Candles:
        """Read candles and give them a name for SQL; the same name again replaces them.

        Raises
        ------
        BadTableName
            The name is not lower-case letters, digits and underscores.
        """
        if not _NAME.fullmatch(name):
            message = f"{name!r} cannot name a table."
            raise BadTableName(message, "Use lower-case letters, digits and underscores.")
        if isinstance(instrument, str):
            instrument = Instrument.parse(instrument)
        if isinstance(timeframe, str):
            timeframe = Timeframe.parse(timeframe)
        candles = read_candles(self._database, instrument, timeframe, since, until, as_of=as_of)
        self._duck.register(name, candles.frame)
        return candles

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Run SQL over the named tables; ``.pl()`` of the result is a polars frame."""
        return self._duck.sql(query)

    def close(self) -> None:
        """Let go of the tables."""
        self._duck.close()

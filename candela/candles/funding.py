"""Stored funding rates of perpetuals: imported from files, read as a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from candela.candles.arrow import ArrowSession
from candela.candles.quarantine import quarantine
from candela.candles.series import find_series
from candela.candles.store import CandleStore, Source
from candela.db.connect import Role
from candela.market.instrument import Instrument

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["FundingReport", "import_funding", "read_funding_rates"]

_STAGE: Final = """
CREATE TEMPORARY TABLE funding_stage (
    instrument_id integer NOT NULL, time timestamptz NOT NULL, funding_rate float8 NOT NULL
) ON COMMIT DROP
"""
_UPSERT: Final = """
INSERT INTO market.funding_rates AS f
    (instrument_id, time, funding_rate, source, source_digest, known_at)
SELECT s.instrument_id, s.time, s.funding_rate, %s, %s, %s FROM funding_stage AS s
ON CONFLICT (instrument_id, time) DO UPDATE SET
    funding_rate = excluded.funding_rate, source = excluded.source,
    source_digest = excluded.source_digest, known_at = excluded.known_at
WHERE f.funding_rate IS DISTINCT FROM excluded.funding_rate
"""


@dataclass(frozen=True, slots=True)
class FundingReport:
    """What an import of funding rates did; counts are settlements.

    Every row of the file is written, unchanged (it was stored before) or refused.
    """

    path: str
    rows: int
    written: int
    refused: int
    instruments: tuple[str, ...]

    @property
    def unchanged(self) -> int:
        """Settlements that were stored before with the same rate."""
        return self.rows - self.written - self.refused


def import_funding(
    connection: psycopg.Connection, path: Path, *, clock: Clock, run_id: str | None = None
) -> FundingReport:
    """Import a file of funding rates in one transaction; again, it writes only what differs.

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken.
    """
    from candela.files.funding import read_funding

    funding = read_funding(path, clock)
    store = CandleStore(connection, clock)
    names = funding.frame.select("exchange", "symbol").unique().sort("exchange", "symbol").rows()
    ids = {
        (venue, symbol): store.ensure_instrument(
            Instrument(venue, symbol), venue_kind="exchange", kind="perpetual"
        )
        for venue, symbol in names
    }
    source = Source("file", path.name, funding.digest, run_id)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy("COPY funding_stage FROM STDIN") as copy:
            for venue, symbol, time, rate in funding.frame.select(
                "exchange", "symbol", "time", "funding_rate"
            ).iter_rows():
                copy.write_row((ids[venue, symbol], time, rate))
        written = cursor.execute(_UPSERT, (path.name, funding.digest, clock.now())).rowcount
        if funding.refused:
            quarantine(cursor, source, funding.refused)
    return FundingReport(
        path=str(path),
        rows=funding.rows,
        written=written,
        refused=len(funding.refused),
        instruments=tuple(f"{venue}:{symbol}" for venue, symbol in names),
    )


def read_funding_rates(database: Database, instrument: Instrument) -> pl.DataFrame:
    """Return (n,) columns time (UTC, as the source dates it) and funding_rate, oldest first.

    They are those that hold now: a rate that was corrected is kept as corrected only, so there is
    no reading them as of an instant.

    Raises
    ------
    NoSuchInstrument
        The name is unknown.
    """
    with database.connect(Role.ANALYST, autocommit=True) as connection:
        find_series(connection, instrument)
        row = connection.execute(
            "SELECT instrument_id FROM market.instruments WHERE venue = %s AND symbol = %s",
            (instrument.venue, instrument.symbol),
        ).fetchone()
    query = sql.SQL(
        "SELECT time, funding_rate FROM market.funding_rates WHERE instrument_id = {} ORDER BY time"
    ).format(sql.Literal(row[0] if row else 0))
    with ArrowSession(database.url(Role.ANALYST)) as session:
        return session.frame(query.as_string())

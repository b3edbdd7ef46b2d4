"""What the TimescaleDB tests share: storing candles, comparing aggregates with the plain views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.candles.store import Batch, CandleStore, Written
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.db.sqlfiles import sql_directory
from candela.market.timeframe import ROLLUPS

if TYPE_CHECKING:
    import psycopg

    from candela.db.connect import Database

# Prices as their bits, so that equal means the same double; volume as its digits.
_COLUMNS = (
    "instrument_id, timeframe_s, time, float8send(open) AS open, float8send(high) AS high,"
    " float8send(low) AS low, float8send(close) AS close, volume::text AS volume, candles"
)


def store(database: Database, *batches: Batch) -> list[Written]:
    """Write the batches as the pipelines do."""
    with database.connect(Role.PIPELINES) as connection:
        writer = CandleStore(connection, SystemClock())
        return [writer.write(batch) for batch in batches]


def compress_everything(database: Database) -> int:
    """Convert every chunk of candles and aggregates to the columnstore; return how many."""
    with database.connect(autocommit=True) as connection:
        chunks = " UNION ALL ".join(
            f"SELECT show_chunks('market.{name}') AS chunk"
            for name in ("candles", *(f"candles_{timeframe}" for timeframe in ROLLUPS))
        )
        found = connection.execute(
            f"SELECT count(compress_chunk(chunk)) FROM ({chunks}) AS chunks".encode()
        ).fetchone()
    assert found is not None
    return found[0]


def differing_buckets(database: Database) -> dict[str, int]:
    """Count, for each rollup, the rows that only the aggregate or only the plain view has."""
    with database.connect() as connection:
        _make_plain_views(connection)
        counts: dict[str, int] = {}
        for timeframe in ROLLUPS:
            made = f"SELECT {_COLUMNS} FROM market.candles_{timeframe}"
            plain = f"SELECT {_COLUMNS} FROM plain.candles_{timeframe}"
            row = connection.execute(
                f"SELECT count(*) FROM (({made} EXCEPT ALL {plain})"
                f" UNION ALL ({plain} EXCEPT ALL {made})) AS differing".encode()
            ).fetchone()
            assert row is not None
            counts[timeframe.name] = row[0]
        connection.rollback()
    return counts


def unequal_reads(database: Database, instrument_id: int, timeframe_s: int) -> dict[str, int]:
    """Count, for each rollup, the rows that only its reading function or the view has."""
    columns = _COLUMNS.removeprefix("instrument_id, timeframe_s, ")
    with database.connect() as connection:
        _make_plain_views(connection)
        counts: dict[str, int] = {}
        for timeframe in ROLLUPS:
            read = (
                f"SELECT {columns} FROM market.read_candles_{timeframe}"
                f"({instrument_id}, {timeframe_s}, NULL, NULL)"
            )
            plain = (
                f"SELECT {columns} FROM plain.candles_{timeframe}"
                f" WHERE instrument_id = {instrument_id} AND timeframe_s = {timeframe_s}"
            )
            row = connection.execute(
                f"SELECT count(*) FROM (({read} EXCEPT ALL {plain})"
                f" UNION ALL ({plain} EXCEPT ALL {read})) AS differing".encode()
            ).fetchone()
            assert row is not None
            counts[timeframe.name] = row[0]
        connection.rollback()
    return counts


def _make_plain_views(connection: psycopg.Connection) -> None:
    """Make the plain rollups under another schema; gone when the transaction is rolled back."""
    text = (sql_directory() / "plain" / "0001_create_rollups.sql").read_text(encoding="utf-8")
    connection.execute("CREATE SCHEMA plain")
    connection.execute(text.replace("VIEW market.", "VIEW plain.").encode())

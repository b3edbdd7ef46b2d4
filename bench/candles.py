# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
"""Candle benchmarks on one database: import, import again, read, roll up, compress."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, LiteralString, cast

import polars as pl

from candela.candles.arrow import ArrowSession
from candela.candles.copyrows import COPY_COLUMNS, encode
from candela.candles.importing import import_file
from candela.candles.read import read_candles
from candela.candles.rollups import refresh_rollups
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.files.options import ReadOptions
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import psycopg

    from bench.minutes import Minutes
    from candela.db.connect import Database

INSTRUMENT = Instrument("bitfinex", "BTC/USD")
MINUTE, HOUR = Timeframe.parse("1m"), Timeframe.parse("1h")
TABLES = (
    "candles", "candle_revisions", "batches", "quarantine", "gaps", "rollup_ranges",
    "candle_files",
)  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def as_query(text: str) -> LiteralString:
    """Let SQL that this file put together through psycopg's type of constant strings."""
    return cast("LiteralString", text)


class Bench:
    """One database, one set of minutes, and the lines of the table."""

    def __init__(self, database: Database, minutes: Minutes, turns: int) -> None:
        self.database = database
        self.minutes = minutes
        self.turns = turns
        self.lines: list[tuple[str, str, str]] = []

    def add(self, what: str, measured: str, aim: str) -> None:
        """Keep a line of the table and print it."""
        self.lines.append((what, measured, aim))
        print(f"{what:<58} {measured:<46} {aim}", flush=True)

    def empty(self) -> None:
        """Take everything out of the tables and let the server settle."""
        with self.database.connect(autocommit=True) as connection:
            names = ", ".join(f"market.{name}" for name in TABLES)
            connection.execute(as_query(f"TRUNCATE {names}"))
            connection.execute("CHECKPOINT")

    def connection(self) -> psycopg.Connection:
        """Open a connection as the pipelines role."""
        return self.database.connect(Role.PIPELINES, autocommit=True)

    def bare_copy(self, pieces: list[bytes]) -> None:
        """COPY ready-made buffers into the table, in one transaction, and nothing else."""
        statement = f"COPY market.candles ({COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        with (
            self.connection() as connection,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for piece in pieces:
                copy.write(piece)

    def staged_upsert(self, pieces: list[bytes]) -> None:
        """COPY into a temporary table and upsert from there: the usual way to import again."""
        with self.connection() as connection, connection.transaction():
            cursor = connection.cursor()
            cursor.execute(
                "CREATE TEMPORARY TABLE staged (LIKE market.candles INCLUDING DEFAULTS)"
                " ON COMMIT DROP"
            )
            with cursor.copy(f"COPY staged ({COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                for piece in pieces:
                    copy.write(piece)
            cursor.execute(
                f"INSERT INTO market.candles ({COPY_COLUMNS}) SELECT {COPY_COLUMNS} FROM staged"
                " ON CONFLICT (instrument_id, timeframe_s, time) DO UPDATE SET"
                " open = excluded.open, high = excluded.high, low = excluded.low,"
                " close = excluded.close, volume = excluded.volume, batch_id = excluded.batch_id"
            )

    def imported(self, path: Path, *, again: bool = False) -> tuple[float, float]:
        """Import a file through the public way; seconds to stored and checked, and for gaps."""
        started = time.perf_counter()
        with closing(self.connection()) as connection:
            report = import_file(connection, path, ReadOptions(), clock=SystemClock(), again=again)
        return time.perf_counter() - started - report.gaps_s, report.gaps_s

    def run_import(self, folder: Path) -> None:
        """Import of a new range, and again unchanged and with 1 % changed."""
        rows = self.minutes.frame.height
        pieces = [
            bytes(piece)
            for piece in encode(self.minutes.frame, batch_id=1, instrument_id=1, timeframe_s=60)
        ]
        changed_path = folder / "changed.parquet"
        pl.read_parquet(self.minutes.path).with_columns(
            close=pl.when(pl.int_range(pl.len()) % 100 == 7)
            .then((pl.col("high") + pl.col("low")) / 2)
            .otherwise("close")
        ).write_parquet(changed_path, compression="zstd", row_group_size=262_144)
        bare: list[float] = []
        new: list[float] = []
        again: list[float] = []
        upsert: list[float] = []
        changed: list[float] = []
        gaps: list[float] = []
        for _ in range(self.turns):
            self.empty()
            bare.append(timed(lambda: self.bare_copy(pieces)))
            upsert.append(timed(lambda: self.staged_upsert(pieces)))
            self.empty()
            for seconds, path, is_again in (
                (new, self.minutes.path, False),
                (again, self.minutes.path, True),
                (changed, changed_path, False),
            ):
                stored, for_gaps = self.imported(path, again=is_again)
                seconds.append(stored)
                if seconds is new:
                    gaps.append(for_gaps)
        with self.connection() as connection:
            kept = connection.execute("SELECT count(*) FROM market.candle_revisions").fetchone()
        medians = [
            rows / statistics.median(one) / 1e3 for one in (bare, new, upsert, again, changed)
        ]
        self.add("bare binary COPY, buffers ready", f"{medians[0]:,.0f} k rows/s", "")
        self.add(
            "import of a new range, Parquet to stored and checked",
            f"{medians[1]:,.0f} k rows/s = {medians[1] / medians[0]:.2f} of bare COPY",
            ">= 0.7",
        )
        with_gaps = statistics.median(map(sum, zip(new, gaps, strict=True)))
        self.add(
            "its gaps found, judged and recorded, afterwards",
            f"{statistics.median(gaps):.2f} s; with them {rows / with_gaps / 1e3:,.0f} k rows/s",
            "",
        )
        self.add("staged upsert of the same rows", f"{medians[2]:,.0f} k rows/s", "")
        self.add(
            "import again, unchanged (--again: read and compared)",
            f"{medians[3]:,.0f} k rows/s = {medians[3] / medians[2]:.2f} of staged upsert",
            ">= 1.0",
        )
        self.add(
            "import again, 1 % changed",
            f"{medians[4]:,.0f} k rows/s = {medians[4] / medians[2]:.2f} of staged upsert;"
            f" {kept[0] if kept else 0:,} old values kept",
            "figure said",
        )

    def run_read(self) -> None:
        """Read every row to polars, beside ADBC's own way; rolled-up hours beside minutes."""
        query = (
            "SELECT time, open, high, low, close, volume, flags FROM market.candles"
            " WHERE timeframe_s = 60 AND instrument_id = (SELECT instrument_id"
            " FROM market.instruments WHERE venue = 'bitfinex' AND symbol = 'BTC/USD')"
            " ORDER BY time"
        )
        url = self.database.url(Role.ANALYST)

        def adbc() -> None:
            from adbc_driver_postgresql import dbapi

            with dbapi.connect(url) as connection, connection.cursor() as cursor:
                cursor.execute(query)
                frame = pl.from_arrow(cursor.fetch_arrow_table())
                assert len(frame) == self.minutes.frame.height

        def ours() -> None:
            frame = read_candles(self.database, INSTRUMENT, MINUTE).frame
            assert frame.height == self.minutes.frame.height

        adbc()
        peer: list[float] = []
        mine: list[float] = []
        for _ in range(self.turns + 2):
            peer.append(timed(adbc))
            mine.append(timed(ours))
        rows = self.minutes.frame.height
        rates = [rows / statistics.median(one) / 1e3 for one in (peer, mine)]
        self.add("ADBC reading the rows", f"{rates[0]:,.0f} k rows/s", "")
        self.add(
            "read_candles of the same rows",
            f"{rates[1]:,.0f} k rows/s = {rates[1] / rates[0]:.2f} of ADBC",
            ">= 0.8",
        )

    def run_rollups(self) -> None:
        """Two years of hours: from the rollup, and computed from the minutes, as Arrow both."""
        seconds = timed(lambda: refresh_rollups(self.database))
        until = self.minutes.frame["time"][-1]
        since = until.replace(year=until.year - 2)
        with self.connection() as connection:
            row = connection.execute(
                "SELECT instrument_id FROM market.instruments WHERE symbol = 'BTC/USD'"
            ).fetchone()
        key = row[0] if row else 0
        exact = self.hours_from_minutes(key, since, until, "sum(volume::numeric)::float8")
        rough = self.hours_from_minutes(key, since, until, "sum(volume)")
        rolled = (
            "SELECT time, open, high, low, close, volume::float8, candles"
            f" FROM market.read_candles_1h({key}, 60, '{since}', '{until}') ORDER BY time"
        )
        times: dict[str, list[float]] = {exact: [], rough: [], rolled: [], "": []}
        with ArrowSession(self.database.url(Role.ANALYST)) as session:
            for query in (exact, rough, rolled):
                session.frame(query)
            for _ in range(self.turns + 4):
                for query in (exact, rough, rolled):
                    times[query].append(timed(partial(session.frame, query)))
                times[""].append(
                    timed(lambda: read_candles(self.database, INSTRUMENT, HOUR, since, until))
                )
        slow, hasty, fast, whole = (statistics.median(one) * 1e3 for one in times.values())
        self.add("refresh of the five rollups for all minutes", f"{seconds:.1f} s", "")
        self.add("1h of two years computed from minutes", f"{slow:,.0f} ms", "")
        self.add(
            "1h of two years rolled up, the same candles",
            f"{fast:,.1f} ms = {slow / fast:.1f} times faster",
            ">= 20 on TimescaleDB",
        )
        self.add(
            "the same beside minutes with volumes summed as doubles",
            f"{hasty:,.0f} ms = {hasty / fast:.1f} times faster",
            "",
        )
        self.add("the same through read_candles, connections included", f"{whole:,.0f} ms", "")

    def hours_from_minutes(self, key: int, since: datetime, until: datetime, volume: str) -> str:
        """Return the query that computes hours from minutes with the server's own means."""
        parts = (
            ("time_bucket('1 hour', time)", "first(open, time)", "last(close, time)")
            if self.is_timescale()
            else (
                "date_bin('1 hour', time, TIMESTAMPTZ '2000-01-01 00:00:00+00')",
                "(array_agg(open ORDER BY time))[1]",
                "(array_agg(close ORDER BY time))[count(*)::integer]",
            )
        )
        return (
            f"SELECT {parts[0]} AS hour, {parts[1]} AS open, max(high) AS high, min(low) AS low,"
            f" {parts[2]} AS close, {volume} AS volume, count(*) AS candles FROM market.candles"
            f" WHERE instrument_id = {key} AND timeframe_s = 60"
            f" AND time >= '{since}' AND time < '{until}' GROUP BY 1 ORDER BY 1"
        )

    def is_timescale(self) -> bool:
        """Whether the rollups are continuous aggregates."""
        with self.connection() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"
            ).fetchone()
        return bool(row and row[0])

    def run_compression(self) -> None:
        """Size of the stored minutes before and after compression."""
        if not self.is_timescale():
            self.add("compression of stored minutes", "needs TimescaleDB", ">= 8")
            return
        # Fresh, so that the versions of earlier turns do not count as size.
        self.empty()
        self.imported(self.minutes.path)
        with self.database.connect(autocommit=True) as connection:
            before = connection.execute("SELECT hypertable_size('market.candles')").fetchone()
            connection.execute(
                "SELECT compress_chunk(c, true) FROM show_chunks('market.candles') AS c"
            )
            after = connection.execute("SELECT hypertable_size('market.candles')").fetchone()
        assert before is not None
        assert after is not None
        rows = self.minutes.frame.height
        self.add(
            "compression of stored minutes",
            f"{before[0] / after[0]:.1f} times ({before[0] / rows:.0f} to"
            f" {after[0] / rows:.1f} bytes a row, indexes included)",
            ">= 8",
        )

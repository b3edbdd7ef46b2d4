"""Imports killed at any moment: whole months only, nothing twice, and the next run goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.importing import import_file
from candela.candles.read import read_candles
from candela.clock import SystemClock
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from candela.files.slices import read_slices
from tests.fixtures.candles import BTC, HOUR, made_up

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

KILLS = 50


def run_import(database: Database, path: str, started: Event) -> None:
    # What is loaded at the first use is loaded, so that a kill falls into the work.
    next(iter(read_slices(Path(path), ReadOptions(), SystemClock())))
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        started.set()
        import_file(connection, Path(path), ReadOptions(), clock=SystemClock())


def months_stored(database: Database) -> dict[datetime, int]:
    with database.connect(Role.ANALYST) as connection:
        rows = connection.execute(
            "SELECT date_trunc('month', time, 'UTC'), count(*) FROM market.candles GROUP BY 1"
        ).fetchall()
    return {month.astimezone(UTC): count for month, count in rows}


@pytest.mark.slow
def test_import_when_killed_fifty_times_then_whole_months_once_each(
    database: Database, tmp_path: Path
) -> None:
    frame = made_up(24 * 365 * 30, timeframe=HOUR, start=datetime(1990, 1, 1, tzinfo=UTC))
    path = tmp_path / "hours.parquet"
    frame.drop("flags").with_columns(symbol=pl.lit("BTC/EUR"), exchange=pl.lit("bitvavo")).select(
        "symbol", "exchange", "time", "open", "high", "low", "close", "volume"
    ).write_parquet(path)
    expected = dict(frame.group_by(pl.col("time").dt.truncate("1mo")).agg(pl.len()).iter_rows())
    # A fork of a process that has imported everything, so that a kill falls into the work.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["candela.candles.importing", "candela.db.connect"])
    seed = random.Random(7)
    progress: list[int] = []
    for _ in range(KILLS):
        if len(months_stored(database)) == len(expected):
            with database.connect(autocommit=True) as connection:
                connection.execute(
                    "TRUNCATE market.candles, market.batches, market.candle_files, market.gaps"
                )
        started = context.Event()
        worker = context.Process(target=run_import, args=(database, str(path), started))
        worker.start()
        assert started.wait(30)
        time.sleep(seed.uniform(0, 0.35))
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        stored = months_stored(database)
        assert {month: count for month, count in stored.items() if expected[month] != count} == {}
        progress.append(len(stored))
    assert any(0 < count < len(expected) for count in progress), progress
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        report = import_file(connection, path, ReadOptions(), clock=SystemClock())
    (series,) = report.series.values()
    assert series.changed == 0
    assert read_candles(database, BTC, HOUR).frame.equals(frame)
    with database.connect(Role.ANALYST) as connection:
        revisions, gaps = connection.execute(
            "SELECT (SELECT count(*) FROM market.candle_revisions),"
            " (SELECT count(*) FROM market.gaps)"
        ).fetchone() or (None, None)
    assert (revisions, gaps) == (0, 0)

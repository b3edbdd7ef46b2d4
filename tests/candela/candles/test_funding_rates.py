"""Stored funding rates: what a file said, read back; again, only what differs is written."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from candela.candles.funding import import_funding
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.notebook import Candela
from tests.fixtures.candles import START

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = FixedClock(datetime(2024, 6, 1, tzinfo=UTC))


def rates(last: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symbol": ["BTC/USDT:USDT"] * 3,
            "exchange": ["binance"] * 3,
            "time": [START + timedelta(hours=8) * number for number in range(3)],
            "funding_rate": [0.0001, -0.00025, last],
        }
    )


def test_funding_when_imported_then_a_notebook_reads_it_and_again_only_changes_are_written(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "funding.parquet"
    written: list[int] = []
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        for last in (0.0003, 0.0003, 0.0004):
            rates(last).write_parquet(path)
            written.append(import_funding(connection, path, clock=CLOCK).written)
        kind = connection.execute("SELECT kind FROM market.instruments").fetchone()
    assert written == [3, 0, 1]
    assert kind == ("perpetual",)
    stored = Candela(database).funding("binance:BTC/USDT:USDT")
    assert stored["funding_rate"].to_list() == [0.0001, -0.00025, 0.0004]
    assert stored["time"].to_list() == rates(0.0)["time"].to_list()

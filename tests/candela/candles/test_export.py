"""Export: files that the import takes back without a change, and nothing half-written."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.digest import candle_digest
from candela.candles.export import CannotExport, FileExists, export_candles
from candela.candles.importing import import_file
from candela.candles.read import Candles, read_candles
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from candela.market.instrument import Instrument
from tests.fixtures.candles import BTC, HOUR, batch, sample

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = FixedClock(datetime(2024, 6, 1, tzinfo=UTC))


@pytest.fixture
def candles(database: Database) -> Candles:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        CandleStore(connection, CLOCK).write(batch(sample("BTC-EUR_1h"), timeframe=HOUR))
    return read_candles(database, BTC, HOUR)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".csv.gz"])
def test_export_when_imported_again_then_nothing_changed(
    candles: Candles, database: Database, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"btc{ending}"
    assert export_candles(candles, path) == 17_505
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        report = import_file(connection, path, ReadOptions(), clock=CLOCK)
    (series,) = report.series.values()
    assert (series.new, series.changed, series.unchanged) == (0, 0, 17_505)
    assert read_candles(database, BTC, HOUR).digest == candles.digest


def test_export_when_file_exists_then_refuses_unless_told(candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "btc.parquet"
    path.write_text("mine")
    with pytest.raises(FileExists, match="exists"):
        export_candles(candles, path)
    assert path.read_text() == "mine"
    export_candles(candles, path, overwrite=True)
    assert pl.read_parquet(path).height == 17_505


@pytest.mark.parametrize("name", ["btc.xlsx", "absent/btc.csv"])
def test_export_when_target_cannot_be_written_then_says_why_and_leaves_nothing(
    candles: Candles, tmp_path: Path, name: str
) -> None:
    with pytest.raises(CannotExport):
        export_candles(candles, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["time", "open", "high", "low", "close", "volume", "flags"])
def test_digest_when_one_value_differs_then_differs_unless_it_is_a_flag(
    candles: Candles, name: str
) -> None:
    step = timedelta(seconds=1) if name == "time" else 1
    changed = candles.frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 77).then(pl.col(name) + step).otherwise(name).alias(name)
    )
    assert (candle_digest(changed) == candles.digest) == (name == "flags")


def test_digest_when_instrument_differs_then_depends_on_values_only(
    candles: Candles, database: Database
) -> None:
    other = Instrument("elsewhere", "BTC/EUR")
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        CandleStore(connection, CLOCK).write(
            batch(candles.frame.clone(), timeframe=HOUR, instrument=other)
        )
    assert read_candles(database, other, HOUR).digest == candles.digest


def test_export_when_target_is_a_folder_then_refuses_even_if_told_to_overwrite(
    candles: Candles, tmp_path: Path
) -> None:
    path = tmp_path / "btc.csv"
    path.mkdir()
    with pytest.raises(CannotExport, match="is a folder"):
        export_candles(candles, path, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]

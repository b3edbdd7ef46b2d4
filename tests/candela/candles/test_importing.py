"""Import of files: stored as they are, refused rows kept, idempotent, spans that meet."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.importing import import_file
from candela.candles.read import read_candles
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from candela.files.unreadable import FileUnreadable
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from tests.fixtures.candles import BTC, HOUR, SAMPLE, START, made_up, sample, without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

CLOCK = FixedClock(datetime(2026, 6, 1, tzinfo=UTC))
MINUTES = ReadOptions(instrument=BTC, timeframe=Timeframe.parse("1m"))


@pytest.fixture
def writer(database: Database) -> Iterator[psycopg.Connection]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield connection


def write_csv(frame: pl.DataFrame, path: Path) -> Path:
    frame.drop("flags").with_columns(timestamp=pl.col("time").dt.epoch("ms")).select(
        "timestamp", "open", "high", "low", "close", "volume"
    ).write_csv(path)
    return path


@pytest.mark.parametrize("path", sorted(SAMPLE.glob("*.parquet")), ids=lambda path: path.stem)
def test_import_when_sample_then_stored_equals_the_file(
    writer: psycopg.Connection, database: Database, path: Path
) -> None:
    report = import_file(writer, path, ReadOptions(), clock=CLOCK)
    (series,) = report.series.values()
    frame = sample(path.stem)
    assert (series.read, series.new, series.refused) == (frame.height, frame.height, 0)
    stored = read_candles(database, series.instrument, series.timeframe).frame
    assert stored.drop("flags").equals(frame.drop("flags"))


def test_import_when_repeated_then_nothing_is_read_or_written(
    writer: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_csv(made_up(3_000), tmp_path / "a.csv")
    import_file(writer, path, MINUTES, clock=CLOCK)
    report = import_file(writer, path, MINUTES, clock=CLOCK)
    assert report.was_imported
    again = import_file(writer, path, MINUTES, clock=CLOCK, again=True)
    (series,) = again.series.values()
    assert (series.new, series.changed, series.unchanged) == (0, 0, 3_000)


def test_import_when_file_has_a_month_without_rows_then_the_hole_counts_as_asked_for(
    writer: psycopg.Connection, tmp_path: Path
) -> None:
    hours = made_up(24 * 120, timeframe=HOUR)
    february_march = [
        number for number, month in enumerate(hours["time"].dt.month()) if month in {2, 3}
    ]
    frame = without(hours, february_march)
    path = write_csv(frame, tmp_path / "a.csv")
    import_file(writer, path, ReadOptions(instrument=BTC, timeframe=HOUR), clock=CLOCK)
    rows = writer.execute("SELECT reason, candles_missing FROM market.gaps").fetchall()
    assert rows == [("source_hole", len(february_march))]
    spans = writer.execute("SELECT from_at, to_at FROM market.batches ORDER BY 1").fetchall()
    april = datetime(2024, 4, 1, tzinfo=UTC)
    assert spans == [(START, april), (april, frame["time"][-1] + HOUR.delta)]


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_import_when_file_runs_either_way_then_batches_are_the_same(
    writer: psycopg.Connection, tmp_path: Path, order: str
) -> None:
    frame = made_up(24 * 70, timeframe=HOUR)
    path = write_csv(frame if order == "ascending" else frame.reverse(), tmp_path / "a.csv")
    import_file(writer, path, ReadOptions(instrument=BTC, timeframe=HOUR), clock=CLOCK)
    spans = writer.execute(
        "SELECT from_at, to_at, rows_new FROM market.batches ORDER BY 1"
    ).fetchall()
    february, march = (datetime(2024, month, 1, tzinfo=UTC) for month in (2, 3))
    assert spans == [
        (START, february, 744),
        (february, march, 696),
        (march, START + timedelta(hours=24 * 70), 240),
    ]


def test_import_when_rows_are_bad_then_good_ones_are_stored_and_bad_ones_kept(
    writer: psycopg.Connection, database: Database, tmp_path: Path
) -> None:
    frame = made_up(300)
    path = write_csv(frame, tmp_path / "bad.csv")
    lines = path.read_text().splitlines()
    lines[10] = lines[10].replace(",", ",-", 1)
    lines[20] += ",surplus"
    path.write_text("\n".join(lines) + "\n")
    report = import_file(writer, path, MINUTES, clock=CLOCK)
    assert report.refused == 2
    kept = writer.execute(
        "SELECT source, row_number, line_number, check_name FROM market.quarantine ORDER BY 2"
    ).fetchall()
    assert kept == [("bad.csv", 10, 11, "negative_price"), ("bad.csv", 20, 21, "ragged_row")]
    stored = read_candles(database, BTC, Timeframe.parse("1m")).frame
    assert stored.drop("flags").equals(without(frame, [9, 19]).drop("flags"))


def test_import_when_file_cannot_be_read_then_quarantine_says_why_and_nothing_is_stored(
    writer: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(b"")
    with pytest.raises(FileUnreadable):
        import_file(writer, path, MINUTES, clock=CLOCK)
    rows = writer.execute("SELECT source, row_number, check_name FROM market.quarantine").fetchall()
    assert rows == [("empty.csv", 0, "empty_file")]
    assert writer.execute("SELECT count(*) FROM market.candles").fetchone() == (0,)


def test_import_when_only_some_months_are_wanted_then_only_those_are_stored(
    writer: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_csv(made_up(24 * 100, timeframe=HOUR), tmp_path / "a.csv")
    options = ReadOptions(instrument=BTC, timeframe=HOUR)
    february, march = (datetime(2024, month, 1, tzinfo=UTC) for month in (2, 3))
    import_file(writer, path, options, clock=CLOCK, months=(february, march))
    row = writer.execute("SELECT min(time), max(time), count(*) FROM market.candles").fetchone()
    assert row == (february, march - HOUR.delta, 29 * 24)
    whole = import_file(writer, path, options, clock=CLOCK)
    (series,) = whole.series.values()
    assert (series.new, series.unchanged) == (71 * 24, 29 * 24)


def test_import_when_months_are_imported_one_by_one_then_their_spans_meet(
    writer: psycopg.Connection, tmp_path: Path
) -> None:
    hours = made_up(24 * 100, timeframe=HOUR)
    # Absent across the edge of January and February: the file answers for it all the same.
    path = write_csv(without(hours, list(range(740, 750))), tmp_path / "a.csv")
    options = ReadOptions(instrument=BTC, timeframe=HOUR)
    months = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4, 5)]
    for first, after in pairwise(months):
        import_file(writer, path, options, clock=CLOCK, months=(first, after))
    spans = writer.execute("SELECT from_at, to_at FROM market.batches ORDER BY 1").fetchall()
    assert spans == [*pairwise([*months[:4], START + timedelta(days=100)])]
    gaps = writer.execute("SELECT reason, candles_missing FROM market.gaps").fetchall()
    assert gaps == [("source_hole", 10)]


def test_import_when_symbols_alternate_then_each_series_gets_its_own(
    writer: psycopg.Connection, database: Database, tmp_path: Path
) -> None:
    first, second = made_up(2_000), made_up(2_000, seed=2)
    path = tmp_path / "both.parquet"
    pl.concat(
        [first.with_columns(symbol=pl.lit("A/EUR")), second.with_columns(symbol=pl.lit("B/EUR"))]
    ).sort("time", "symbol").with_columns(exchange=pl.lit("bitvavo")).write_parquet(path)
    report = import_file(writer, path, ReadOptions(), clock=CLOCK)
    assert len(report.series) == 2
    for symbol, frame in (("A/EUR", first), ("B/EUR", second)):
        stored = read_candles(database, Instrument("bitvavo", symbol), Timeframe.parse("1m"))
        assert stored.frame.drop("flags").equals(frame.drop("flags"))

"""Slices are whole months of a series, the same however the file is cut into pieces."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.files import parquetrows, spool, textblocks
from candela.files.options import ReadOptions
from candela.files.slices import Slice, read_slices
from candela.market.candle import CANDLE_SCHEMA
from tests.candela.files.making import CLOCK, SAMPLE

HOURS = SAMPLE / "BTC-EUR_1h.parquet"
COLUMNS = ["symbol", "exchange", "time", "open", "high", "low", "close", "volume"]


def slices_of(path: Path) -> list[Slice]:
    with read_slices(path, ReadOptions(), CLOCK) as reader:
        return list(reader)


def told(parts: list[Slice]) -> list[object]:
    """Return all that slices say, in a form that can be compared."""
    return [
        (
            str(part.instrument),
            part.timeframe.name,
            part.month,
            part.rows,
            part.accepted.rows(),
            part.places.rows(),
            part.refused,
            part.flagged,
        )
        for part in parts
    ]


def hours(count: int = 17_505) -> pl.DataFrame:
    return pl.read_parquet(HOURS).select(COLUMNS).head(count)


def as_csv(frame: pl.DataFrame, path: Path) -> Path:
    frame.with_columns(pl.col("time").dt.epoch("ms").alias("time")).write_csv(path)
    return path


def as_parquet(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path)
    return path


def test_slices_are_sorted_unique_whole_months() -> None:
    frame = hours()
    parts = slices_of(HOURS)
    months = [part.month for part in parts]
    assert months == sorted(set(months))
    assert len(months) == 24
    for part in parts:
        assert dict(part.accepted.schema) == CANDLE_SCHEMA
        times = part.accepted["time"]
        assert times.is_sorted()
        assert times.n_unique() == times.len() == part.rows
        assert set(times.dt.truncate("1mo")) == {part.month}
    whole = pl.concat([part.accepted for part in parts])
    assert whole.drop("flags").equals(
        frame.select(pl.col("time").cast(pl.Datetime("us", "UTC")), *COLUMNS[3:])
    )


def test_reader_tells_digest_rows_and_progress() -> None:
    with read_slices(HOURS, ReadOptions(), CLOCK) as reader:
        assert reader.digest == hashlib.sha256(HOURS.read_bytes()).hexdigest()
        assert (reader.rows_total, reader.bytes_done) == (17_505, 0)
        assert reader.bytes_total == HOURS.stat().st_size
        done = [reader.bytes_done for _ in reader]
    assert done == sorted(done)
    assert done[-1] == reader.bytes_total


def test_csv_progress_is_told_while_it_is_read(tmp_path: Path) -> None:
    path = as_csv(hours(), tmp_path / "a.csv")
    seen: list[tuple[int, int]] = []
    with read_slices(
        path, ReadOptions(), CLOCK, progress=lambda done, total: seen.append((done, total))
    ) as reader:
        assert reader.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert sum(part.rows for part in reader) == reader.rows_total == 17_505
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "months mixed"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_order_of_rows_never_changes_the_candles(
    kind: str, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small groups, so that a shuffled file is searched through several times.
    monkeypatch.setattr(spool, "_GROUP_ROWS", 2_000)
    frame = hours()
    if order == "descending":
        frame = frame.reverse()
    elif order == "shuffled":
        frame = frame.sample(fraction=1, shuffle=True, seed=7)
    elif order == "months mixed":
        frame = pl.concat([frame[9_000:], frame[:9_000]])
    write = as_csv if kind == "csv" else as_parquet
    parts = slices_of(write(frame, tmp_path / "a"))
    assert [part.month for part in parts] == [part.month for part in slices_of(HOURS)]
    whole = pl.concat([part.accepted for part in parts])
    expected = pl.concat([part.accepted for part in slices_of(HOURS)])
    order_flag = 8
    kept = whole.with_columns(pl.col("flags") - (pl.col("flags") & order_flag))
    assert kept.equals(expected)
    rows = pl.concat([part.places for part in parts])["row"]
    assert sorted(rows) == list(range(1, 17_506))
    stamps = frame["time"].dt.epoch("us")
    assert [stamps[row - 1] for row in rows[:50]] == whole["time"].dt.epoch("us")[:50].to_list()


def damaged(seed: int, count: int) -> pl.DataFrame:
    """Return hours of two symbols with many defects, the same for the same seed."""
    dice = random.Random(seed)
    frame = hours(count)
    other = pl.read_parquet(SAMPLE / "ETH-EUR_1h.parquet").select(COLUMNS).head(count)
    rows = [list(row) for row in pl.concat([frame, other]).sort("time", "symbol").rows()]
    for _ in range(dice.randint(0, 40)):
        at = dice.randrange(len(rows))
        row, column = rows[at], dice.randrange(3, 8)
        kind = dice.randrange(9)
        if kind == 0:
            row[column] = None
        elif kind == 1:
            row[column] = -row[column] if row[column] else None
        elif kind == 2:
            row[column] = float("inf")
        elif kind == 3 and row[column]:
            row[column] *= 50
        elif kind == 4:
            rows.insert(at, list(rows[at]))
        elif kind == 5:
            other_at = min(len(rows) - 1, at + dice.randint(1, 5))
            rows[at], rows[other_at] = rows[other_at], rows[at]
        elif kind == 6 and row[2]:
            row[2] = row[2].replace(second=17)
        elif kind == 7:
            row[2] = datetime(2051, 1, 1, tzinfo=UTC)
        else:
            row[2] = None
    schema = frame.schema
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**9), batch=st.integers(1, 900), count=st.integers(40, 1_600))
def test_size_of_chunks_never_changes_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, batch: int, count: int
) -> None:
    frame = damaged(seed, count)
    parquet = as_parquet(frame, tmp_path / "a.parquet")
    csv = as_csv(frame, tmp_path / "a.csv")
    whole, whole_csv = slices_of(parquet), slices_of(csv)
    with monkeypatch.context() as patch:
        patch.setattr(parquetrows, "_BATCH", batch)
        patch.setattr(textblocks, "_BLOCK", 30_000 + batch)
        patch.setattr(spool, "_IN_MEMORY", 10_000)
        patch.setattr(spool, "_GROUP_ROWS", 50)
        assert sorted(map(repr, told(slices_of(parquet)))) == sorted(map(repr, told(whole)))
        assert sorted(map(repr, told(slices_of(csv)))) == sorted(map(repr, told(whole_csv)))
    placed = [row for part in whole for row in part.places["row"]]
    refused = {one.row for part in whole for one in part.refused}
    assert len(placed) == len(set(placed))
    assert not refused & set(placed)
    assert refused | set(placed) == set(range(1, frame.height + 1))
    assert sum(part.rows for part in whole) == frame.height
    # Text and Parquet of the same rows agree on all but lines.
    for one, other in zip(whole, whole_csv, strict=True):
        assert one.accepted.equals(other.accepted)
        assert [(f.row, f.check) for f in one.refused] == [(f.row, f.check) for f in other.refused]


@pytest.mark.parametrize("batch", [1, 7, 745, 760])
def test_edges_of_months_when_spiked_are_judged_by_both_sides(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rows 744 and 745 are the last of January and the first of February.
    row = pl.int_range(1, 1_501)
    frame = hours(1_500).with_columns(
        high=pl.when(row == 744).then(pl.col("high") * 1.18).otherwise("high"),
        low=pl.when(row == 745).then(pl.col("low") / 1.18).otherwise("low"),
    )
    path = as_parquet(frame, tmp_path / "a.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(parquetrows, "_BATCH", batch)
        parts = slices_of(path)
    assert [(one.row, one.column) for part in parts for one in part.flagged] == [
        (744, "high"),
        (745, "low"),
    ]
    assert [len(part.flagged) for part in parts] == [1, 1, 0]


def test_row_when_not_read_stands_in_the_month_of_its_time(tmp_path: Path) -> None:
    lines = as_csv(hours(1_500), tmp_path / "a.csv").read_text().splitlines()
    lines[745] = lines[745].rpartition(",")[0] + ",x"
    lines[747] = lines[747].replace("16436", "x")
    (tmp_path / "a.csv").write_text("".join(line + "\n" for line in lines))
    parts = slices_of(tmp_path / "a.csv")
    assert [(part.month.month, [one.row for one in part.refused]) for part in parts] == [
        (1, []),
        (2, [745, 747]),
        (3, []),
    ]


def test_month_when_all_rows_are_refused_gives_a_slice_without_candles(tmp_path: Path) -> None:
    frame = hours(3_000)
    february = pl.col("time").dt.month() == 2
    bad = frame.with_columns(close=pl.when(february).then(-1.0).otherwise("close"))
    parts = slices_of(as_parquet(bad, tmp_path / "a.parquet"))
    empty = [part for part in parts if part.month.month == 2]
    assert len(empty) == 1
    assert empty[0].accepted.height == 0
    assert len(empty[0].refused) == empty[0].rows == 28 * 24


def test_file_when_all_rows_are_refused_loses_none(tmp_path: Path) -> None:
    frame = hours(200).with_columns(open=pl.lit(0.0))
    parts = slices_of(as_parquet(frame, tmp_path / "a.parquet"))
    assert sum(part.rows for part in parts) == 200
    assert {one.check for part in parts for one in part.refused} == {"zero_price"}


def test_spooled_rows_when_many_leave_memory_and_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY", 1_000)
    path = as_csv(hours(), tmp_path / "a.csv")
    reader = read_slices(path, ReadOptions(), CLOCK)
    store = reader._spool
    assert store is not None
    assert store._file is not None
    next(iter(reader))
    reader.close()
    assert store._file.closed


def test_reading_files_loads_no_heavy_library(tmp_path: Path) -> None:
    path = as_csv(hours(100), tmp_path / "a.csv")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from candela.clock import SystemClock\n"
        "from candela.files.options import ReadOptions\n"
        "from candela.files.report import check_file\n"
        "for name in sys.argv[1:]:\n"
        "    report = check_file(Path(name), ReadOptions(), SystemClock())\n"
        "    assert report.error is None, report.error\n"
        "print([m for m in ('pandas', 'dagster', 'ccxt', 'great_expectations')"
        " if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(HOURS)],
        capture_output=True,
        text=True,
        check=True,
        cwd=SAMPLE.parents[1],
    )
    assert done.stdout.strip() == "[]"

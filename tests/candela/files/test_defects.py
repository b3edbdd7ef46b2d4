"""Defects put into real minutes are found in their rows, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from candela.files.options import ReadOptions
from candela.market.timeframe import Timeframe
from tests.candela.files.making import (
    NAMED,
    accepted,
    check,
    error_of,
    found,
    frame_of,
    lines_of,
    minutes,
    with_rows,
    write_lines,
)

Change = Callable[[list[str]], list[str]]


def put(column: int, text: str) -> Change:
    def change(fields: list[str]) -> list[str]:
        return [*fields[:column], text, *fields[column + 1 :]]

    return change


def scale(columns: list[int], factor: float) -> Change:
    def change(fields: list[str]) -> list[str]:
        return [
            repr(float(text) * factor) if at in columns else text for at, text in enumerate(fields)
        ]

    return change


def shift(milliseconds: int) -> Change:
    def change(fields: list[str]) -> list[str]:
        return [str(int(fields[0]) + milliseconds), *fields[1:]]

    return change


DEFECTS: dict[str, tuple[Change, str, str, str]] = {
    # name: change, check, column, refused or flagged
    "empty close": (put(4, ""), "null", "close", "refused"),
    "NaN volume": (put(5, "NaN"), "null", "volume", "refused"),
    "null word": (put(1, "null"), "null", "open", "refused"),
    "no timestamp": (put(0, ""), "null", "timestamp", "refused"),
    "word": (put(2, "high"), "non_numeric", "high", "refused"),
    "n/a": (put(5, "n/a"), "non_numeric", "volume", "refused"),
    "thousands": (put(4, "17 123.5"), "non_numeric", "close", "refused"),
    "unit": (put(5, "1.5K"), "non_numeric", "volume", "refused"),
    "time word": (put(0, "yesterday"), "non_numeric", "timestamp", "refused"),
    "rounded time": (put(0, "1.67E+12"), "non_numeric", "timestamp", "refused"),
    "infinity": (put(2, "inf"), "infinite", "high", "refused"),
    "minus infinity": (put(5, "-Infinity"), "infinite", "volume", "refused"),
    "huge price": (put(2, "1e300"), "out_of_range", "high", "refused"),
    "huge volume": (put(5, "1e20"), "out_of_range", "volume", "refused"),
    "tiny price": (put(3, "1e-19"), "out_of_range", "low", "refused"),
    "huge time": (put(0, "9" * 30), "out_of_range", "timestamp", "refused"),
    "zero time": (put(0, "0"), "out_of_range", "timestamp", "refused"),
    "negative price": (scale([4], -1), "negative_price", "close", "refused"),
    "zero prices": (scale([1, 2, 3, 4], 0), "zero_price", "open,high,low,close", "refused"),
    "negative volume": (scale([5], -1), "negative_volume", "volume", "refused"),
    "off the grid": (shift(17_000), "timestamp_off_grid", "timestamp", "refused"),
    "half a second off": (shift(500), "timestamp_off_grid", "timestamp", "refused"),
    "seconds": (
        lambda fields: [fields[0][:-3], *fields[1:]],
        "timestamp_unit_seconds",
        "timestamp",
        "refused",
    ),
    "microseconds": (
        lambda fields: [fields[0] + "000", *fields[1:]],
        "timestamp_unit_microseconds",
        "timestamp",
        "refused",
    ),
    "nanoseconds": (
        lambda fields: [fields[0] + "000000", *fields[1:]],
        "timestamp_unit_nanoseconds",
        "timestamp",
        "refused",
    ),
    "crossed": (
        lambda fields: [fields[0], fields[1], fields[3], fields[2], *fields[4:]],
        "high_lt_low",
        "high,low",
        "refused",
    ),
    "close above high": (
        lambda fields: [*fields[:4], repr(float(fields[2]) + 1), fields[5]],
        "ohlc_range",
        "high,close",
        "refused",
    ),
    "future": (put(0, "2051222400000"), "future_timestamp", "timestamp", "refused"),
    "short row": (lambda fields: fields[:4], "ragged_row", "file", "refused"),
    "long row": (lambda fields: [*fields, "1"], "ragged_row", "file", "refused"),
    "open quote": (put(1, '"17100'), "ragged_row", "file", "refused"),
    "wick of 100": (scale([2], 100), "spike", "high", "flagged"),
    "wick of 2": (scale([2], 2), "spike", "high", "flagged"),
    "candle of 100": (scale([1, 2, 3, 4], 100), "spike", "open,high,low,close", "flagged"),
    "candle of 0.5": (scale([1, 2, 3, 4], 0.5), "spike", "open,high,low,close", "flagged"),
    "wick down": (scale([3], 0.01), "spike", "low", "flagged"),
    "volume": (scale([5], 10_000), "volume_outlier", "volume", "flagged"),
}


@pytest.mark.parametrize("row", [2, 40, 299])
@pytest.mark.parametrize("name", DEFECTS)
def test_defect_when_put_in_one_row_is_found_there_only(
    name: str, row: int, tmp_path: Path
) -> None:
    change, rule, column, kind = DEFECTS[name]
    lines = with_rows(lines_of(minutes()), {row: change})
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert found(report) == [(row, rule, column)]
    one = (report.refused or report.flagged)[0]
    assert one.line == row + 1
    assert one.message.endswith(".")
    assert report.gaps == []
    assert (report.rows, report.accepted) == (300, 299 if kind == "refused" else 300)
    assert report.exit_code == 1


@pytest.mark.parametrize(
    "rule",
    ["negative_price", "null", "high_lt_low", "spike", "timestamp_off_grid", "ragged_row"],
)
def test_defect_when_in_many_rows_is_found_in_each(rule: str, tmp_path: Path) -> None:
    change = next(entry[0] for entry in DEFECTS.values() if entry[1] == rule)
    rows = [20, 21, 22, 155]
    lines = with_rows(lines_of(minutes()), dict.fromkeys(rows, change))
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert [(one[0], one[1]) for one in found(report)] == [(row, rule) for row in rows]
    assert report.gaps == []


def test_two_defects_when_in_one_row_are_both_found(tmp_path: Path) -> None:
    lines = with_rows(
        lines_of(minutes()), {9: lambda fields: scale([5], -1)(shift(17_000)(fields))}
    )
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert found(report) == [
        (9, "negative_volume", "volume"),
        (9, "timestamp_off_grid", "timestamp"),
    ]
    assert (report.rows, report.accepted) == (300, 299)


def test_duplicates_when_identical_or_different_keep_the_first(tmp_path: Path) -> None:
    lines = lines_of(minutes())
    same, other = lines[40], ",".join(scale([5], 2)(lines[40].split(",")))
    path = write_lines(tmp_path / "a.csv", [*lines[:41], same, other, *lines[41:]])
    report = check(path)
    assert found(report) == [
        (41, "duplicate_timestamp", "timestamp"),
        (42, "duplicate_timestamp", "timestamp"),
    ]
    assert "identical" in report.refused[0].message
    assert "differs from it in volume" in report.refused[1].message
    assert "row 40" in report.refused[1].message
    plain = write_lines(tmp_path / "b.csv", lines)
    assert accepted(path).equals(accepted(plain))


def test_duplicate_when_the_first_is_refused_takes_the_second(tmp_path: Path) -> None:
    lines = lines_of(minutes())
    bad = ",".join(scale([4], -1)(lines[40].split(",")))
    report = check(write_lines(tmp_path / "a.csv", [*lines[:40], bad, *lines[40:]]))
    assert found(report) == [(40, "negative_price", "close")]
    assert report.accepted == 300


def test_swapped_rows_when_adjacent_flag_the_row_that_goes_back(tmp_path: Path) -> None:
    lines = lines_of(minutes())
    lines[100], lines[101] = lines[101], lines[100]
    moved = lines.pop(220)
    lines.insert(200, moved)
    path = write_lines(tmp_path / "a.csv", lines)
    report = check(path)
    assert found(report) == [
        (101, "out_of_order", "timestamp"),
        (201, "out_of_order", "timestamp"),
    ]
    assert report.gaps == []
    times = accepted(path)["time"]
    assert times.is_sorted()
    assert times.n_unique() == 300


def test_future_row_when_in_the_middle_disorders_no_other(tmp_path: Path) -> None:
    lines = with_rows(lines_of(minutes()), {100: put(0, "2051222400000")})
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert found(report) == [(100, "future_timestamp", "timestamp")]


def test_hole_when_between_rows_is_a_gap_with_its_ends(tmp_path: Path) -> None:
    lines = lines_of(minutes())
    report = check(write_lines(tmp_path / "a.csv", [*lines[:151], *lines[160:]]))
    assert found(report) == []
    gap = report.gaps[0].as_dict()
    assert (gap["row"], gap["line"], gap["column"], gap["missing"]) == (151, 152, "timestamp", 9)
    assert (gap["first_missing"], gap["last_missing"]) == (
        "2022-12-13T02:30:00Z",
        "2022-12-13T02:38:00Z",
    )
    assert report.exit_code == 1


def test_hole_when_partly_explained_is_reported_whole(tmp_path: Path) -> None:
    lines = with_rows(lines_of(minutes()), {150: put(0, "yesterday")})
    report = check(write_lines(tmp_path / "a.csv", [*lines[:151], *lines[160:]]))
    assert [(gap.row, gap.missing) for gap in report.gaps] == [(151, 10)]


def test_unclosed_candle_when_present_falls_inside_is_refused(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from candela.clock import FixedClock
    from candela.files.report import check_file

    path = write_lines(tmp_path / "a.csv", lines_of(minutes(100)))
    clock = FixedClock(datetime(2022, 12, 13, 1, 38, 30, tzinfo=UTC))
    report = check_file(path, NAMED, clock)
    assert found(report) == [
        (99, "unclosed_candle", "timestamp"),
        (100, "future_timestamp", "timestamp"),
    ]


def test_last_line_when_cut_is_refused_as_truncated(tmp_path: Path) -> None:
    text = "\n".join(lines_of(minutes())[:189])
    path = tmp_path / "a.csv"
    for cut in (1, 20, 45):
        whole = text[: text.rindex("\n") + 1 + cut]
        path.write_text(whole)
        report = check(path)
        assert found(report) == [(188, "truncated_file", "file")], cut
        assert (report.rows, report.accepted, report.gaps) == (188, 187, [])
        assert report.refused[0].line == 189


def test_last_line_when_whole_but_without_end_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines_of(minutes())))
    report = check(path)
    assert found(report) == [(300, "truncated_tail", "file")]
    assert report.accepted == 300
    assert accepted(path)["flags"].to_list()[-2:] == [0, 16]


def test_volume_when_absent_throughout_is_not_reported(tmp_path: Path) -> None:
    lines = [line.rpartition(",")[0] + "," for line in lines_of(minutes())[1:]]
    path = write_lines(tmp_path / "a.csv", [lines_of([])[0], *lines])
    report = check(path)
    assert (found(report), report.accepted) == ([], 300)
    assert accepted(path)["volume"].null_count() == 300
    assert report.layout is not None
    assert not report.layout.has_volume


def test_stale_run_when_long_is_flagged_from_its_second_row(tmp_path: Path) -> None:
    candles = lines_of(minutes())
    model = candles[100].split(",")[1:]
    rows = range(101, 120)
    lines = with_rows(
        candles,
        {row: lambda fields: [fields[0], *model] for row in rows},
    )
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert found(report) == [(row, "stale_run", "open,high,low,close,volume") for row in rows]


@pytest.mark.parametrize("length", [14, 15])
def test_stale_run_when_of_fifteen_is_flagged_and_of_fourteen_not(
    length: int, tmp_path: Path
) -> None:
    candles = lines_of(minutes())
    model = candles[100].split(",")[1:]
    rows = range(101, 100 + length)
    lines = with_rows(candles, {row: lambda fields: [fields[0], *model] for row in rows})
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert [one[0] for one in found(report)] == (list(rows) if length == 15 else [])


@pytest.mark.parametrize(("factor", "expected"), [(1.15, []), (1.3, ["spike"])])
@pytest.mark.parametrize("row", [1, 300])
def test_price_when_at_the_edge_needs_twice_the_distance(
    row: int, factor: float, expected: list[str], tmp_path: Path
) -> None:
    lines = with_rows(lines_of(minutes()), {row: scale([1, 2, 3, 4], factor)})
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert [one[:2] for one in found(report)] == [(row, rule) for rule in expected]


def test_short_and_long_row_when_together_are_both_refused(tmp_path: Path) -> None:
    lines = [line + ",x" for line in lines_of(minutes())]
    lines[10], lines[20] = lines[10][:-2], lines[20] + ",x"
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert found(report) == [(10, "ragged_row", "file"), (20, "ragged_row", "file")]


def test_level_when_it_stays_changed_is_no_spike(tmp_path: Path) -> None:
    lines = lines_of(minutes())
    rows = {row: scale([1, 2, 3, 4], 0.25) for row in range(150, 301)}
    assert found(check(write_lines(tmp_path / "a.csv", with_rows(lines, rows)))) == []


def test_spikes_when_three_in_a_row_are_all_flagged(tmp_path: Path) -> None:
    rows = {row: scale([1, 2, 3, 4], 10) for row in (150, 151, 152)}
    lines = with_rows(lines_of(minutes()), rows)
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert [one[0] for one in found(report)] == [150, 151, 152]


def test_mostly_off_grid_file_when_read_is_one_error(tmp_path: Path) -> None:
    rows = dict.fromkeys(range(1, 301), shift(17_000))
    path = write_lines(tmp_path / "a.csv", with_rows(lines_of(minutes()), rows))
    assert error_of(check(path)) == "timestamp_off_grid"


def test_parquet_defects_when_typed_are_found_without_lines(tmp_path: Path) -> None:
    import polars as pl

    frame = frame_of(minutes())
    row = pl.int_range(1, 301)
    path = tmp_path / "a.parquet"
    frame.with_columns(
        close=pl.when(row == 10).then(None).otherwise("close"),
        low=pl.when(row == 20).then(-1.0).otherwise("low"),
        time=pl.when(row == 30).then(pl.col("time") + pl.duration(seconds=17)).otherwise("time"),
    ).write_parquet(path)
    report = check(path, ReadOptions())
    assert found(report) == [
        (10, "null", "close"),
        (20, "negative_price", "low"),
        (30, "timestamp_off_grid", "timestamp"),
    ]
    assert report.refused[0].line is None
    assert report.gaps == []
    assert check(path, ReadOptions(timeframe=Timeframe(60))).accepted == 297

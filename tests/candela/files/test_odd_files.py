"""Files as people really have them: cut, joined, exported by other programs, or no candles."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from candela.files.opening import open_file
from candela.files.options import ReadOptions
from candela.files.textblocks import TextBlocks
from candela.market.timeframe import Timeframe
from tests.candela.files.making import (
    BTC,
    CANDLES,
    HEADER,
    Candle,
    accepted,
    candles_expected,
    check,
    commas,
    error_of,
    found,
    frame_of,
    lines_of,
    plain,
    table,
    with_rows,
    write_lines,
)

HOUR_MS = 3_600_000
READ: dict[str, str] = {
    "a separator at the end of rows": table(HEADER, lambda c: c.line() + ","),
    "a separator at the end of the header": table(HEADER + ",", Candle.line),
    "quoted decimal commas between commas": table(
        HEADER, lambda c: f'{c.ms},"' + commas(c).replace(";", '","') + '"'
    ),
    "three kinds of line ends": table(HEADER, Candle.line)
    .replace("\n", "\r", 50)
    .replace("\n", "\r\n", 50),
    "Ctrl-Z at the end": table(HEADER, Candle.line) + "\x1a",
    "the header again in other letters": table(HEADER, Candle.line).replace(
        CANDLES[99].line(), CANDLES[99].line() + "\n" + HEADER.upper()
    ),
    "MetaTrader 4": table(
        None, lambda c: f"{c.iso[:10].replace('-', '.')},{c.iso[11:16]},{plain(c)}"
    ),
    "ISO 8601 without separators": table(
        HEADER, lambda c: f"{c.iso.replace('-', '').replace(':', '').replace(' ', 'T')}Z,{plain(c)}"
    ),
}


@pytest.mark.parametrize("name", READ)
def test_file_when_odd_but_plain_in_meaning_is_read_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(READ[name].encode())
    report = check(path)
    assert (report.error, found(report), report.gaps) == (None, [], [])
    assert (report.rows, report.accepted) == (300, 300)
    assert accepted(path).drop("flags").equals(candles_expected())


def test_yfinance_when_names_stand_on_three_lines_is_read(tmp_path: Path) -> None:
    days = [date(2022, 1, 1) + timedelta(days=at) for at in range(60)]
    rows = [
        f"{day},{c.close},{c.high},{c.low},{c.open},{c.volume}"
        for day, c in zip(days, CANDLES, strict=False)
    ]
    top = ["Price,Close,High,Low,Open,Volume", "Ticker" + ",BTC-USD" * 5, "Date,,,,,"]
    path = write_lines(tmp_path / "a.csv", [*top, *rows])
    report = check(path)
    assert (report.rows, report.accepted, found(report)) == (60, 60, [])
    frame = accepted(path)
    assert frame["time"][0] == datetime(2022, 1, 1, tzinfo=UTC)
    assert frame["open"][0] == float(CANDLES[0].open)


def test_only_row_when_without_line_end_is_read_and_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "\n" + CANDLES[0].line())
    options = ReadOptions(instrument=BTC, timeframe=Timeframe(60))
    report = check(path, options)
    assert (report.rows, report.accepted) == (1, 1)
    assert found(report) == [(1, "truncated_tail", "file")]


def test_only_row_when_cut_is_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "\n" + CANDLES[0].line()[:25])
    report = check(path)
    assert error_of(report) == "truncated_file"
    assert report.rows == 1


def test_joined_file_when_columns_change_their_order_is_refused(tmp_path: Path) -> None:
    lines = lines_of(CANDLES)
    swapped = [
        ",".join([str(c.ms), c.close, c.high, c.low, c.open, c.volume]) for c in CANDLES[150:]
    ]
    lines = [*lines[:151], "timestamp,close,high,low,open,volume", *swapped]
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert error_of(report) == "wrong_header"
    assert report.error is not None
    assert report.error.finding.line == 152


@pytest.mark.parametrize("first", [60_000, HOUR_MS])
def test_stretches_when_of_two_timeframes_are_refused_unless_one_is_said(
    first: int, tmp_path: Path
) -> None:
    second = HOUR_MS if first == 60_000 else 60_000
    start = CANDLES[0].ms - 200 * HOUR_MS
    times = [start + at * first for at in range(200)]
    times += [CANDLES[0].ms + at * second for at in range(100)]
    rows = [f"{at},{plain(c)}" for at, c in zip(times, CANDLES, strict=True)]
    path = write_lines(tmp_path / "a.csv", [HEADER, *rows])
    assert error_of(check(path)) == "mixed_timeframes"
    told = check(path, ReadOptions(instrument=BTC, timeframe=Timeframe(first // 1_000)))
    assert told.error is None
    assert told.rows == told.accepted + len({one.row for one in told.refused})


@pytest.mark.parametrize("every", [2, 5])
def test_timeframe_when_most_rows_are_refused_is_that_of_all_rows(
    every: int, tmp_path: Path
) -> None:
    def spoilt(fields: list[str]) -> list[str]:
        return [*fields[:4], "x", fields[5]]

    lines = with_rows(lines_of(CANDLES), {row: spoilt for row in range(1, 301) if row % every})
    path = write_lines(tmp_path / "a.csv", lines)
    report = check(path)
    assert report.layout is not None
    assert report.layout.timeframes == ["1m"]
    assert (report.rows, report.accepted) == (300, 300 // every)
    assert report.gaps == []


def test_timeframe_when_most_rows_tell_no_time_is_not_guessed(tmp_path: Path) -> None:
    def short(fields: list[str]) -> list[str]:
        return fields[:5]

    lines = with_rows(lines_of(CANDLES), {row: short for row in range(1, 301) if row % 10})
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert error_of(report) == "ragged_row"
    assert report.rows == 300


USELESS: dict[str, tuple[Callable[[Candle], str], str]] = {
    "no number in any row": (
        lambda c: f"{c.ms},{c.open}K,{c.high}K,{c.low}K,{c.close},{c.volume}",
        "non_numeric",
    ),
    "one time in all rows": (lambda c: f"{CANDLES[0].ms},{plain(c)}", "unknown_timeframe"),
    "times of long ago": (lambda c: f"1600{c.iso[4:]},{plain(c)}", "unknown_timeframe"),
}


@pytest.mark.parametrize("name", USELESS)
def test_timeframe_when_no_two_rows_tell_it_is_not_blamed_on_their_number(
    name: str, tmp_path: Path
) -> None:
    row, rule = USELESS[name]
    path = tmp_path / "a.csv"
    path.write_text(table(HEADER, row))
    report = check(path)
    assert error_of(report) == rule
    assert report.error is not None
    assert "file has too few rows" not in report.error.message
    assert report.rows == 300


def test_epochs_when_first_in_seconds_then_milliseconds_refuses_the_few(tmp_path: Path) -> None:
    # 1670889600 s and each 60000 s later would, as milliseconds, be minutes of January 1970.
    lines = with_rows(
        lines_of(CANDLES),
        {row: lambda fields: [fields[0][:-3], *fields[1:]] for row in range(1, 101)},
    )
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert {one.check for one in report.refused} == {"timestamp_unit_seconds"}
    assert [one.row for one in report.refused] == list(range(1, 101))
    assert report.accepted == 200


def test_times_when_before_1973_stay_beside_later_ones(tmp_path: Path) -> None:
    days = [datetime(1973, 1, 1, tzinfo=UTC) + timedelta(days=at) for at in range(300)]
    rows = [
        f"{int(day.timestamp() * 1_000)},{plain(c)}" for day, c in zip(days, CANDLES, strict=True)
    ]
    report = check(write_lines(tmp_path / "a.csv", [HEADER, *rows]))
    assert (report.accepted, found(report)) == (300, [])


def test_leap_second_when_written_refuses_that_row_and_no_other(tmp_path: Path) -> None:
    lines = table(HEADER, lambda c: f"{c.iso},{plain(c)}").replace("00:59:00", "00:59:60")
    path = tmp_path / "a.csv"
    path.write_text(lines)
    report = check(path)
    assert found(report) == [(60, "non_numeric", "timestamp")]
    assert "no time that can be read" in report.refused[0].message


def test_scientific_notation_when_times_have_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(HEADER, lambda c: f"{c.ms:.5E},{plain(c)}"))
    report = check(path)
    assert error_of(report) == "non_numeric"
    assert "scientific notation" in str(report.error)


def archive(path: Path, names: list[str]) -> Path:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, table(HEADER, Candle.line))
    path.write_bytes(packed.getvalue())
    return path


def test_zip_when_packed_by_macos_is_read(tmp_path: Path) -> None:
    report = check(archive(tmp_path / "a.zip", ["a.csv", "__MACOSX/._a.csv"]))
    assert report.accepted == 300


@pytest.mark.parametrize(
    ("names", "rule", "says"),
    [
        (["[Content_Types].xml", "xl/workbook.xml"], "encoding", "Excel"),
        ([], "empty_file", "without files"),
    ],
)
def test_zip_when_no_archive_of_candles_is_told(
    names: list[str], rule: str, says: str, tmp_path: Path
) -> None:
    report = check(archive(tmp_path / "a.csv", names))
    assert error_of(report) == rule
    assert says in str(report.error)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[[1, 2, 3, 4, 5]]", "JSON"), ("<html>a,b,c,d,e</html>", "a web page"), ("%PDF-1.4", "PDF")],
)
def test_text_when_of_another_kind_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text + "\n")
    report = check(path)
    assert error_of(report) == "wrong_header"
    assert says in str(report.error)


def test_missing_volume_when_refused_says_how_to_do_without(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table("time,open,high,low,close", lambda c: c.line().rpartition(",")[0]))
    assert "--columns volume=." in str(check(path).error)


def test_parquet_when_unreadable_still_tells_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame_of(CANDLES).with_columns(pl.col("time").dt.epoch("s")).write_parquet(path)
    report = check(path)
    assert error_of(report) == "timestamp_unit_seconds"
    assert report.rows == 300


def test_file_when_it_grows_ends_where_it_ended_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    before = table(HEADER, Candle.line).encode()
    path.write_bytes(before)
    opened = open_file(path)
    with path.open("ab") as file:
        file.write(b"more\n")
    read = b"".join(TextBlocks(opened))
    assert (read, opened.raw.digest()) == (before, hashlib.sha256(before).hexdigest())
    opened.close()


def test_name_when_no_text_is_refused(tmp_path: Path) -> None:
    path = Path(str(tmp_path) + "/a\udcff.csv")
    path.write_text(table(HEADER, Candle.line))
    report = check(path)
    assert error_of(report) == "not_a_file"
    assert "a\\udcff.csv" in str(report.error)


def test_file_when_reading_fails_is_one_error() -> None:
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no file that can be opened and not read")
    assert error_of(check(memory)) == "missing_file"

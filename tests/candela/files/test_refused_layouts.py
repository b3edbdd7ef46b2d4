"""Layouts that may mean several things are one clear error; options settle them."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest

from candela.files.options import ReadOptions
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
    plain,
    table,
)

UNITS = {"seconds": (-3, "s"), "microseconds": (3, "us"), "nanoseconds": (6, "ns")}


@pytest.mark.parametrize("word", UNITS)
def test_other_unit_when_not_agreed_is_one_error_that_names_the_option(
    word: str, tmp_path: Path
) -> None:
    digits, unit = UNITS[word]

    def scaled(candle: Candle) -> str:
        text = str(candle.ms)
        stamp = text[:digits] if digits < 0 else text + "0" * digits
        return f"{stamp},{plain(candle)}"

    path = tmp_path / "a.csv"
    path.write_text(table(HEADER, scaled))
    report = check(path)
    assert error_of(report) == f"timestamp_unit_{word}"
    assert report.error is not None
    assert f"--unit {unit}" in (report.error.hint or "")
    assert (report.rows, report.accepted, report.exit_code) == (300, 0, 2)
    options = ReadOptions(instrument=BTC, unit=unit)  # pyright: ignore[reportArgumentType]
    assert accepted(path, options).drop("flags").equals(candles_expected())


def test_milliseconds_when_another_unit_is_promised_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(HEADER.replace("timestamp", "time_us"), Candle.line))
    assert error_of(check(path)) == "timestamp_unit_milliseconds"


REFUSED: dict[str, tuple[str, str]] = {
    "abbreviations": (table("ts,o,hi,lo,c,vol", Candle.line), "wrong_header"),
    "letters": (table("t,o,h,l,c,v", Candle.line), "wrong_header"),
    "no volume": (
        table("time,open,high,low,close", lambda c: c.line().rpartition(",")[0]),
        "wrong_header",
    ),
    "two opens": (
        table(
            "time,open,open,high,low,close,volume",
            lambda c: c.line().replace(",", f",{c.open},", 1),
        ),
        "wrong_header",
    ),
    "unknown width": (table(None, lambda c: c.line() + ",1,2"), "wrong_header"),
    "unknown order": (
        table(None, lambda c: f"{c.ms},{c.high},{c.open},{c.low},{c.close},{c.volume}"),
        "wrong_header",
    ),
    "order left open": (
        table(None, lambda c: f"{c.ms},{c.open},{c.open},{c.open},{c.open},{c.volume}"),
        "wrong_header",
    ),
    "blanks between": (table(None, lambda c: c.line().replace(",", " ")), "wrong_header"),
    "month or day first": (
        table("date,open,high,low,close,volume", lambda c: f"12/13/2022,{plain(c)}"),
        "non_numeric",
    ),
    "thousands or decimals": (
        table(
            "time;open;high;low;close;volume",
            lambda c: f"{c.ms};17,123;17,124;17,122;17,123;1,250",
        ),
        "non_numeric",
    ),
    "words for prices": (
        table(HEADER, lambda c: f"{c.ms},a,b,c,d,{c.volume}"),
        "non_numeric",
    ),
    "fewer fields than names": (
        table("a," + HEADER, Candle.line),
        "ragged_row",
    ),
    "decimal commas between commas": (
        table(HEADER, lambda c: f"{c.ms},{commas(c).replace(';', ',')}"),
        "ragged_row",
    ),
    "names only": (HEADER + "\n", "empty_file"),
    "remarks only": ("# nothing\n\n", "empty_file"),
    "one row": (HEADER + "\n" + CANDLES[0].line() + "\n", "unknown_timeframe"),
    "two rows": (
        HEADER + "\n" + CANDLES[0].line() + "\n" + CANDLES[9].line() + "\n",
        "unknown_timeframe",
    ),
    "counters for times": (
        table(HEADER, lambda c: f"{(c.ms - CANDLES[0].ms) // 60_000},{plain(c)}"),
        "out_of_range",
    ),
    "a page": ("<!doctype html>\n<html><body>Not found</body></html>\n", "wrong_header"),
    "an answer": ('{"error": "rate limited", "code": 429}\n', "wrong_header"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layout_when_not_understood_is_one_error_with_a_hint(name: str, tmp_path: Path) -> None:
    text, rule = REFUSED[name]
    path = tmp_path / "a.csv"
    path.write_text(text)
    report = check(path)
    assert error_of(report) == rule
    assert report.error is not None
    assert report.error.hint
    data = report.as_dict()
    assert (data["accepted"], data["refused"], data["flagged"], data["gaps"]) == (0, [], [], [])
    assert report.exit_code == 2


def test_wrong_header_when_mapped_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table("ts,o,hi,lo,c,vol", Candle.line))
    report = check(path)
    assert report.error is not None
    for name in ("time", "open", "high", "low", "close", "volume", "--columns"):
        assert name in (report.error.hint or "")
    names: dict[str, str] = dict(
        zip(
            ("time", "open", "high", "low", "close", "volume"),
            ["ts", "o", "hi", "lo", "c", "vol"],
            strict=True,
        )
    )
    options = ReadOptions(instrument=BTC, columns=names)
    assert accepted(path, options).drop("flags").equals(candles_expected())
    wrong = ReadOptions(instrument=BTC, columns={**names, "open": "first"})
    assert error_of(check(path, wrong)) == "wrong_header"


def test_headerless_when_mapped_by_position_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(None, lambda c: f"x,{c.line()},y"))
    names = ("time", "open", "high", "low", "close", "volume")
    columns = {name: str(at) for at, name in enumerate(names, 2)}
    options = ReadOptions(instrument=BTC, columns=columns)
    assert accepted(path, options).drop("flags").equals(candles_expected())


def test_volume_when_waived_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table("time,open,high,low,close", lambda c: c.line().rpartition(",")[0]))
    options = ReadOptions(instrument=BTC, columns={"volume": ""})
    assert accepted(path, options)["volume"].null_count() == 300


def test_compressed_otherwise_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.bz2"
    path.write_bytes(bz2.compress(table(HEADER, Candle.line).encode()))
    report = check(path)
    assert error_of(report) == "encoding"
    assert report.error is not None
    assert "bzip2" in report.error.message

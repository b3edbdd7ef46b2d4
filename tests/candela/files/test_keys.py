"""Lines, columns and series of a file are told as they stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from candela.files.options import ReadOptions
from candela.files.slices import read_slices
from candela.files.unreadable import FileUnreadable
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from tests.candela.files.making import (
    BTC,
    CANDLES,
    CLOCK,
    HEADER,
    NAMED,
    check,
    error_of,
    found,
    lines_of,
    table,
    write_lines,
)


def test_lines_when_above_and_between_are_counted_as_they_stand(tmp_path: Path) -> None:
    lines = lines_of(CANDLES)
    lines[10] = lines[10].rpartition(",")[0] + ",x"
    lines = ["A venue", "", "# remark", *lines[:5], "", "# five", *lines[5:]]
    report = check(write_lines(tmp_path / "a.csv", lines))
    assert [(one.row, one.line, one.check) for one in report.refused] == [(10, 16, "non_numeric")]
    assert report.layout is not None
    assert (report.layout.header_line, report.layout.skipped_lines) == (4, [1])


def test_header_again_is_named_in_the_layout(tmp_path: Path) -> None:
    lines = lines_of(CANDLES)
    report = check(write_lines(tmp_path / "a.csv", [*lines[:50], HEADER, *lines[50:]]))
    assert (found(report), report.rows) == ([], 300)
    assert report.layout is not None
    assert report.layout.skipped_lines == [51]


def test_ignored_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(HEADER + ",trades,note", lambda c: c.line() + ",7,x"))
    report = check(path)
    assert report.layout is not None
    assert report.layout.ignored == ["trades", "note"]


def test_options_named_are_kept_by_the_report(tmp_path: Path) -> None:
    report = check(write_lines(tmp_path / "a.csv", lines_of(CANDLES)), NAMED)
    assert report.layout is not None
    assert report.layout.as_dict()["columns"] == {
        "time": "timestamp",
        "open": "open",
        "high": "high",
        "low": "low",
        "close": "close",
        "volume": "volume",
    }
    assert report.layout.timeframe_from == "inferred"


KEYED = "exchange,symbol,timeframe," + HEADER


def keyed(symbol: str, timeframe: str = "1m") -> list[str]:
    return [f"Binance,{symbol},{timeframe},{candle.line()}" for candle in CANDLES]


def test_symbols_when_mixed_are_judged_apart(tmp_path: Path) -> None:
    pairs = zip(keyed("BTC/BUSD"), keyed("ETH/BUSD"), strict=True)
    lines = [KEYED, *(line for pair in pairs for line in pair)]
    lines[5] = lines[5].rpartition(",")[0] + ",-1"
    report = check(write_lines(tmp_path / "a.csv", lines), ReadOptions())
    assert found(report) == [(5, "negative_volume", "volume")]
    assert (report.rows, report.accepted, report.gaps) == (600, 599, [])
    assert report.layout is not None
    assert report.layout.instruments == ["binance:BTC/BUSD", "binance:ETH/BUSD"]


def test_symbol_when_absent_or_odd_in_a_row_is_refused(tmp_path: Path) -> None:
    lines = keyed("BTC/BUSD")
    lines[3] = lines[3].replace("BTC/BUSD", "")
    lines[4] = lines[4].replace("BTC/BUSD", "?!")
    lines[5] = lines[5].replace("1m", "soon")
    report = check(write_lines(tmp_path / "a.csv", [KEYED, *lines]), ReadOptions())
    assert found(report) == [
        (4, "null", "symbol"),
        (5, "bad_instrument", "symbol,exchange"),
        (6, "non_numeric", "timeframe"),
    ]
    assert report.gaps == []


def test_instrument_when_nobody_says_it_stops_reading_but_no_check(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", lines_of(CANDLES))
    assert check(path, ReadOptions()).exit_code == 0
    with pytest.raises(FileUnreadable, match="--instrument") as caught:
        read_slices(path, ReadOptions(), CLOCK)
    assert caught.value.finding.check == "unknown_instrument"


@pytest.mark.parametrize("told", ["kraken:BTC/BUSD", "binance:ETH/BUSD"])
def test_instrument_when_option_and_column_differ_is_an_error(told: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [KEYED, *keyed("BTC/BUSD")])
    assert error_of(check(path, ReadOptions(instrument=Instrument.parse(told)))) == (
        "unknown_instrument"
    )
    assert check(path, ReadOptions(instrument=BTC)).accepted == 300


def test_timeframe_when_option_and_column_differ_is_an_error(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [KEYED, *keyed("BTC/BUSD")])
    report = check(path, ReadOptions(timeframe=Timeframe(300)))
    assert error_of(report) == "mixed_timeframes"


def test_timeframe_when_given_needs_no_second_row(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", lines_of(CANDLES[:1]))
    options = ReadOptions(instrument=BTC, timeframe=Timeframe(60))
    assert check(path, options).accepted == 1


def test_series_when_of_two_timeframes_is_an_error(tmp_path: Path) -> None:
    header = "exchange,symbol," + HEADER
    lines = [f"binance,BTC/BUSD,{candle.line()}" for candle in CANDLES]
    lines += [f"binance,ETH/BUSD,{candle.line()}" for candle in CANDLES[::15]]
    report = check(write_lines(tmp_path / "a.csv", [header, *lines]), ReadOptions())
    assert error_of(report) == "mixed_timeframes"

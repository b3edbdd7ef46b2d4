"""The layouts that people have are read alike, or refused with one clear error."""

from __future__ import annotations

import bz2
import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from candela.files.options import ReadOptions
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from tests.candela.files.making import (
    BTC,
    HEADER,
    NAMED,
    Candle,
    accepted,
    check,
    error_of,
    found,
    frame_of,
    lines_of,
    minutes,
    write_lines,
)

CANDLES = minutes()


def table(header: str | None, row: Callable[[Candle], str], above: str = "") -> str:
    lines = [row(candle) for candle in CANDLES]
    return above + "".join(line + "\n" for line in ([header] if header else []) + lines)


def plain(candle: Candle) -> str:
    return ",".join([*candle.prices, candle.volume])


def commas(candle: Candle) -> str:
    return ";".join([*candle.prices, candle.volume]).replace(".", ",")


# CSV texts that hold the same 300 minutes, and the name of the layout that is to be told.
SAME: dict[str, tuple[str, str]] = {
    "milliseconds": (table(HEADER, Candle.line), "named columns"),
    "semicolons": (table(HEADER, Candle.line).replace(",", ";"), "named columns"),
    "tabs": (table(HEADER, Candle.line).replace(",", "\t"), "named columns"),
    "bars": (table(HEADER, Candle.line).replace(",", "|"), "named columns"),
    "decimal commas": (
        table(HEADER.replace(",", ";"), lambda c: f"{c.ms};{commas(c)}"),
        "named columns",
    ),
    "iso with decimal commas": (
        table("date;open;high;low;close;volume", lambda c: f"{c.iso};{commas(c)}"),
        "named columns",
    ),
    "capitals and order": (
        table(
            "Volume,Close,Low,High,Open,Date",
            lambda c: f"{c.volume},{c.close},{c.low},{c.high},{c.open},{c.iso}",
        ),
        "named columns",
    ),
    "yfinance": (
        table(
            "Datetime,Open,High,Low,Close,Adj Close,Volume",
            lambda c: f"{c.iso}+00:00,{','.join(c.prices)},{c.close},{c.volume}",
        ),
        "named columns",
    ),
    "offset": (
        table(
            "time,open,high,low,close,Volume",
            lambda c: (
                datetime.fromtimestamp(c.ms / 1000, UTC)
                .astimezone(__import__("zoneinfo").ZoneInfo("Asia/Kolkata"))
                .isoformat()
                + ","
                + plain(c)
            ),
        ),
        "named columns",
    ),
    "iso Z": (
        table(
            "timestamp,open,high,low,close,volume",
            lambda c: c.iso.replace(" ", "T") + ".000Z," + plain(c),
        ),
        "named columns",
    ),
    "metatrader": (
        table(
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
            lambda c: "\t".join(
                [c.iso[:10].replace("-", "."), c.iso[11:], *c.prices, "7", c.volume, "2"]
            ),
        ),
        "named columns",
    ),
    "dukascopy": (
        table(
            "Gmt time,Open,High,Low,Close,Volume",
            lambda c: f"{c.iso[8:10]}.{c.iso[5:7]}.{c.iso[:4]} {c.iso[11:]}.000,{plain(c)}",
        ),
        "named columns",
    ),
    "named unit": (
        table("open_time_s,open,high,low,close,volume", lambda c: f"{c.ms // 1000},{plain(c)}"),
        "named columns",
    ),
    "cryptodatadownload": (
        table(
            "unix,date,symbol,open,high,low,close,Volume BTC,Volume BUSD",
            lambda c: f"{c.ms},{c.iso},BTC/BUSD,{plain(c)},12345.6",
            above="https://www.CryptoDataDownload.com\n",
        ),
        "cryptodatadownload",
    ),
    "cryptodatadownload in seconds": (
        table(
            "Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume BUSD,Volume BTC",
            lambda c: f"{c.ms // 1000}.0,{c.iso},BTCBUSD,{','.join(c.prices)},99.5,{c.volume}",
            above="https://www.CryptoDataDownload.com\n",
        ),
        "named columns",
    ),
    "binance": (
        table(None, lambda c: f"{c.ms},{plain(c)},{c.ms + 59_999},1.5,7,1.0,1.0,0"),
        "binance_klines",
    ),
    "binance in microseconds": (
        table(None, lambda c: f"{c.ms}000,{plain(c)},{c.ms + 59_999}999,1.5,7,1.0,1.0,0"),
        "binance_klines",
    ),
    "binance with header": (
        table(
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
            "taker_buy_volume,taker_buy_quote_volume,ignore",
            lambda c: f"{c.ms},{plain(c)},{c.ms + 59_999},1.5,7,1.0,1.0,0",
        ),
        "binance_klines",
    ),
    "kraken": (table(None, lambda c: f"{c.ms // 1000},{plain(c)},17"), "kraken_ohlcvt"),
    "bitfinex": (
        table(None, lambda c: f"{c.ms},{c.open},{c.close},{c.high},{c.low},{c.volume}"),
        "bitfinex_candles",
    ),
    "coinbase": (
        table(None, lambda c: f"{c.ms // 1000},{c.low},{c.high},{c.open},{c.close},{c.volume}"),
        "coinbase_candles",
    ),
    "ccxt rows": (table(None, Candle.line), "ohlcv"),
    "histdata": (
        table(
            None,
            lambda c: ";".join([c.iso.replace("-", "").replace(":", ""), *c.prices, c.volume]),
        ),
        "ohlcv",
    ),
    "quotes": (
        table(
            ",".join(f'"{name}"' for name in HEADER.split(",")),
            lambda c: ",".join(f'"{text}"' for text in c.line().split(",")),
        ),
        "named columns",
    ),
    "blanks around": (table(HEADER, lambda c: c.line().replace(",", " , ")), "named columns"),
    "banner, remarks, blank lines": (
        "Minutes of a venue\n\n# made by hand\n"
        + table(HEADER, Candle.line).replace(CANDLES[9].line(), "# here\n\n" + CANDLES[9].line()),
        "named columns",
    ),
    "header again": (
        table(HEADER, Candle.line).replace(CANDLES[99].line(), HEADER + "\n" + CANDLES[99].line()),
        "named columns",
    ),
    "own names": (
        table(
            "instrument,time,open,high,low,close,volume",
            lambda c: f"binance:BTC/BUSD,{c.iso},{plain(c)}",
        ),
        "named columns",
    ),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    frame = frame_of(CANDLES)
    return frame.select(
        pl.col("time").cast(pl.Datetime("us", "UTC")), "open", "high", "low", "close", "volume"
    )


@pytest.mark.parametrize("name", SAME)
def test_csv_layout_when_read_gives_the_same_candles(
    name: str, tmp_path: Path, expected: pl.DataFrame
) -> None:
    text, layout = SAME[name]
    path = tmp_path / "a.csv"
    path.write_text(text)
    report = check(path)
    assert report.error is None, report.error
    assert (found(report), report.gaps, report.accepted) == ([], [], 300)
    assert report.layout is not None
    assert report.layout.name == layout
    assert report.layout.timeframes == ["1m"]
    assert accepted(path).drop("flags").equals(expected)


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "utf-8 with mark": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16 little": lambda text: text.decode().encode("utf-16"),
    "utf-16 big": lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
    "utf-16 without mark": lambda text: text.decode().encode("utf-16-le"),
    "latin-1": lambda text: "# 5 £ à la carte\n".encode("latin-1") + text,
    "windows ends": lambda text: text.replace(b"\n", b"\r\n"),
    "old mac ends": lambda text: text.replace(b"\n", b"\r"),
    "gzip": gzip.compress,
    "gzip of two members": lambda text: gzip.compress(text[:999]) + gzip.compress(text[999:]),
    "zstd": lambda text: bytes(pa.compress(text, codec="zstd", asbytes=True)),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoding_when_known_gives_the_same_candles(
    name: str, tmp_path: Path, expected: pl.DataFrame
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(ENCODINGS[name](table(HEADER, Candle.line).encode()))
    report = check(path)
    assert (report.error, found(report), report.accepted) == (None, [], 300)
    assert accepted(path).drop("flags").equals(expected)


def test_zip_of_one_file_is_read_and_of_two_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", table(HEADER, Candle.line))
    assert check(path).accepted == 300
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", "x")
    assert error_of(check(path)) == "encoding"


PARQUET: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "milliseconds": lambda frame: frame,
    "microseconds without zone": lambda frame: frame.with_columns(
        pl.col("time").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    ),
    "nanoseconds elsewhere": lambda frame: frame.with_columns(
        pl.col("time")
        .cast(pl.Datetime("ns"))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("America/New_York")
    ),
    "epoch numbers": lambda frame: frame.with_columns(pl.col("time").dt.epoch("ms")),
    "epoch floats": lambda frame: frame.with_columns(
        pl.col("time").dt.epoch("ms").cast(pl.Float64)
    ),
    "texts": lambda frame: frame.with_columns(
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), pl.col("close").cast(pl.String)
    ),
    "decimals": lambda frame: frame.with_columns(pl.col("open").cast(pl.Decimal(30, 8))),
    "other order": lambda frame: frame.select(reversed(frame.columns)),
    "more columns": lambda frame: frame.with_columns(pl.lit("x").alias("note")),
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_layout_when_read_gives_the_same_candles(
    name: str, tmp_path: Path, expected: pl.DataFrame
) -> None:
    path = tmp_path / "a.parquet"
    PARQUET[name](frame_of(CANDLES)).write_parquet(path)
    report = check(path, ReadOptions())
    assert (report.error, found(report), report.accepted) == (None, [], 300)
    assert accepted(path, ReadOptions()).drop("flags").equals(expected)


def test_nanoseconds_when_off_by_one_are_off_the_grid(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = frame_of(CANDLES).with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    shifted = pl.when(pl.int_range(300) == 7).then(1).otherwise(0)
    moved = (pl.col("time").to_physical() + shifted).cast(pl.Datetime("ns", "UTC"))
    frame.with_columns(moved).write_parquet(path)
    assert found(check(path, ReadOptions())) == [(8, "timestamp_off_grid", "timestamp")]


UNITS = {"seconds": (-3, "s"), "microseconds": (3, "us"), "nanoseconds": (6, "ns")}


@pytest.mark.parametrize("word", UNITS)
def test_other_unit_when_not_agreed_is_one_error_that_names_the_option(
    word: str, tmp_path: Path, expected: pl.DataFrame
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
    assert accepted(path, options).drop("flags").equals(expected)


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


def test_wrong_header_when_mapped_is_read(tmp_path: Path, expected: pl.DataFrame) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table("ts,o,hi,lo,c,vol", Candle.line))
    report = check(path)
    assert report.error is not None
    for name in ("time", "open", "high", "low", "close", "volume", "--columns"):
        assert name in (report.error.hint or "")
    names = dict(
        zip(
            ("time", "open", "high", "low", "close", "volume"),
            ["ts", "o", "hi", "lo", "c", "vol"],
            strict=True,
        )
    )
    options = ReadOptions(instrument=BTC, columns=names)
    assert accepted(path, options).drop("flags").equals(expected)
    wrong = ReadOptions(instrument=BTC, columns={**names, "open": "first"})
    assert error_of(check(path, wrong)) == "wrong_header"


def test_headerless_when_mapped_by_position_is_read(tmp_path: Path, expected: pl.DataFrame) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(None, lambda c: f"x,{c.line()},y"))
    names = ("time", "open", "high", "low", "close", "volume")
    columns = {name: str(at) for at, name in enumerate(names, 2)}
    options = ReadOptions(instrument=BTC, columns=columns)
    assert accepted(path, options).drop("flags").equals(expected)


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
    from candela.files.slices import read_slices
    from candela.files.unreadable import FileUnreadable
    from tests.candela.files.making import CLOCK

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


def test_newest_first_when_read_gives_the_same_candles(
    tmp_path: Path, expected: pl.DataFrame
) -> None:
    path = write_lines(tmp_path / "a.csv", [HEADER, *(c.line() for c in reversed(CANDLES))])
    report = check(path)
    assert (found(report), report.gaps) == ([], [])
    assert report.layout is not None
    assert report.layout.order == "descending"
    assert accepted(path).drop("flags").equals(expected)
    parquet = tmp_path / "a.parquet"
    frame_of(CANDLES).reverse().write_parquet(parquet)
    assert accepted(parquet, ReadOptions()).drop("flags").equals(expected)


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

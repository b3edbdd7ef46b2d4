"""The layouts that people have are read alike."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from candela.files.options import ReadOptions
from tests.candela.files.making import (
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
    plain,
    table,
    write_lines,
    zstd,
)

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
                .astimezone(ZoneInfo("Asia/Kolkata"))
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


@pytest.mark.parametrize("name", SAME)
def test_csv_layout_when_read_gives_the_same_candles(name: str, tmp_path: Path) -> None:
    text, layout = SAME[name]
    path = tmp_path / "a.csv"
    path.write_text(text)
    report = check(path)
    assert report.error is None, report.error
    assert (found(report), report.gaps, report.accepted) == ([], [], 300)
    assert report.layout is not None
    assert report.layout.name == layout
    assert report.layout.timeframes == ["1m"]
    assert accepted(path).drop("flags").equals(candles_expected())


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
    "zstd": zstd,
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoding_when_known_gives_the_same_candles(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(ENCODINGS[name](table(HEADER, Candle.line).encode()))
    report = check(path)
    assert (report.error, found(report), report.accepted) == (None, [], 300)
    assert accepted(path).drop("flags").equals(candles_expected())


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
def test_parquet_layout_when_read_gives_the_same_candles(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    PARQUET[name](frame_of(CANDLES)).write_parquet(path)
    report = check(path, ReadOptions())
    assert (report.error, found(report), report.accepted) == (None, [], 300)
    assert accepted(path, ReadOptions()).drop("flags").equals(candles_expected())


def test_nanoseconds_when_off_by_one_are_off_the_grid(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = frame_of(CANDLES).with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    shifted = pl.when(pl.int_range(300) == 7).then(1).otherwise(0)
    moved = (pl.col("time").to_physical() + shifted).cast(pl.Datetime("ns", "UTC"))
    frame.with_columns(moved).write_parquet(path)
    assert found(check(path, ReadOptions())) == [(8, "timestamp_off_grid", "timestamp")]


def test_newest_first_when_read_gives_the_same_candles(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [HEADER, *(c.line() for c in reversed(CANDLES))])
    report = check(path)
    assert (found(report), report.gaps) == ([], [])
    assert report.layout is not None
    assert report.layout.order == "descending"
    assert accepted(path).drop("flags").equals(candles_expected())
    parquet = tmp_path / "a.parquet"
    frame_of(CANDLES).reverse().write_parquet(parquet)
    assert accepted(parquet, ReadOptions()).drop("flags").equals(candles_expected())

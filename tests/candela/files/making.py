"""Candle files made from the sample, whole or with a defect put in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from candela.clock import FixedClock
from candela.files.options import ReadOptions
from candela.files.report import FileReport, check_file
from candela.files.slices import read_slices
from candela.market.instrument import Instrument

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
SHARED = Path(__file__).parents[3].parent / "shared" / "data"
CLOCK = FixedClock(datetime(2026, 6, 1, tzinfo=UTC))
# Arrow tells no types of its own.
_PACK: Callable[..., Any] = getattr(pa, "compress")  # noqa: B009
HEADER = "timestamp,open,high,low,close,volume"
BTC = Instrument("binance", "BTC/BUSD")
NAMED = ReadOptions(instrument=BTC)


@dataclass(frozen=True)
class Candle:
    """One candle as texts, so that a test can write it in any way."""

    ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str

    @property
    def prices(self) -> list[str]:
        return [self.open, self.high, self.low, self.close]

    @property
    def iso(self) -> str:
        return datetime.fromtimestamp(self.ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def line(self) -> str:
        return ",".join([str(self.ms), *self.prices, self.volume])


def minutes(count: int = 300) -> list[Candle]:
    """Return real minutes of one day, without a gap."""
    frame = pl.read_parquet(SAMPLE / "BTC-BUSD_1m_2022-12-13.parquet").head(count)
    stamps = frame["time"].dt.epoch("ms")
    columns = [frame[name].to_list() for name in ("open", "high", "low", "close", "volume")]
    return [
        Candle(stamp, *(repr(value) for value in values))
        for stamp, *values in zip(stamps, *columns, strict=True)
    ]


def frame_of(candles: Sequence[Candle]) -> pl.DataFrame:
    """Return the candles as a typed frame with the columns that files have."""
    return pl.DataFrame(
        {
            "symbol": ["BTC/BUSD"] * len(candles),
            "exchange": ["binance"] * len(candles),
            "time": [candle.ms for candle in candles],
            **{
                name: [float(getattr(candle, name)) for candle in candles]
                for name in ("open", "high", "low", "close", "volume")
            },
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))


def lines_of(candles: Sequence[Candle]) -> list[str]:
    """Return header and rows."""
    return [HEADER, *(candle.line() for candle in candles)]


def with_rows(lines: list[str], changes: dict[int, Callable[[list[str]], list[str]]]) -> list[str]:
    """Change the fields of rows, counted from 1 over the data."""
    changed = list(lines)
    for row, change in changes.items():
        changed[row] = ",".join(change(changed[row].split(",")))
    return changed


def write_lines(path: Path, lines: Sequence[str], *, end: str = "\n") -> Path:
    """Write lines as UTF-8, each with its line end."""
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def check(path: Path, options: ReadOptions = NAMED) -> FileReport:
    """Check a file at a fixed present."""
    return check_file(path, options, CLOCK)


def found(report: FileReport) -> list[tuple[int | None, str, str]]:
    """Return row, check and column of all findings about rows."""
    return [(one.row, one.check, one.column) for one in (*report.refused, *report.flagged)]


def error_of(report: FileReport) -> str:
    """Return the check that the file as a whole broke."""
    assert report.error is not None, found(report)
    return report.error.finding.check


def accepted(path: Path, options: ReadOptions = NAMED) -> pl.DataFrame:
    """Return all accepted rows of a file of one series."""
    with read_slices(path, options, CLOCK) as reader:
        return pl.concat([part.accepted for part in reader])


def zstd(data: bytes) -> bytes:
    """Pack bytes with zstd."""
    return bytes(_PACK(data, codec="zstd", asbytes=True))


CANDLES = minutes()


def table(header: str | None, row: Callable[[Candle], str], above: str = "") -> str:
    """Return a text of 300 minutes, each written by ``row``."""
    lines = [row(candle) for candle in CANDLES]
    return above + "".join(line + "\n" for line in ([header] if header else []) + lines)


def plain(candle: Candle) -> str:
    """Return prices and volume between commas."""
    return ",".join([*candle.prices, candle.volume])


def commas(candle: Candle) -> str:
    """Return prices and volume with decimal commas between semicolons."""
    return ";".join([*candle.prices, candle.volume]).replace(".", ",")


def candles_expected() -> pl.DataFrame:
    """Return the 300 minutes as they are to be read, without flags."""
    time = pl.col("time").cast(pl.Datetime("us", "UTC"))
    return frame_of(CANDLES).select(time, "open", "high", "low", "close", "volume")

"""Real minutes for benchmarks: the largest file at hand, as a candle frame and as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["Minutes", "find_minutes", "long_file"]

_ROOT = Path(__file__).parents[1]
_REAL = _ROOT.parent / "shared" / "data" / "candles" / "BTC-USD_1m.parquet"
_SAMPLE = _ROOT / "data" / "sample" / "BTC-BUSD_1m_2022-12-13.parquet"


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes of one instrument in a Parquet file, real unless the sample was repeated."""

    path: Path
    frame: pl.DataFrame
    is_real: bool


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.select(
        symbol=pl.lit("BTC/USD"), exchange=pl.lit("bitfinex"), time="time",
        open="open", high="high", low="low", close="close", volume="volume",
    ).write_parquet(path, compression="zstd", row_group_size=262_144)  # fmt: skip


def find_minutes(folder: Path, rows: int) -> Minutes:
    """Return the newest ``rows`` real minutes, or the shipped day repeated day after day."""
    columns: Sequence[pl.Expr] = (
        pl.col("time").cast(pl.Datetime("us", "UTC")),
        *(pl.col(name) for name in ("open", "high", "low", "close", "volume")),
        pl.lit(0, pl.Int32).alias("flags"),
    )
    if _REAL.exists():
        frame = pl.read_parquet(_REAL).tail(rows).select(columns)
        is_real = True
    else:
        day = pl.read_parquet(_SAMPLE).select(columns)
        frame = repeat(day, rows)
        is_real = False
    path = folder / "minutes.parquet"
    _write(frame, path)
    return Minutes(path, frame, is_real)


def repeat(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Return the rows again and again, each turn whole days later, until there are enough."""
    first, last = cast("tuple[datetime, datetime]", (frame["time"][0], frame["time"][-1]))
    days = (last - first).days + 1
    turns = -(-rows // frame.height)
    return pl.concat(
        [
            frame.with_columns(pl.col("time") + pl.duration(days=days * turn))
            for turn in range(turns)
        ]
    ).head(rows)


def long_file(folder: Path, minutes: Minutes, rows: int) -> Path:
    """Return a Parquet file of ``rows`` minutes of several symbols, each at most the real span."""
    path = folder / "long.parquet"
    parts: list[pl.DataFrame] = []
    left = rows
    number = 0
    while left > 0:
        part = minutes.frame.head(left)
        parts.append(
            part.select(
                symbol=pl.lit(f"BTC{number}/USD"), exchange=pl.lit("bitfinex"), time="time",
                open="open", high="high", low="low", close="close", volume="volume",
            )
        )  # fmt: skip
        left -= part.height
        number += 1
    pl.concat(parts).write_parquet(path, compression="zstd", row_group_size=262_144)
    return path

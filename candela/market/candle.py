"""The candle frame: its columns, types, order and the flags that a stored row can carry."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

import polars as pl

__all__ = ["CANDLE_SCHEMA", "PRICES", "VALUES", "Flag"]

PRICES: Final = ("open", "high", "low", "close")
"""The four prices, quote currency per unit of the base."""

VALUES: Final = (*PRICES, "volume")
"""The prices and the volume (units of the base; null where the venue reports none)."""

CANDLE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "time": pl.Datetime("us", "UTC"),
    **{name: pl.Float64() for name in VALUES},
    "flags": pl.Int32(),
}
"""A candle frame: one row a candle, ``time`` its start, oldest first, each time once."""


class Flag(IntFlag):
    """What the data contract found worth a remark in a row that it nevertheless took.

    The numbers are stored: never reuse one.
    """

    SPIKE = 1
    STALE_RUN = 2
    VOLUME_OUTLIER = 4
    OUT_OF_ORDER = 8
    TRUNCATED_TAIL = 16

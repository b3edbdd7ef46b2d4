"""Real bars for tests of simulators: the shipped hours, and the shared minutes where they are."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from candela.market.timeframe import Timeframe
from strategies.bars import COLUMNS, Bars
from tests.fixtures.candles import SHARED, sample

__all__ = ["hours", "minutes", "needs_minutes"]

_MINUTES = SHARED / "candles" / "BTC-USD_1m.parquet"

needs_minutes = pytest.mark.skipif(not _MINUTES.exists(), reason="the shared candles are not here")


@cache
def hours(rows: int = 3_000, name: str = "BTC-EUR_1h") -> Bars:
    """Return shipped hours; the first 3,000 have no gap."""
    return Bars.from_frame(sample(name), "1h", "bitvavo:BTC/EUR")[:rows]


@cache
def minutes(rows: int) -> Bars:
    """Return the newest minutes on a grid without gaps, as the measured figures were taken."""
    frame = pl.scan_parquet(_MINUTES).tail(rows).collect()
    open_, high, low, close, volume = (frame[name].to_numpy() for name in COLUMNS)
    return Bars(
        time=np.arange(rows, dtype=np.int64) * 60_000_000,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        timeframe=Timeframe.parse("1m"),
    )

"""Bars and sweeps made up for tests of searches."""

from __future__ import annotations

from typing import Any

import numpy as np

from backtest.sweep.spec import SweepSpec, sweep_spec
from candela.market.timeframe import Timeframe
from strategies.bars import Bars
from strategies.ma_cross import ma_cross

HOUR_US = 3_600_000_000
BASE: dict[str, Any] = {
    "strategy": "ma_cross",
    "instruments": ("bitvavo:BTC/EUR",),
    "timeframe": "1h",
    "costs": {"taker_fee_bps": 10.0},
}
AXES = ("fast=5:25:5", "slow=20:60:10")
"""25 combinations, of which 2 have fast at or above slow."""


def walk(rows: int = 1_500, seed: int = 1) -> Bars:
    """Return hourly bars of a random walk in cents."""
    random = np.random.default_rng(seed)
    walked = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
    close = np.asarray(np.round(walked, 2), dtype=np.float64)
    before = np.concatenate([[100.0], close[:-1]])
    return Bars(
        time=np.arange(rows, dtype=np.int64) * HOUR_US + 1_700_006_400_000_000,
        open=before,
        high=np.maximum(before, close) + 0.1,
        low=np.minimum(before, close) - 0.1,
        close=close,
        volume=np.ones(rows),
        timeframe=Timeframe(3_600),
        instrument="bitvavo:BTC/EUR",
    )


def spec(*axes: str, **options: Any) -> SweepSpec:
    """Return a sweep of ma_cross."""
    return sweep_spec(ma_cross, BASE, axes or AXES, **options)

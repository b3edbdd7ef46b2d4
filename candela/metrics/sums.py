"""The sums that every figure of an equity curve is made of."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["EQUITY_SUMS"]

EQUITY_SUMS: Final = np.dtype(
    [
        ("bars", np.int64),  # returns summed: one a bar, the first against the initial equity
        ("initial", np.float64),
        ("final", np.float64),
        ("sum_r", np.float64),  # of bar returns r
        ("sum_r2", np.float64),
        ("sum_r3", np.float64),  # NaN where not taken (sweeps)
        ("sum_r4", np.float64),  # NaN where not taken (sweeps)
        ("sum_down2", np.float64),  # of min(r, 0) squared
        ("max_drawdown", np.float64),  # 0..1, the initial equity counts as a peak
        ("longest_drawdown", np.int64),  # most bars in a row below the highest equity before
        ("exposed", np.int64),  # bars at whose close a position was held; -1 where not taken
        ("traded", np.float64),  # quote value of all fills
        ("fees", np.float64),
        ("slippage", np.float64),
        ("funding", np.float64),  # received; negative: paid
        ("orders", np.int64),  # fills
        ("rejected", np.int64),  # entries refused by a rule of the venue, or for want of cash
    ]
)
"""One equity curve in sums; all of them add up over holding periods, so that no curve is kept."""

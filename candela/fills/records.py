"""The records of a simulation: fills, trades and the reasons for them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

__all__ = ["FILL", "TRADE", "Reason"]


class Reason(IntEnum):
    """Why a fill happened, or why a trade ended."""

    SIGNAL = 0
    STOP = 1
    TARGET = 2
    TRAILING = 3
    REVERSAL = 4
    STILL_OPEN = 5
    LIQUIDATION = 6
    EXPIRY = 7
    LIMIT = 8


FILL: Final = np.dtype(
    [
        ("bar", np.int64),  # row of the bar in which it filled
        ("instrument", np.int32),  # row of the instrument; 0 with one
        ("side", np.int8),  # +1 bought, -1 sold
        ("reason", np.int8),
        ("units", np.float64),  # base, positive
        ("price", np.float64),  # quote per base, slippage inside
        ("fee", np.float64),  # quote
        ("slippage", np.float64),  # quote lost against the price before slippage
    ]
)
"""One fill, in order of time."""

TRADE: Final = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),  # -1: still open at the end
        ("instrument", np.int32),
        ("direction", np.int8),  # +1 long, -1 short
        ("reason", np.int8),  # why it ended
        ("legs", np.int32),  # entries that built it
        ("units", np.float64),  # base bought (long) or sold (short) in all
        ("entry_price", np.float64),  # mean, quote per base
        ("exit_price", np.float64),  # mean; the last close where still open
        ("fees", np.float64),  # quote, both sides
        ("slippage", np.float64),  # quote, both sides
        ("funding", np.float64),  # quote received (negative: paid)
        ("pnl", np.float64),  # quote, net of fees and funding
        ("return_ratio", np.float64),  # pnl over units * entry_price
    ]
)
"""One trade from flat to flat, in order of entry; a partial exit does not end it."""

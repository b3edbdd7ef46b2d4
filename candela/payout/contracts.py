"""The records of fixed-payout simulations: contracts and how they ended."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

__all__ = ["CONTRACT", "Outcome"]


class Outcome(IntEnum):
    """How a contract ended."""

    LOSS = 0
    WIN = 1
    TIE = 2  # expired at the price of entry; refunded or lost, as the rules say
    OPEN = 3  # expires after the last bar


CONTRACT: Final = np.dtype(
    [
        ("entry_bar", np.int64),  # row of the bar at whose open (next_open) or close it began
        ("expiry_bar", np.int64),  # row of the bar at whose close it was settled; -1: open
        ("direction", np.int8),  # +1 call: wins above the price of entry, -1 put: below
        ("outcome", np.int8),
        ("ladder_step", np.int32),  # from 0; 0 where the stake is no ladder's
        ("stake", np.float64),  # money
        ("payout", np.float64),  # profit of a win over the stake, as it stood at the entry
        ("entry_price", np.float64),
        ("expiry_price", np.float64),  # the last close where still open
        ("pnl", np.float64),  # money; 0 where still open
    ]
)
"""One contract, in order of entry."""

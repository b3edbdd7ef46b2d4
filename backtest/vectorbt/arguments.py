"""The same decisions in vectorbt's words: the arguments of ``Portfolio.from_signals``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.result import Result
from backtest.vectorbt.asked import Asked
from candela.fills.records import Reason

__all__ = ["arguments_of"]

Floats = npt.NDArray[np.float64]


def arguments_of(result: Result) -> dict[str, Any]:
    """Return the arguments besides the close, its index and frequency.

    vectorbt reads everything at the bar in which an order fills, so that with ``next_open`` all
    that was decided moves on by a bar.
    """
    asked = Asked.of(result)
    size, size_type = _sizes(asked)
    arguments: dict[str, Any] = {
        "entries": asked.shifted(asked.long_entries),
        "exits": asked.shifted(asked.long_exits),
        "short_entries": asked.shifted(asked.short_entries),
        "short_exits": asked.shifted(asked.short_exits),
        "price": asked.prices,
        "size": size,
        "size_type": size_type,
        "fees": asked.fee,
        "slippage": asked.adverse,
        "min_size": 0.0,
        "init_cash": result.cash,
        "lock_cash": asked.has_shorts,  # a sale of borrowed units is limited by cash as well
        "accumulate": "removeonly" if asked.has_part_exits else False,
        "upon_opposite_entry": "reverse",
    }
    if asked.has_levels:
        arguments |= _levels(asked, result)
    return arguments


def _levels(asked: Asked, result: Result) -> dict[str, Any]:
    is_trailing = not np.isnan(asked.trailing).all()
    at_targets = bool((result.trades["reason"] == Reason.TARGET).any())
    bars = asked.bars
    return {
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "sl_stop": asked.shifted(asked.trailing if is_trailing else asked.stop),
        "sl_trail": is_trailing,
        "tp_stop": asked.shifted(asked.target),
        "stop_entry_price": "fillprice",
        # One kind of price for stops and targets: `limits` refuses where both would matter.
        "stop_exit_price": "stoplimit" if at_targets else "stopmarket",
    }


def _sizes(asked: Asked) -> tuple[Floats | float, str]:
    """Return sizes at the bar of the fill, and what they are of."""
    shares = asked.shares
    if shares is not None:
        if asked.has_part_exits:
            part = np.where(np.isnan(asked.exit_fraction), 1.0, asked.exit_fraction)
            is_exit = asked.long_exits & ~asked.long_entries
            return asked.shifted(np.where(is_exit, part, shares)), "percent"
        entered = shares[asked.long_entries | asked.short_entries]
        if (entered >= 1).all():
            return np.inf, "amount"  # a reversal cannot be sized in percent
        return asked.shifted(shares), "percent"
    sizing = asked.model.sizing
    units = np.where(np.isnan(asked.size), sizing.value, asked.size)
    if sizing.kind == "fixed_units":
        return asked.shifted(units), "amount"
    # vectorbt would divide the value by the market's price; an order costs the price it pays.
    bought = asked.shifted(asked.long_entries & ~asked.long_exits)
    worse = np.where(bought, 1 + asked.adverse, 1 - asked.adverse)
    return asked.shifted(units) / (asked.prices * worse), "amount"

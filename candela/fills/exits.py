"""Compiled parts of the quick simulator: clean decisions, the bar of a stop or target, a trade."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from candela.bits import lowest_bit, outside_64
from candela.compiled import compiled
from candela.fills.records import Reason
from candela.fills.spans import BLOCK

__all__ = ["advance", "clean_events", "find_exit", "keep_trade", "keep_trade_sums"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_STOP: Final = int(Reason.STOP)
_TARGET: Final = int(Reason.TARGET)
_LIQUIDATION: Final = int(Reason.LIQUIDATION)


@compiled
def _without(rows: Rows, others: Rows) -> Rows:
    kept = np.empty(len(rows), np.int64)
    found = place = 0
    for row in rows:
        while place < len(others) and others[place] < row:
            place += 1
        if place == len(others) or others[place] != row:
            kept[found] = row
            found += 1
    return kept[:found]


@compiled
def clean_events(
    long_entries: Rows, long_exits: Rows, short_entries: Rows, short_exits: Rows
) -> tuple[Rows, Rows, Rows, Rows]:
    """Return the events with those taken out that contradict each other on one bar."""
    entries = _without(long_entries, long_exits)
    exits = _without(long_exits, long_entries)
    sales = _without(short_entries, short_exits)
    covers = _without(short_exits, short_entries)
    return _without(entries, sales), exits, _without(sales, entries), covers


@compiled
def advance(rows: Rows, place: int, least: int) -> int:
    """Return the first place from ``place`` on whose row is ``least`` or later.

    Steps double until they pass it: the next one costs a comparison, a far one few.
    """
    if place >= len(rows) or rows[place] >= least:
        return place
    step = 1
    while place + step < len(rows) and rows[place + step] < least:
        place += step
        step *= 2
    last = min(place + step, len(rows))
    while last - place > 1:
        middle = (place + last) // 2
        if rows[middle] < least:
            place = middle
        else:
            last = middle
    return last


@compiled
def find_exit(
    first: int,
    last: int,
    entry_row: int,
    entry_stops: bool,
    direction: int,
    stop: float,
    liquidation: float,
    target: float,
    open_: Floats,
    high: Floats,
    low: Floats,
    block_low: Floats,
    block_high: Floats,
) -> tuple[int, float, int]:
    """Return row, price before costs and reason of the first protective exit in [first, last].

    Row -1: none. ``entry_row`` is the bar that was entered at its open, -1 for an entry at a close.
    """
    rows = last + 1
    row = first
    if row == entry_row and row < rows:
        level = stop
        reason = _STOP
        if direction > 0:
            if not entry_stops:
                level = -np.inf
            if low[row] <= level:
                return row, min(level, open_[row]), reason
            if entry_stops and high[row] >= target:
                return row, target, _TARGET
        else:
            if not entry_stops:
                level = np.inf
            if liquidation < level:
                level = liquidation
                reason = _LIQUIDATION
            if high[row] >= level:
                return row, max(level, open_[row]), reason
            if entry_stops and low[row] <= target:
                return row, target, _TARGET
        row += 1
    level = stop
    reason = _STOP
    if direction < 0 and liquidation < level:
        level = liquidation
        reason = _LIQUIDATION
    floor, ceiling = (level, target) if direction > 0 else (target, level)
    while row < rows:
        if row & (BLOCK - 1) == 0:
            block = row // BLOCK
            while (
                block < len(block_low)
                and block_low[block] > floor
                and (block_high[block] < ceiling)
            ):
                block += 1
            row = block * BLOCK
            if row >= rows:
                break
        if row + BLOCK <= len(low):
            hit = outside_64(low, high, row, floor, ceiling)
            row = row + lowest_bit(hit) if hit else row + BLOCK
            if not hit:
                row -= row & (BLOCK - 1)
                continue
            if row >= rows:
                break
        elif low[row] > floor and high[row] < ceiling:
            row += 1
            continue
        if (direction > 0 and open_[row] <= level) or (direction < 0 and open_[row] >= level):
            return row, open_[row], reason
        if (direction > 0 and open_[row] >= target) or (direction < 0 and open_[row] <= target):
            return row, open_[row], _TARGET
        if (direction > 0 and low[row] <= level) or (direction < 0 and high[row] >= level):
            return row, level, reason
        return row, target, _TARGET
    return -1, 0.0, 0


@compiled
def keep_trade(
    trade: Any,
    where: tuple[int, int, int, int],
    numbers: tuple[float, float, float, float, float, float, float],
) -> None:
    """Write a trade of one leg: its rows, direction and reason, then its amounts."""
    trade["entry_bar"] = where[0]
    trade["exit_bar"] = where[1]
    trade["instrument"] = 0
    trade["direction"] = where[2]
    trade["reason"] = where[3]
    trade["legs"] = 1
    trade["units"] = numbers[0]
    trade["entry_price"] = numbers[1]
    trade["exit_price"] = numbers[2]
    trade["fees"] = numbers[3]
    trade["slippage"] = numbers[4]
    trade["funding"] = 0.0
    trade["pnl"] = numbers[5]
    trade["return_ratio"] = numbers[6]


@compiled
def keep_trade_sums(
    sums: Any,
    counts: tuple[int, int, int, int, int, int],
    numbers: tuple[float, float, float, float, float, float, float],
) -> None:
    """Write the sums of the trades of an account: counts, then amounts and ratios."""
    sums["closed"] = counts[0]
    sums["open"] = counts[1]
    sums["wins"] = counts[2]
    sums["losses"] = counts[3]
    sums["longest_wins"] = counts[4]
    sums["longest_losses"] = counts[5]
    sums["gained"] = numbers[0]
    sums["lost"] = numbers[1]
    sums["win_returns"] = numbers[2]
    sums["loss_returns"] = numbers[3]
    sums["returns"] = numbers[4]
    sums["best"] = numbers[5]
    sums["worst"] = numbers[6]

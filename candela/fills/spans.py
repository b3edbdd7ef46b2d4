"""Compiled loops over the bars of a holding period: its returns and its drawdown in sums."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.bits import lowest_bit, outside_64
from candela.compiled import compiled, compiled_sum

__all__ = [
    "BLOCK",
    "add_returns",
    "add_returns_of_short",
    "block_extremes",
    "mark_one",
    "mark_span",
    "one_return",
    "returns_sums",
]

Floats = npt.NDArray[np.float64]
Sums = tuple[float, float, float, float, float]

BLOCK: Final = 64
"""Bars whose lowest low and highest high are kept, so that stops pass quiet stretches in a step."""

_ABOVE: Final = 1.0 + 1e-14
_BELOW: Final = 1.0 - 1e-14


@compiled
def block_extremes(values: Floats, lows: Floats, highs: Floats) -> None:
    """Write the lowest and highest value of each block of bars."""
    rows = len(values)
    for block in range(len(lows)):
        low = high = values[block * BLOCK]
        for row in range(block * BLOCK, min(rows, (block + 1) * BLOCK)):
            low = min(low, values[row])
            high = max(high, values[row])
        lows[block] = low
        highs[block] = high


@compiled
def returns_sums(close: Floats, first: Floats, second: Floats, down: Floats) -> float:
    """Write running sums of the returns of closes, their squares, and squares of the falls.

    Returns the largest square: what is much smaller is lost beside it.
    """
    first[0] = second[0] = down[0] = largest = 0.0
    for row in range(1, len(close)):
        change = (close[row] - close[row - 1]) / close[row - 1]
        square = change * change
        first[row] = first[row - 1] + change
        second[row] = second[row - 1] + square
        down[row] = down[row - 1] + (square if change < 0.0 else 0.0)
        largest = max(largest, square)
    return largest


@compiled
def mark_one(
    value: float,
    row: int,
    peak: float,
    trough: float,
    peak_row: int,
    deepest: float,
    longest: int,
) -> tuple[float, float, int, float, int]:
    """Take one equity into the drawdown: peak, lowest since, row of the peak, depth, length."""
    if value >= peak:
        if trough < peak:
            deepest = max(deepest, (peak - trough) / peak)
            longest = max(longest, row - 1 - peak_row)
        return value, value, row, deepest, longest
    return peak, min(trough, value), peak_row, deepest, longest


@compiled
def mark_span(
    first: int,
    last: int,
    cash: float,
    units: float,
    close: Floats,
    peak: float,
    trough: float,
    peak_row: int,
    deepest: float,
    longest: int,
) -> tuple[float, float, int, float, int]:
    """Take the equities of rows [first, last), ``cash + units * close``, into the drawdown.

    Between peak and trough nothing moves: 64 closes are compared with both at once, and only those
    outside are looked at.
    """
    row = first
    while row < last:
        if row + BLOCK > len(close):
            value = max(cash + units * close[row], 0.0)
            peak, trough, peak_row, deepest, longest = mark_one(
                value, row, peak, trough, peak_row, deepest, longest
            )
            row += 1
            continue
        one, other = (peak - cash) / units, (trough - cash) / units
        # A little inside the two, so that rounding hides no bar.
        hits = outside_64(close, close, row, min(one, other) * _ABOVE, max(one, other) * _BELOW)
        if last - row < BLOCK:
            hits &= (np.uint64(1) << np.uint64(last - row)) - np.uint64(1)
        if not hits:
            row += BLOCK
            continue
        end = row + BLOCK
        while hits:
            place = lowest_bit(hits)
            hits &= hits - np.uint64(1)
            value = max(cash + units * close[row + place], 0.0)
            if value >= peak:
                peak, trough, peak_row, deepest, longest = mark_one(
                    value, row + place, peak, trough, peak_row, deepest, longest
                )
                end = row + place + 1  # the trough is another now
                break
            trough = min(trough, value)
        row = end
    return peak, trough, peak_row, deepest, longest


@compiled
def one_return(before: float, now: float) -> Sums:
    """Return a return of the account, its powers, and its square where it is a fall."""
    change = (now - before) / before if before > 0.0 else 0.0
    square = change * change
    return change, square, square * change, square * square, square if change < 0.0 else 0.0


@compiled_sum
def add_returns(first: int, last: int, cash: float, units: float, close: Floats) -> Sums:
    """Return the sums of the returns of rows [first, last), their powers, the squares of falls.

    The equity is above 0 throughout.
    """
    sum_1 = sum_2 = sum_3 = sum_4 = down = 0.0
    # Slices: their rows cannot be negative, which the compiler must know to do several at once.
    earlier, later = close[first - 1 : last - 1], close[first:last]
    for row in range(len(later)):
        before = cash + units * earlier[row]
        change = (cash + units * later[row] - before) / before
        square = change * change
        sum_1 += change
        sum_2 += square
        sum_3 += square * change
        sum_4 += square * square
        fall = min(change, 0.0)
        down += fall * fall
    return sum_1, sum_2, sum_3, sum_4, down


@compiled
def add_returns_of_short(first: int, last: int, cash: float, units: float, close: Floats) -> Sums:
    """Do the same where the equity may come to 0."""
    sum_1 = sum_2 = sum_3 = sum_4 = down = 0.0
    for row in range(first, last):
        before = max(cash + units * close[row - 1], 0.0)
        now = max(cash + units * close[row], 0.0)
        add = one_return(before, now)
        sum_1 += add[0]
        sum_2 += add[1]
        sum_3 += add[2]
        sum_4 += add[3]
        down += add[4]
    return sum_1, sum_2, sum_3, sum_4, down

"""Compiled loops of the simple mean: exact on decimal prices, whatever bar the data begin with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled

__all__ = ["decimal_sums", "means_of_sums"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_DECIMALS = 9
_LARGEST = 2.0e15  # whole numbers up to here are exact, and rounded by adding a large one
_ROUNDER = 1.5 * 2.0**52  # leaves no bits for fractions; a call to round could not be vectorised
_ROUNDING = 2.0**-52  # a decimal's nearest double, times a power of ten
_CHUNK = 512
_LARGEST_SUM = 9.0e18  # of 64-bit integers


@compiled
def decimal_sums(values: Floats, sums: Ints) -> float:
    """Write the running sums of the values as whole ticks; return ticks a unit, or 0.

    The tick is the largest power of ten, 1 to 1e-9, of which all values are whole multiples, as the
    doubles nearest to decimal prices are. 0 where there is none, or the sums would not fit.
    """
    rows = len(values)
    scale = 1.0
    largest = min(_LARGEST, _LARGEST_SUM / max(rows, 1))
    for _ in range(_MOST_DECIMALS + 1):
        total = np.int64(0)
        sums[0] = 0
        row = 0
        while row < rows:
            stop = min(rows, row + _CHUNK)
            # Slices: their rows cannot be negative, which the compiler must know to do several at
            # once.
            part, totals = values[row:stop], sums[row + 1 : stop + 1]
            if _others(part, scale, largest):
                break
            for place in range(len(part)):
                total += np.int64((part[place] * scale + _ROUNDER) - _ROUNDER)
                totals[place] = total
            row = stop
        if row == rows:
            return scale
        scale *= 10.0
    return 0.0


@compiled
def _others(values: Floats, scale: float, largest: float) -> int:
    """Return how many values are no whole ticks, to the rounding of a decimal, or too large."""
    others = 0
    for row in range(len(values)):
        scaled = values[row] * scale
        ticks = (scaled + _ROUNDER) - _ROUNDER
        if not abs(scaled - ticks) <= abs(ticks) * _ROUNDING:
            others += 1
        if not abs(scaled) <= largest:
            others += 1
    return others


@compiled
def means_of_sums(sums: Ints, window: int, scale: float, means: Floats) -> None:
    """Write the means of the last ``window`` values; NaN before there are as many.

    One division of two whole numbers, so that equal means are equal doubles.
    """
    rows = len(means)
    divisor = window * scale
    for row in range(min(window - 1, rows)):
        means[row] = np.nan
    if rows < window:
        return
    later, earlier, found = sums[window:], sums[: rows + 1 - window], means[window - 1 :]
    for row in range(len(found)):
        found[row] = np.float64(later[row] - earlier[row]) / divisor

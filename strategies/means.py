"""Compiled loops of the simple mean: exact on decimal prices, whatever bar the data begin with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled

__all__ = ["decimal_sums", "means_of_sums", "wide_means_of_sums"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_DECIMALS = 9
_USUAL = 2.0**40  # ticks of most prices stay below; thousands of them are still below 2^53
_LARGEST = 2.0e15  # whole numbers up to here are exact, and rounded by adding a large one
_ROUNDER = 1.5 * 2.0**52  # leaves no bits for fractions; a call to round could not be vectorised
_ROUNDING = 2.0**-52  # a decimal's nearest double, times a power of ten
_CHUNK = 512
_EXACT = np.int64(2**53)  # whole numbers below it are doubles


@compiled
def decimal_sums(values: Floats, sums: Ints) -> tuple[float, float]:
    """Write the running sums of the values as whole ticks; return ticks a unit, or 0, and a bound.

    The tick is the largest power of ten, 1 to 1e-9, of which all values are whole multiples, as the
    doubles nearest to decimal prices are. 0 where there is none. The bound says what no value is
    above, in ticks. The sums may pass beyond 64 bits and come back: differences of two of them are
    right wherever they fit, so that no answer depends on the number of rows.
    """
    rows = len(values)
    scale = 1.0
    for _ in range(_MOST_DECIMALS + 1):
        total = np.int64(0)
        bound = _USUAL
        sums[0] = 0
        row = 0
        while row < rows:
            stop = min(rows, row + _CHUNK)
            # Slices: their rows cannot be negative, which the compiler must know to do several at
            # once.
            part, totals = values[row:stop], sums[row + 1 : stop + 1]
            if _others(part, scale):
                break
            for place in range(len(part)):
                total += np.int64((part[place] * scale + _ROUNDER) - _ROUNDER)
                totals[place] = total
            while _beyond(part, bound / scale):
                bound *= 2.0
            row = stop
        if row == rows:
            return scale, bound
        scale *= 10.0
    return 0.0, 0.0


@compiled
def _others(values: Floats, scale: float) -> int:
    """Return how many values are no whole ticks, to the rounding of a decimal, or too large."""
    others = 0
    for row in range(len(values)):
        scaled = values[row] * scale
        ticks = (scaled + _ROUNDER) - _ROUNDER
        if not abs(scaled - ticks) <= abs(ticks) * _ROUNDING:
            others += 1
        if not abs(scaled) <= _LARGEST:
            others += 1
    return others


@compiled
def _beyond(values: Floats, most: float) -> int:
    """Return how many values are larger."""
    found = 0
    for row in range(len(values)):
        if not abs(values[row]) <= most:
            found += 1
    return found


@compiled
def means_of_sums(sums: Ints, window: int, scale: float, means: Floats) -> None:
    """Write the means of the last ``window`` values; NaN before there are as many.

    One division of two whole numbers below 2^53, so that equal means are equal doubles.
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


@compiled
def wide_means_of_sums(sums: Ints, window: int, scale: float, means: Floats) -> None:
    """Write the same means where sums of a window, below 2^63, pass beyond 2^53.

    The quotient is taken in whole numbers, with 50 bits after the point and a last one that says
    whether anything is left: rounded once, it is the double nearest to the true mean. The window
    times the scale is below 2^43, so that such a mean is above 2^10 and these bits are enough.
    """
    rows = len(means)
    divisor = window * scale
    whole = np.int64(divisor)
    for row in range(min(window - 1, rows)):
        means[row] = np.nan
    for row in range(window - 1, rows):
        total = sums[row + 1] - sums[row + 1 - window]
        size = abs(total)
        if size < _EXACT:
            means[row] = np.float64(total) / divisor
            continue
        units, rest = size // whole, size % whole
        part = np.int64(0)
        for bits in (20, 20, 10):
            rest <<= bits
            part = (part << bits) | (rest // whole)
            rest %= whole
        if rest:
            part |= 1
        mean = np.float64(units) + np.float64(part) * 2.0**-50
        means[row] = mean if total > 0 else -mean

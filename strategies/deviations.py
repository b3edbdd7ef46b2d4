# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
"""Compiled loop of the standard deviation: exact on decimal prices, as the simple mean is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled

__all__ = ["deviations_of_sums"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@compiled
def deviations_of_sums(sums: Ints, window: int, scale: float, deviations: Floats) -> None:
    """Write the deviations of the last ``window`` values; NaN before there are as many.

    ``sums`` are running sums of whole ticks. Squares may pass beyond 64 bits and come back: what
    counts is that the variance times the square of the window, a whole number, does not.
    """
    rows = len(deviations)
    for row in range(min(window - 1, rows)):
        deviations[row] = np.nan
    if rows == 0:
        return
    first = sums[1] - sums[0]
    divisor = (window * scale) * (window * scale)
    total = np.int64(0)
    squares = np.int64(0)
    for row in range(rows):
        tick = sums[row + 1] - sums[row] - first
        total += tick
        squares += tick * tick
        if row >= window:
            gone = sums[row + 1 - window] - sums[row - window] - first
            total -= gone
            squares -= gone * gone
        if row >= window - 1:
            deviations[row] = np.sqrt(np.float64(window * squares - total * total) / divisor)

"""Falls from a peak: how deep the equity stood under water, and its worst falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.report.reportable import Floats

__all__ = ["Drawdown", "under_water", "worst_drawdowns"]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One fall: rows of the last bar at the peak (-1: the start), the lowest and the end."""

    peak: int
    trough: int
    recovered: int | None  # None: not back at its peak when the data ended
    depth_ratio: float  # 0..1


def under_water(equity: Floats, initial: float) -> Floats:
    """Return how far each close stands under the highest so far, as ratios 0 to -1.

    The initial equity counts as a peak, as it does in the metrics.
    """
    peak = np.maximum(np.maximum.accumulate(equity), initial)
    ratio = np.zeros(len(equity))
    np.divide(equity, peak, out=ratio, where=peak > 0)
    return np.where(peak > 0, ratio - 1.0, 0.0)


def worst_drawdowns(equity: Floats, initial: float, most: int = 10) -> list[Drawdown]:
    """Return the deepest falls, deepest first; a fall ends where its peak is reached again."""
    water = under_water(equity, initial)
    below = np.concatenate([[False], water < 0, [False]])
    starts = np.flatnonzero(below[1:] & ~below[:-1])
    ends = np.flatnonzero(~below[1:] & below[:-1])
    falls: list[Drawdown] = []
    if not len(starts):
        return falls
    # Rows between two falls are 0, so that a fall's lowest is that of its stretch up to the next.
    depths = np.minimum.reduceat(water, starts)
    for number in np.argsort(depths, kind="stable")[:most].tolist():
        start, end = int(starts[number]), int(ends[number])
        falls.append(
            Drawdown(
                peak=start - 1,
                trough=start + int(np.argmin(water[start:end])),
                recovered=end if end < len(equity) else None,
                depth_ratio=-float(depths[number]),
            )
        )
    return falls

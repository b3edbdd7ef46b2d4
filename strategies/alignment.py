"""Puts bars of further instruments on the times of the bars at hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from strategies.bars import Bars
from strategies.memory import sealed

__all__ = ["beside", "on_times"]


def on_times(bars: Bars, time: npt.NDArray[np.int64]) -> Bars:
    """Return the bars at those times, NaN where there is none.

    Parameters
    ----------
    time
        (n,) microseconds since 1970 UTC, rising.
    """
    rows = np.searchsorted(bars.time, time)
    inside = np.minimum(rows, max(len(bars) - 1, 0))
    present = bars.time[inside] == time if len(bars) else np.zeros(len(time), dtype=np.bool_)

    def brought(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return sealed(np.where(present, values[inside] if len(values) else np.nan, np.nan))

    return Bars(
        time=time,
        open=brought(bars.open),
        high=brought(bars.high),
        low=brought(bars.low),
        close=brought(bars.close),
        volume=brought(bars.volume),
        timeframe=bars.timeframe,
        instrument=bars.instrument,
    )


def beside(bars: Bars, others: Mapping[str, Bars]) -> Bars:
    """Return the same bars with further instruments on their times."""
    return Bars(
        time=bars.time,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        timeframe=bars.timeframe,
        instrument=bars.instrument,
        others={name: on_times(other, bars.time) for name, other in others.items()},
    )

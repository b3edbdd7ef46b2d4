"""Made-up continuations of bars, and bars moved in time: nothing decided before may change."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import numpy.typing as npt

from strategies.bars import COLUMNS, Bars

__all__ = ["FUTURES", "SHIFTS", "other_future", "shifted"]

Floats = npt.NDArray[np.float64]

FUTURES: Final = ("noise", "crash", "boom", "backwards", "thinned", "closed_up")
"""What may come after a bar: other moves, extremes, the moves in reverse, with holes, without."""

_MICROSECONDS_A_DAY: Final = 86_400_000_000
# 400 years of the Gregorian calendar are whole weeks: weekday, day, month and leap years stay.
_CYCLE: Final = 146_097 * _MICROSECONDS_A_DAY
SHIFTS: Final = (-4, -3, -2, -1, 1, 2, 3, 4)
"""By how many times 400 years bars are moved."""

_MOST_DECIMALS: Final = 9
_EXTREMES: Final = {"crash": 0.2, "boom": 5.0}


def other_future(bars: Bars, known: int, kind: str, random: np.random.Generator) -> Bars:
    """Return the first ``known`` bars followed by others than those that came."""
    left = len(bars) - known
    rows = np.arange(known, len(bars))
    if kind == "backwards":
        rows = rows[::-1]
    elif kind == "thinned":
        rows = rows[1::2]
    factors = np.exp(random.normal(0.0, 0.03, left).cumsum() / np.sqrt(np.arange(1, left + 1)))
    factors *= _EXTREMES.get(kind, 1.0)
    volumes = np.exp(random.normal(0.0, 1.0, left))
    times = bars.time[known:]
    if kind == "thinned":
        times = bars.time[rows]
    elif kind == "closed_up" and known:
        step = bars.timeframe.seconds * 1_000_000
        times = bars.time[known - 1] + step * np.arange(1, left + 1)
    return _continued(bars, known, rows, times, factors[: len(rows)], volumes[: len(rows)])


def _continued(
    bars: Bars,
    known: int,
    rows: npt.NDArray[np.intp],
    times: npt.NDArray[np.int64],
    factors: Floats,
    volumes: Floats,
) -> Bars:
    def joined(name: str) -> Floats:
        values: Floats = getattr(bars, name)
        later = values[rows] * (volumes if name == "volume" else factors)
        places = _decimals(bars, name)
        # Exact means are exact on decimals: a future off their grid would be no future of these.
        return np.concatenate([values[:known], later if places is None else later.round(places)])

    return Bars(
        time=np.concatenate([bars.time[:known], times]),
        **{name: joined(name) for name in COLUMNS},
        timeframe=bars.timeframe,
        instrument=bars.instrument,
        others={
            name: _continued(other, known, rows, times, factors, volumes)
            for name, other in bars.others.items()
        },
    )


def _decimals(bars: Bars, name: str) -> int | None:
    """Return how many decimals the values have at most; None where they are no decimals."""
    known = bars.kept.setdefault("decimals", {})
    found = cast("dict[str, int | None]", known)
    if name not in found:
        values: Floats = getattr(bars, name)
        fitting = (
            places
            for places in range(_MOST_DECIMALS + 1)
            if np.array_equal(values.round(places), values, equal_nan=True)
        )
        found[name] = next(fitting, None)
    return found[name]


def shifted(bars: Bars, cycles: int) -> Bars:
    """Return the same bars so many times 400 years later."""
    return Bars(
        time=bars.time + cycles * _CYCLE,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        timeframe=bars.timeframe,
        instrument=bars.instrument,
        others={name: shifted(other, cycles) for name, other in bars.others.items()},
    )

"""Neighbours: spikes, stale runs and volume outliers, judged against the candles around a row.

Every rule looks at no more than :data:`CONTEXT` candles to each side, so that a series judged in
pieces, each with that much of its surroundings, gives what the whole would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from candela.market.candle import PRICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candela.quality.rows import Rows

    Index = NDArray[np.intp]
    Floats = NDArray[np.float64]

__all__ = ["CONTEXT", "Spikes", "spikes", "stale_repeats", "volume_outliers"]

CONTEXT: Final = 30
"""Candles to each side that a judgement may depend on."""

# Calibrated on 6.3 million real candles (crypto minutes to daily shares): some 5 spikes in a
# million crypto minutes, every false print and flash crash that is known among them.
SIDE: Final = 10
"""Closes to each side whose medians a price is held against."""
LEAST_MOVE: Final = 0.10
"""Logarithmic distance below which nothing is a spike."""
SCALES: Final = 6.0
"""Distance in units of the usual movement around the row."""
_FEW: Final = 3
_JUMP: Final = 1.05
_RUN: Final = 4

STALE_LENGTH: Final = 15
"""Equal candles in a row that make a stale run; the longest in real data is 11."""

VOLUME_RATIO: Final = 100.0
"""How often a volume must hold what two neighbouring candles both reached."""
_VOLUME_SIDE: Final = CONTEXT
_LEAST_NEIGHBOURS: Final = 10


@dataclass(slots=True)
class Spikes:
    """Rows with a spike, the prices that are out, and the level around each."""

    index: Index
    out: dict[str, NDArray[np.bool_]]
    level: Floats


def spikes(rows: Rows, start: int, stop: int) -> Spikes:
    """Find prices that leave the closes before *and* after them, beyond the usual movement.

    A row after a split stands near the closes after it, so a lasting change of level is none.

    Parameters
    ----------
    rows
        Sorted, good rows of one series.
    start, stop
        The part to judge; the rest is surroundings.
    """
    index = _suspects(rows, start, stop)
    if not len(index):
        return _no_spikes()
    found = [_judge_spikes(rows, part) for part in np.array_split(index, len(index) // 20_000 + 1)]
    return Spikes(
        np.concatenate([part.index for part in found]),
        {name: np.concatenate([part.out[name] for part in found]) for name in PRICES},
        np.concatenate([part.level for part in found]),
    )


def _suspects(rows: Rows, start: int, stop: int) -> Index:
    """Return the rows near a jump: few in clean data, so that the medians are needed for few."""
    first, last = max(0, start - _RUN), min(len(rows), stop + _RUN)
    close = rows.close
    top = rows.high[first:last].copy()
    bottom = rows.low[first:last].copy()
    after_one = 1 if first == 0 else 0
    before = close[first - 1 + after_one : last - 1]
    np.maximum(top[after_one:], before, out=top[after_one:])
    np.minimum(bottom[after_one:], before, out=bottom[after_one:])
    after = close[first + 1 : last + 1]
    np.maximum(top[: len(after)], after, out=top[: len(after)])
    np.minimum(bottom[: len(after)], after, out=bottom[: len(after)])
    bottom *= _JUMP
    jumps = np.flatnonzero(top > bottom) + first
    if not len(jumps):
        return jumps
    near = np.zeros(len(rows) + 2 * _RUN + 1, np.bool_)
    for step in range(2 * _RUN + 1):
        near[jumps + step] = True
    near = near[_RUN : _RUN + len(rows)]
    return np.flatnonzero(near[start:stop]) + start


def _judge_spikes(rows: Rows, index: Index) -> Spikes:
    offsets = np.concatenate([np.arange(-SIDE, 0), np.arange(1, SIDE + 1)])
    around = index[:, None] + offsets
    inside = (around >= 0) & (around < len(rows))
    around = np.where(inside, around, 0)
    closes = np.where(inside, np.log(rows.close[around]), np.nan)
    ranges = np.where(inside, np.log(rows.high[around] / rows.low[around]), np.nan)
    before, after = closes[:, :SIDE], closes[:, SIDE:]
    steps = np.abs(np.concatenate([np.diff(before, axis=1), np.diff(after, axis=1)], axis=1))
    usual = np.fmax(np.nan_to_num(_median(steps)), np.nan_to_num(_median(ranges)))
    mid_before = np.where(_count(before) >= _FEW, _median(before), np.nan)
    mid_after = np.where(_count(after) >= _FEW, _median(after), np.nan)
    highest, lowest = np.fmax(mid_before, mid_after), np.fmin(mid_before, mid_after)
    reach = np.maximum(LEAST_MOVE, SCALES * usual)
    # With one side only, a lasting change of level cannot be told from a spike: be slower.
    reach = np.where(np.isnan(mid_before) | np.isnan(mid_after), 2 * reach, reach)
    out: dict[str, NDArray[np.bool_]] = {}
    for name in PRICES:
        level = np.log(rows.column(name)[index])
        out[name] = (level > highest + reach) | (level < lowest - reach)
    hit = np.logical_or.reduce(list(out.values()))
    level = np.exp((highest[hit] + lowest[hit]) / 2)
    return Spikes(index[hit], {name: mask[hit] for name, mask in out.items()}, level)


def _median(values: Floats) -> Floats:
    """Return the median of each row without its NaN; NaN where nothing is left."""
    ordered = np.sort(values, axis=1)
    count = _count(values)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[1] - 1)[:, None], axis=1)
    return (low + high[:, 0]) / 2


def _count(values: Floats) -> NDArray[np.intp]:
    return np.count_nonzero(~np.isnan(values), axis=1)


def _no_spikes() -> Spikes:
    none = np.empty(0, np.bool_)
    return Spikes(np.empty(0, np.intp), dict.fromkeys(PRICES, none), np.empty(0))


def stale_repeats(rows: Rows, start: int, stop: int, *, has_volume: bool) -> Index:
    """Find the candles that repeat the one before in a run of at least STALE_LENGTH equal ones.

    Candles without volume are not stale: nothing was traded, so nothing could change.
    """
    first = max(0, start - STALE_LENGTH)
    last = min(len(rows), stop + STALE_LENGTH)
    part = slice(first, last)
    close, volume = rows.close[part], rows.volume[part]
    equal = np.flatnonzero(close[1:] == close[:-1]) + 1
    for name in ("open", "high", "low"):
        column = rows.column(name)[part]
        equal = equal[column[equal] == column[equal - 1]]
    if has_volume:
        equal = equal[(volume[equal] == volume[equal - 1]) & (volume[equal] > 0)]
    if len(equal) < STALE_LENGTH - 1:
        return np.empty(0, np.intp)
    breaks = np.flatnonzero(np.diff(equal) != 1) + 1
    bounds = np.concatenate([[0], breaks, [len(equal)]])
    lengths = np.diff(bounds)
    kept = equal[np.repeat(lengths >= STALE_LENGTH - 1, lengths)] + first
    return kept[(kept >= start) & (kept < stop)]


def volume_outliers(rows: Rows, start: int, stop: int) -> tuple[Index, Floats]:
    """Find volumes beyond VOLUME_RATIO times what any two adjacent neighbours both reached.

    Returns
    -------
    Their places, and that reference volume for each.
    """
    volume, count = rows.volume, len(rows)
    if count < _LEAST_NEIGHBOURS:
        return np.empty(0, np.intp), np.empty(0)
    pairs = np.minimum(volume[1:], volume[:-1])
    nearest = np.zeros(stop - start)
    begin = max(start, 2)
    if begin < stop:
        nearest[begin - start :] = pairs[begin - 2 : stop - 2]
    end = min(stop, count - 2)
    if end > start:
        np.maximum(nearest[: end - start], pairs[start + 1 : end + 1], out=nearest[: end - start])
    nearest *= VOLUME_RATIO
    index = np.flatnonzero(volume[start:stop] > nearest) + start
    kept, levels = [index[:0]], [np.empty(0)]
    for part in np.array_split(index, len(index) // 20_000 + 1):
        level = _reference(pairs, part, count)
        hit = (level > 0) & (volume[part] > VOLUME_RATIO * level)
        kept.append(part[hit])
        levels.append(level[hit])
    return np.concatenate(kept), np.concatenate(levels)


def _reference(pairs: Floats, index: Index, count: int) -> Floats:
    # Pair k holds rows k and k + 1: those wholly before the row, then those wholly after it.
    offsets = np.concatenate([np.arange(-_VOLUME_SIDE, -1), np.arange(1, _VOLUME_SIDE)])
    around = index[:, None] + offsets
    inside = (around >= 0) & (around < count - 1)
    level = np.where(inside, pairs[np.where(inside, around, 0)], 0.0).max(axis=1)
    return np.where(np.count_nonzero(inside, axis=1) >= _LEAST_NEIGHBOURS, level, 0.0)

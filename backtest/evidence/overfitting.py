"""How often the best trial of one half of the time disappoints in the other half (CSCV).

Source: Bailey, Borwein, Lopez de Prado and Zhu, "The Probability of Backtest Overfitting", Journal
of Computational Finance 20(4), 2017 (first published 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.samples import BadEvidenceOption, BlockSums, Floats, Progress

__all__ = ["Overfitting", "overfitting"]

_CHUNK: Final = 512
_LEAST_PARTS: Final = 2
_MOST_PARTS: Final = 20


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What became, over all splits in halves, of the trial that was best in one of them.

    Attributes
    ----------
    probability
        Share of splits in which it ranked at or below the median of the other half (PBO).
    probability_of_loss
        Share of splits in which it lost in the other half.
    slope, intercept
        Of its Sharpe ratio outside on that inside, by least squares: performance degradation.
    logits
        Of its relative rank outside, one a split; positive above the median.
    inside, outside
        Its Sharpe ratios per bar.
    winners
        Which trial it was.
    """

    probability: float
    probability_of_loss: float
    slope: float
    intercept: float
    logits: Floats
    inside: Floats
    outside: Floats
    winners: npt.NDArray[np.int64]


def overfitting(
    blocks: BlockSums, *, parts: int = 16, progress: Progress | None = None
) -> Overfitting:
    """Return the probability of backtest overfitting over all halves of ``parts`` spans of time.

    A trial without variance in a half has a Sharpe ratio of 0 there; equal trials share their
    middle rank. Everything is NaN for a single trial, which nobody chose.

    Raises
    ------
    BadEvidenceOption
        Parts that are odd, fewer than 2, more than 20, or more than there are blocks.
    """
    from backtest.evidence.kernels import judge_splits

    if parts % 2 or not _LEAST_PARTS <= parts <= _MOST_PARTS:
        raise BadEvidenceOption(
            f"{parts} parts cannot be split in halves.",
            f"Choose an even number up to {_MOST_PARTS}, like 16.",
        )
    grouped = blocks.grouped(parts)
    # Every split holds the first block in one of its halves, so half of the combinations are
    # enough: the kernel judges both directions of each.
    splits = math.comb(parts, parts // 2)
    winners = np.empty(splits, np.int64)
    ranks, inside, outside = (np.empty(splits) for _ in range(3))
    halves = combinations(range(1, parts), parts // 2 - 1)
    done = 0
    while chunk := list(islice(halves, _CHUNK)):
        rows = np.array([(0, *half) for half in chunk], np.int64)
        span = slice(done, done + 2 * len(chunk))
        judge_splits(
            rows,
            np.ascontiguousarray(grouped.bars, np.int64),
            np.ascontiguousarray(grouped.sums),
            np.ascontiguousarray(grouped.squares),
            winners[span],
            ranks[span],
            inside[span],
            outside[span],
        )
        done += 2 * len(chunk)
        if progress:
            progress(done, splits)
    if grouped.trials == 1:
        return Overfitting(
            math.nan, math.nan, math.nan, math.nan, np.zeros(splits), inside, outside, winners
        )
    relative = ranks / (grouped.trials + 1)
    logits = np.log(relative / (1.0 - relative))
    slope, intercept = _line(inside, outside)
    return Overfitting(
        float((logits <= 0.0).mean()),
        float((outside < 0.0).mean()),
        slope,
        intercept,
        logits,
        inside,
        outside,
        winners,
    )


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    centred = x - x.mean()
    spread = float(np.square(centred).sum())
    if spread == 0.0:
        return math.nan, math.nan
    slope = float((centred * y).sum()) / spread
    return slope, float(y.mean() - slope * x.mean())

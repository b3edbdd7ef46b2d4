"""Whether the best of many trials beats what chance makes of the best of as many.

Sources: White, "A Reality Check for Data Snooping", Econometrica 68, 2000; Hansen, "A Test for
Superior Predictive Ability", Journal of Business and Economic Statistics 23, 2005; one p-value a
trial as in Romano and Wolf, "Stepwise Multiple Testing", Econometrica 73, 2005, first step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.bootstrap import LEAST, Kind, automatic_block, block_kind
from backtest.evidence.samples import (
    BadEvidenceOption,
    BadReturns,
    BlockSums,
    Floats,
    Progress,
    as_returns,
    as_trials,
)

__all__ = ["Superiority", "reality_check", "sign_flips", "superior_ability"]

_CHUNK: Final = 128
_COLUMNS: Final = 128
# Below this share of its mean square, the variance of a trial is rounding.
_NO_SPREAD: Final = 1e-12
_TOSS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Superiority:
    """The largest statistic of the trials beside what it is by luck alone.

    Attributes
    ----------
    statistics
        One a trial: root of the bars times mean, over the error's scale where studentised.
    best
        The trial with the largest.
    lower, consistent, upper
        P-values of the best; Hansen's three ways to treat trials that are worse than the benchmark.
    luck
        Largest statistic of each draw when no trial has an edge: sorted, under ``upper``.
    consistent_luck
        The same with hopeless trials left out, under ``consistent``.
    block_length
        Bars a block of the draws, on average.
    """

    statistics: Floats
    best: int
    lower: float
    consistent: float
    upper: float
    luck: Floats
    consistent_luck: Floats
    block_length: float

    def p_value(self, trial: int) -> float:
        """Return the p-value of one trial among all, under ``consistent``; that of the best is it.

        Raises
        ------
        BadEvidenceOption
            No such trial.
        """
        if not 0 <= trial < self.statistics.size:
            raise BadEvidenceOption(
                f"Trial {trial} of {self.statistics.size}.", "Count trials from 0."
            )
        return _share_above(self.consistent_luck, float(self.statistics[trial]))


def _share_above(luck: Floats, statistic: float) -> float:
    """Return the share of sorted draws that reach the statistic, itself counted among them.

    Hansen's statistic is never below 0: no trial at all is better than a bad one.
    """
    if statistic <= 0.0:
        return 1.0
    reached = luck.size - int(np.searchsorted(luck, statistic, side="left"))
    return (reached + 1) / (luck.size + 1)


def superior_ability(
    returns: npt.ArrayLike,
    *,
    benchmark: npt.ArrayLike | None = None,
    studentised: bool = True,
    kind: Kind = "stationary",
    block_length: float | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Superiority:
    """Test whether any trial returns more than the benchmark, given that all were tried (SPA).

    Parameters
    ----------
    returns
        (bars, trials).
    benchmark
        Returns of the same bars to beat; by default nothing, a return of 0.
    studentised
        Divide each mean by its error, so that quiet trials count like wild ones (Hansen).
    kind, block_length
        Of the redrawn blocks; by default stationary, as long as the best trial asks for.
    draws, seed
        How often, and from where the random numbers start.

    Raises
    ------
    BadEvidenceOption
        No draw, or blocks shorter than a bar or longer than the bars.
    BadReturns
        Returns that are no numbers, or a benchmark of other bars.
    TooFewReturns
        Fewer than eight bars.
    """
    from backtest.evidence.kernels import draw_counts, weighted_sums

    trials = as_trials(returns, least=LEAST)
    bars = trials.shape[0]
    if benchmark is not None:
        against = as_returns(benchmark, least=LEAST, what="returns of the benchmark")
        if against.size != bars:
            raise BadReturns(
                f"The benchmark has {against.size} bars, the trials {bars}.",
                "Give the benchmark's return for each bar of the trials.",
            )
        trials = trials - against[:, None]
    means = trials.mean(axis=0)
    code = block_kind(kind)
    if block_length is None:
        deviations = trials.std(axis=0)
        ratios = np.divide(means, deviations, out=np.zeros_like(means), where=deviations > 0.0)
        block_length = automatic_block(trials[:, int(np.argmax(ratios))], kind)
    length = float(round(block_length)) if code == 1 else float(block_length)
    if draws < 1 or not 1.0 <= length <= bars:
        raise BadEvidenceOption(
            f"{draws} draws of blocks of {length:g} bars.",
            f"Draw once or more, blocks of 1 to {bars} bars.",
        )
    root = math.sqrt(bars)
    errors = np.sqrt(_long_variance(trials, means, length))
    # A trial that never moves has no luck: its statistic is 0, not 0 over 0.
    moves = errors > _NO_SPREAD * np.sqrt(np.square(trials).mean(axis=0))
    units = np.where(moves, root / np.where(moves & studentised, errors, 1.0), 0.0)
    statistics = units * means
    hopeless = means < -errors / root * math.sqrt(2.0 * math.log(math.log(bars)))
    centres = (np.maximum(means, 0.0), np.where(hopeless, 0.0, means), means)
    largest = np.empty((3, draws))
    generator = np.random.default_rng(seed)
    counts = np.empty((min(_CHUNK, draws), bars))
    drawn = np.empty((len(counts), trials.shape[1]))
    for start in range(0, draws, _CHUNK):
        part = counts[: min(_CHUNK, draws - start)]
        draw_counts(generator, length, code, part)
        sums = drawn[: len(part)]
        weighted_sums(part, trials, sums)
        sums *= units / bars
        span = slice(start, start + len(part))
        for row, centre in enumerate(centres):  # lower, consistent, upper
            largest[row, span] = (sums - units * centre).max(axis=1)
        if progress:
            progress(start + len(part), draws)
    largest.sort(axis=1)
    best = int(np.argmax(statistics))
    lower, consistent, upper = (_share_above(row, float(statistics[best])) for row in largest)
    return Superiority(statistics, best, lower, consistent, upper, largest[2], largest[1], length)


def reality_check(
    returns: npt.ArrayLike,
    *,
    benchmark: npt.ArrayLike | None = None,
    kind: Kind = "stationary",
    block_length: float | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> float:
    """Return White's p-value of the best trial: means as they are, all taken as just worthless.

    Parameters and errors are those of ``superior_ability``.
    """
    return superior_ability(
        returns,
        benchmark=benchmark,
        studentised=False,
        kind=kind,
        block_length=block_length,
        draws=draws,
        seed=seed,
        progress=progress,
    ).upper


def _long_variance(trials: Floats, means: Floats, length: float) -> Floats:
    """Return the variance of root bars times each mean, as blocks of this length draw it.

    Politis and Romano (1994), lemma 1: autocovariances on the circle, weighted down by the chance
    that two bars stay in one block. Taken from the power spectrum, many lags at the price of one.
    """
    bars, columns = trials.shape
    lags = np.arange(bars, dtype=np.float64)
    # exp(-lag / length) in effect; blocks of one bar keep no lag but 0.
    weights: Floats = (1.0 - lags / bars) * (1.0 - 1.0 / length) ** lags
    weights[1:] = weights[1:] + weights[:0:-1]
    gains = np.fft.rfft(weights).real
    # Each frequency stands for itself and its mirror image, but for the first and a middle one.
    gains[1 : (bars + 1) // 2] *= 2.0
    variances = np.empty(columns)
    for start in range(0, columns, _COLUMNS):
        span = slice(start, start + _COLUMNS)
        centred = np.ascontiguousarray((trials[:, span] - means[span]).T)
        waves = np.fft.rfft(centred, axis=1)
        power = np.square(waves.real) + np.square(waves.imag)
        variances[span] = np.einsum("ij,j->i", power, gains) / bars**2
    return np.maximum(variances, 0.0)


def sign_flips(
    blocks: BlockSums, *, draws: int = 2000, seed: int = 0, progress: Progress | None = None
) -> Superiority:
    """Test the same from block sums: gains and losses of whole blocks are flipped by chance.

    Where no trial has an edge, a block's gain could as well have been a loss. Flipping blocks for
    all trials at once keeps how alike the trials are; a trial's statistic is the sum of its block
    sums over the root of their squares, which flips leave as it is. Exact, whatever the number of
    blocks, if block sums are symmetric; all three p-values are one.

    Raises
    ------
    BadEvidenceOption
        No draw.
    """
    from backtest.evidence.kernels import weighted_sums

    if draws < 1:
        raise BadEvidenceOption(f"{draws} draws.", "Draw once or more.")
    scale = np.sqrt(np.square(blocks.sums).sum(axis=0))
    units = np.divide(blocks.sums, scale, out=np.zeros_like(blocks.sums), where=scale > 0.0)
    generator = np.random.default_rng(seed)
    luck = np.empty(draws)
    flipped = np.empty((min(_CHUNK, draws), blocks.trials))
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        signs = np.where(generator.random((size, blocks.bars.size)) < _TOSS, -1.0, 1.0)
        weighted_sums(signs, units, flipped[:size])
        luck[start : start + size] = flipped[:size].max(axis=1)
        if progress:
            progress(start + size, draws)
    luck.sort()
    statistics = units.sum(axis=0)
    best = int(np.argmax(statistics))
    share = _share_above(luck, float(statistics[best]))
    length = float(blocks.bars.mean())
    return Superiority(statistics, best, share, share, share, luck, luck, length)

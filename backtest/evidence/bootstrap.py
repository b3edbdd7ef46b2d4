"""Block bootstrap of returns: how different the same trading could have come out.

Sources: Politis and Romano, "The Stationary Bootstrap", JASA 89, 1994; block lengths by Politis and
White, Econometric Reviews 23, 2004, corrected by Patton, Politis and White, ibid. 28, 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from backtest.evidence.samples import (
    BadEvidenceOption,
    BadReturns,
    Floats,
    Progress,
    as_returns,
)
from backtest.evidence.sharpe import moments

__all__ = ["Bootstrap", "Interval", "Kind", "automatic_block", "block_kind", "bootstrap"]

Kind = Literal["stationary", "circular"]

_KINDS: Final = {"stationary": 0, "circular": 1}
_CHUNK: Final = 250
LEAST: Final = 8
"""Returns below which no block length can be estimated."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure of the sample and the ends of its confidence interval, by percentiles of draws."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Figures of redrawn returns; Sharpe ratios are per return, equity starts at 1."""

    block_length: float
    confidence: float
    mean: Interval
    sharpe: Interval
    final_equity: Interval
    max_drawdown: Interval
    draws: Floats
    """(draws, 4): mean, deviation, final equity, drawdown, as drawn."""

    @property
    def chance_of_loss(self) -> float:
        """Share of draws whose mean is not positive."""
        return float((self.draws[:, 0] <= 0.0).mean())


def automatic_block(returns: npt.ArrayLike, kind: Kind = "stationary") -> float:
    """Return the mean block length that suits the autocorrelation of the returns, at least 1.

    Raises
    ------
    BadEvidenceOption
        A kind that is neither stationary nor circular.
    BadReturns
        Not one row of finite numbers.
    TooFewReturns
        Fewer than eight.
    """
    sample = as_returns(returns, least=LEAST)
    code = block_kind(kind)
    count = sample.size
    centred = sample - sample.mean()
    if moments(sample).deviation == 0.0:
        return 1.0
    quiet = max(5, int(math.log10(count)))
    last = min(math.ceil(math.sqrt(count)) + quiet, count - 1)
    products = [(centred[lag:] * centred[: count - lag]).sum() for lag in range(last + 1)]
    covariances = np.array(products) / count
    variance = float(covariances[0])
    # The autocorrelation ends with the first lag from which on ``quiet`` in a row lie inside the
    # band of noise; like Patton's program, that lag itself is counted in.
    band = 2.0 * math.sqrt(math.log10(count) / count)
    inside = np.abs(covariances[1:] / variance) < band
    runs = range(1, last - quiet + 1)
    end = next((lag for lag in runs if inside[lag - 1 : lag - 1 + quiet].all()), last)
    lags = min(2 * end, last)
    steps = np.arange(1, lags + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - steps / lags))
    slope = 2.0 * float((window * steps * covariances[1 : lags + 1]).sum())
    level = variance + 2.0 * float((window * covariances[1 : lags + 1]).sum())
    scale = (2.0 if code == 0 else 4.0 / 3.0) * level * level
    if scale == 0.0:
        return 1.0
    length = (2.0 * slope * slope / scale * count) ** (1.0 / 3.0)
    longest = math.ceil(min(3.0 * math.sqrt(count), count / 3.0))
    return max(1.0, min(length, longest))


def block_kind(kind: str) -> int:
    """Return the number by which the compiled loops know a kind of blocks.

    Raises
    ------
    BadEvidenceOption
        Neither stationary nor circular.
    """
    if kind not in _KINDS:
        raise BadEvidenceOption(f"Blocks of the kind {kind!r}.", "Choose stationary or circular.")
    return _KINDS[kind]


def bootstrap(
    returns: npt.ArrayLike,
    *,
    kind: Kind = "stationary",
    block_length: float | None = None,
    draws: int = 2000,
    confidence: float = 0.90,
    seed: int = 0,
    progress: Progress | None = None,
) -> Bootstrap:
    """Return intervals of mean, Sharpe, final equity and drawdown of bar or trade returns.

    Parameters
    ----------
    returns
        Of bars, or of trades in order of time; none below -1.
    kind
        Blocks of random length (stationary) or of one length (circular); both wrap around.
    block_length
        Mean length of a block; by default estimated from the autocorrelation.
    draws
        How often as many returns are drawn again.
    confidence
        Of the intervals, 0.90 leaving a twentieth on either side.
    seed
        Equal seeds give equal draws.

    Raises
    ------
    BadEvidenceOption
        No draw, a confidence outside 0 to 1, a block shorter than 1 or longer than the returns.
    BadReturns
        Not one row of finite numbers from -1 up.
    TooFewReturns
        Fewer than eight.
    """
    from backtest.evidence.kernels import draw_figures

    sample = as_returns(returns, least=LEAST)
    if sample.min() < -1.0:
        row = int(np.argmin(sample))
        raise BadReturns(
            f"The return {sample[row]} at row {row} loses more than all.",
            "Give returns as ratios of the equity before, never below -1.",
        )
    code = block_kind(kind)
    length = automatic_block(sample, kind) if block_length is None else float(block_length)
    if code == 1:
        length = float(round(length))
    if draws < 1 or not 0.0 < confidence < 1.0 or not 1.0 <= length <= sample.size:
        raise BadEvidenceOption(
            f"{draws} draws of blocks of {length:g} returns at a confidence of {confidence}.",
            f"Draw once or more, blocks of 1 to {sample.size}, a confidence like 0.9.",
        )
    generator = np.random.default_rng(seed)
    figures = np.empty((draws, 4))
    for start in range(0, draws, _CHUNK):
        part = figures[start : start + _CHUNK]
        draw_figures(generator, sample, length, code, part)
        if progress:
            progress(start + len(part), draws)
    own = moments(sample)
    equity = np.concatenate(([1.0], np.cumprod(1.0 + sample)))
    peaks = np.maximum.accumulate(equity)
    deviations = figures[:, 1]
    sharpes = np.divide(figures[:, 0], deviations, out=np.zeros(draws), where=deviations > 0.0)
    tail = 0.5 * (1.0 - confidence)

    def interval(estimate: float, drawn: Floats) -> Interval:
        low, high = np.quantile(drawn, (tail, 1.0 - tail))
        return Interval(estimate, float(low), float(high))

    return Bootstrap(
        length,
        confidence,
        interval(own.mean, figures[:, 0]),
        interval(own.sharpe, sharpes),
        interval(float(equity[-1]), figures[:, 2]),
        interval(float((1.0 - equity / peaks).max()), figures[:, 3]),
        figures,
    )

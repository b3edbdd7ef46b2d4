"""How far a Sharpe ratio can be trusted: its error, its odds against luck, the record it needs.

Sharpe ratios here are per bar, never per year, and kurtosis is 3 for the normal distribution.

Sources: Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2),
2012 (PSR, MinTRL); "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.samples import BadEvidenceOption, as_returns

__all__ = [
    "Moments",
    "deflated_sharpe",
    "expected_maximum",
    "independent_trials",
    "minimum_track_record",
    "moments",
    "probabilistic_sharpe",
    "sharpe_error",
]

NORMAL: Final = NormalDist()
_EULER_GAMMA: Final = 0.5772156649015329
_LEAST: Final = 2  # returns that have a deviation
_TOSS: Final = 0.5
# Rounding leaves a spread of about this share of the returns where they are all the same.
_NO_SPREAD: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Moments:
    """What a Sharpe ratio and its error are made of; NaN where returns do not vary."""

    count: int
    mean: float
    deviation: float
    """Of the sample (``ddof`` 1); 0 where all returns are the same."""
    skewness: float
    kurtosis: float
    """3 for the normal distribution."""

    @property
    def sharpe(self) -> float:
        """Mean over deviation, per bar; NaN without variance."""
        return self.mean / self.deviation if self.deviation > 0.0 else math.nan


def moments(returns: npt.ArrayLike) -> Moments:
    """Return the moments of at least two returns.

    Raises
    ------
    BadReturns
        Not one row of finite numbers.
    TooFewReturns
        Fewer than two.
    """
    sample = as_returns(returns, least=_LEAST)
    mean = float(sample.mean())
    centred = sample - mean
    squares = np.square(centred)
    variance = float(squares.mean())
    if math.sqrt(variance) <= _NO_SPREAD * float(np.abs(sample).max(initial=0.0)):
        return Moments(sample.size, mean, 0.0, math.nan, math.nan)
    return Moments(
        sample.size,
        mean,
        math.sqrt(variance * sample.size / (sample.size - 1)),
        float((squares * centred).mean()) / variance**1.5,
        float(np.square(squares).mean()) / variance**2,
    )


def _spread(sharpe: float, skewness: float, kurtosis: float) -> float:
    """Return the variance of an estimated Sharpe ratio times its returns less one."""
    # By Pearson's inequality kurtosis >= 1 + skewness**2, which keeps this from falling below 0;
    # moments that no sample has give NaN.
    spread = 1.0 - skewness * sharpe + 0.25 * (kurtosis - 1.0) * sharpe * sharpe
    return spread if spread > 0.0 else math.nan


def sharpe_error(sharpe: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Return the standard error of a Sharpe ratio of ``count`` returns (2012, section 2).

    Raises
    ------
    BadEvidenceOption
        Fewer than two returns.
    """
    if count < _LEAST:
        raise BadEvidenceOption(f"A Sharpe ratio of {count} returns.", "It takes two or more.")
    return math.sqrt(_spread(sharpe, skewness, kurtosis) / (count - 1))


def probabilistic_sharpe(
    sharpe: float,
    count: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    *,
    against: float = 0.0,
) -> float:
    """Return the probability that the true Sharpe ratio exceeds ``against`` (2012, section 3).

    NaN where the Sharpe ratio is.
    """
    error = sharpe_error(sharpe, count, skewness, kurtosis)
    return math.nan if math.isnan(error) else NORMAL.cdf((sharpe - against) / error)


def expected_maximum(trials: float) -> float:
    """Return the expected largest of ``trials`` independent standard normals (2014, appendix 1).

    The approximation of extreme value theory that the paper uses; 0 for one trial. Counts need not
    be whole: the effective number of correlated trials is not.

    Raises
    ------
    BadEvidenceOption
        Fewer than one trial.
    """
    if not trials >= 1.0:
        raise BadEvidenceOption(f"The best of {trials} trials.", "Count one trial or more.")
    if trials == 1.0:
        return 0.0
    # From one trial to about 1.2 the approximation lies below the 0 of a single one.
    largest = NORMAL.inv_cdf(1.0 - 1.0 / trials) * (1.0 - _EULER_GAMMA)
    return max(0.0, largest + NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e)) * _EULER_GAMMA)


def independent_trials(largest: float) -> float:
    """Return how many independent trials have this expected largest: ``expected_maximum`` undone.

    At most 1e12, and at least 1.
    """
    low, high = 0.0, math.log(1e12)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if expected_maximum(math.exp(middle)) < largest:
            low = middle
        else:
            high = middle
    return math.exp(low)


def deflated_sharpe(
    sharpe: float,
    count: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    *,
    trials: float,
    variance: float,
) -> float:
    """Return the probability that a Sharpe ratio is not the luck of the best of ``trials`` (2014).

    Parameters
    ----------
    sharpe, count, skewness, kurtosis
        Of the chosen trial's returns.
    trials
        Independent trials that it was the best of.
    variance
        Of the Sharpe ratios (per bar) of the trials.

    Raises
    ------
    BadEvidenceOption
        Fewer than one trial, or a negative variance.
    """
    if not variance >= 0.0:
        raise BadEvidenceOption(
            f"A variance of Sharpe ratios of {variance}.", "Give their sample variance, per bar."
        )
    against = math.sqrt(variance) * expected_maximum(trials)
    return probabilistic_sharpe(sharpe, count, skewness, kurtosis, against=against)


def minimum_track_record(
    sharpe: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    *,
    against: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Return how many returns it takes to say that ``against`` is exceeded (2012, section 5).

    Infinite where it does not exceed it, NaN where the Sharpe ratio is.

    Raises
    ------
    BadEvidenceOption
        A confidence that is not between a half and one.
    """
    if not _TOSS < confidence < 1.0:
        raise BadEvidenceOption(f"A confidence of {confidence}.", "Choose one like 0.95.")
    spread = _spread(sharpe, skewness, kurtosis)
    if math.isnan(spread):
        return math.nan
    if sharpe <= against:
        return math.inf
    return 1.0 + spread * (NORMAL.inv_cdf(confidence) / (sharpe - against)) ** 2

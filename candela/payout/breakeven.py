"""What a fixed payout is worth: break-even rate, expected value, edge and Kelly stake."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from candela.errors import StrategyError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BadPayout",
    "break_even_rate",
    "edge_ratio",
    "expected_value",
    "kelly_fraction",
    "log_growth",
    "win_rate_interval",
]

_HIGHEST_PAYOUT: Final = 1_000.0


class BadPayout(StrategyError):
    """A payout, a rate or a stake lies outside what it can be."""

    code = "bad_payout"


def break_even_rate(payout: float, *, tie_rate: float = 0.0) -> float:
    """Return the share of contracts that must win for nothing to be gained or lost.

    Parameters
    ----------
    payout
        Profit of a win over its stake: 0.85 turns a stake of 100 into 185.
    tie_rate
        Share of all contracts that tie and are refunded. With 0 the answer is the share among
        the decided contracts, ``1 / (1 + payout)``, whatever the ties; else among all contracts.

    Raises
    ------
    BadPayout
        The payout is not above 0, or the rate not within 0 to 1.
    """
    _checked(payout)
    return (1.0 - _rate(tie_rate, "The share of ties")) / (1.0 + payout)


def edge_ratio(payout: float, win_rate: float, *, tie_rate: float = 0.0) -> float:
    """Return what a contract gains on average over its stake; below 0 it loses.

    Parameters
    ----------
    payout
        Profit of a win over its stake.
    win_rate
        Wins over decided contracts: a tie that is refunded decides nothing, one that is not
        refunded is a loss.
    tie_rate
        Share of all contracts that tie and are refunded.

    Raises
    ------
    BadPayout
        The payout is not above 0, or a rate not within 0 to 1.
    """
    _checked(payout)
    ties = _rate(tie_rate, "The share of ties")
    return (1.0 - ties) * (_rate(win_rate, "The win rate") * (1.0 + payout) - 1.0)


def expected_value(stake: float, payout: float, win_rate: float, *, tie_rate: float = 0.0) -> float:
    """Return what one contract gains on average, in the currency of its stake.

    Raises
    ------
    BadPayout
        The stake or the payout is not above 0, or a rate not within 0 to 1.
    """
    if not (math.isfinite(stake) and stake > 0):
        raise BadPayout(f"A stake is above 0, not {stake}.", "Name a stake such as 5.")
    return stake * edge_ratio(payout, win_rate, tie_rate=tie_rate)


def kelly_fraction(payout: float, win_rate: float) -> float:
    """Return the share of the bankroll whose stake grows it fastest; 0 without an edge.

    Refunded ties change nothing: they neither gain nor lose at any stake.

    Source: J. L. Kelly, "A New Interpretation of Information Rate", Bell System Technical Journal
    35 (1956): f = (p b - q) / b for a win of b per unit staked.

    Raises
    ------
    BadPayout
        The payout is not above 0, or the win rate not within 0 to 1.
    """
    return max(0.0, edge_ratio(payout, win_rate) / payout)


def log_growth(fraction: float, payout: float, win_rate: float) -> float:
    """Return the mean growth of the bankroll's logarithm per decided contract.

    Parameters
    ----------
    fraction
        Share of the bankroll staked each time; 1 with any chance of a loss is minus infinity.

    Raises
    ------
    BadPayout
        The payout is not above 0, or a share not within 0 to 1.
    """
    _checked(payout)
    share = _rate(fraction, "The share staked")
    wins = _rate(win_rate, "The win rate")
    lost = 0.0
    if wins < 1.0:
        lost = -math.inf if share == 1.0 else (1.0 - wins) * math.log1p(-share)
    return wins * math.log1p(share * payout) + lost


def win_rate_interval(wins: int, decided: int, *, z: float = 1.959963984540054) -> Sequence[float]:
    """Return the Wilson score interval of a win rate: lowest and highest; 95 % by default.

    Without a decided contract it is 0 to 1: nothing is known.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (1927).

    Raises
    ------
    BadPayout
        The counts contradict each other.
    """
    if not 0 <= wins <= decided:
        raise BadPayout(f"{wins} wins of {decided} contracts cannot be.", "Count again.")
    if decided == 0:
        return (0.0, 1.0)
    rate = wins / decided
    spread = z * z / decided
    middle = (rate + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(rate * (1.0 - rate) / decided + spread / (4.0 * decided)) / (1.0 + spread)
    # Written out, the bound of no win (or no loss) misses 0 (or 1) by the last digit.
    lowest = 0.0 if wins == 0 else max(0.0, middle - half)
    highest = 1.0 if wins == decided else min(1.0, middle + half)
    return (lowest, highest)


def _checked(payout: float) -> None:
    if not (math.isfinite(payout) and 0.0 < payout <= _HIGHEST_PAYOUT):
        message = f"A payout is profit over stake, above 0 and at most 1000, not {payout}."
        raise BadPayout(message, "Write 85 % as 0.85.")


def _rate(value: float, what: str) -> float:
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise BadPayout(f"{what} is within 0 to 1, not {value}.", "Write 54 % as 0.54.")
    return value

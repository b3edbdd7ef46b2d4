"""Ruin of a bankroll on a ladder within a number of rounds: exact, by dynamic programming.

State: the bankroll at the start of a ladder, on the grid of the greatest common divisor of all
stakes and profits. A ladder started with bankroll b is won at step k with probability w q^k, which
starts another with b + net_k; so each round adds m + 1 shifted copies of earlier rounds, for m
steps, and no state is approximated. A refunded tie moves nothing, so the rounds that decide are
binomial and everything is computed on decided rounds first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from candela.payout.breakeven import BadPayout
from candela.payout.ladder import steps_per_unit
from candela.payout.ruin_kernels import decided_rounds, horizon, mixed_curve

if TYPE_CHECKING:
    from candela.payout.ladder import Ladder

__all__ = [
    "Horizon",
    "LadderTooLarge",
    "checked_rates",
    "ladder_grid",
    "ruin_at_most",
    "ruin_within",
]

LARGEST_WORK: Final = 2_000_000_000
"""Additions of one run at most, about half a second. Usual ladders take a twentieth of it."""
_MOST_ROUNDS: Final = 20_000
_TRIED: Final = 100
"""Steps of money tried for a bound; the first few are wide enough but for odd growth."""
_MOST_CELLS: Final = 4_000_000


class LadderTooLarge(StrategyError):
    """The bankrolls that a ladder can reach are too many to enumerate."""

    code = "ladder_too_large"


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a ladder does to a bankroll within a number of rounds."""

    rounds: int
    ruin: npt.NDArray[np.float64]
    """(rounds + 1,) probability that the bankroll could not pay the next stake by each round."""
    bankrolls: npt.NDArray[np.float64]
    """Every bankroll possible after the last round, ascending, in money."""
    probabilities: npt.NDArray[np.float64]
    """Probability of each; they add up to 1."""
    expected_bankroll: float
    expected_rounds: float
    """Rounds played on average before ruin or the end."""

    def at_most(self, bankroll: float) -> float:
        """Return the probability to end with this bankroll or less."""
        last = int(np.searchsorted(self.bankrolls, bankroll, side="right"))
        return float(self.probabilities[:last].sum())

    def quantile(self, share: float) -> float:
        """Return the lowest bankroll that is not exceeded with at least this probability."""
        reached = np.cumsum(self.probabilities)
        # A sum of many probabilities misses 1 by a few last digits.
        row = int(np.searchsorted(reached, share * (1.0 - 1e-12)))
        return float(self.bankrolls[min(row, self.bankrolls.size - 1)])


def ruin_within(
    ladder: Ladder,
    win_rate: float,
    rounds: int,
    *,
    tie_rate: float = 0.0,
    largest_work: int = LARGEST_WORK,
) -> Horizon:
    """Return ruin, bankrolls and their expectation over a number of contracts, one at a time.

    Ruin after n rounds: the bankroll cannot pay the next stake (``when_short="stop"``), or
    nothing is left (``"rest"``). What a ruined bankroll still holds counts in the distribution.

    Parameters
    ----------
    ladder
        The ladder; its bankroll is the starting one.
    win_rate
        Wins over decided rounds.
    rounds
        Contracts settled, ties included; 0 to 20,000.
    tie_rate
        Share of all rounds that tie and are refunded.
    largest_work
        Additions at most.

    Raises
    ------
    LadderTooLarge
        More states than can be enumerated at once; the message says how many.
    BadPayout
        A rate is not within 0 to 1.
    """
    checked_rates(win_rate, tie_rate)
    if not 0 <= rounds <= _MOST_ROUNDS:
        message = f"{rounds:,} rounds are not within 0 to {_MOST_ROUNDS:,}."
        raise LadderTooLarge(message, "Ask for fewer rounds, or for the ruin ever.")
    stakes, profits = ladder.stake_units, ladder.profit_units
    grid = ladder_grid(ladder)
    cells = _cells(stakes, profits, ladder.bankroll_units, rounds, grid)
    work = cells * rounds * (ladder.steps + 1)
    if work > largest_work or cells > _MOST_CELLS:
        message = (
            f"{rounds:,} rounds of {ladder.steps} steps reach {cells:,} bankrolls, "
            f"{grid * ladder.money_step} apart: {work / 1e6:,.0f} million additions, at most "
            f"{largest_work / 1e6:,.0f}."
        )
        hint = "Ask for fewer rounds, or take a coarser money_step or stakes that divide evenly."
        raise LadderTooLarge(message, hint)
    rest_payout = ladder.payout_scaled if ladder.when_short == "rest" else 0
    ruin, ending = _course(
        stakes, profits, ladder.bankroll_units, grid, cells, win_rate, rounds, tie_rate, rest_payout
    )
    reached = np.flatnonzero(ending)
    base = ladder.bankroll_units % grid
    bankrolls = (base + reached * grid) / steps_per_unit(ladder.money_step)
    probabilities = ending[reached]
    return Horizon(
        rounds=rounds,
        ruin=ruin,
        bankrolls=bankrolls,
        probabilities=probabilities,
        expected_bankroll=math.fsum(bankrolls * probabilities),
        expected_rounds=math.fsum(1.0 - ruin[:-1]),
    )


def ruin_at_most(
    ladder: Ladder,
    win_rate: float,
    rounds: int,
    *,
    tie_rate: float = 0.0,
    largest_work: int = LARGEST_WORK,
) -> float:
    """Return a bound that the probability of ruin does not exceed, where the exact one is too much.

    Stakes are rounded up and wins down to a coarser step of money, the finest that the work allows.
    Along every course that leaves less in the bankroll and asks for more, so ruin is no later; and
    stopping is ruined no later than staking the rest.

    Raises
    ------
    LadderTooLarge
        The step would be coarser than the first stake.
    BadPayout
        A rate is not within 0 to 1.
    """
    checked_rates(win_rate, tie_rate)
    exact = _cells(ladder.stake_units, ladder.profit_units, ladder.bankroll_units, rounds, 1)
    most = min(largest_work // max(rounds * (ladder.steps + 1), 1), _MOST_CELLS)
    # Where all stakes and wins share a divisor, the finest step of 1 keeps it.
    first = max(1, exact // max(most, 1))
    for step in (1, *range(first, min(ladder.stake_units[0], first + _TRIED) + 1)):
        stakes = tuple(-(-stake // step) * step for stake in ladder.stake_units)
        profits = tuple(profit // step * step for profit in ladder.profit_units)
        grid = math.gcd(*stakes, *profits)
        cells = _cells(stakes, profits, ladder.bankroll_units, rounds, grid)
        if cells <= most:
            ruin, _ = _course(
                stakes, profits, ladder.bankroll_units, grid, cells, win_rate, rounds, tie_rate, 0
            )
            return float(ruin[-1])
    message = (
        f"A bankroll of {ladder.bankroll} is too many times the first stake of "
        f"{ladder.first_stake} for a bound over {rounds:,} rounds."
    )
    raise LadderTooLarge(message, "Ask for fewer rounds.")


def ladder_grid(ladder: Ladder) -> int:
    """Return the distance between the bankrolls that can be reached, in money steps.

    A rest that is staked pays amounts of its own, so that every money step can be reached.
    """
    if ladder.when_short == "rest":
        return 1
    return math.gcd(*ladder.stake_units, *ladder.profit_units)


def checked_rates(win_rate: float, tie_rate: float) -> None:
    """Refuse rates outside 0 to 1.

    Raises
    ------
    BadPayout
        A rate is not within 0 to 1, or everything ties.
    """
    if not 0.0 <= win_rate <= 1.0:
        raise BadPayout(f"The win rate is within 0 to 1, not {win_rate}.", "Write 54 % as 0.54.")
    if not 0.0 <= tie_rate < 1.0:
        message = f"The share of ties is 0 or above and below 1, not {tie_rate}."
        raise BadPayout(message, "Write 5 % as 0.05.")


def _course(
    stakes: tuple[int, ...],
    profits: tuple[int, ...],
    bankroll: int,
    grid: int,
    cells: int,
    win_rate: float,
    rounds: int,
    tie_rate: float,
    rest_payout: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    weights = decided_rounds(rounds, tie_rate)
    decided, ending = horizon(
        np.array(stakes, dtype=np.int64),
        np.array(profits, dtype=np.int64),
        grid,
        bankroll,
        cells,
        float(win_rate),
        weights,
        rest_payout,
    )
    # Probabilities mixed in floats may fall by a last digit where they stay the same.
    ruin = np.maximum.accumulate(mixed_curve(np.cumsum(decided), tie_rate))
    return np.minimum(ruin, 1.0), ending


def _cells(
    stakes: tuple[int, ...], profits: tuple[int, ...], bankroll: int, rounds: int, grid: int
) -> int:
    nets = [
        profit - before
        for profit, before in zip(profits, accumulate(stakes, initial=0), strict=False)
    ]
    # The bankroll grows fastest by winning at the step that gains most for the rounds it takes;
    # within a ladder it is never above where the ladder began until it wins.
    pace = max(0.0, *(net / (step + 1) for step, net in enumerate(nets[: max(rounds, 1)])))
    return (bankroll + math.ceil(pace * rounds)) // grid + 2

"""Ruin of a ladder without end of time: whether it ever comes, and after how many rounds.

Without an edge it is certain: a bankroll that cannot gain on average and bets on a grid of money
ends at the bottom. With one, the states are eliminated from the lowest upwards (censoring, as in
Grassmann, Taksar and Heyman, "Regenerative Analysis and Steady State Distributions for Markov
Chains", Operations Research 33, 1985): probabilities are only added and divided, so no digit is
lost. The bankroll is cut where Lundberg's inequality bounds what lies above by 1e-16.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.payout.ruin import LadderTooLarge, checked_rates, ladder_grid

if TYPE_CHECKING:
    from candela.payout.ladder import Ladder

__all__ = ["expected_rounds_to_ruin", "ladder_drift", "ruin_bound", "ruin_ever"]

LARGEST_ELIMINATION: Final = 1_000_000_000
"""Multiplications of an elimination at most, about half a second."""
_NEGLIGIBLE: Final = 1e-16
_STEEPEST: Final = 700.0
"""Beyond it an exponential overflows."""
_SCALE: Final = 1_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def ladder_drift(ladder: Ladder, win_rate: float) -> float:
    """Return what a ladder gains on average, in money steps; exactly 0 for a fair one."""
    drift = ladder.expected_gain(win_rate) / float(ladder.money_step)
    return 0.0 if abs(drift) <= 1e-12 * sum(ladder.stake_units) else drift


def ruin_bound(ladder: Ladder, win_rate: float) -> float:
    """Return a bound that the probability of ruin ever does not exceed, at once.

    Source: Lundberg's inequality: where E exp(-r X) = 1 for the gain X of a ladder, ruin from
    a bankroll b has a probability of at most exp(-r (b - c)), with c the capital of a ladder.

    Raises
    ------
    BadPayout
        The rate is not within 0 to 1.
    """
    checked_rates(win_rate, 0.0)
    if win_rate == 1.0:
        return 0.0 if ladder.bankroll_units >= ladder.stake_units[0] else 1.0
    if ladder_drift(ladder, win_rate) <= 0.0:
        return 1.0
    rate = _exponent(ladder, win_rate, -1.0)
    return min(1.0, math.exp(-rate * (ladder.bankroll_units - sum(ladder.stake_units))))


def ruin_ever(ladder: Ladder, win_rate: float, *, largest_work: int = LARGEST_ELIMINATION) -> float:
    """Return the probability that the bankroll is ever ruined, within 1e-12 of the truth.

    Parameters
    ----------
    largest_work
        Multiplications at most.

    Raises
    ------
    LadderTooLarge
        An edge so small, or money so fine, that too many bankrolls matter; `ruin_bound` answers.
    BadPayout
        The rate is not within 0 to 1.
    """
    bound = ruin_bound(ladder, win_rate)
    if bound == 0.0 or bound <= _NEGLIGIBLE or ladder_drift(ladder, win_rate) <= 0.0:
        return bound
    reach = sum(ladder.stake_units) - math.log(_NEGLIGIBLE) / _exponent(ladder, win_rate, -1.0)
    ruin, _ = _eliminated(ladder, win_rate, math.ceil(reach), largest_work)
    return min(1.0, ruin)


def expected_rounds_to_ruin(
    ladder: Ladder,
    win_rate: float,
    *,
    tie_rate: float = 0.0,
    largest_work: int = LARGEST_ELIMINATION,
) -> float:
    """Return the rounds until ruin on average; infinite where ruin is not certain, or fair.

    Raises
    ------
    LadderTooLarge
        Losses so small, or money so fine, that too many bankrolls matter.
    BadPayout
        A rate is not within 0 to 1.
    """
    checked_rates(win_rate, tie_rate)
    if win_rate == 1.0:
        return math.inf if ladder.bankroll_units >= ladder.stake_units[0] else 0.0
    if ladder_drift(ladder, win_rate) >= 0.0:
        return math.inf
    reach = ladder.bankroll_units + sum(ladder.stake_units)
    if win_rate > 0.0 and max(ladder.nets) > 0:
        reach += math.ceil(-math.log(_NEGLIGIBLE) / _exponent(ladder, win_rate, 1.0))
    _, rounds = _eliminated(ladder, win_rate, reach, largest_work)
    return rounds / (1.0 - tie_rate)


def _exponent(ladder: Ladder, win_rate: float, sign: float) -> float:
    # The r > 0 with E exp(sign r X) = 1, X in money steps; from below, so that a bound stays one.
    step = float(ladder.money_step)
    gains = [float(net) / step for net in ladder.nets] + [-float(sum(ladder.stake_units))]
    lose = 1.0 - win_rate
    chances = [win_rate * lose**k for k in range(ladder.steps)] + [lose**ladder.steps]

    def excess(rate: float) -> float:
        return math.fsum(
            chance * math.expm1(min(sign * rate * gain, _STEEPEST))
            for chance, gain in zip(chances, gains, strict=True)
        )

    high = 1e-9 / max(map(abs, gains))
    # Chances may be so small that no rate makes up for them; a smaller one bounds as well.
    while excess(high) <= 0.0 and high * max(map(abs, gains)) < _STEEPEST:
        high *= 2.0
    low = high / 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) <= 0.0 else (low, middle)
    return low


def _eliminated(
    ladder: Ladder, win_rate: float, reach: int, largest_work: int
) -> tuple[float, float]:
    grid = ladder_grid(ladder)
    step = float(ladder.money_step)
    up = max(0, *(round(float(net) / step) for net in ladder.nets)) // grid
    down = sum(ladder.stake_units) // grid
    rows = max(reach, ladder.bankroll_units) // grid + 2
    work = rows * down * max(up, 1)
    if work > largest_work:
        message = (
            f"{rows:,} bankrolls, {grid * ladder.money_step} apart, matter to a ladder with a win "
            f"rate of {win_rate:.6g}: {work / 1e6:,.0f} million multiplications, at most "
            f"{largest_work / 1e6:,.0f}."
        )
        raise LadderTooLarge(message, "Ask for the ruin within a number of rounds instead.")
    return _solve(
        np.array(ladder.stake_units, dtype=np.int64),
        np.array(ladder.profit_units, dtype=np.int64),
        grid,
        ladder.bankroll_units,
        rows,
        max(up, 1),
        float(win_rate),
        ladder.payout_scaled if ladder.when_short == "rest" else 0,
    )


@compiled
def _solve(
    stakes: Ints,
    profits: Ints,
    grid: int,
    bankroll: int,
    rows: int,
    up: int,
    win: float,
    rest_payout: int,
) -> tuple[float, float]:
    # For each bankroll: ruin without passing above it, rounds spent so, and where it goes above.
    down = stakes.sum() // grid
    base = bankroll % grid
    ruin = np.zeros(rows)
    spent = np.zeros(rows)
    above = np.zeros((rows, up + 1))  # column u: to the row u higher; column 0 is unused
    mass = np.zeros(down + up + 1)  # column j: the row i - down + j
    for i in range(rows):
        held = base + i * grid
        ruined, rounds = _play(stakes, profits, grid, held, down, win, rest_payout, mass)
        for j in range(max(0, down - i), down):
            weight = mass[j]
            row = i - down + j
            ruined += weight * ruin[row]
            rounds += weight * spent[row]
            out = above[row, 1:]
            into = mass[j + 1 : j + 1 + up]
            for u in range(up):
                into[u] += weight * out[u]
        # What leaves is added up, not one minus what stays, so that nothing cancels.
        leaves = ruined
        for u in range(1, up + 1):
            leaves += mass[down + u]
        ruin[i] = ruined / leaves
        spent[i] = rounds / leaves
        for u in range(1, up + 1):
            above[i, u] = mass[down + u] / leaves
    first = (bankroll - base) // grid
    # Above the last row: no ruin, and no more rounds; both weigh less than the last digit.
    for i in range(rows - 1, first - 1, -1):
        for u in range(1, min(up + 1, rows - i)):
            ruin[i] += above[i, u] * ruin[i + u]
            spent[i] += above[i, u] * spent[i + u]
    return ruin[first], spent[first]


@compiled
def _play(
    stakes: Ints,
    profits: Ints,
    grid: int,
    held: int,
    down: int,
    win: float,
    rest_payout: int,
    mass: Floats,
) -> tuple[float, float]:
    # One ladder from a bankroll: fills where it goes, returns ruin in it and rounds played.
    mass[:] = 0.0
    ruined = 0.0
    rounds = 0.0
    lost = 0
    chance = 1.0
    for k in range(stakes.size):
        left = held - lost
        if left < stakes[k]:
            if rest_payout > 0 and left > 0:
                won = left + left * rest_payout // _SCALE
                mass[won - held + down] += chance * win
                return ruined + chance * (1.0 - win), rounds + chance
            return ruined + chance, rounds
        rounds += chance
        mass[(profits[k] - lost) // grid + down] += chance * win
        lost += stakes[k]
        chance *= 1.0 - win
    mass[0] += chance
    return ruined, rounds

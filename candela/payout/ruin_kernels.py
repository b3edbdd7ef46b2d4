"""Compiled sums over the rounds of a ladder."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled

__all__ = ["decided_rounds", "horizon", "mixed_curve"]

_SCALE: Final = 1_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def decided_rounds(rounds: int, tie_rate: float) -> Floats:
    """Return (rounds + 1,) probabilities of how many of the rounds are decided."""
    weights = np.zeros(rounds + 1)
    if tie_rate == 0.0:
        weights[rounds] = 1.0
    else:
        _binomial(weights, tie_rate)
    return weights


def mixed_curve(decided: Floats, tie_rate: float) -> Floats:
    """Return a curve over all rounds from that over decided rounds, (rounds + 1,) both."""
    if tie_rate == 0.0:
        return decided
    return _mixed(decided, tie_rate)


@compiled
def _binomial(row: Floats, tie_rate: float) -> None:
    row[0] = 1.0
    for n in range(1, row.size):
        for j in range(n, 0, -1):
            row[j] = (1.0 - tie_rate) * row[j - 1] + tie_rate * row[j]
        row[0] *= tie_rate


@compiled
def _mixed(decided: Floats, tie_rate: float) -> Floats:
    row = np.zeros(decided.size)
    mixed = np.zeros(decided.size)
    row[0] = 1.0
    mixed[0] = decided[0]
    for n in range(1, decided.size):
        for j in range(n, 0, -1):
            row[j] = (1.0 - tie_rate) * row[j - 1] + tie_rate * row[j]
        row[0] *= tie_rate
        total = 0.0
        for j in range(n + 1):
            total += row[j] * decided[j]
        mixed[n] = total
    return mixed


@compiled
def _add(
    target: Floats,
    source: Floats,
    first: int,
    last: int,
    shift: int,
    factor: float,
) -> None:
    # Slices whose loop starts at 0: an index that could be negative would not be vectorised.
    if last < first:
        return
    came = source[first : last + 1]
    goes = target[first + shift : last + 1 + shift]
    for i in range(came.size):
        goes[i] += factor * came[i]


@compiled
def horizon(
    stakes: Ints,
    profits: Ints,
    grid: int,
    bankroll: int,
    cells: int,
    win: float,
    weights: Floats,
    rest_payout: int,
) -> tuple[Floats, Floats]:
    """Return the probability of ruin at each decided round, and of each bankroll at the end.

    ``weights`` are the probabilities that the rounds end after so many decided ones;
    ``rest_payout`` is the payout in millionths of a rest that is staked, 0 where none is.
    Row i of the bankrolls stands for ``bankroll % grid + i * grid`` money steps.
    """
    steps = stakes.size
    rounds = weights.size - 1
    base = bankroll % grid
    # Of the first k stakes: the lowest row that pays them, the rows they cost, the gain of winning
    # after them, and the chance that all lose.
    paid = np.zeros(steps + 1, np.int64)
    down = np.zeros(steps + 1, np.int64)
    gains = np.zeros(steps, np.int64)
    chance = np.ones(steps + 1)
    total = 0
    for k in range(steps):
        gains[k] = profits[k] // grid - down[k]
        total += stakes[k]
        down[k + 1] = total // grid
        paid[k + 1] = max(0, (total - base + grid - 1) // grid)
        chance[k + 1] = chance[k] * (1.0 - win)
    later = np.zeros(rounds + 2)  # probability that at least so many rounds are decided
    for n in range(rounds, -1, -1):
        later[n] = later[n + 1] + weights[n]

    # starts[n % depth]: probability that a ladder starts after n rounds with each bankroll, and
    # spans[n % depth]: the first and the last row where it is not 0.
    starts = np.zeros((steps + 1, cells))
    spans = np.zeros((steps + 1, 2), np.int64)
    spans[:, 1] = -1
    ruined = np.zeros(rounds + 1)
    ending = np.zeros(cells)
    for n in range(rounds + 1):
        slot = n % (steps + 1)
        if spans[slot, 1] >= 0:
            starts[slot, spans[slot, 0] : spans[slot, 1] + 1] = 0.0
        spans[slot, 0] = cells
        spans[slot, 1] = -1
        if n == 0:
            first = (bankroll - base) // grid
            starts[slot, first] = 1.0
            spans[slot, :] = first
        _begin(starts, spans, n, paid, down, gains, chance, win)
        if rest_payout > 0:
            lost = _stake_rests(starts, spans, n, paid, down, chance, win, rest_payout)
            ruined[n] += lost
            ending[0] += lost * later[n]
        for k in range(min(steps, n + 1)):
            earlier = (n - k) % (steps + 1)
            low, high = spans[earlier]
            # Rests go on: without one, nothing but an empty purse cannot.
            end = paid[k] + 1 if rest_payout > 0 else paid[k + 1]
            for b in range(max(low, paid[k]), min(high + 1, end)):
                mass = starts[earlier, b] * chance[k]
                ruined[n] += mass
                ending[b - down[k]] += mass * later[n]
            if weights[n] > 0.0:
                share = chance[k] * weights[n]
                _add(ending, starts[earlier], max(low, end), high, -down[k], share)
    return ruined, ending


@compiled
def _begin(
    starts: Floats,
    spans: Ints,
    n: int,
    paid: Ints,
    down: Ints,
    gains: Ints,
    chance: Floats,
    win: float,
) -> None:
    # Ladders that start after n rounds: one before was won at step k, or lost whole.
    steps = gains.size
    slot = n % (steps + 1)
    for k in range(min(steps, n)):
        earlier = (n - 1 - k) % (steps + 1)
        high = spans[earlier, 1]
        low = max(spans[earlier, 0], paid[k + 1])
        if low > high:
            continue
        _add(starts[slot], starts[earlier], low, high, gains[k], win * chance[k])
        _widen(spans[slot], low + gains[k], high + gains[k])
        if k + 1 == steps:
            _add(starts[slot], starts[earlier], low, high, -down[steps], chance[steps])
            _widen(spans[slot], low - down[steps], high - down[steps])


@compiled
def _stake_rests(
    starts: Floats,
    spans: Ints,
    n: int,
    paid: Ints,
    down: Ints,
    chance: Floats,
    win: float,
    rest_payout: int,
) -> float:
    # Rests staked in round n: won ones start a ladder, the probability of lost ones is returned.
    # The grid is 1: rows are money steps.
    steps = chance.size - 1
    slot = n % (steps + 1)
    lost = 0.0
    for k in range(min(steps, n)):
        earlier = (n - 1 - k) % (steps + 1)
        low = max(spans[earlier, 0], paid[k] + 1)
        for b in range(low, min(spans[earlier, 1] + 1, paid[k + 1])):
            rest = b - down[k]
            won = rest + rest * rest_payout // _SCALE
            mass = starts[earlier, b] * chance[k]
            starts[slot, won] += mass * win
            _widen(spans[slot], won, won)
            lost += mass * (1.0 - win)
    return lost


@compiled
def _widen(span: Ints, low: int, high: int) -> None:
    span[0] = min(span[0], low)
    span[1] = max(span[1], high)

"""Every sequence of outcomes of a ladder, one by one, in exact fractions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candela.payout.ladder import Ladder


@dataclass
class Enumerated:
    """Probabilities of ruin by each round and of bankrolls at the end, exact."""

    ruin: list[Fraction]
    endings: dict[int, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    sequences: int = 0


def enumerate_ladder(
    ladder: Ladder, win_rate: Fraction, rounds: int, tie_rate: Fraction = Fraction(0)
) -> Enumerated:
    """Walk through all 2^n sequences of wins and losses, or 3^n with ties."""
    found = Enumerated(ruin=[Fraction(0)] * (rounds + 1))
    chances = {
        "win": (1 - tie_rate) * win_rate,
        "loss": (1 - tie_rate) * (1 - win_rate),
        "tie": tie_rate,
    }
    outcomes = {name: chance for name, chance in chances.items() if chance}

    def walk(bankroll: int, step: int, played: int, chance: Fraction) -> None:
        stake = ladder.stake_units[step]
        if bankroll < stake:
            if ladder.when_short == "stop" or bankroll == 0:
                for later in range(played, rounds + 1):
                    found.ruin[later] += chance
                found.endings[bankroll] += chance
                return
            stake = bankroll
        if played == rounds:
            found.endings[bankroll] += chance
            found.sequences += 1
            return
        for outcome, share in outcomes.items():
            if outcome == "win":
                profit = stake * ladder.payout_scaled // 10**6
                walk(bankroll + profit, 0, played + 1, chance * share)
            elif outcome == "loss":
                walk(bankroll - stake, (step + 1) % ladder.steps, played + 1, chance * share)
            else:
                walk(bankroll, step, played + 1, chance * share)

    walk(ladder.bankroll_units, 0, 0, Fraction(1))
    return found

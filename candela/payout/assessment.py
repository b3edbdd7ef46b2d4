"""What a trader is shown before a ladder may start: its ruin in figures and words, and the gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.errors import Conflict, StrategyError
from candela.payout.breakeven import break_even_rate, edge_ratio, kelly_fraction
from candela.payout.ladder import Ladder
from candela.payout.long_run import expected_rounds_to_ruin, ladder_drift, ruin_bound, ruin_ever
from candela.payout.ruin import LadderTooLarge, ruin_at_most, ruin_within

if TYPE_CHECKING:
    from typing import Any

__all__ = ["HorizonNotAssessed", "RuinCapExceeded", "RuinEstimate", "RuinWithin", "assess"]

HORIZONS: Final = (100, 1_000)
_QUICK_ADDITIONS: Final = 200_000_000
_QUICK_MULTIPLICATIONS: Final = 60_000_000
"""Spent on the ruin within rounds, and ever; beyond, their bounds are shown."""

_LEAST_SHOWN: Final = 1e-6


class RuinCapExceeded(Conflict):
    """A ladder's probability of ruin is above what is allowed."""

    code = "ruin_cap_exceeded"


class HorizonNotAssessed(StrategyError):
    """The number of rounds asked for is none of those that were assessed."""

    code = "horizon_not_assessed"


@dataclass(frozen=True, slots=True)
class RuinWithin:
    """What a number of rounds does to the bankroll."""

    rounds: int
    ruin: float
    """Probability of ruin by then; the highest possible one where ``is_bound``."""
    is_bound: bool
    expected_loss: Decimal | None = None
    """Loss on average by then; negative: a gain. None, as the two below, where ``is_bound``."""
    median_bankroll: Decimal | None = None
    """Half of all courses end with this bankroll or less."""
    loss_probability: float | None = None
    """Probability to end with less than at the start."""

    @property
    def words(self) -> str:
        """One sentence for a person."""
        if self.expected_loss is None:
            return f"Within {self.rounds:,} rounds: ruin {_percent(self.ruin, is_bound=True)}."
        side = "loss" if self.expected_loss >= 0 else "gain"
        return (
            f"Within {self.rounds:,} rounds: ruin {_percent(self.ruin)}, expected {side} "
            f"{abs(self.expected_loss)}, median bankroll {self.median_bankroll}."
        )


@dataclass(frozen=True, slots=True)
class RuinEstimate:
    """The risk of a ladder at a win rate; ``words`` says it in sentences."""

    ladder: Ladder
    win_rate: float
    tie_rate: float
    break_even_rate: float
    edge: float
    """Average gain of a contract over its stake."""
    kelly_fraction: float
    capital: Decimal
    """What a whole ladder costs when every step loses."""
    largest_stake: Decimal
    ladder_loss_probability: float
    """Probability that all steps of one ladder lose, funds permitting."""
    expected_gain: Decimal
    """Average gain of one ladder, funds permitting."""
    within: tuple[RuinWithin, ...]
    ruin_ever: float
    """Probability that the bankroll is ever ruined, or its bound where ``ruin_ever_is_bound``."""
    ruin_ever_is_bound: bool
    expected_rounds_to_ruin: float | None
    """None: not certain, infinite, or too many states to say."""

    def ruin_after(self, rounds: int) -> RuinWithin:
        """Return the figures of one of the horizons that were assessed.

        Raises
        ------
        HorizonNotAssessed
            Nothing was assessed over that many rounds.
        """
        for one in self.within:
            if one.rounds == rounds:
                return one
        known = ", ".join(f"{one.rounds:,}" for one in self.within)
        message = f"Ruin within {rounds:,} rounds was not assessed, but within {known}."
        raise HorizonNotAssessed(message, "Name the horizon when assessing.")

    def refuse_above(self, ruin_cap: float, *, rounds: int = HORIZONS[-1]) -> None:
        """Refuse a ladder whose probability of ruin within the rounds exceeds the cap.

        Raises
        ------
        RuinCapExceeded
            The probability is above the cap; the message names both.
        """
        found = self.ruin_after(rounds)
        if found.ruin <= ruin_cap:
            return
        ruin = _percent(found.ruin, is_bound=found.is_bound)
        message = (
            f"Ruin within {rounds:,} rounds has a probability of {ruin}, "
            f"above the cap of {_percent(ruin_cap)}: win rate {_percent(self.win_rate)} where "
            f"{_percent(self.break_even_rate)} breaks even, bankroll {self.ladder.bankroll} where "
            f"one whole ladder costs {self.capital}, largest stake {self.largest_stake}."
        )
        if self.edge <= 0.0:
            hint = "Without an edge no ladder helps: stake the same each time, or do not trade it."
        else:
            hint = "Take fewer steps, a lower factor, a smaller first stake or a larger bankroll."
        raise RuinCapExceeded(message, hint)

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences for a person: the edge, ruin by horizon, ruin ever, what a ladder needs."""
        ladder = self.ladder
        if self.edge == 0.0:
            worth = "neither gains nor loses on average"
        else:
            worth = f"{'loses' if self.edge < 0 else 'gains'} {_percent(abs(self.edge))} of a stake"
        about = (
            f"A payout of {_percent(float(ladder.payout))} breaks even at a win rate of "
            f"{_percent(self.break_even_rate)}; at {_percent(self.win_rate)} a contract {worth}."
        )
        lines = [about, *(one.words for one in self.within)]
        if self.ruin_ever == 1.0 and not self.ruin_ever_is_bound:
            rounds = self.expected_rounds_to_ruin
            after = "" if rounds is None else f", after {rounds:,.0f} rounds on average"
            lines.append(f"Ruin is certain in the end{after}.")
        else:
            ruin = _percent(self.ruin_ever, is_bound=self.ruin_ever_is_bound)
            lines.append(f"Ruin at any time, without end: {ruin}.")
        lost = self.ladder_loss_probability
        often = f" and loses every step once in {1 / lost:,.0f} ladders" if lost > 0.0 else ""
        if ladder.steps > 1:
            lines.append(
                f"A ladder of {ladder.steps} steps stakes up to {self.largest_stake}, needs "
                f"{self.capital} in all{often}."
            )
        else:
            lines.append(f"Every stake is {self.largest_stake}.")
        if self.capital > ladder.bankroll:
            lines.append(f"The bankroll of {ladder.bankroll} cannot pay that once.")
        return tuple(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return figures and words as JSON can hold them, money as text."""
        figures: dict[str, Any] = {
            name: str(value) if isinstance(value, Decimal) else value
            for name in self.__slots__
            if name not in {"ladder", "within"}
            for value in [getattr(self, name)]
        }
        within = [
            {key: str(value) if isinstance(value, Decimal) else value for key, value in row.items()}
            for row in map(asdict, self.within)
        ]
        return {
            "ladder": self.ladder.as_dict(),
            **figures,
            "within": within,
            "words": list(self.words),
        }


def assess(
    ladder: Ladder,
    win_rate: float,
    *,
    tie_rate: float = 0.0,
    horizons: tuple[int, ...] = HORIZONS,
) -> RuinEstimate:
    """Return the risk of a ladder at a win rate, quickly enough for the making of a bot.

    Parameters
    ----------
    win_rate
        Wins over decided rounds; for a cautious gate, the lower end of its interval.
    tie_rate
        Share of all rounds that tie and are refunded.
    horizons
        Numbers of rounds to say ruin and loss for.

    Raises
    ------
    LadderTooLarge
        The bankroll is so many times the first stake that there is not even a bound.
    BadPayout
        A rate is not within 0 to 1.
    """
    payout = float(ladder.payout)
    within = tuple(_within(ladder, win_rate, rounds, tie_rate) for rounds in horizons)
    drift = ladder_drift(ladder, win_rate)
    ever, is_bound = _ever(ladder, win_rate)
    return RuinEstimate(
        ladder=ladder,
        win_rate=win_rate,
        tie_rate=tie_rate,
        break_even_rate=break_even_rate(payout),
        edge=edge_ratio(payout, win_rate, tie_rate=tie_rate),
        kelly_fraction=kelly_fraction(payout, win_rate),
        capital=ladder.capital,
        largest_stake=ladder.largest_stake,
        ladder_loss_probability=ladder.loss_probability(win_rate),
        expected_gain=_money(drift * float(ladder.money_step), ladder),
        within=within,
        ruin_ever=ever,
        ruin_ever_is_bound=is_bound,
        expected_rounds_to_ruin=_rounds(ladder, win_rate, tie_rate) if drift < 0.0 else None,
    )


def _within(ladder: Ladder, win_rate: float, rounds: int, tie_rate: float) -> RuinWithin:
    try:
        course = ruin_within(
            ladder, win_rate, rounds, tie_rate=tie_rate, largest_work=_QUICK_ADDITIONS
        )
    except LadderTooLarge:
        ruin = ruin_at_most(
            ladder, win_rate, rounds, tie_rate=tie_rate, largest_work=_QUICK_ADDITIONS
        )
        return RuinWithin(rounds, ruin, is_bound=True)
    start = float(ladder.bankroll)
    return RuinWithin(
        rounds=rounds,
        ruin=float(course.ruin[-1]),
        is_bound=False,
        expected_loss=_money(start - course.expected_bankroll, ladder),
        median_bankroll=_money(course.quantile(0.5), ladder),
        loss_probability=course.at_most(start - 0.5 * float(ladder.money_step)),
    )


def _ever(ladder: Ladder, win_rate: float) -> tuple[float, bool]:
    try:
        return ruin_ever(ladder, win_rate, largest_work=_QUICK_MULTIPLICATIONS), False
    except LadderTooLarge:
        return ruin_bound(ladder, win_rate), True


def _rounds(ladder: Ladder, win_rate: float, tie_rate: float) -> float | None:
    try:
        return expected_rounds_to_ruin(
            ladder, win_rate, tie_rate=tie_rate, largest_work=_QUICK_MULTIPLICATIONS
        )
    except LadderTooLarge:
        return None


def _money(value: float, ladder: Ladder) -> Decimal:
    return Decimal(value).quantize(ladder.money_step)


def _percent(share: float, *, is_bound: bool = False) -> str:
    if 0.0 < share < _LEAST_SHOWN:
        return f"less than {_LEAST_SHOWN * 100:.4f} %"
    digits = 0 if share == 0.0 else 2 if share >= _LEAST_SHOWN * 100 else 4
    return f"{'at most ' if is_bound else ''}{share * 100:.{digits}f} %"

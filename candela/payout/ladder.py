"""The martingale ladder: its stakes in exact money, and what one climb of it is worth."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import accumulate
from typing import Final, Literal

from candela.errors import StrategyError

__all__ = [
    "PAYOUT_SCALE",
    "BadLadder",
    "Ladder",
    "WhenShort",
    "ladder_stakes",
    "steps_per_unit",
    "win_profit",
]

PAYOUT_SCALE: Final = 1_000_000
"""Payouts have six decimals at most, so that profits are exact in whole money steps."""
WhenShort = Literal["stop", "rest"]
"""What happens when the bankroll cannot pay the next stake: stop for good, or stake the rest."""

_MOST_STEPS: Final = 20
_MOST_UNITS: Final = 10**15
_NUMBERS: Final = ("first_stake", "factor", "payout", "bankroll", "max_stake", "money_step")


class BadLadder(StrategyError):
    """The values make no ladder."""

    code = "bad_ladder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Stakes that grow by a factor after each loss; a win, or the last loss, begins anew.

    A win pays ``payout`` times the stake, rounded down to the money step. A tie that is refunded
    leaves bankroll and step as they are.

    Parameters
    ----------
    first_stake, bankroll, max_stake
        Money in the currency of the account; a stake never exceeds ``max_stake``.
    factor
        The next stake over the one lost, 1 or above; stakes are rounded half up to the step.
    steps
        Stakes in a ladder, 1 to 20.
    payout
        Profit of a win over its stake, at most six decimals.
    when_short
        ``stop``: no more contracts once the bankroll cannot pay the next stake. ``rest``: what is
        left is staked instead, until nothing is left.
    money_step
        The smallest amount of money, such as 0.01.

    Raises
    ------
    BadLadder
        A value is not a number, not above 0, or too fine or too large for exact money.
    """

    first_stake: Decimal
    payout: Decimal
    bankroll: Decimal
    factor: Decimal = Decimal(2)
    steps: int = 5
    max_stake: Decimal | None = None
    when_short: WhenShort = "stop"
    money_step: Decimal = Decimal("0.01")
    stake_units: tuple[int, ...] = field(init=False, repr=False)
    profit_units: tuple[int, ...] = field(init=False, repr=False)
    bankroll_units: int = field(init=False, repr=False)
    payout_scaled: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _number(value, name))
        if self.when_short not in {"stop", "rest"}:
            message = f"{self.when_short!r} is not a way to go on when the bankroll is short."
            raise BadLadder(message, "Write stop or rest.")
        stakes = ladder_stakes(
            self.first_stake, self.factor, self.steps, self.max_stake, self.money_step
        )
        bankroll = _units(self.bankroll, self.money_step, "bankroll")
        scaled = self.payout * PAYOUT_SCALE
        if scaled != int(scaled) or not 0 < scaled <= 1_000 * PAYOUT_SCALE:
            message = f"A payout of {self.payout} is not above 0 with at most six decimals."
            raise BadLadder(message, "Write 85 % as 0.85.")
        object.__setattr__(self, "stake_units", stakes)
        object.__setattr__(self, "bankroll_units", bankroll)
        object.__setattr__(self, "payout_scaled", int(scaled))
        object.__setattr__(
            self, "profit_units", tuple(win_profit(stake, int(scaled)) for stake in stakes)
        )

    @property
    def stakes(self) -> tuple[Decimal, ...]:
        """The stakes in order of the steps."""
        return tuple(units * self.money_step for units in self.stake_units)

    @property
    def capital(self) -> Decimal:
        """What one whole ladder costs when every step loses."""
        return sum(self.stake_units) * self.money_step

    @property
    def largest_stake(self) -> Decimal:
        """The largest stake of the ladder."""
        return max(self.stake_units) * self.money_step

    @property
    def nets(self) -> tuple[Decimal, ...]:
        """What a ladder gains that is won at each step: the profit less the stakes lost before."""
        lost = (0, *accumulate(self.stake_units))
        pairs = zip(self.profit_units, lost, strict=False)
        return tuple((profit - before) * self.money_step for profit, before in pairs)

    def loss_probability(self, win_rate: float) -> float:
        """Return the probability that every step of a ladder loses, funds permitting."""
        return (1.0 - win_rate) ** self.steps

    def expected_gain(self, win_rate: float) -> float:
        """Return what a ladder gains on average when the bankroll can pay all its stakes."""
        reached, gain = 1.0, 0.0
        for stake, profit in zip(self.stake_units, self.profit_units, strict=True):
            gain += reached * (win_rate * profit - (1.0 - win_rate) * stake)
            reached *= 1.0 - win_rate
        return gain * float(self.money_step)

    def expected_rounds(self, win_rate: float) -> float:
        """Return how many decided contracts a ladder takes on average."""
        return sum((1.0 - win_rate) ** step for step in range(self.steps))

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the ladder's parameters, money as text, for a manifest or a form."""
        return {
            one.name: value if isinstance(value, int) or value is None else str(value)
            for one in fields(self)
            if one.init
            for value in [getattr(self, one.name)]
        }


def ladder_stakes(
    first_stake: Decimal,
    factor: Decimal,
    steps: int,
    max_stake: Decimal | None,
    money_step: Decimal,
) -> tuple[int, ...]:
    """Return the stakes of a ladder in whole money steps, each at least one.

    Raises
    ------
    BadLadder
        The values make no ladder.
    """
    if not 1 <= steps <= _MOST_STEPS:
        raise BadLadder(f"A ladder has 1 to {_MOST_STEPS} steps, not {steps}.", "Take fewer steps.")
    if factor < 1:
        message = f"A factor of {factor} makes stakes smaller after a loss."
        raise BadLadder(message, "Take a factor of 1 or above.")
    first = _units(first_stake, money_step, "first_stake")
    cap = None if max_stake is None else _units(max_stake, money_step, "max_stake")
    if cap is not None and cap < first:
        message = f"The first stake {first_stake} exceeds the largest stake allowed, {max_stake}."
        raise BadLadder(message, "Lower first_stake or raise max_stake.")
    stakes: list[int] = []
    for step in range(steps):
        exact = Decimal(first) * factor**step
        if cap is None and exact * steps > _MOST_UNITS:
            message = f"Stake {step + 1} of the ladder, {exact * money_step:.0f}, is beyond money."
            raise BadLadder(message, "Take fewer steps, a lower factor, or name max_stake.")
        whole = int(min(exact, Decimal(_MOST_UNITS)).quantize(Decimal(1), ROUND_HALF_UP))
        stakes.append(whole if cap is None else min(whole, cap))
    return tuple(stakes)


def win_profit(stake_units: int, payout_scaled: int) -> int:
    """Return the profit of a win in whole money steps, rounded down as brokers credit it."""
    return stake_units * payout_scaled // PAYOUT_SCALE


def steps_per_unit(money_step: Decimal) -> float:
    """Return what money steps are divided by to make money.

    A whole number wherever it is one: 30 / 100 is 0.3, and 30 * 0.01 is not.
    """
    whole = 1 / money_step
    return float(whole) if whole == whole.to_integral_value() else 1.0 / float(money_step)


def _number(value: Decimal | float | str, name: str) -> Decimal:
    try:
        # Through text: the float 0.85 is the Decimal 0.85, not its 53 bits written out.
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number > 0):
        message = f"{name} is a number above 0, not {value}."
        raise BadLadder(message, "Correct the value; money has a decimal point.")
    return number


def _units(amount: Decimal, money_step: Decimal, name: str) -> int:
    units = amount / money_step
    if units != units.to_integral_value():
        message = f"{name} is a whole number of money steps of {money_step}, not {amount}."
        raise BadLadder(message, "Round the amount, or name a finer money_step.")
    if units > _MOST_UNITS:
        message = f"{name} of {amount} is more than {_MOST_UNITS} money steps of {money_step}."
        raise BadLadder(message, "Take a coarser money_step.")
    return int(units)

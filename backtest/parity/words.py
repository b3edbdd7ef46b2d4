"""The words of parity: causes, trips of a position, and what was known at a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from candela.money import EXACT

__all__ = ["Cause", "Difference", "Evidence", "Leg", "Trip", "Wish", "exact", "rounded"]

_PLACES = 18


class Cause(StrEnum):
    """Why live and backtest differ; every unit of the gap has exactly one."""

    DATA_REVISION = "data revision"  # candles were corrected after the decision
    MISSED_BAR = "missed bar"  # the bar was absent or quarantined when it was due
    OUTAGE = "outage"  # nobody decided: executor, venue or feed were away
    RISK_GATE = "risk gate"  # a limit, a halt or the plan refused
    REJECT = "reject"  # the venue refused, or filled a part only
    LATENCY = "latency"  # the market moved between the close of the bar and the order
    SLIPPAGE = "slippage"  # the order filled off the market by more or less than modelled
    FEE = "fee"
    DEFECT = "defect"  # none of these explains it: a fault of ours until proved otherwise


@dataclass(frozen=True, slots=True)
class Leg:
    """One fill, or the mark of what is still held.

    Parameters
    ----------
    sign
        +1 bought, -1 sold.
    quantity, price
        Base; quote per base.
    reference
        The market's price when it was asked for, before slippage and spread; None: not known.
    fee
        Quote.
    decided_bar
        Start of the bar whose close, or whose inside, decided it.
    reason
        What decided it: ``signal``, ``stop``, ``target``, ``trailing``, ``flatten``, ...
    is_mark
        Nothing was traded: the rest is valued at the last close.
    """

    sign: int
    quantity: Fraction
    price: Fraction
    reference: Fraction | None
    fee: Fraction
    decided_bar: datetime
    reason: str = "signal"
    is_mark: bool = False

    @property
    def fee_rate(self) -> Fraction:
        """Fee by value."""
        return self.fee / (self.quantity * self.price)

    @property
    def net(self) -> Fraction:
        """Quote that a unit cost, or brought, after the fee."""
        return self.price + self.sign * self.fee / self.quantity


@dataclass(frozen=True, slots=True)
class Trip:
    """From flat to flat, or to the end.

    Parameters
    ----------
    decided_bar
        Start of the bar whose close decided the entry: what trips are matched by.
    lost
        Base that was never sold: fees took it, or it was too little.
    booked
        Quote: the profit that the books say; None while open, and of a replay.
    pays_elsewhere
        Whether fees were paid in a third currency, which only the booked profit knows the worth of.
    """

    decided_bar: datetime
    legs: tuple[Leg, ...]
    lost: Fraction = Fraction(0)
    booked: Fraction | None = None
    pays_elsewhere: bool = False

    @property
    def entries(self) -> tuple[Leg, ...]:
        """What was bought."""
        return tuple(leg for leg in self.legs if leg.sign > 0)

    @property
    def exits(self) -> tuple[Leg, ...]:
        """What was sold or is marked."""
        return tuple(leg for leg in self.legs if leg.sign < 0)

    @property
    def quantity(self) -> Fraction:
        """Base bought."""
        return sum((leg.quantity for leg in self.entries), Fraction(0))

    @property
    def pnl(self) -> Fraction:
        """Quote, after fees, marked where still open."""
        return sum(
            (-leg.sign * leg.quantity * leg.price - leg.fee for leg in self.legs), Fraction(0)
        )

    @property
    def exit_bar(self) -> datetime | None:
        """Start of the bar whose close decided the last exit; None while open."""
        last = self.legs[-1]
        return None if last.sign > 0 or last.is_mark else last.decided_bar


@dataclass(frozen=True, slots=True)
class Wish:
    """What became of an order that a bot wanted on a bar.

    Parameters
    ----------
    refused_by
        The gate that refused, where one did.
    ended, reason
        How the intent ended, where there was one: ``done``, ``failed``, ... and why.
    is_limit
        Whether it was to rest at a price.
    intended
        Base.
    """

    refused_by: str | None = None
    ended: str | None = None
    reason: str | None = None
    is_limit: bool = False
    intended: Fraction | None = None


_NO_WISH: Final = Wish()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the books say of one decision bar of a bot.

    Parameters
    ----------
    status
        Of the signal: ``ok``, ``missing_bar``, ...; None: nobody evaluated this bar for the bot.
    entry, exit
        What became of what the bot wanted.
    differs
        Whether this evaluation saw other values than the replay.
    lacks
        Whether it saw fewer bars than the replay.
    is_away
        Whether no executor worked on the bot when the bar closed.
    """

    status: str | None = None
    entry: Wish = _NO_WISH
    exit: Wish = _NO_WISH
    differs: bool = False
    lacks: bool = False
    is_away: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether the bot wanted something on the bar."""
        return self.entry != _NO_WISH or self.exit != _NO_WISH


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference in money, with the trip that it belongs to and its cause."""

    cause: Cause
    amount: Fraction
    bar: datetime
    words: str
    facts: Mapping[str, str] = field(default_factory=dict[str, str])


def exact(value: Decimal | float | str) -> Fraction:
    """Return a number as it is written: 0.1 is one tenth, also as a double."""
    return Fraction(repr(value) if isinstance(value, float) else value)


def rounded(value: Fraction) -> Decimal:
    """Return a number to 18 places, halves to even."""
    return EXACT.scaleb(Decimal(round(value * 10**_PLACES)), -_PLACES)

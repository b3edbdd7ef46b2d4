"""The words of parity: causes, trips of a position, and what was known at a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

__all__ = ["Cause", "Difference", "Evidence", "Leg", "Trip", "exact", "rounded"]

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
    is_mark
        Nothing was traded: the rest is valued at the last close.
    """

    sign: int
    quantity: Fraction
    price: Fraction
    reference: Fraction | None
    fee: Fraction
    decided_bar: datetime
    is_mark: bool = False


@dataclass(frozen=True, slots=True)
class Trip:
    """From flat to flat, or to the end.

    Parameters
    ----------
    decided_bar
        Start of the bar whose close decided the entry: what trips are matched by.
    lost
        Base that fees took, so that it was never sold.
    """

    decided_bar: datetime
    legs: tuple[Leg, ...]
    exit_reason: str = ""
    lost: Fraction = Fraction(0)

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
        real = [leg for leg in self.exits if not leg.is_mark]
        return real[-1].decided_bar if real else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the books say of one decision bar of a bot.

    Parameters
    ----------
    status
        Of the signal: ``ok``, ``missing_bar``, ...; None: nobody evaluated this bar for the bot.
    refused_by
        The gate that refused, where one did.
    ended
        How the intent ended, where there was one: ``done``, ``failed``, ...
    intended, executed
        Base of the entry's intent.
    differs
        Whether the bars of this evaluation were others than those of the replay.
    """

    status: str | None = None
    refused_by: str | None = None
    ended: str | None = None
    reason: str | None = None
    intended: Fraction | None = None
    executed: Fraction | None = None
    differs: bool = False


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
    return Decimal(round(value * 10**_PLACES)).scaleb(-_PLACES)

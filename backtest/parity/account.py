"""The running totals of an attribution: both profits, and the causes found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final

from backtest.parity.words import Cause, Difference

__all__ = ["GRAIN", "Account"]

GRAIN: Final = 10**27
"""Amounts are kept to one part in it: far below the 18 places that a report shows."""
_NOTHING: Final = Fraction(0)
# Causes that nearly cancel say little by their sum: they share by their size.
_CANCELED: Final = Fraction(1, 100)


@dataclass(slots=True)
class Account:
    """What is known while trips are gone through in order of time.

    Attributes
    ----------
    bot, backtest
        Quote: profit of the trips that are done.
    """

    capital: Fraction
    bot: Fraction = _NOTHING
    backtest: Fraction = _NOTHING
    by_cause: dict[Cause, Fraction] = field(default_factory=dict[Cause, Fraction])
    found: list[Difference] = field(default_factory=list[Difference])

    def add(self, cause: Cause, amount: Fraction, bar: datetime, words: str) -> None:
        """Put an amount down to a cause; nothing is nothing."""
        # Exact quotients of thousands of trades would grow to thousands of digits.
        amount = Fraction(round(amount * GRAIN), GRAIN)
        if amount:
            self.by_cause[cause] = self.by_cause.get(cause, _NOTHING) + amount
            self.found.append(Difference(cause, amount, bar, words))

    def shares(self) -> dict[Cause, Fraction]:
        """Return what part of the gap so far each cause has; the parts sum to 1."""
        total = sum(self.by_cause.values(), _NOTHING)
        size = sum((abs(amount) for amount in self.by_cause.values()), _NOTHING)
        if not size:
            return {Cause.LATENCY: Fraction(1)}
        if abs(total) > size * _CANCELED:
            return {cause: amount / total for cause, amount in self.by_cause.items()}
        return {cause: abs(amount) / size for cause, amount in self.by_cause.items()}

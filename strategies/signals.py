"""Signals: what a strategy decides at the close of each bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from strategies.conditions import Events, Mask, events_of

__all__ = ["CONDITIONS", "RATIOS", "BadSignals", "Condition", "Signals"]

Floats = npt.NDArray[np.float64]
Condition = Events | Mask

CONDITIONS: Final = (
    "long_entries", "long_exits", "short_entries", "short_exits", "calls", "puts",
)  # fmt: skip
RATIOS: Final = ("size", "stop_loss", "take_profit", "trailing_stop", "exit_fraction")


class BadSignals(StrategyError):
    """A strategy returned numbers that decide nothing: wrong length, sign or kind."""

    code = "bad_signals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Decisions of (n,) bars, each made when its bar has closed.

    Entries and exits are masks or events. The numbers are one for all bars, or one for each
    decision bar; where it is NaN there is none.

    Attributes
    ----------
    long_entries, long_exits, short_entries, short_exits
        Where to buy, to sell what was bought, to sell short, to buy back.
    size
        Takes the place of the value of the run's sizing (share, quote or base), read at the entry.
    stop_loss, take_profit, trailing_stop
        Distance from the fill price (trailing: from the best price since) as a ratio of it, read
        at the decision bar of the entry.
    limit_price
        Price of a resting entry, good for one bar; NaN: at the market.
    exit_fraction
        Share of the position that an exit closes, 1 where absent.
    legs
        How many entries may be stacked on one another.
    calls, puts, expiry
        Fixed payout: bets that the price is higher or lower ``expiry`` bars on.
    panes
        Lines to draw, by name; ``price`` scale unless the name says ``pane/line``.
    """

    long_entries: Condition | None = None
    long_exits: Condition | None = None
    short_entries: Condition | None = None
    short_exits: Condition | None = None
    size: Floats | float | None = None
    stop_loss: Floats | float | None = None
    take_profit: Floats | float | None = None
    trailing_stop: Floats | float | None = None
    limit_price: Floats | None = None
    exit_fraction: Floats | float | None = None
    legs: int = 1
    calls: Condition | None = None
    puts: Condition | None = None
    expiry: int = 1
    panes: Mapping[str, Floats] = field(default_factory=dict[str, Floats])

    def check(self, length: int) -> None:
        """Refuse signals that are not one decision for each bar.

        Raises
        ------
        BadSignals
            A number is out of range; names the field, the bar and the value.
        BadCondition
            A condition is not one for each bar.
        """
        for name in CONDITIONS:
            condition = getattr(self, name)
            if condition is not None:
                events_of(condition, length, name)
        for name in RATIOS:
            value = getattr(self, name)
            if value is not None:
                _check_ratio(name, value, length)
        if self.limit_price is not None:
            _check_ratio("limit_price", self.limit_price, length)
        if self.legs < 1:
            message = f"legs is {self.legs}."
            raise BadSignals(message, "A position has one leg or more.")
        if self.expiry < 1:
            message = f"expiry is {self.expiry} bars."
            raise BadSignals(message, "A fixed-payout contract lasts one bar or more.")
        for name, line in self.panes.items():
            if np.shape(line) != (length,):
                message = f"The line {name} has the shape {np.shape(line)} for {length:,} bars."
                raise BadSignals(message, "Draw one value for each bar, NaN where there is none.")

    def rows(self, name: str, length: int) -> npt.NDArray[np.int64]:
        """Return the decision bars of a condition, oldest first."""
        return events_of(getattr(self, name), length, name)

    def mask(self, name: str, length: int) -> Mask:
        """Return a condition as (length,) booleans."""
        condition = getattr(self, name)
        if condition is None:
            return np.zeros(length, dtype=np.bool_)
        return np.asarray(condition, dtype=np.bool_)

    def numbers(self, name: str, length: int) -> Floats | None:
        """Return a number of each bar as (length,) float64, None where there is none."""
        value = getattr(self, name)
        if value is None:
            return None
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (length,))

    def columns(self, length: int) -> dict[str, Mask | Floats]:
        """Return every decision that is there, by name, as arrays of one value for each bar."""
        found: dict[str, Mask | Floats] = {}
        for one in fields(self):
            if one.name in CONDITIONS and getattr(self, one.name) is not None:
                found[one.name] = self.mask(one.name, length)
            elif one.name in RATIOS or one.name == "limit_price":
                numbers = self.numbers(one.name, length)
                if numbers is not None:
                    found[one.name] = numbers
        return found


def _check_ratio(name: str, value: object, length: int) -> None:
    if not isinstance(value, (np.ndarray, np.number, float, int)):
        message = f"{name} is a {type(value).__name__}."
        raise BadSignals(message, "Give a number, or a numpy array of one for each bar.")
    numbers = np.asarray(cast("Floats | float", value))
    if numbers.dtype.kind not in "fiu":
        message = f"{name} holds {numbers.dtype}, not numbers."
        raise BadSignals(message, "Give a number, or one for each bar.")
    if numbers.ndim and numbers.shape != (length,):
        message = f"{name} has the shape {numbers.shape} for {length:,} bars."
        raise BadSignals(message, "Give a number, or one for each bar.")
    low = numbers <= 0
    wrong = low | np.isinf(numbers)
    if name == "exit_fraction":
        wrong |= numbers > 1
    if name in {"stop_loss", "trailing_stop"}:
        wrong |= numbers >= 1
    if wrong.any():
        row = int(np.flatnonzero(np.atleast_1d(wrong))[0])
        message = f"{name} is {np.atleast_1d(numbers)[row]} at bar {row}."
        raise BadSignals(message, "Ratios are above 0 (stops below 1); NaN says there is none.")

"""What a run asked for, as arrays of one value for each bar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from backtest.result import Result
from backtest.run import intents_of, year_of
from backtest.spec import Protection
from candela.fills.model import FillModel
from candela.fills.sizing import volatility_at
from strategies.bars import Bars

__all__ = ["Asked"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
AnyScalar = TypeVar("AnyScalar", np.bool_, np.float64)

_OF_CASH: Final = {"fraction", "risk", "volatility_target"}


@dataclass(frozen=True)
class Asked:
    """Decisions, numbers and model of a run.

    Attributes
    ----------
    long_entries, long_exits, short_entries, short_exits
        (n,), at the bar of the decision.
    size, stop, target, trailing, limit, exit_fraction
        (n,), NaN where not given; all at the bar of the decision.
    """

    bars: Bars
    model: FillModel
    long_entries: Mask
    long_exits: Mask
    short_entries: Mask
    short_exits: Mask
    size: Floats
    stop: Floats
    target: Floats
    trailing: Floats
    limit: Floats
    exit_fraction: Floats
    legs: int

    @classmethod
    def of(cls, result: Result) -> Asked:
        """Take from a result what it was asked for."""
        length = len(result.bars)
        protection = Protection(**result.manifest["protection"])
        intents = intents_of(result.signals, length, protection)
        conditions = [np.broadcast_to(one, length) for one in intents.conditions(length)]
        numbers = [np.broadcast_to(one, length) for one in intents.numbers(length)]
        long_entries, long_exits, short_entries, short_exits = conditions
        size, stop, target, trailing, limit, exit_fraction = numbers
        return cls(
            bars=result.bars,
            model=result.model,
            long_entries=long_entries,
            long_exits=long_exits,
            short_entries=short_entries,
            short_exits=short_exits,
            size=size,
            stop=stop,
            target=target,
            trailing=trailing,
            limit=limit,
            exit_fraction=exit_fraction,
            legs=intents.legs,
        )

    @property
    def next_open(self) -> bool:
        """Whether orders fill at the open after the decision."""
        return self.model.execution.fill == "next_open"

    @property
    def adverse(self) -> float:
        """What a market order pays beyond the market, as a ratio."""
        costs = self.model.costs
        return (costs.slippage_bps + costs.spread_bps / 2) / 10_000

    @property
    def fee(self) -> float:
        """The fee of market orders, as a ratio."""
        return self.model.costs.taker_fee_bps / 10_000

    @property
    def prices(self) -> Floats:
        """(n,) price of the market at which an order that fills in a bar fills."""
        return self.bars.open if self.next_open else self.bars.close

    @property
    def has_shorts(self) -> bool:
        """Whether anything is ever sold short."""
        return bool(self.short_entries.any())

    @property
    def has_levels(self) -> bool:
        """Whether a stop, target or trailing stop is ever given."""
        return not all(np.isnan(one).all() for one in (self.stop, self.target, self.trailing))

    @property
    def has_part_exits(self) -> bool:
        """Whether an exit ever closes a part of the position."""
        return bool((self.exit_fraction < 1).any())

    @cached_property
    def shares(self) -> Floats | None:
        """(n,) share of the cash that an entry takes, None where sizes are of another kind."""
        sizing = self.model.sizing
        if sizing.kind not in _OF_CASH:
            return None
        value = np.where(np.isnan(self.size), sizing.value, self.size)
        if sizing.kind == "risk":
            value = np.minimum(
                value * (1 + self.fee) / np.fmin(self.stop, self.trailing), sizing.cap
            )
        elif sizing.kind == "volatility_target":
            year, close = year_of(self.bars), self.bars.close
            found = [volatility_at(close, row, sizing.window, year) for row in range(len(close))]
            volatility = np.array(found)
            with np.errstate(divide="ignore"):
                value = np.minimum(value / volatility, sizing.cap)
        return np.minimum(value, 1.0)

    def shifted(self, values: npt.NDArray[AnyScalar]) -> npt.NDArray[AnyScalar]:
        """Move values from the bar of the decision to the bar of its fill."""
        if not self.next_open:
            return values
        moved = np.empty_like(values)
        moved[0] = False if values.dtype == np.bool_ else np.nan
        moved[1:] = values[:-1]
        return moved

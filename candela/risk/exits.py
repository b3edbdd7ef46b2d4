"""Exits that leave nothing behind that could never be sold."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.money import EXACT, ZERO, floored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.orders.words import InstrumentRules
    from candela.risk.limits import PartialExit

__all__ = ["ExitPlan", "ExitStage", "is_sellable", "plan_exit", "plan_stages"]

_LEFT_OVER: Final = Decimal("0.001")
"""Less than this share of what the entries filled is closed with the rest, as in backtests."""


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """What an exit sells, what stays, and what no order can sell.

    ``quantity + rest + dust`` is what was held. With ``closes`` the trade is over: ``dust`` is
    booked apart, so that no trade lives on for a remainder that nobody can sell.
    """

    quantity: Decimal
    rest: Decimal
    dust: Decimal
    closes: bool


@dataclass(frozen=True, slots=True)
class ExitStage:
    """One of several planned sales.

    Parameters
    ----------
    price
        That the market has to reach.
    """

    price: Decimal
    quantity: Decimal


def is_sellable(quantity: Decimal, price: Decimal, rules: InstrumentRules) -> bool:
    """Return whether the venue takes an order for what a quantity is on the lot grid.

    Both the step and the value are asked: a quantity may be many lots and worth too little.
    """
    lots = floored(quantity, rules.lot)
    return (
        lots > 0
        and lots >= rules.minimum_quantity
        and EXACT.multiply(lots, price) >= rules.minimum_notional
    )


def plan_exit(
    held: Decimal,
    fraction: Decimal,
    price: Decimal,
    rules: InstrumentRules,
    *,
    entered: Decimal | None = None,
    headroom_ratio: Decimal = ZERO,
) -> ExitPlan:
    """Plan the sale of a share of what is held.

    A part that is too small for an order is not sold, as in backtests; where the rest would be too
    small, all is sold. What is left of a whole sale below the lot is dust; so is all that is held
    where it is too small already.

    Parameters
    ----------
    held
        Base that can be sold: fills less fees in base.
    fraction
        Above 0 to 1.
    price
        That the sale can expect.
    entered
        Base that the entries of the position filled.
    headroom_ratio
        Fall of the price at which the rest must still be large enough.
    """
    wanted = EXACT.multiply(held, min(fraction, Decimal(1)))
    return _plan(held, wanted, price, rules, entered, headroom_ratio)


def plan_stages(
    held: Decimal,
    mean: Decimal,
    stages: Sequence[PartialExit],
    rules: InstrumentRules,
    *,
    side: int = 1,
    headroom_ratio: Decimal = ZERO,
) -> tuple[ExitStage, ...]:
    """Plan a position's partial exits at once, each one sellable and so is what each leaves.

    A stage that is too small is joined to the next; one that would leave too little sells all, and
    later ones fall away.

    Parameters
    ----------
    mean
        Mean price of entry.
    side
        +1 for a long, -1 for a short.
    """
    planned: list[ExitStage] = []
    left, carried = held, ZERO
    for stage in stages:
        price = EXACT.multiply(mean, 1 + side * stage.gain_ratio)
        wanted = EXACT.add(carried, EXACT.multiply(left - carried, stage.fraction))
        if price <= 0 or left <= 0:
            break
        plan = _plan(left, wanted, price, rules, held, headroom_ratio)
        if plan.quantity > 0:
            planned.append(ExitStage(price, plan.quantity))
            carried = ZERO
        else:
            carried = wanted
        left = plan.rest
    return tuple(planned)


def _plan(
    held: Decimal,
    wanted: Decimal,
    price: Decimal,
    rules: InstrumentRules,
    entered: Decimal | None,
    headroom_ratio: Decimal,
) -> ExitPlan:
    whole = floored(held, rules.lot)
    if not is_sellable(whole, price, rules):
        return ExitPlan(ZERO, ZERO, held, closes=True)
    largest = floored(rules.maximum_quantity, rules.lot)
    if 0 < largest < min(whole, wanted):
        return _first_of_many(held, largest, price, rules)
    everything = ExitPlan(whole, ZERO, EXACT.subtract(held, whole), closes=True)
    part = floored(wanted, rules.lot)
    if wanted >= held or part >= whole:
        return everything
    if not is_sellable(part, price, rules):
        return ExitPlan(ZERO, held, ZERO, closes=False)
    rest = EXACT.subtract(held, part)
    low = EXACT.multiply(price, 1 - headroom_ratio)
    is_crumb = entered is not None and rest < EXACT.multiply(entered, _LEFT_OVER)
    if is_crumb or not is_sellable(rest, low, rules):
        return everything
    return ExitPlan(part, rest, ZERO, closes=False)


def _first_of_many(
    held: Decimal, largest: Decimal, price: Decimal, rules: InstrumentRules
) -> ExitPlan:
    """Sell as much as one order may; half, where that would leave too little for another one."""
    half = floored(EXACT.divide(held, Decimal(2)), rules.lot)
    for part in (largest, half):
        rest = EXACT.subtract(held, part)
        if is_sellable(part, price, rules) and is_sellable(rest, price, rules):
            return ExitPlan(part, rest, ZERO, closes=False)
    return ExitPlan(largest, ZERO, EXACT.subtract(held, largest), closes=True)

"""Further purchases of a position whose price fell: their prices, values and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.money import EXACT, ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.orders.words import Quote
    from candela.risk.limits import DcaLeg

__all__ = ["PlannedLeg", "due_legs", "planned_cost", "planned_legs"]


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """A leg of a position.

    Parameters
    ----------
    number
        From 1; the first entry is 0.
    price
        Quote per base that the market has to reach.
    amount
        Value to buy, in quote.
    """

    number: int
    price: Decimal
    amount: Decimal


def planned_legs(
    legs: Sequence[DcaLeg], first_price: Decimal, first_amount: Decimal, *, side: int = 1
) -> tuple[PlannedLeg, ...]:
    """Return the legs of a position, fixed by the first fill alone.

    Parameters
    ----------
    side
        +1 for a long, -1 for a short, whose legs lie above.
    """
    return tuple(
        PlannedLeg(
            number,
            EXACT.multiply(first_price, 1 - side * leg.drop_ratio),
            EXACT.multiply(first_amount, leg.size_multiple),
        )
        for number, leg in enumerate(legs, 1)
    )


def planned_cost(legs: Sequence[DcaLeg], first_amount: Decimal) -> Decimal:
    """Return what a position costs once all its legs are bought, fees apart."""
    multiples = sum((leg.size_multiple for leg in legs), ZERO)
    return EXACT.multiply(first_amount, 1 + multiples)


def due_legs(
    legs: Sequence[PlannedLeg], filled: int, quote: Quote, *, side: int = 1
) -> tuple[PlannedLeg, ...]:
    """Return the legs that a quote has reached and that are not filled yet, in order.

    After a jump over several levels all of them are due: each is judged by itself.

    Parameters
    ----------
    filled
        Legs bought or being bought, the first entry not counted.
    """
    price = quote.ask if side > 0 else quote.bid
    if price <= 0:
        return ()
    return tuple(leg for leg in legs[filled:] if side * (price - leg.price) <= 0)

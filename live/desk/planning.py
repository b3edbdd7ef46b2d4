"""What is sent for an intent: its quantity and price on the grids that the venue has now."""

from __future__ import annotations

from datetime import datetime

from candela.ids import client_order_id
from candela.money import ceiled, floored
from candela.orders.booking import is_sellable
from candela.orders.fence import fence_of
from candela.orders.records import Intent, Order
from candela.orders.words import InstrumentRules, OrderState, Side

__all__ = ["planned"]


def planned(
    intent: Intent, number: int, rules: InstrumentRules, now: datetime, fence_s: float
) -> Order | str:
    """Return an attempt of an intent, or in words why there can be none.

    Quantities are rounded down, prices so that they are never worse than wanted.

    Parameters
    ----------
    number
        Of the attempt, from 1; each has a client id of its own.
    """
    if not rules.is_trading and intent.side is Side.BUY:
        return f"{intent.symbol} is not trading"
    quantity = floored(intent.quantity, rules.lot)
    if rules.maximum_quantity > 0:
        # What stays of an exit is owed still, and sold next.
        quantity = min(quantity, floored(rules.maximum_quantity, rules.lot))
    price = intent.price
    if price is not None:
        price = (floored if intent.side is Side.BUY else ceiled)(price, rules.tick)
        if price <= 0:
            return f"{intent.price} is below the least price of {intent.symbol}"
    if quantity <= 0 or quantity < rules.minimum_quantity:
        return f"{intent.quantity} is below the least quantity of {intent.symbol}"
    reference = price or intent.reference_price
    if reference is not None and not is_sellable(quantity, reference, rules):
        return f"{quantity} at {reference} is below the least value of {intent.symbol}"
    return Order(
        account=intent.account,
        client_id=client_order_id(intent.intent_id, number),
        intent_id=intent.intent_id,
        attempt=number,
        symbol=intent.symbol,
        side=intent.side,
        kind=intent.kind,
        quantity=quantity,
        price=price,
        stop_price=intent.stop_price,
        state=OrderState.CREATED,
        created_at=now,
        sent_at=now,
        fence_at=fence_of(now, fence_s),
    )

"""One-cancels-the-other lists: two orders of which at most one trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.answers import Refusal, refuse_duplicate, refuse_funds, refuse_missing
from sandbox.calls import whole
from sandbox.events import list_event
from sandbox.records import STOPS, ZERO, Order
from sandbox.terms import Terms, check_filters, read_terms

if TYPE_CHECKING:
    from sandbox.calls import Call
    from sandbox.engine import Engine

__all__ = ["cancel_list", "place_list", "told_list"]

_LEG = ("Type", "Price", "StopPrice", "TimeInForce", "ClientOrderId")


def place_list(engine: Engine, call: Call) -> dict[str, Any]:
    """Place both legs, or neither.

    Raises
    ------
    Refusal
        A leg is refused, or the prices do not lie on both sides of the market.
    """
    account = call.owner
    legs = _legs(engine, call)
    symbol = legs[0].symbol
    engine.settle(symbol)
    bid, ask = engine.quote(symbol)
    price = ask if legs[0].is_buy else bid
    for terms in legs:
        check_filters(terms, ask)
        known = account.by_client.get((symbol.name, terms.client_id))
        if known is not None and not known.is_final:
            refuse_duplicate()
    above, below = ((one.stop_price or one.price) for one in legs)
    if not below < price < above:
        raise Refusal(-2010, "The relationship of the prices for the orders is not correct.")
    holds = [
        one.quantity * (one.price or one.stop_price) if one.is_buy else one.quantity for one in legs
    ]
    asset = symbol.quote if legs[0].is_buy else symbol.base
    if account.balance(asset).free < max(holds):
        refuse_funds()
    number = engine.ledger.next_list_id()
    list_client = call.params.get("listClientOrderId") or f"sandboxlist{call.number}"
    now = engine.clock.now_ms()
    orders: list[Order] = []
    for terms in legs:
        order = Order(
            order_id=engine.ledger.next_order_id(),
            account=account.name,
            symbol=symbol.name,
            client_id=terms.client_id,
            side=terms.side,
            type=terms.type,
            time_in_force=terms.time_in_force,
            price=terms.price,
            quantity=terms.quantity,
            stop_price=terms.stop_price,
            quote_quantity=ZERO,
            created_ms=now,
            updated_ms=now,
            list_id=number,
            list_client_id=list_client,
            is_working=terms.type not in STOPS,
            working_ms=-1 if terms.type in STOPS else now,
            request=call.number,
        )
        orders.append(order)
    # Only one leg can trade, so the larger of both is held once.
    engine.ledger.hold(account, orders[holds.index(max(holds))], asset, max(holds))
    for order in orders:
        engine.enter(account, order)
    if engine.emit is not None:
        engine.emit(account, list_event(orders, "EXEC_STARTED", engine.clock.told_ms()))
    engine.tell_balances(account, symbol)
    return _told(orders, engine) | {"orderReports": [one.placed("RESULT", []) for one in orders]}


def told_list(engine: Engine, call: Call) -> dict[str, Any]:
    """Return a list as queries tell it."""
    return _told(_find(call), engine)


def cancel_list(engine: Engine, call: Call) -> dict[str, Any]:
    """Cancel both legs.

    Raises
    ------
    Refusal
        They are over.
    """
    orders = _find(call)
    engine.settle(engine.listing.find(orders[0].symbol))
    for order in orders:
        if not order.is_final:
            engine.cancel(call.owner, order, f"sandbox{call.number}")
            return _told(orders, engine) | {"orderReports": [one.told() for one in orders]}
    raise Refusal(-2011, "Unknown order list sent.")


def _find(call: Call) -> list[Order]:
    number = whole(call.params, "orderListId")
    client = call.params.get("listClientOrderId") or call.params.get("origClientOrderId")
    found = [
        one
        for one in call.owner.orders.values()
        if one.list_id >= 0 and (one.list_id == number or (client and one.list_client_id == client))
    ]
    if not found:
        raise Refusal(-2018, "Order list does not exist.")
    return found


def _told(orders: list[Order], engine: Engine) -> dict[str, Any]:
    is_over = all(one.is_final for one in orders)
    return {
        "orderListId": orders[0].list_id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if is_over else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if is_over else "EXECUTING",
        "listClientOrderId": orders[0].list_client_id,
        "transactionTime": engine.clock.told_ms(),
        "symbol": orders[0].symbol,
        "orders": [
            {"symbol": one.symbol, "orderId": one.order_id, "clientOrderId": one.client_id}
            for one in orders
        ],
    }


def _legs(engine: Engine, call: Call) -> tuple[Terms, Terms]:
    """Return the leg above the market and the one below."""
    params = call.params
    shared = {name: params[name] for name in ("symbol", "side", "quantity") if name in params}
    if "aboveType" in params or "belowType" in params:
        sent = [_named_leg(params, side) for side in ("above", "below")]
    else:
        limit, stop = _older_legs(params)
        sent = [limit, stop] if params["side"] == "SELL" else [stop, limit]
    above, below = (
        read_terms(shared | leg, engine.listing, f"sandbox{call.number}{side}")
        for leg, side in zip(sent, ("above", "below"), strict=True)
    )
    return above, below


def _named_leg(params: dict[str, str], side: str) -> dict[str, str]:
    if not params.get(f"{side}Type"):
        refuse_missing(f"{side}Type")
    names = {name: f"{side}{name}" for name in _LEG if f"{side}{name}" in params}
    return {_plain(name): params[sent] for name, sent in names.items()}


def _older_legs(params: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return limit and stop as the older path names them."""
    for name in ("price", "stopPrice", "side"):
        if not params.get(name):
            refuse_missing(name)
    limit = {"type": "LIMIT_MAKER", "price": params["price"]}
    stop = {"type": "STOP_LOSS", "stopPrice": params["stopPrice"]}
    if params.get("stopLimitPrice"):
        stop |= {
            "type": "STOP_LOSS_LIMIT",
            "price": params["stopLimitPrice"],
            "timeInForce": params.get("stopLimitTimeInForce", "GTC"),
        }
    for leg, name in ((limit, "limitClientOrderId"), (stop, "stopClientOrderId")):
        if params.get(name):
            leg["newClientOrderId"] = params[name]
    return limit, stop


def _plain(name: str) -> str:
    return "newClientOrderId" if name == "ClientOrderId" else name[0].lower() + name[1:]

"""Binance's records in our words: orders, trades, filters and the events of its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from candela.brokers.port import BrokerEvent, EventKind
from candela.brokers.reading import (
    amount,
    flag,
    instant,
    optional_amount,
    record_of,
    rows_of,
    text,
    texts_of,
)
from candela.money import ZERO, decimal_of
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    Side,
    VenueOrderState,
)
from candela.venues.door import ShapeError

__all__ = ["SPOT_ORDER_TYPES", "event_of", "execution_of", "report_of", "rules_of"]

SPOT_ORDER_TYPES: Final = {
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT: "LIMIT",
    OrderKind.LIMIT_MAKER: "LIMIT_MAKER",
    OrderKind.IOC: "LIMIT",
    OrderKind.STOP_LOSS: "STOP_LOSS",
    OrderKind.STOP_LOSS_LIMIT: "STOP_LOSS_LIMIT",
    OrderKind.TAKE_PROFIT: "TAKE_PROFIT",
    OrderKind.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
_STATES: Final = {
    "NEW": VenueOrderState.OPEN,
    "PENDING_NEW": VenueOrderState.OPEN,
    "PARTIALLY_FILLED": VenueOrderState.OPEN,
    "PENDING_CANCEL": VenueOrderState.OPEN,
    "FILLED": VenueOrderState.FILLED,
    "CANCELED": VenueOrderState.CANCELED,
    "REJECTED": VenueOrderState.REJECTED,
    "EXPIRED": VenueOrderState.EXPIRED,
    "EXPIRED_IN_MATCH": VenueOrderState.EXPIRED,
}


def report_of(row: dict[str, Any], symbol_of: Callable[[str], str]) -> OrderReport:
    """Read an order as REST shows it: the answer to a send, a query or a cancellation."""
    symbol = symbol_of(text(row, "symbol"))
    order_id = text(row, "orderId")
    # A cancellation is answered with an id of its own; the order's is beside it.
    client_id = str(row.get("origClientOrderId") or row.get("clientOrderId") or "") or None
    side = _side(text(row, "side"))
    at = row.get("updateTime") or row.get("transactTime") or row.get("time")
    fills = rows_of(row.get("fills") or [])
    executed_at = instant(row["transactTime"]) if fills else None
    return OrderReport(
        client_id=client_id,
        venue_order_id=order_id,
        symbol=symbol,
        side=side,
        state=_state(text(row, "status")),
        quantity=amount(row, "origQty"),
        executed=amount(row, "executedQty"),
        price=optional_amount(row, "price"),
        at=instant(at) if at is not None else None,
        executions=tuple(
            Execution(
                trade_id=text(fill, "tradeId"),
                venue_order_id=order_id,
                client_id=client_id,
                symbol=symbol,
                side=side,
                quantity=amount(fill, "qty"),
                price=amount(fill, "price"),
                fee=amount(fill, "commission"),
                fee_ccy=text(fill, "commissionAsset"),
                # What is filled while it is being placed has taken.
                is_maker=False,
                executed_at=executed_at,
            )
            for fill in fills
            if executed_at is not None
        ),
    )


def execution_of(row: dict[str, Any], symbol: str) -> Execution:
    """Read a trade as REST lists it; the list does not tell client ids."""
    return Execution(
        trade_id=text(row, "id"),
        venue_order_id=text(row, "orderId"),
        client_id=None,
        symbol=symbol,
        side=Side.BUY if flag(row, "isBuyer") else Side.SELL,
        quantity=amount(row, "qty"),
        price=amount(row, "price"),
        fee=amount(row, "commission"),
        fee_ccy=text(row, "commissionAsset"),
        is_maker=flag(row, "isMaker"),
        executed_at=instant(row.get("time")),
    )


def event_of(message: object, symbol_of: Callable[[str], str]) -> list[BrokerEvent]:
    """Read a message of the websocket interface; nothing for those that tell nothing of us."""
    fields = record_of(message)
    if isinstance(fields.get("result"), dict) and "subscriptionId" in fields["result"]:
        return [BrokerEvent(EventKind.CONNECTED)]
    if fields.get("event") is None:
        return []
    row = record_of(fields["event"])
    kind = row.get("e")
    if kind == "executionReport":
        return _execution_report(row, symbol_of)
    if kind == "outboundAccountPosition":
        balances = {
            text(one, "a"): Balance(amount(one, "f"), amount(one, "l")) for one in rows_of(row["B"])
        }
        return [BrokerEvent(EventKind.BALANCE, balances=balances)]
    if kind in {"eventStreamTerminated", "serverShutdown"}:
        return [BrokerEvent(EventKind.LOST)]
    return []


def rules_of(
    market: dict[str, Any], raw: dict[str, Any], kinds: Iterable[OrderKind]
) -> InstrumentRules:
    """Read a symbol's filters."""
    filters = {text(one, "filterType"): one for one in rows_of(raw.get("filters"))}
    lot, price = filters.get("LOT_SIZE", {}), filters.get("PRICE_FILTER", {})
    by_market = filters.get("MARKET_LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    if not lot or not price:
        raise ShapeError(f"{market['symbol']} has no LOT_SIZE or PRICE_FILTER")
    offered = set(texts_of(raw.get("orderTypes")))
    # The step of market orders is usually 0: none of its own.
    return InstrumentRules(
        symbol=str(market["symbol"]),
        base=str(market["base"]),
        quote=str(market["quote"]),
        lot=max(_of(lot, "stepSize"), _of(by_market, "stepSize")),
        tick=_of(price, "tickSize"),
        minimum_quantity=max(_of(lot, "minQty"), _of(by_market, "minQty")),
        maximum_quantity=_smallest(_of(lot, "maxQty"), _of(by_market, "maxQty")),
        minimum_notional=_of(notional, "minNotional"),
        taker_fee=decimal_of(float(market.get("taker") or 0)),
        maker_fee=decimal_of(float(market.get("maker") or 0)),
        is_trading=raw.get("status") == "TRADING",
        kinds=frozenset(kind for kind in kinds if SPOT_ORDER_TYPES[kind] in offered),
    )


def _execution_report(row: dict[str, Any], symbol_of: Callable[[str], str]) -> list[BrokerEvent]:
    symbol, side = symbol_of(text(row, "s")), _side(text(row, "S"))
    # Of a cancellation c is the cancellation's own id, and C that of the order.
    client_id = str(row.get("C") or row.get("c") or "") or None
    order_id = text(row, "i")
    execution = None
    if row.get("x") == "TRADE":
        execution = Execution(
            trade_id=text(row, "t"),
            venue_order_id=order_id,
            client_id=client_id,
            symbol=symbol,
            side=side,
            quantity=amount(row, "l"),
            price=amount(row, "L"),
            fee=amount(row, "n"),
            # Null where nothing was charged.
            fee_ccy=str(row.get("N") or symbol.rpartition("/")[2]),
            is_maker=flag(row, "m"),
            executed_at=instant(row["T"]),
        )
    order = OrderReport(
        client_id=client_id,
        venue_order_id=order_id,
        symbol=symbol,
        side=side,
        state=_state(text(row, "X")),
        quantity=amount(row, "q"),
        executed=amount(row, "z"),
        price=optional_amount(row, "p"),
        at=instant(row["T"]),
        executions=(execution,) if execution is not None else (),
    )
    events = [BrokerEvent(EventKind.ORDER, order=order)]
    if execution is not None:
        events.insert(0, BrokerEvent(EventKind.EXECUTION, order=order, execution=execution))
    return events


def _state(name: str) -> VenueOrderState:
    if name not in _STATES:
        raise ShapeError(f"an order's status is {name!r}")
    return _STATES[name]


def _side(name: str) -> Side:
    if name not in {"BUY", "SELL"}:
        raise ShapeError(f"an order's side is {name!r}")
    return Side(name.lower())


def _of(fields: dict[str, Any], name: str) -> Decimal:
    return amount(fields, name) if name in fields else ZERO


def _smallest(first: Decimal, second: Decimal) -> Decimal:
    """Return the smaller of two bounds, of which 0 is none."""
    bounds = [one for one in (first, second) if one > 0]
    return min(bounds) if bounds else ZERO

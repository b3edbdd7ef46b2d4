"""What an order asks for, read and checked as the venue checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from sandbox.answers import Refusal, refuse_filter, refuse_missing
from sandbox.listing import ORDER_TYPES
from sandbox.records import STOPS, ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.listing import Listing, Symbol

__all__ = ["Terms", "amount", "check_filters", "read_terms"]

_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}")
_PRECISION: Final = 8
_HIGHEST: Final = 1_000_000
_RANGE: Final = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_LETTERS: Final = "^[a-zA-Z0-9-_.:/]{1,36}$"
_TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK"})
_LIMITS: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_PRICED: Final = _LIMITS | {"LIMIT_MAKER"}


@dataclass(slots=True)
class Terms:
    """An order as it was asked for."""

    symbol: Symbol
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    quote_quantity: Decimal
    price: Decimal
    stop_price: Decimal
    client_id: str
    form: str
    leg: str = ""

    @property
    def is_buy(self) -> bool:
        """Whether it buys the base."""
        return self.side == "BUY"


def amount(params: Mapping[str, str], name: str) -> Decimal:
    """Return an amount of a request, 0 where it is not sent.

    Raises
    ------
    Refusal
        It is no plain decimal number, or has more than eight decimals.
    """
    sent = params.get(name, "")
    if not sent:
        return ZERO
    if not _NUMBER.fullmatch(sent):
        message = f"Illegal characters found in parameter '{name}'; legal range is '{_RANGE}'."
        raise Refusal(-1100, message)
    try:
        value = Decimal(sent)
    except InvalidOperation:
        refuse_missing(name)
    if -int(value.normalize().as_tuple().exponent) > _PRECISION:
        raise Refusal(-1111, f"Parameter '{name}' has too much precision.")
    return value


def read_terms(
    params: Mapping[str, str], listing: Listing, own_id: str, *, id_name: str = "newClientOrderId"
) -> Terms:
    """Read an order's parameters.

    Raises
    ------
    Refusal
        One is missing, not one of those allowed, or does not go with the type.
    """
    for name in ("symbol", "side", "type"):
        if not params.get(name):
            refuse_missing(name)
    symbol = listing.find(params["symbol"])
    side, kind = params["side"], params["type"]
    if side not in {"BUY", "SELL"}:
        raise Refusal(-1117, "Invalid side.")
    if kind not in ORDER_TYPES:
        raise Refusal(-1116, "Invalid orderType.")
    client_id = params.get(id_name) or own_id
    if not _CLIENT_ID.fullmatch(client_id):
        message = f"Illegal characters found in parameter '{id_name}'; legal range is '{_LETTERS}'."
        raise Refusal(-1100, message)
    force = params.get("timeInForce", "")
    if kind in _LIMITS:
        if not force:
            refuse_missing("timeInForce")
        if force not in _TIMES_IN_FORCE:
            raise Refusal(-1115, "Invalid timeInForce.")
    elif force:
        raise Refusal(-1106, "Parameter 'timeInForce' sent when not required.")
    terms = Terms(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=force or "GTC",
        quantity=amount(params, "quantity"),
        quote_quantity=amount(params, "quoteOrderQty"),
        price=amount(params, "price"),
        stop_price=amount(params, "stopPrice"),
        client_id=client_id,
        form=params.get("newOrderRespType")
        or ("ACK" if kind not in {"MARKET", "LIMIT"} else "FULL"),
    )
    _check_presence(params, terms)
    return terms


def _check_presence(params: Mapping[str, str], terms: Terms) -> None:
    kind = terms.type
    if kind in _PRICED and not params.get("price"):
        refuse_missing("price")
    if kind not in _PRICED and params.get("price"):
        raise Refusal(-1106, "Parameter 'price' sent when not required.")
    if kind in STOPS and not params.get("stopPrice"):
        refuse_missing("stopPrice")
    if kind not in STOPS and params.get("stopPrice"):
        raise Refusal(-1106, "Parameter 'stopPrice' sent when not required.")
    if kind == "MARKET" and params.get("quoteOrderQty"):
        if params.get("quantity"):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
    elif not params.get("quantity"):
        refuse_missing("quantity")
    elif params.get("quoteOrderQty"):
        raise Refusal(-1106, "Parameter 'quoteOrderQty' sent when not required.")


def check_filters(terms: Terms, reference: Decimal) -> None:
    """Hold an order against its symbol's state and filters.

    Parameters
    ----------
    reference
        Price by which the notional of a market order is judged.

    Raises
    ------
    Refusal
        Naming the filter.
    """
    symbol = terms.symbol
    if symbol.status != "TRADING":
        raise Refusal(-1013, "Market is closed.")
    for price in (terms.price, terms.stop_price):
        if price and (price % symbol.tick or price > _HIGHEST):
            refuse_filter("PRICE_FILTER")
    if terms.type in _PRICED and not terms.price:
        refuse_filter("PRICE_FILTER")
    if terms.quote_quantity:
        if terms.quote_quantity < symbol.min_notional:
            refuse_filter("NOTIONAL")
        return
    quantity = terms.quantity
    if quantity < symbol.step or quantity > symbol.max_quantity or quantity % symbol.step:
        refuse_filter("LOT_SIZE")
    if terms.type == "MARKET" and quantity > symbol.max_market_quantity:
        refuse_filter("MARKET_LOT_SIZE")
    price = terms.price or terms.stop_price or reference
    if price * quantity < symbol.min_notional:
        refuse_filter("NOTIONAL")

"""The venue's records: accounts, balances, orders, executions and transfers."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sandbox.answers import text

__all__ = ["FINAL", "STOPS", "ZERO", "Account", "Balance", "Execution", "Order", "Transfer"]

ZERO: Final = Decimal(0)
FINAL: Final = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"})
STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})


@dataclass(slots=True)
class Balance:
    """What an account has of one asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(slots=True)
class Order:
    """One order.

    Parameters
    ----------
    held
        What is still locked for it, of ``held_asset``.
    hidden_until_s, trades_hidden_until_s
        Queries do not find the order, or its trades, before; in seconds since the venue opened.
    request
        Number of the request that placed it.
    """

    order_id: int
    account: str
    symbol: str
    client_id: str
    side: str
    type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    stop_price: Decimal
    quote_quantity: Decimal
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    executed: Decimal = ZERO
    spent: Decimal = ZERO
    held: Decimal = ZERO
    held_asset: str = ""
    list_id: int = -1
    list_client_id: str = ""
    is_working: bool = True
    working_ms: int = -1
    cancelled_by: str = ""
    hidden_until_s: float = 0.0
    trades_hidden_until_s: float = 0.0
    request: int = 0

    @property
    def is_final(self) -> bool:
        """Whether the venue calls the order over."""
        return self.status in FINAL

    @property
    def left(self) -> Decimal:
        """What is not executed yet, in units of the base."""
        return self.quantity - self.executed

    @property
    def is_buy(self) -> bool:
        """Whether it buys the base."""
        return self.side == "BUY"

    def taken(self, price: Decimal, quantity: Decimal) -> Decimal:
        """Return how much of what is held a fill uses up; more than it costs at a better price."""
        if not self.is_buy:
            return min(self.held, quantity)
        return min(self.held, quantity * (self.price or price))

    def told(self) -> dict[str, Any]:
        """Return the order as queries tell it."""
        content: dict[str, Any] = {
            "symbol": self.symbol,
            "orderId": self.order_id,
            "orderListId": self.list_id,
            "clientOrderId": self.client_id,
            "price": text(self.price),
            "origQty": text(self.quantity),
            "executedQty": text(self.executed),
            "origQuoteOrderQty": text(self.quote_quantity),
            "cummulativeQuoteQty": text(self.spent),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "stopPrice": text(self.stop_price),
            "icebergQty": "0.00000000",
            "time": self.created_ms,
            "updateTime": self.updated_ms,
            "isWorking": self.is_working,
            "workingTime": self.working_ms,
            "selfTradePreventionMode": "EXPIRE_MAKER",
        }
        return content

    def placed(self, form: str, fills: list[Execution]) -> dict[str, Any]:
        """Return the answer to the order's placing: ACK, RESULT or FULL."""
        content: dict[str, Any] = {
            "symbol": self.symbol,
            "orderId": self.order_id,
            "orderListId": self.list_id,
            "clientOrderId": self.client_id,
            "transactTime": self.created_ms,
        }
        if form == "ACK":
            return content
        content |= {
            "price": text(self.price),
            "origQty": text(self.quantity),
            "executedQty": text(self.executed),
            "origQuoteOrderQty": text(self.quote_quantity),
            "cummulativeQuoteQty": text(self.spent),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "workingTime": self.working_ms,
            "selfTradePreventionMode": "EXPIRE_MAKER",
        }
        if self.stop_price:
            content["stopPrice"] = text(self.stop_price)
        if form == "FULL":
            content["fills"] = [
                {
                    "price": text(one.price),
                    "qty": text(one.quantity),
                    "commission": text(one.fee),
                    "commissionAsset": one.fee_asset,
                    "tradeId": one.trade_id,
                }
                for one in fills
            ]
        return content


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of an order."""

    account: str
    symbol: str
    trade_id: int
    order_id: int
    client_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int

    def told(self) -> dict[str, Any]:
        """Return the fill as myTrades tells it."""
        return {
            "symbol": self.symbol,
            "id": self.trade_id,
            "orderId": self.order_id,
            "orderListId": -1,
            "price": text(self.price),
            "qty": text(self.quantity),
            "quoteQty": text(self.price * self.quantity),
            "commission": text(self.fee),
            "commissionAsset": self.fee_asset,
            "time": self.at_ms,
            "isBuyer": self.side == "BUY",
            "isMaker": self.is_maker,
            "isBestMatch": True,
        }


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came or went otherwise than by trading: opening, deposit, withdrawal."""

    account: str
    asset: str
    amount: Decimal
    kind: str
    at_ms: int


@dataclass(slots=True)
class Account:
    """One key and what belongs to it.

    Parameters
    ----------
    revoked
        Every signed request is answered with -2015.
    """

    name: str
    key: str
    secret: str = field(repr=False)
    can_trade: bool = True
    can_withdraw: bool = False
    can_read: bool = True
    ip_restricted: bool = False
    revoked: bool = False
    balances: dict[str, Balance] = field(default_factory=dict[str, Balance])
    orders: dict[int, Order] = field(default_factory=dict[int, Order])
    open: dict[int, Order] = field(default_factory=dict[int, Order])
    by_client: dict[tuple[str, str], Order] = field(
        default_factory=dict[tuple[str, str], Order], repr=False
    )
    executions: dict[str, list[Execution]] = field(default_factory=dict[str, list[Execution]])
    transfers: list[Transfer] = field(default_factory=list[Transfer])

    def balance(self, asset: str) -> Balance:
        """Return what there is of an asset, none at first."""
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

"""The events of the user data stream, in the venue's one-letter words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.answers import text
from sandbox.records import ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from sandbox.records import Balance, Execution, Order

__all__ = ["account_event", "balance_event", "list_event", "order_event"]


def order_event(order: Order, what: str, fill: Execution | None, now_ms: int) -> dict[str, Any]:
    """Return an executionReport.

    Parameters
    ----------
    what
        Execution type: NEW, CANCELED, REJECTED, TRADE, EXPIRED or TRADE_PREVENTION.
    """
    at_ms = order.updated_ms if fill is None else fill.at_ms
    last_quantity = ZERO if fill is None else fill.quantity
    last_price = ZERO if fill is None else fill.price
    is_cancel = what == "CANCELED" and bool(order.cancelled_by)
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.cancelled_by if is_cancel else order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": text(order.quantity),
        "p": text(order.price),
        "P": text(order.stop_price),
        "F": "0.00000000",
        "g": order.list_id,
        "C": order.client_id if is_cancel else "",
        "x": what,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": text(last_quantity),
        "z": text(order.executed),
        "L": text(last_price),
        "n": "0" if fill is None else text(fill.fee),
        "N": None if fill is None else fill.fee_asset,
        "T": at_ms,
        "t": -1 if fill is None else fill.trade_id,
        "v": 0,
        "I": order.order_id * 2,
        "w": order.is_working and not order.is_final,
        "m": fill is not None and fill.is_maker,
        "M": False,
        "O": order.created_ms,
        "Z": text(order.spent),
        "Y": text(last_price * last_quantity),
        "Q": text(order.quote_quantity),
        "W": order.working_ms,
        "V": "EXPIRE_MAKER",
    }


def account_event(balances: Mapping[str, Balance], now_ms: int) -> dict[str, Any]:
    """Return an outboundAccountPosition: balances that may have changed."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": text(one.free), "l": text(one.locked)}
            for asset, one in balances.items()
        ],
    }


def balance_event(asset: str, amount: Decimal, now_ms: int) -> dict[str, Any]:
    """Return a balanceUpdate: a deposit, withdrawal or transfer."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": text(amount), "T": now_ms}


def list_event(orders: list[Order], status: str, now_ms: int) -> dict[str, Any]:
    """Return a listStatus: an order list was opened or is over."""
    first = orders[0]
    is_open = status == "EXEC_STARTED"
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": first.symbol,
        "g": first.list_id,
        "c": "OCO",
        "l": status,
        "L": "EXECUTING" if is_open else "ALL_DONE",
        "r": "NONE",
        "C": first.list_client_id,
        "T": now_ms,
        "O": [{"s": one.symbol, "i": one.order_id, "c": one.client_id} for one in orders],
    }

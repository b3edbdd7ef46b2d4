"""Orders of the contract's checks, and the list of checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.clock import SystemClock
from candela.ids import client_order_id, new_id
from candela.money import floored
from candela.orders.words import OrderKind, OrderRequest, Outcome, OutcomeKind, Side

if TYPE_CHECKING:
    from tests.candela.brokers.places import Bench

__all__ = ["CHECKS", "SIZE", "Check", "check", "limit", "market", "named", "outcome"]

Check = Callable[["Bench"], Awaitable[None]]
CHECKS: Final[dict[str, Check]] = {}
SIZE: Final = Decimal("0.5")


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def named() -> str:
    """Return a client id as orders carry it."""
    return client_order_id(new_id(SystemClock().now()), 1)


def market(bench: Bench, side: Side = Side.BUY, size: Decimal = SIZE) -> OrderRequest:
    return OrderRequest(named(), bench.place.symbol, side, OrderKind.MARKET, size)


async def limit(
    bench: Bench,
    side: Side = Side.BUY,
    kind: OrderKind = OrderKind.LIMIT,
    *,
    crossing: bool = False,
) -> OrderRequest:
    """Return an order far from the market, or through it."""
    rules = await bench.broker.rules(bench.place.symbol)
    quote = await bench.broker.quote(bench.place.symbol)
    is_above = (side is Side.BUY) is crossing
    price = floored(quote.mid * (Decimal("1.01") if is_above else Decimal("0.99")), rules.tick)
    return OrderRequest(named(), bench.place.symbol, side, kind, SIZE, price)


def outcome(found: Outcome, kind: OutcomeKind) -> Outcome:
    assert found.kind is kind, found
    assert (found.kind is OutcomeKind.ACCEPTED) or found.reason
    return found

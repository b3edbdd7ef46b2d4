"""A spot venue that never loses anything itself: its ledger is the truth that books are held to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from candela.money import ZERO, floored
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    OrderRequest,
    Side,
    VenueOrderState,
)
from tests.simulation.faults import Faults
from tests.simulation.loop import VirtualClock

__all__ = ["RULES", "SimulatedVenue", "VenueOrder"]

RULES = {
    "BTC/USDT": InstrumentRules(
        "BTC/USDT",
        "BTC",
        "USDT",
        lot=Decimal("0.00001"),
        tick=Decimal("0.01"),
        minimum_quantity=Decimal("0.00001"),
        minimum_notional=Decimal(5),
    ),
    "ETH/USDT": InstrumentRules(
        "ETH/USDT",
        "ETH",
        "USDT",
        lot=Decimal("0.0001"),
        tick=Decimal("0.01"),
        minimum_quantity=Decimal("0.0001"),
        minimum_notional=Decimal(5),
    ),
}
FEE = Decimal("0.001")
_CENT = Decimal("0.01")
_EIGHT = Decimal("1e-8")


@dataclass(slots=True)
class VenueOrder:
    """An order as the venue has it."""

    venue_id: str
    request: OrderRequest
    shown_at_s: float
    state: VenueOrderState = VenueOrderState.OPEN
    executed: Decimal = ZERO
    locked: Decimal = ZERO
    executions: list[Execution] = field(default_factory=list[Execution])


class SimulatedVenue:
    """One account at a venue, with orders, executions and balances, in virtual time.

    Parameters
    ----------
    tell
        Called with each report and each execution as it happens: the streams hang here.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, random: Random, faults: Faults, fee: str
    ) -> None:
        self.loop = loop
        self.random = random
        self.faults = faults
        self.clock = VirtualClock(loop, faults.skew_s)
        self.fee = fee
        self.free: dict[str, Decimal] = {}
        self.locked: dict[str, Decimal] = {}
        self.orders: dict[str, VenueOrder] = {}
        self.by_client: dict[str, list[VenueOrder]] = {}
        self.executions: list[tuple[float, Execution]] = []
        self.prices = {"BTC/USDT": Decimal(60_000), "ETH/USDT": Decimal(2_500)}
        self.breaches: list[str] = []
        self.tell: Callable[[OrderReport | Execution], None] = _nobody
        self._number = 0

    def price(self, symbol: str) -> Decimal:
        """Return the price now; it walks with each look."""
        move = Decimal(self.random.randrange(-20, 21)) / 100_000
        self.prices[symbol] = (self.prices[symbol] * (1 + move)).quantize(_CENT)
        return self.prices[symbol]

    def balances(self) -> dict[str, Balance]:
        """Return what the account holds."""
        return {
            ccy: Balance(self.free.get(ccy, ZERO), self.locked.get(ccy, ZERO))
            for ccy in sorted({*self.free, *self.locked})
            if self.free.get(ccy, ZERO) or self.locked.get(ccy, ZERO)
        }

    def accept(self, request: OrderRequest) -> VenueOrder | str:
        """Take an order in, or say why not; ids must be unique among open orders only."""
        rules = RULES[request.symbol]
        if self._breaks(request, rules):
            self.breaches.append(f"{request.client_id}: {request.quantity} at {request.price}")
            return "-1013 filter"
        for other in self.by_client.get(request.client_id, ()):
            if other.state is VenueOrderState.OPEN:
                return "-2010 duplicate order"
        price = request.price or self.price(request.symbol)
        ccy = rules.quote if request.side is Side.BUY else rules.base
        wanted = request.quantity * price if request.side is Side.BUY else request.quantity
        if self.free.get(ccy, ZERO) < wanted:
            return "-2010 insufficient balance"
        self._number += 1
        order = VenueOrder(
            f"v{self._number}",
            request,
            self.loop.time() + self._lag(3.0),
            locked=wanted,
        )
        self._lock(ccy, wanted)
        self.orders[order.venue_id] = order
        self.by_client.setdefault(request.client_id, []).append(order)
        self._fill_soon(order, price)
        return order

    def cancel(self, order: VenueOrder) -> bool:
        """End an order; False where it has ended."""
        if order.state is not VenueOrderState.OPEN:
            return False
        self._end(order, VenueOrderState.CANCELED)
        if self.random.random() < self.faults.late_fill:
            self.loop.call_later(self.random.uniform(5, 600), self._fill_late, order)
        return True

    def report(self, order: VenueOrder, *, with_executions: bool = False) -> OrderReport:
        """Return an order as questions show it."""
        request = order.request
        return OrderReport(
            client_id=request.client_id,
            venue_order_id=order.venue_id,
            symbol=request.symbol,
            side=request.side,
            state=order.state,
            quantity=request.quantity,
            executed=order.executed,
            price=request.price,
            at=self.clock.now(),
            executions=tuple(order.executions) if with_executions else (),
        )

    def trade_by_hand(self, symbol: str) -> None:
        """Let a person buy a little, without any of our ids."""
        rules = RULES[symbol]
        quantity = rules.lot * self.random.randrange(50, 500)
        price = self.price(symbol)
        if self.free.get(rules.quote, ZERO) < 2 * quantity * price:
            return
        self._number += 1
        request = OrderRequest(f"web-{self._number}", symbol, Side.BUY, OrderKind.MARKET, quantity)
        order = VenueOrder(f"v{self._number}", request, 0.0, locked=quantity * price)
        self._lock(rules.quote, order.locked)
        self.orders[order.venue_id] = order
        self._execute(order, quantity, price)

    def move(self, ccy: str, amount: Decimal) -> None:
        """Deposit, or take away what is free."""
        self.free[ccy] = self.free.get(ccy, ZERO) + amount

    def _breaks(self, request: OrderRequest, rules: InstrumentRules) -> bool:
        price = request.price or self.prices[request.symbol]
        return (
            request.quantity <= 0
            or floored(request.quantity, rules.lot) != request.quantity
            or request.quantity < rules.minimum_quantity
            or (request.price is not None and floored(price, rules.tick) != price)
            or request.quantity * price < rules.minimum_notional * Decimal("0.98")
        )

    def _lag(self, longest_s: float) -> float:
        lags = self.random.random() < self.faults.lag
        return self.random.uniform(0, longest_s) if lags else 0.0

    def _lock(self, ccy: str, amount: Decimal) -> None:
        self.free[ccy] -= amount
        self.locked[ccy] = self.locked.get(ccy, ZERO) + amount

    def _fill_soon(self, order: VenueOrder, price: Decimal) -> None:
        random, request = self.random, order.request
        rests = request.kind is OrderKind.LIMIT
        parts = self._parts(order)
        at_s = 0.0
        if rests:
            at_s = random.choice((0.0, random.uniform(0, 40), random.uniform(0, 400)))
        expires = random.random() < self.faults.expires
        if expires:
            parts = parts[: random.randrange(len(parts))]
        for part in parts:
            if at_s <= 0:
                self._fill(order, part, price)
            else:
                self.loop.call_later(at_s, self._fill, order, part, price)
            if random.random() < self.faults.partial:
                at_s += random.uniform(0, 2.0)
        if expires:
            self.loop.call_later(at_s + 0.001, self._end, order, VenueOrderState.EXPIRED)

    def _parts(self, order: VenueOrder) -> list[Decimal]:
        quantity, lot = order.request.quantity, RULES[order.request.symbol].lot
        parts: list[Decimal] = []
        while self.random.random() < self.faults.partial and len(parts) < 6:
            part = floored(quantity * Decimal(self.random.randrange(1, 100)) / 100, lot)
            if 0 < part < quantity:
                parts.append(part)
                quantity -= part
        return [*parts, quantity]

    def _fill(self, order: VenueOrder, part: Decimal, price: Decimal) -> None:
        if order.state is VenueOrderState.OPEN:
            self._execute(order, part, price)

    def _fill_late(self, order: VenueOrder) -> None:
        rest = order.request.quantity - order.executed
        rules = RULES[order.request.symbol]
        price = order.request.price or self.prices[order.request.symbol]
        ccy = rules.quote if order.request.side is Side.BUY else rules.base
        wanted = rest * price if order.request.side is Side.BUY else rest
        if rest > 0 and self.free.get(ccy, ZERO) >= wanted:
            self._lock(ccy, wanted)
            order.locked += wanted
            self._execute(order, rest, price)

    def _execute(self, order: VenueOrder, quantity: Decimal, price: Decimal) -> None:
        request, rules = order.request, RULES[order.request.symbol]
        is_buy = request.side is Side.BUY
        value = quantity * price
        came, gone = (rules.base, rules.quote) if is_buy else (rules.quote, rules.base)
        amount, paid = (quantity, value) if is_buy else (value, quantity)
        fee_ccy = came if self.fee == "came" else self.fee
        fee = (amount * FEE).quantize(_EIGHT) if fee_ccy == came else (value * FEE / 600)
        fee = fee.quantize(_EIGHT)
        if fee_ccy != came and self.free.get(fee_ccy, ZERO) < fee:
            fee_ccy, fee = came, (amount * FEE).quantize(_EIGHT)
        self.locked[gone] -= paid
        order.locked -= paid
        self.free[came] = self.free.get(came, ZERO) + amount
        self.free[fee_ccy] = self.free.get(fee_ccy, ZERO) - fee
        order.executed += quantity
        self._number += 1
        execution = Execution(
            trade_id=f"t{self._number}",
            venue_order_id=order.venue_id,
            client_id=request.client_id if self.random.random() < 0.5 else None,
            symbol=request.symbol,
            side=request.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_ccy=fee_ccy,
            is_maker=request.kind is OrderKind.LIMIT,
            executed_at=self.clock.now(),
        )
        order.executions.append(execution)
        self.executions.append((self.loop.time() + self._lag(20.0), execution))
        self.tell(execution)
        if order.executed >= request.quantity and order.state is VenueOrderState.OPEN:
            self._end(order, VenueOrderState.FILLED)

    def _end(self, order: VenueOrder, state: VenueOrderState) -> None:
        if order.state is not VenueOrderState.OPEN:
            return
        order.state = state
        rules = RULES[order.request.symbol]
        ccy = rules.quote if order.request.side is Side.BUY else rules.base
        self.locked[ccy] -= order.locked
        self.free[ccy] += order.locked
        order.locked = ZERO
        self.tell(self.report(order))


def _nobody(_: OrderReport | Execution) -> None:
    return None

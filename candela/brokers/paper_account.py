"""A paper account: its balances, its orders, and what they hold back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.money import EXACT, ZERO
from candela.orders.words import (
    Balance,
    Execution,
    OrderReport,
    OrderRequest,
    Quote,
    Side,
    VenueOrderState,
)

if TYPE_CHECKING:
    from candela.brokers.paper_fills import PaperTerms

__all__ = ["PaperAccount", "PaperOrder"]

_WORTH_SWEEPING: Final = 200


@dataclass(slots=True, eq=False)
class PaperOrder:
    """An order of a paper account.

    Parameters
    ----------
    request
        What it is now: a protective order becomes another when it is triggered.
    meet
        Called when a quote reaches it.
    held
        Of `held_ccy`, held back while it rests.
    """

    request: OrderRequest
    terms: PaperTerms
    at: datetime
    meet: Callable[[PaperOrder, Quote], None]
    executed: Decimal = ZERO
    state: VenueOrderState = VenueOrderState.OPEN
    held: Decimal = ZERO
    held_ccy: str = ""
    executions: tuple[Execution, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return self.state is VenueOrderState.OPEN

    @property
    def left(self) -> Decimal:
        """Base that is not filled."""
        return self.request.quantity - self.executed

    def report(self) -> OrderReport:
        """Return it as a venue would show it."""
        request = self.request
        return OrderReport(
            client_id=request.client_id,
            venue_order_id=f"paper-{request.client_id}",
            symbol=request.symbol,
            side=request.side,
            state=self.state,
            quantity=request.quantity,
            executed=self.executed,
            price=request.price,
            at=self.at,
            executions=self.executions,
        )


@dataclass(slots=True)
class PaperAccount:
    """Balances and orders of one account; amounts are exact.

    Parameters
    ----------
    totals
        By currency, held back or not.
    """

    totals: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    held: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    orders: dict[str, PaperOrder] = field(default_factory=dict[str, PaperOrder])
    executions: list[Execution] = field(default_factory=list[Execution])

    def free(self, currency: str) -> Decimal:
        """Return what is not held back."""
        return self.totals.get(currency, ZERO) - self.held.get(currency, ZERO)

    def shown(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""
        return {
            name: Balance(self.free(name), self.held.get(name, ZERO))
            for name, total in self.totals.items()
            if total
        }

    def needs(self, order: PaperOrder, quote: Quote | None) -> tuple[str, Decimal]:
        """Return the currency and amount that an order takes at most."""
        rules = order.terms.rules
        if order.request.side is Side.BUY:
            return rules.quote, order.terms.needed(order.request, order.left, quote)
        return rules.base, order.left

    def can_pay(self, order: PaperOrder, quote: Quote | None) -> bool:
        """Return whether what is free, or held back for the order, is enough for it."""
        currency, amount = self.needs(order, quote)
        own = order.held if order.held_ccy == currency else ZERO
        return self.free(currency) + own >= amount

    def hold(self, order: PaperOrder) -> None:
        """Hold back what a resting order takes."""
        currency, amount = self.needs(order, None)
        order.held_ccy, order.held = currency, amount
        self.held[currency] = self.held.get(currency, ZERO) + amount

    def release(self, order: PaperOrder) -> None:
        """Give back what an order held."""
        if order.held:
            self.held[order.held_ccy] -= order.held
            order.held = ZERO

    def book(self, order: PaperOrder, execution: Execution) -> None:
        """Move the money of an execution that fills all that is left."""
        self.release(order)
        rules, sign = order.terms.rules, execution.side.sign
        value = EXACT.multiply(execution.quantity, execution.price)
        self._add(rules.base, sign * execution.quantity)
        self._add(rules.quote, -sign * value - execution.fee)
        order.executed += execution.quantity
        order.executions = (*order.executions, execution)
        order.state = VenueOrderState.FILLED
        self.executions.append(execution)

    def forget(self, before: datetime) -> int:
        """Forget orders that ended, and executions, before an instant; returns how many orders."""
        if len(self.orders) < _WORTH_SWEEPING:
            return 0
        kept = {name: one for name, one in self.orders.items() if one.is_open or one.at >= before}
        forgotten = len(self.orders) - len(kept)
        self.orders = kept
        self.executions = [one for one in self.executions if one.executed_at >= before]
        return forgotten

    def _add(self, currency: str, amount: Decimal) -> None:
        self.totals[currency] = self.totals.get(currency, ZERO) + amount

"""What a desk knows of its account: the image of committed rows, never ahead of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.booking import left_of, same_content
from candela.orders.records import (
    Account,
    AccountBook,
    Intent,
    Order,
    Position,
    Reservation,
)
from candela.orders.words import Balance, Execution, IntentState, OrderState
from live.store.port import Booked

__all__ = ["Image", "missing_of"]

_REMEMBERED = 1024


def missing_of(order: Order) -> Decimal:
    """Return how much of an attempt is executed at the venue and not booked yet."""
    shown = order.quantity if order.state is OrderState.FILLED else order.venue_executed
    return EXACT.subtract(max(shown, order.venue_executed), order.executed)


class Image:
    """The account as the last transaction left it.

    Intents and orders leave it when nothing more can be expected of them; a fill that comes later
    all the same finds its order in the store.
    """

    def __init__(self, book: AccountBook) -> None:
        self.version = 0
        self._recent: dict[tuple[str, str], Execution] = {}
        self.take(book)

    def take(self, book: AccountBook) -> None:
        """Begin anew with what the store says."""
        self.version += 1
        self.account: Account = book.account
        self.totals: dict[str, Decimal] = {
            ccy: balance.total for ccy, balance in book.balances.items()
        }
        self.reservations: dict[UUID, Reservation] = {
            reservation.intent_id: reservation for reservation in book.reservations
        }
        self.intents: dict[UUID, Intent] = {intent.intent_id: intent for intent in book.intents}
        self.orders: dict[str, Order] = {}
        self.attempts: dict[UUID, dict[str, None]] = {}
        self.venue_ids: dict[tuple[str, str], str] = {}
        self.positions: dict[tuple[UUID, str], Position] = {
            (position.bot_id, position.symbol): position for position in book.positions
        }
        self.symbols: dict[str, None] = dict.fromkeys(sorted(book.last_execution_at))
        self.last_execution_at: dict[str, datetime] = dict(book.last_execution_at)
        self.reconciled_at = book.reconciled_at
        for position in book.positions:
            self.symbols[position.symbol] = None
        for intent in book.intents:
            self.symbols[intent.symbol] = None
        for order in book.orders:
            self.keep(order)

    def book(self) -> AccountBook:
        """Return the image in the form in which the store would say it."""
        return AccountBook(
            account=self.account,
            balances={ccy: self.balance(ccy) for ccy in self.totals},
            reservations=tuple(self.reservations.values()),
            intents=tuple(self.intents.values()),
            orders=tuple(self.orders.values()),
            positions=tuple(self.positions.values()),
            last_execution_at=dict(self.last_execution_at),
            reconciled_at=self.reconciled_at,
        )

    def balance(self, ccy: str) -> Balance:
        """Return what of a currency is free, and what open intents hold back."""
        held = ZERO
        for reservation in self.reservations.values():
            if reservation.ccy == ccy:
                held = EXACT.add(held, reservation.amount)
        return Balance(EXACT.subtract(self.totals.get(ccy, ZERO), held), held)

    def add(self, intent: Intent) -> None:
        """Take up an intent that was committed."""
        self.version += 1
        self.intents[intent.intent_id] = intent
        self.reservations[intent.intent_id] = intent.reserve
        self.symbols[intent.symbol] = None

    def keep(self, order: Order) -> None:
        """Take over a row of an attempt."""
        self.version += 1
        self.orders[order.client_id] = order
        self.attempts.setdefault(order.intent_id, {})[order.client_id] = None
        self.symbols[order.symbol] = None
        if order.venue_order_id is not None:
            self.venue_ids[order.symbol, order.venue_order_id] = order.client_id

    def keep_booked(self, booked: Booked) -> None:
        """Take over what a transaction of fills did."""
        for order in booked.orders:
            self.keep(order)
            intent = self.intents.get(order.intent_id)
            is_complete = order.executed >= order.quantity
            if is_complete and intent is not None and not intent.state.is_final:
                self.end(intent.intent_id, IntentState.DONE, order.final_at)
        for position in booked.positions:
            self.positions[position.bot_id, position.symbol] = position
        for fill in booked.fills:
            before = self.last_execution_at.get(fill.symbol, fill.executed_at)
            self.last_execution_at[fill.symbol] = max(before, fill.executed_at)
        self.totals.update((ccy, balance.total) for ccy, balance in booked.balances.items())
        self._reserve(booked)

    def end(self, intent_id: UUID, state: IntentState, at: datetime | None) -> None:
        """Take over that an intent is final, its reservation released."""
        self.version += 1
        self.reservations.pop(intent_id, None)
        intent = self.intents.get(intent_id)
        if intent is not None:
            self.intents[intent_id] = replace(intent, state=state, final_at=at)

    def forget(self, intent_id: UUID) -> None:
        """Let go of an intent of which nothing more is expected."""
        self.intents.pop(intent_id, None)
        self.reservations.pop(intent_id, None)
        for client_id in self.attempts.pop(intent_id, {}):
            order = self.orders.pop(client_id)
            if order.venue_order_id is not None:
                self.venue_ids.pop((order.symbol, order.venue_order_id), None)

    def of_intent(self, intent_id: UUID) -> tuple[Order, ...]:
        """Return the attempts of an intent, the first one first."""
        return tuple(self.orders[client_id] for client_id in self.attempts.get(intent_id, ()))

    def order_of(
        self, symbol: str, client_id: str | None, venue_order_id: str | None
    ) -> Order | None:
        """Return the attempt that goes by one of two ids."""
        if client_id not in self.orders:
            client_id = self.venue_ids.get((symbol, venue_order_id or ""))
        return None if client_id is None else self.orders[client_id]

    def unsettled(self) -> Iterator[Order]:
        """Yield attempts of which an execution may be missing at this moment."""
        for order in self.orders.values():
            if order.state in _UNSETTLED or missing_of(order) > 0:
                yield order

    def holdings(self) -> Mapping[str, Decimal]:
        """Return what the bots hold, by currency, and what open buys hold back."""
        held: dict[str, Decimal] = {}
        for position in self.positions.values():
            base = position.symbol.split("/", 1)[0]
            part = EXACT.add(position.quantity, position.dust)
            held[base] = EXACT.add(held.get(base, ZERO), part)
        for intent_id, reservation in self.reservations.items():
            intent = self.intents.get(intent_id)
            if intent is not None and intent.side.sign > 0:
                ccy = reservation.ccy
                held[ccy] = EXACT.add(held.get(ccy, ZERO), reservation.amount)
        return held

    def has_seen(self, execution: Execution) -> bool:
        """Return whether just this was booked lately, so that the store need not be asked."""
        known = self._recent.get((execution.symbol, execution.trade_id))
        return known is not None and same_content(known, execution)

    def remember(self, execution: Execution) -> None:
        """Note what was booked."""
        self._recent[execution.symbol, execution.trade_id] = execution
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]

    def _reserve(self, booked: Booked) -> None:
        """Shrink reservations by what was spent, as the store did."""
        for fill in booked.fills:
            order = self.orders.get(fill.client_id)
            held = None if order is None else self.reservations.get(order.intent_id)
            if held is None:
                continue
            amount = left_of(held.amount, fill)
            self.reservations[held.intent_id] = replace(held, amount=amount)


_UNSETTLED = frozenset({OrderState.CREATED, OrderState.SENDING, OrderState.UNKNOWN})

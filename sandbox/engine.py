"""Matching: orders against the replayed market, step by step of its price."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from sandbox.answers import Refusal, refuse_duplicate, refuse_filter, refuse_funds
from sandbox.events import account_event, balance_event, order_event
from sandbox.fees import Fees
from sandbox.records import STOPS, ZERO, Account, Execution, Order
from sandbox.terms import check_filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.clock import VenueClock
    from sandbox.ledger import Ledger
    from sandbox.listing import Listing, Symbol
    from sandbox.terms import Terms

__all__ = ["Engine"]

_MARKET: Final = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})


@dataclass(slots=True)
class Engine:
    """The venue's matching engine.

    Parameters
    ----------
    pieces
        A fill comes in up to so many pieces, each one tick further for market orders.
    seed
        Decides how many pieces an order gets.
    emit
        Takes the events of an account's user data stream.
    """

    ledger: Ledger
    listing: Listing
    clock: VenueClock
    fees: Fees = field(default_factory=Fees)
    pieces: int = 1
    seed: int = 0
    emit: Callable[[Account, dict[str, Any]], None] | None = None
    books: dict[str, dict[int, Order]] = field(default_factory=dict[str, dict[int, Order]])
    _later: list[tuple[float, int, Callable[[], None]]] = field(
        default_factory=list[tuple[float, int, "Callable[[], None]"]]
    )
    _turn: int = 0

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something so many seconds from now, not sped up."""
        self._turn += 1
        heapq.heappush(self._later, (self.clock.elapsed_s() + seconds, self._turn, act))

    def due(self) -> None:
        """Do what has been put off until now."""
        while self._later and self._later[0][0] <= self.clock.elapsed_s():
            heapq.heappop(self._later)[2]()

    def place(self, account: Account, terms: Terms, *, request: int = 0) -> Order:
        """Place an order, and execute what can be executed at once.

        Raises
        ------
        Refusal
            A filter, the balance, or an open order of the same client id forbids it.
        """
        symbol = terms.symbol
        self.settle(symbol)
        bid, ask = self._quote(symbol)
        check_filters(terms, ask)
        self._check_open(account, terms)
        order = self._order(account, terms, request)
        price = ask if order.is_buy else bid
        if order.type in STOPS:
            if _is_triggered(order, price):
                raise Refusal(-2010, "Stop price would trigger immediately.")
            order.is_working = False
            self._hold(account, order, symbol)
        elif order.type == "MARKET":
            self._size_market(account, order, symbol, price)
            order.working_ms = order.created_ms
        else:
            crosses = _crosses(order, price)
            if order.type == "LIMIT_MAKER" and crosses:
                raise Refusal(-2010, "Order would immediately match and take.")
            self._hold(account, order, symbol)
            order.working_ms = order.created_ms
        self.enter(account, order)
        if order.is_working:
            self._execute(account, order, symbol, price, order.created_ms)
        self.tell_balances(account, symbol)
        return order

    def enter(self, account: Account, order: Order) -> None:
        """Take an order into the books and tell of it."""
        self.ledger.enter(account, order)
        self.books.setdefault(order.symbol, {})[order.order_id] = order
        self.tell(account, order, "NEW")

    def cancel(self, account: Account, order: Order, own_id: str) -> None:
        """Cancel an open order, and its sibling of a list.

        Raises
        ------
        Refusal
            It is not open any more.
        """
        self.settle(self.listing.find(order.symbol))
        if order.is_final:
            raise Refusal(-2011, "Unknown order sent.")
        order.cancelled_by = own_id
        for one in [order, *self._siblings(account, order)]:
            self.end(account, one, "CANCELED")

    def end(self, account: Account, order: Order, status: str, at_ms: int | None = None) -> None:
        """Give an order a final state and tell of it."""
        self.books.get(order.symbol, {}).pop(order.order_id, None)
        self.ledger.finish(account, order, status, self.clock.now_ms() if at_ms is None else at_ms)
        self.tell(account, order, "CANCELED" if status == "CANCELED" else "EXPIRED")
        self.tell_balances(account, self.listing.find(order.symbol))

    def settle(self, symbol: Symbol, until_ms: int | None = None) -> None:
        """Let the symbol's open orders meet every price since the last time."""
        step = symbol.step_number(self.clock.now_ms() if until_ms is None else until_ms)
        first, symbol.seen_step = symbol.seen_step + 1, max(step, symbol.seen_step)
        book = self.books.get(symbol.name)
        if not book or symbol.status != "TRADING":
            return
        for number in range(first, step + 1):
            if not book:
                break
            price, at_ms = symbol.price_at(number), symbol.step_ms(number)
            for order in list(book.values()):
                if order.order_id in book and order.created_ms <= at_ms:
                    self._meet(order, symbol, price, at_ms)

    def fill(
        self, account: Account, order: Order, price: Decimal, quantity: Decimal, *, maker: bool,
        at_ms: int,
    ) -> Execution:  # fmt: skip
        """Book one execution and tell of it; also of an order that is final already."""
        symbol = self.listing.find(order.symbol)
        symbol.last_trade += 1
        fee_asset, fee = self.fees.due(account, order, symbol, price, quantity)
        done = Execution(
            account=account.name,
            symbol=symbol.name,
            trade_id=symbol.last_trade,
            order_id=order.order_id,
            client_id=order.client_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=maker,
            at_ms=at_ms,
        )
        gives, gets = (symbol.quote, symbol.base) if order.is_buy else (symbol.base, symbol.quote)
        self.ledger.book(account, order, done, gives, gets)
        if not order.is_final:
            order.status = "FILLED" if order.left <= 0 else "PARTIALLY_FILLED"
        if order.status == "FILLED":
            self.books.get(order.symbol, {}).pop(order.order_id, None)
            self.ledger.finish(account, order, "FILLED", at_ms)
        self.tell(account, order, "TRADE", done)
        self.tell_balances(account, symbol)
        return done

    def tell(
        self, account: Account, order: Order, what: str, fill: Execution | None = None
    ) -> None:
        """Tell the account's stream of a change of an order."""
        if self.emit is not None:
            self.emit(account, order_event(order, what, fill, self.clock.told_ms()))

    def tell_balances(self, account: Account, symbol: Symbol) -> None:
        """Tell the account's stream what it has now."""
        if self.emit is not None:
            assets = (symbol.base, symbol.quote, self.fees.asset)
            held = {one: account.balances[one] for one in assets if one in account.balances}
            self.emit(account, account_event(held, self.clock.told_ms()))

    def transfer(self, account: Account, asset: str, amount: Decimal) -> None:
        """Deposit, or with a negative amount withdraw, and tell of it.

        Raises
        ------
        Refusal
            There is not so much.
        """
        kind = "deposit" if amount > 0 else "withdrawal"
        self.ledger.transfer(account, asset, amount, kind, self.clock.now_ms())
        if self.emit is not None:
            now = self.clock.told_ms()
            self.emit(account, balance_event(asset, amount, now))
            self.emit(account, account_event({asset: account.balance(asset)}, now))

    def quote(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask now."""
        return self._quote(symbol)

    def _quote(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        return symbol.quote_at(symbol.step_number(self.clock.now_ms()))

    def _check_open(self, account: Account, terms: Terms) -> None:
        known = account.by_client.get((terms.symbol.name, terms.client_id))
        if known is not None and not known.is_final:
            refuse_duplicate()
        name, limit = terms.symbol.name, terms.symbol.max_orders
        if len(account.open) < min(limit, terms.symbol.max_stops):
            return
        own = [one for one in account.open.values() if one.symbol == name]
        if len(own) >= limit:
            refuse_filter("MAX_NUM_ORDERS")
        stops = sum(not one.is_working for one in own)
        if terms.type in STOPS and stops >= terms.symbol.max_stops:
            refuse_filter("MAX_NUM_ALGO_ORDERS")

    def _order(self, account: Account, terms: Terms, request: int) -> Order:
        now = self.clock.now_ms()
        return Order(
            order_id=self.ledger.next_order_id(),
            account=account.name,
            symbol=terms.symbol.name,
            client_id=terms.client_id,
            side=terms.side,
            type=terms.type,
            time_in_force=terms.time_in_force,
            price=terms.price,
            quantity=terms.quantity,
            stop_price=terms.stop_price,
            quote_quantity=terms.quote_quantity,
            created_ms=now,
            updated_ms=now,
            request=request,
        )

    def _size_market(self, account: Account, order: Order, symbol: Symbol, price: Decimal) -> None:
        if order.quote_quantity:
            order.quantity = order.quote_quantity / price // symbol.step * symbol.step
            if order.quantity <= 0:
                refuse_filter("LOT_SIZE")
        gives = symbol.quote if order.is_buy else symbol.base
        worst = price + symbol.tick * (self._count(order) - 1)
        needs = order.quantity * worst if order.is_buy else order.quantity
        if order.quote_quantity and order.is_buy:
            # What the further ticks cost must not exceed what was to be spent.
            order.quantity = min(
                order.quantity, order.quote_quantity / worst // symbol.step * symbol.step
            )
            needs = order.quantity * worst
        if account.balance(gives).free < needs:
            refuse_funds()

    def _hold(self, account: Account, order: Order, symbol: Symbol) -> None:
        if order.is_buy:
            price = order.price or order.stop_price
            self.ledger.hold(account, order, symbol.quote, order.quantity * price)
        else:
            self.ledger.hold(account, order, symbol.base, order.quantity)

    def _meet(self, order: Order, symbol: Symbol, price: Decimal, at_ms: int) -> None:
        account = self.ledger.accounts[order.account]
        if not order.is_working:
            if not _is_triggered(order, price):
                return
            self._end_siblings(account, order, at_ms)
            order.is_working = True
            order.working_ms = at_ms
            self.ledger.changed(order)
            half = symbol.quote_at(symbol.step_number(at_ms))
            self._execute(account, order, symbol, half[1] if order.is_buy else half[0], at_ms)
        elif _touches(order, price):
            self._end_siblings(account, order, at_ms)
            quantity = order.left
            if symbol.liquidity is not None:
                quantity = min(quantity, symbol.liquidity)
            for part in self._parts(order, quantity, symbol.step):
                self.fill(account, order, order.price, part, maker=True, at_ms=at_ms)

    def _execute(
        self, account: Account, order: Order, symbol: Symbol, price: Decimal, at_ms: int
    ) -> None:
        is_market = order.type in _MARKET
        if not is_market and not _crosses(order, price):
            if order.time_in_force in {"IOC", "FOK"}:
                self.end(account, order, "EXPIRED", at_ms)
            return
        quantity = order.left
        if symbol.liquidity is not None and quantity > symbol.liquidity:
            if order.time_in_force == "FOK":
                self.end(account, order, "EXPIRED", at_ms)
                return
            quantity = symbol.liquidity
        move = symbol.tick if order.is_buy else -symbol.tick
        for number, part in enumerate(self._parts(order, quantity, symbol.step)):
            at = price + move * number if is_market else price
            if is_market and not self._affords(account, order, symbol, at * part, part):
                break
            self.fill(account, order, at, part, maker=False, at_ms=at_ms)
        if not order.is_final and (is_market or order.time_in_force == "IOC"):
            self.end(account, order, "EXPIRED", at_ms)

    def _affords(
        self, account: Account, order: Order, symbol: Symbol, value: Decimal, quantity: Decimal
    ) -> bool:
        if order.is_buy:
            return account.balance(symbol.quote).free + order.held >= value
        return account.balance(symbol.base).free + order.held >= quantity

    def _siblings(self, account: Account, order: Order) -> list[Order]:
        if order.list_id < 0:
            return []
        return [
            one
            for one in account.open.values()
            if one.list_id == order.list_id and one.order_id != order.order_id
        ]

    def _end_siblings(self, account: Account, order: Order, at_ms: int) -> None:
        for one in self._siblings(account, order):
            # The list holds money once, with whichever leg; it goes over to the one that trades.
            order.held += one.held
            order.held_asset = order.held_asset or one.held_asset
            one.held = ZERO
            self.end(account, one, "EXPIRED", at_ms)

    def _count(self, order: Order) -> int:
        if self.pieces <= 1:
            return 1
        return 1 + crc32(f"{self.seed}:{order.order_id}".encode()) % self.pieces

    def _parts(self, order: Order, quantity: Decimal, step: Decimal) -> list[Decimal]:
        count = self._count(order)
        part = quantity / count // step * step
        if count == 1 or part <= 0:
            return [quantity]
        return [*[part] * (count - 1), quantity - part * (count - 1)]


def _crosses(order: Order, price: Decimal) -> bool:
    """Return whether a limit can be executed against the other side's best price."""
    return order.price >= price if order.is_buy else order.price <= price


_touches = _crosses


def _is_triggered(order: Order, price: Decimal) -> bool:
    is_loss = order.type.startswith("STOP_LOSS")
    rises = is_loss == order.is_buy
    return price >= order.stop_price if rises else price <= order.stop_price

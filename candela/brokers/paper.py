"""The paper broker: accounts without a venue, filled from live quotes by the backtests' model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from candela.brokers.paper_account import PaperAccount, PaperOrder
from candela.brokers.paper_book import PaperBook
from candela.brokers.paper_fills import PaperTerms, without_trigger
from candela.brokers.port import BrokerEvent, EventKind, KeyRights, NoInformation
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    OrderRequest,
    Outcome,
    OutcomeKind,
    Quote,
    VenueOrderState,
)
from candela.venues.errors import UnknownSymbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from candela.clock import Clock
    from candela.fills.model import Costs
    from candela.orders.records import Order

__all__ = ["CostsOf", "PaperBroker", "PaperMarket", "PaperVenue"]

CostsOf: TypeAlias = "Callable[[str], Costs | None]"
"""Gives the costs of an order by its client id; None for the fees that the venue lists."""

_FENCE_S: Final = 1.0
_OFFLINE_S: Final = 2.0


class PaperMarket(Protocol):
    """Where paper accounts take prices and rules from: a venue's public side."""

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now.

        Raises
        ------
        NoInformation
            There are none that are fresh.
        """
        ...

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol.

        Raises
        ------
        NoInformation
            The venue did not tell.
        UnknownSymbol
            It does not list it.
        """
        ...


class PaperVenue:
    """All paper accounts of one venue in a process.

    It has no tasks and no chance: orders that rest are met by `on_quote`, which costs what is
    reached and no more, however many rest.
    """

    def __init__(self, venue: str, market: PaperMarket, clock: Clock) -> None:
        self.venue = venue
        self.market = market
        self.clock = clock
        self.book = PaperBook()
        self._terms: dict[str, tuple[InstrumentRules, dict[Costs | None, PaperTerms]]] = {}

    def open(
        self,
        *,
        costs: Costs | None = None,
        costs_of: CostsOf | None = None,
        latency_s: float = 0.0,
    ) -> PaperBroker:
        """Return the broker of an account; `PaperBroker.restore` gives it what it has.

        Parameters
        ----------
        costs
            Fees, spread and slippage; None for the fees that the venue lists, and no slippage.
        costs_of
            Gives those of an order by its client id, for bots that share the account; None: all
            of its orders have the same.
        latency_s
            Between the sending of an order and its arrival at the market.
        """
        return PaperBroker(self, costs=costs, costs_of=costs_of, latency_s=latency_s)

    def on_quote(self, quote: Quote) -> int:
        """Meet what rests on a symbol with new prices; returns how many orders they reached."""
        reached = 0
        while (order := self.book.reached(quote)) is not None:
            reached += 1
            order.meet(order, quote)
        return reached

    async def terms(self, symbol: str, costs: Costs | None, *, refresh: bool = False) -> PaperTerms:
        """Return the fill model of these costs on an instrument, made once for its rules.

        Raises
        ------
        NoInformation, UnknownSymbol
            See `PaperMarket.rules`.
        """
        rules = await self.market.rules(symbol, refresh=refresh)
        known = self._terms.get(symbol)
        if known is None or known[0] != rules:
            known = self._terms[symbol] = (rules, {})
        by_costs = known[1]
        if costs not in by_costs:
            by_costs[costs] = PaperTerms.of(costs, rules)
        return by_costs[costs]


class PaperBroker:
    """One paper account.

    What it holds is what our ledger says: a restart gives `restore` what the ledger has, and an
    order whose fill was not booked rests as before.
    """

    def __init__(
        self,
        place: PaperVenue,
        *,
        costs: Costs | None,
        costs_of: CostsOf | None,
        latency_s: float,
    ) -> None:
        self._place = place
        self._account = PaperAccount()
        self._costs = costs
        self._costs_of = costs_of
        self._latency_s = latency_s
        self._events: asyncio.Queue[BrokerEvent] | None = None

    @property
    def venue(self) -> str:
        """Id of the venue whose prices it takes."""
        return self._place.venue

    @property
    def fence_s(self) -> float:
        """Seconds after the start of a send after which it can no longer take effect unseen."""
        return self._latency_s + _FENCE_S

    async def restore(self, orders: Iterable[Order], balances: Mapping[str, Balance]) -> None:
        """Take over what our ledger has, in place of what was here.

        Parameters
        ----------
        orders
            Attempts that are not final. One whose acceptance was not booked never happened.
        balances
            Only their totals count: what orders hold back is counted anew.

        Raises
        ------
        NoInformation
            The rules of a resting order's symbol are not known now; nothing was taken over.
        """
        taken = [one for one in orders if one.venue_order_id is not None]
        taken = [one for one in taken if not one.state.is_final]
        terms = {one.client_id: await self._terms(one.symbol, one.client_id) for one in taken}
        self._take_off()
        self._account = PaperAccount({name: one.total for name, one in balances.items()})
        for one in taken:
            request = OrderRequest(
                one.client_id,
                one.symbol,
                one.side,
                one.kind,
                one.quantity,
                one.price,
                one.stop_price,
            )
            at = self._place.clock.now()
            order = PaperOrder(request, terms[one.client_id], at, self._meet, one.executed)
            self._account.orders[one.client_id] = order
            self._rest(order)

    async def submit(self, request: OrderRequest) -> Outcome:
        """Place one order at the prices that it finds when it arrives."""
        if self._latency_s > 0:
            await asyncio.sleep(self._latency_s)
        try:
            terms = await self._terms(request.symbol, request.client_id)
            quote = await self._place.market.quote(request.symbol)
        except UnknownSymbol as error:
            return Outcome(OutcomeKind.REFUSED, error.message, error.code)
        except NoInformation as error:
            # No price, no order: it waits as it would for a venue that is away.
            reason = f"offline nothing was sent: {error.message}"
            return Outcome(OutcomeKind.THROTTLED, reason, "offline", _OFFLINE_S)
        account = self._account
        if request.client_id in account.orders:
            return Outcome(OutcomeKind.UNKNOWN, "duplicate the client id is in use", "duplicate")
        refusal = terms.refusal(request, quote)
        if refusal is not None:
            return Outcome(OutcomeKind.REFUSED, refusal, refusal.split(" ", 1)[0])
        order = PaperOrder(request, terms, self._place.clock.now(), self._meet)
        if not account.can_pay(order, quote):
            return Outcome(OutcomeKind.REFUSED, "funds insufficient balance", "funds")
        account.orders[request.client_id] = order
        price = terms.taken_at(request, quote)
        if price is not None:
            self._fill(order, price, maker=False)
        elif request.kind is OrderKind.IOC:
            self._end(order, VenueOrderState.EXPIRED)
        else:
            self._rest(order)
            self._tell(order)
        return Outcome(OutcomeKind.ACCEPTED, report=order.report())

    async def cancel(self, symbol: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Ask to cancel; REFUSED means that there is nothing to cancel."""
        del venue_order_id
        order = self._account.orders.get(client_id)
        if order is None or order.request.symbol != symbol or not order.is_open:
            return Outcome(OutcomeKind.REFUSED, "unknown no such open order", "unknown")
        self._end(order, VenueOrderState.CANCELED)
        return Outcome(OutcomeKind.ACCEPTED, report=order.report())

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where there is none."""
        del venue_order_id
        order = self._account.orders.get(client_id)
        is_it = order is not None and order.request.symbol == symbol
        return order.report() if is_it and order is not None else None

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols."""
        orders = self._account.orders.values()
        return tuple(
            one.report() for one in orders if one.is_open and one.request.symbol in symbols
        )

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first."""
        return tuple(
            one
            for one in self._account.executions
            if one.symbol == symbol
            and one.executed_at >= since
            and venue_order_id in {None, one.venue_order_id}
        )

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""
        return self._account.shown()

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol, with this account's fees."""
        return (await self._place.terms(symbol, self._costs, refresh=refresh)).rules

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        return await self._place.market.quote(symbol)

    async def rights(self) -> KeyRights:
        """Return that it may trade, and that there is nothing to withdraw."""
        return KeyRights(can_trade=True, can_withdraw=False)

    async def events(self) -> AsyncIterator[BrokerEvent]:
        """Yield the account's events for ever."""
        events = self._events = asyncio.Queue[BrokerEvent]()
        events.put_nowait(BrokerEvent(EventKind.CONNECTED))
        while True:
            yield await events.get()

    async def close(self) -> None:
        """Take the account off the market; `restore` brings it back."""
        self._take_off()
        self._account = PaperAccount()
        self._events = None

    def forget(self, age: timedelta) -> int:
        """Forget orders that ended longer ago than this; returns how many."""
        return self._account.forget(self._place.clock.now() - age)

    async def _terms(self, symbol: str, client_id: str) -> PaperTerms:
        costs = self._costs if self._costs_of is None else self._costs_of(client_id)
        return await self._place.terms(symbol, costs)

    def _meet(self, order: PaperOrder, quote: Quote) -> None:
        """Let a quote that reached a resting order fill it, or trigger it first."""
        if order.request.stop_price is None:
            if order.request.price is not None:
                self._fill(order, order.request.price, maker=True)
            return
        order.request = without_trigger(order.request)
        price = order.terms.taken_at(order.request, quote)
        if not self._account.can_pay(order, quote):
            # The market has jumped beyond what was held back for it.
            self._end(order, VenueOrderState.REJECTED)
        elif price is not None:
            self._fill(order, price, maker=False)
        else:
            self._account.release(order)
            self._rest(order)
            self._tell(order)

    def _rest(self, order: PaperOrder) -> None:
        self._account.hold(order)
        self._place.book.add(order)

    def _fill(self, order: PaperOrder, price: Decimal, *, maker: bool) -> None:
        now = self._place.clock.now()
        execution = order.terms.execution(order.request, price, order.left, now, maker=maker)
        self._account.book(order, execution)
        order.at = now
        self._tell(order, execution)

    def _end(self, order: PaperOrder, state: VenueOrderState) -> None:
        self._account.release(order)
        order.state, order.at = state, self._place.clock.now()
        self._tell(order)

    def _take_off(self) -> None:
        # The book drops what is not open when it comes upon it.
        for order in self._account.orders.values():
            if order.is_open:
                order.state = VenueOrderState.CANCELED

    def _tell(self, order: PaperOrder, execution: Execution | None = None) -> None:
        if self._events is None:
            return
        report = order.report()
        if execution is not None:
            event = BrokerEvent(EventKind.EXECUTION, order=report, execution=execution)
            self._events.put_nowait(event)
        self._events.put_nowait(BrokerEvent(EventKind.ORDER, order=report))

"""What the adapters of real venues have in common: rules kept, streams read, outcomes told."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from candela.brokers.house import RECEIVE_WINDOW_S
from candela.brokers.port import NoInformation
from candela.brokers.stream import AccountStream
from candela.brokers.wire import Reply, Wire, throttled
from candela.orders.words import OrderKind, Outcome, OutcomeKind
from candela.venues.door import ShapeError
from candela.venues.errors import UnknownSymbol

if TYPE_CHECKING:
    from candela.brokers.house import VenueHouse
    from candela.brokers.keys import VenueKey
    from candela.brokers.port import BrokerEvent, KeyRights
    from candela.brokers.stream import Pace
    from candela.orders.words import (
        Balance,
        Execution,
        InstrumentRules,
        OrderReport,
        OrderRequest,
        Quote,
    )
    from candela.venues.limits import VenueLimit

__all__ = ["AHEAD_S", "VenueBroker"]

_T = TypeVar("_T")
AHEAD_S: Final = 1.0
"""How far ahead of the venue's clock a signature may be."""


class VenueBroker(ABC):
    """One account at a venue that is reached over the network.

    Made inside the event loop that it is used in.

    Parameters
    ----------
    pace
        How soon a stream is found out.
    """

    kinds: ClassVar[frozenset[OrderKind]] = frozenset({OrderKind.MARKET, OrderKind.LIMIT})
    watches: ClassVar[tuple[str, ...]] = ("watch_orders",)
    own_limit: ClassVar[VenueLimit | None] = None
    one_at_a_time: ClassVar[bool] = False
    receive_s: ClassVar[float] = RECEIVE_WINDOW_S
    engine_s: ClassVar[float] = 30.0
    lag_s: ClassVar[float] = 15.0

    def __init__(self, house: VenueHouse, keys: VenueKey, *, pace: Pace | None = None) -> None:
        self.house = house
        self.stream = AccountStream(
            house.venue, self.read_message, self.watches, self.probe_message, pace
        )
        self.wire = self._wired(house, keys)
        self._rules: dict[str, InstrumentRules] = {}

    @property
    def venue(self) -> str:
        """Id of the venue."""
        return self.house.venue

    @property
    def fence_s(self) -> float:
        """Seconds after the signature of a send after which it can no longer take effect unseen.

        A signature is good for the receive window, and a second more where our clock was ahead;
        what the engine has taken over it ends or gives up; queries follow after a lag.
        """
        return AHEAD_S + self.receive_s + self.engine_s + self.lag_s

    async def submit(self, request: OrderRequest) -> Outcome:
        """Send one order, once; never raises for what a venue or network does."""
        if request.kind not in self.kinds:
            reason = f"{self.venue} has no {request.kind} orders here"
            return Outcome(OutcomeKind.REFUSED, reason, "kind")
        with self.wire.sending(request.send_by) as send:
            try:
                async with asyncio.timeout_at(send.by):
                    market_id = await self.market_id(request.symbol)
            except UnknownSymbol as error:
                return Outcome(OutcomeKind.REFUSED, error.message, error.code)
            except (NoInformation, TimeoutError) as error:
                words = f"nothing was sent: {type(error).__name__}"
                return throttled("offline", words).outcome()
            self.stream.expect(request.client_id)
            outcome = await self.place(request, market_id)
            outcome = replace(outcome, signed_at=send.signed_at)
        is_accepted = outcome.kind is OutcomeKind.ACCEPTED
        self.stream.settle(request.client_id, is_accepted=is_accepted)
        return outcome

    async def cancel(self, symbol: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Ask to cancel; REFUSED means that there is nothing to cancel, which is news."""
        with self.wire.sending() as send:
            try:
                async with asyncio.timeout_at(send.by):
                    market_id = await self.market_id(symbol)
            except (NoInformation, UnknownSymbol, TimeoutError) as error:
                words = f"nothing was sent: {type(error).__name__}"
                return throttled("offline", words).outcome()
            return await self.withdraw(market_id, client_id, venue_order_id)

    def venue_now(self) -> datetime:
        """Return what time it is at the venue."""
        difference_ms = float(self.house.leader.options["timeDifference"])
        return self.house.clock.now() - timedelta(milliseconds=difference_ms)

    async def market_id(self, symbol: str) -> str:
        """Return the venue's own name of a symbol."""
        await self.house.ready(self.wire.exchange)
        return str(self.house.market(symbol)["id"])

    @abstractmethod
    async def place(self, request: OrderRequest, market_id: str) -> Outcome:
        """Send an order of a kind that the venue has."""

    @abstractmethod
    async def withdraw(self, market_id: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Send a cancellation."""

    @abstractmethod
    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where the venue says that it does not know it."""

    @abstractmethod
    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols."""

    @abstractmethod
    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant."""

    @abstractmethod
    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""

    @abstractmethod
    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""

    @abstractmethod
    async def rights(self) -> KeyRights:
        """Return what the key may do."""

    @abstractmethod
    def read_rules(self, market: dict[str, Any], raw: object) -> InstrumentRules:
        """Read the rules of a market from ccxt's view of it and the venue's own record."""

    @abstractmethod
    async def fresh_record(self, market: dict[str, Any]) -> object:
        """Ask the venue for its record of one market."""

    @abstractmethod
    def read_message(self, message: object) -> Sequence[BrokerEvent]:
        """Read a message of the stream."""

    @abstractmethod
    def probe_message(self) -> dict[str, Any]:
        """Return a message that the venue answers on the stream's socket."""

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol."""
        await self.house.ready(self.wire.exchange)
        market = self.house.market(symbol)
        if refresh:
            record = await self.fresh_record(market)
            self._rules[symbol] = self.reading(symbol, lambda: self.read_rules(market, record))
        elif symbol not in self._rules:
            record = market["info"]
            self._rules[symbol] = self.reading(symbol, lambda: self.read_rules(market, record))
        return self._rules[symbol]

    def events(self) -> AsyncIterator[BrokerEvent]:
        """Yield the account's events for ever, reconnecting by itself."""
        return self.stream.events(self.wire)

    async def close(self) -> None:
        """Let go of the stream; connections are the house's."""
        await self.wire.close()

    def reading(self, what: str, read: Callable[[], _T]) -> _T:
        """Read what was not read where it was asked for: several answers, or a listing.

        Raises
        ------
        NoInformation
            It cannot be read.
        """
        try:
            return read()
        except (ShapeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            shape = str(error) if isinstance(error, ShapeError) else type(error).__name__
            message = f"{self.venue} gave no usable answer to {what}: an unexpected shape ({shape})"
            raise NoInformation(f"{self.wire.cleaned(message)}.", "It is asked again.") from None

    def accepted(self, reply: Reply, read: Callable[[Any], OrderReport | None]) -> Outcome:
        """Return the outcome of an accepted send, UNKNOWN where its answer cannot be read.

        Parameters
        ----------
        read
            Called with the content; gives the report.
        """
        if reply.ruling.kind is not OutcomeKind.ACCEPTED:
            return reply.outcome()
        try:
            report = read(reply.content)
        except (ShapeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            # It was taken, most likely; but an answer that is not one proves nothing.
            shape = str(error) if isinstance(error, ShapeError) else type(error).__name__
            reason = self.wire.cleaned(f"the answer has an unexpected shape ({shape})")
            return Outcome(OutcomeKind.UNKNOWN, reason, "shape")
        return Outcome(OutcomeKind.ACCEPTED, report=report)

    def _wired(self, house: VenueHouse, keys: VenueKey) -> Wire:
        return Wire(
            house,
            keys,
            self.stream.heard,
            own_limit=self.own_limit,
            one_at_a_time=self.one_at_a_time,
        )

"""One process's line to the simulated venue, where answers are lost, late, doubled and shuffled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from random import Random

from candela.brokers.port import (
    BrokerEvent,
    CredentialsDead,
    EventKind,
    KeyRights,
    NoInformation,
)
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderReport,
    OrderRequest,
    Outcome,
    OutcomeKind,
    Quote,
    VenueOrderState,
)
from tests.simulation.loop import VirtualClock
from tests.simulation.venue import RULES, SimulatedVenue, VenueOrder

__all__ = ["Network", "SimulatedBroker"]

FENCE_S = 14.0  # ten seconds of the engine, three of lag, one of clock
_TIMEOUT_S = 12.0


class Network:
    """Between the venue and whoever holds its line: outages, refused keys, and a log of requests.

    Parameters
    ----------
    received
        Called with each submission as it is signed.
    """

    def __init__(self, venue: SimulatedVenue, random: Random) -> None:
        self.venue = venue
        self.random = random
        self.down_until_s = 0.0
        self.key_dead_until_s = 0.0
        self.received: Callable[[SimulatedBroker, OrderRequest], None] = _nobody
        self.calls = 0
        self.calls_while_dead = 0

    @property
    def is_down(self) -> bool:
        """Whether the venue answers nothing."""
        return self.venue.loop.time() < self.down_until_s

    @property
    def is_key_dead(self) -> bool:
        """Whether the venue refuses the key."""
        return self.venue.loop.time() < self.key_dead_until_s


class SimulatedBroker:
    """The `candela.brokers.port.SpotBroker` of one process.

    Parameters
    ----------
    pause
        Awaited where the process can be killed or stopped.
    """

    def __init__(
        self, network: Network, clock: VirtualClock, pause: Callable[[], Awaitable[None]]
    ) -> None:
        self.network = network
        self.clock = clock
        self._pause = pause
        self._venue = network.venue
        self._random = network.random
        self._events: asyncio.Queue[BrokerEvent] = asyncio.Queue()
        self._is_dead = False
        self._is_cut = False

    @property
    def venue(self) -> str:
        """Id of the venue."""
        return "simulated"

    @property
    def fence_s(self) -> float:
        """Seconds after a signature after which a send can no longer take effect unseen."""
        return FENCE_S

    def kill(self) -> None:
        """Let this process neither send nor hear any more."""
        self._is_dead = True

    # --- sending ----------------------------------------------------------------------------------

    async def submit(self, request: OrderRequest) -> Outcome:
        """Send one order, once."""
        await self._step()
        signed_at = self.clock.now()
        if request.send_by is not None and signed_at > request.send_by:
            return Outcome(OutcomeKind.THROTTLED, "too late to be signed")
        return replace(await self._sent(request), signed_at=signed_at)

    async def _sent(self, request: OrderRequest) -> Outcome:
        network, random, venue = self.network, self._random, self._venue
        network.received(self, request)
        if network.is_key_dead:
            return Outcome(OutcomeKind.CREDENTIALS_DEAD, "-2015 invalid key", "-2015")
        fault = random.choice(venue.faults.ways) if random.random() < venue.faults.send else None
        if network.is_down:
            fault = "lost_after" if random.random() < 0.1 else "lost_before"
        if fault == "throttled":
            return Outcome(OutcomeKind.THROTTLED, "429", "429", wait_s=random.uniform(1, 20))
        if fault == "refused":
            return Outcome(OutcomeKind.REFUSED, "-2010 market moved", "-2010")
        if fault == "lost_before":
            await asyncio.sleep(_TIMEOUT_S)
            return Outcome(OutcomeKind.UNKNOWN, "no answer")
        if fault == "late":
            venue.loop.call_later(random.uniform(0, 10), _late, venue, request)
            await asyncio.sleep(random.uniform(0.1, 10))
            return Outcome(OutcomeKind.UNKNOWN, "-1007 timeout", "-1007")
        return await self._taken(request, fault)

    async def _taken(self, request: OrderRequest, fault: str | None) -> Outcome:
        random, venue = self._random, self._venue
        accepted = venue.accept(request)
        await self._latency()
        if isinstance(accepted, str):
            return Outcome(OutcomeKind.REFUSED, accepted, accepted[:5])
        if fault in {"error_after", "lost_after"}:
            await asyncio.sleep(0.0 if fault == "error_after" else _TIMEOUT_S)
            return Outcome(OutcomeKind.UNKNOWN, "503" if fault == "error_after" else "no answer")
        report = venue.report(accepted, with_executions=random.random() < 0.6)
        return Outcome(OutcomeKind.ACCEPTED, report=_full(report))

    async def cancel(self, symbol: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Ask to cancel."""
        await self._step()
        random, venue = self._random, self._venue
        if self.network.is_key_dead:
            return Outcome(OutcomeKind.CREDENTIALS_DEAD, "-2015 invalid key", "-2015")
        if self.network.is_down:
            await asyncio.sleep(_TIMEOUT_S)
            return Outcome(OutcomeKind.UNKNOWN, "no answer")
        is_lost = random.random() < venue.faults.cancel
        if is_lost and random.random() < 0.5:
            await self._latency()
            return Outcome(OutcomeKind.UNKNOWN, "no answer")
        order = self._known(client_id, venue_order_id)
        did = order is not None and venue.cancel(order)
        await self._latency()
        if is_lost:
            return Outcome(OutcomeKind.UNKNOWN, "no answer")
        if order is None or not did:
            return Outcome(OutcomeKind.REFUSED, "-2011 unknown order", "-2011")
        return Outcome(OutcomeKind.ACCEPTED, report=venue.report(order))

    # --- asking -----------------------------------------------------------------------------------

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where the venue says that it does not know it."""
        await self._question()
        order = self._known(client_id, venue_order_id)
        return None if order is None else self._venue.report(order)

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols."""
        await self._question()
        now_s = self._venue.loop.time()
        return tuple(
            self._venue.report(order)
            for order in self._venue.orders.values()
            if order.state is VenueOrderState.OPEN
            and order.request.symbol in symbols
            and order.shown_at_s <= now_s
        )

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first."""
        await self._question()
        now_s = self._venue.loop.time()
        found: list[Execution] = []
        for shown_at_s, execution in reversed(self._venue.executions):
            if execution.executed_at < since:
                break
            if (
                shown_at_s <= now_s
                and execution.symbol == symbol
                and venue_order_id in {None, execution.venue_order_id}
            ):
                found.append(execution)
        return tuple(reversed(found))

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""
        await self._question()
        return self._venue.balances()

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol."""
        await self._question()
        return RULES[symbol]

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        await self._question()
        price = self._venue.prices[symbol]
        return Quote(symbol, price, price, self.clock.now())

    async def rights(self) -> KeyRights:
        """Return what the key may do."""
        await self._question()
        return KeyRights(can_trade=True)

    async def close(self) -> None:
        """Let go of nothing."""
        await self._step()

    # --- the stream -------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[BrokerEvent]:
        """Yield the account's events for ever."""
        yield BrokerEvent(EventKind.CONNECTED)
        while True:
            event = await self._events.get()
            await self._step()
            yield event

    def hear(self, news: OrderReport | Execution) -> None:
        """Let an event of the venue come in, in one of the ways in which events come in."""
        faults, random = self._venue.faults, self._random
        if self._is_dead or self._is_cut or random.random() < faults.lost:
            return
        if isinstance(news, Execution):
            # The stream says whose order it was; questions do not always.
            order = self._venue.orders[news.venue_order_id]
            client_id = order.request.client_id if random.random() < 0.8 else None
            event = BrokerEvent(EventKind.EXECUTION, execution=replace(news, client_id=client_id))
        else:
            event = BrokerEvent(EventKind.ORDER, order=news)
        times = 1 + (random.random() < faults.twice)
        for _ in range(times):
            delay_s = 0.0 if random.random() < faults.early else random.uniform(0.02, 2.0)
            self._venue.loop.call_later(delay_s, self._events.put_nowait, event)

    def cut(self, seconds: float) -> None:
        """Break the stream; what happens until it is back is never heard."""
        self._is_cut = True
        self._events.put_nowait(BrokerEvent(EventKind.LOST))
        self._venue.loop.call_later(seconds, self._mend)

    def _mend(self) -> None:
        self._is_cut = False
        self._events.put_nowait(BrokerEvent(EventKind.CONNECTED))

    # --- inside -----------------------------------------------------------------------------------

    def _known(self, client_id: str, venue_order_id: str | None) -> VenueOrder | None:
        now_s = self._venue.loop.time()
        if venue_order_id is not None:
            order = self._venue.orders.get(venue_order_id)
            return order if order is not None and order.shown_at_s <= now_s else None
        for order in reversed(self._venue.by_client.get(client_id, [])):
            if order.shown_at_s <= now_s:
                return order
        return None

    async def _question(self) -> None:
        await self._step()
        network, random = self.network, self._random
        network.calls += 1
        if network.is_key_dead:
            network.calls_while_dead += 1
            raise CredentialsDead("-2015 invalid key", "Store another key.")
        if network.is_down or random.random() < self._venue.faults.question:
            await asyncio.sleep(random.choice((0.05, _TIMEOUT_S)))
            raise NoInformation("no usable answer", "Ask again.")
        await self._latency()

    async def _latency(self) -> None:
        await asyncio.sleep(0.01 + 0.2 * self._random.random())
        await self._step()

    async def _step(self) -> None:
        await self._pause()
        if self._is_dead:
            # A process that was killed does nothing more, not even where its tasks clean up.
            raise asyncio.CancelledError


def _full(report: OrderReport) -> OrderReport:
    """Let the executions of an answer carry our id, as answers to a submission do."""
    named = tuple(replace(one, client_id=report.client_id) for one in report.executions)
    return replace(report, executions=named)


def _late(venue: SimulatedVenue, request: OrderRequest) -> None:
    venue.accept(request)


def _nobody(_: SimulatedBroker, __: OrderRequest) -> None:
    return None

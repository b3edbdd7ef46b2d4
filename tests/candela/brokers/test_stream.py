"""The account's stream: cut, silent, lapsed behind a living socket, and what is told of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.brokers.binance import BinanceBroker
from candela.brokers.port import BrokerEvent, EventKind
from candela.clock import SystemClock
from candela.orders.words import OutcomeKind
from sandbox.faults import Fault
from tests.candela.brokers.checks import market
from tests.candela.brokers.places import BinancePlace, BybitPlace, KrakenPlace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.candela.brokers.places import Bench, Place


@pytest.fixture(scope="module")
def place() -> Iterator[BinancePlace]:
    """Serve the sandbox."""
    with BinancePlace() as opened:
        yield opened


class Listener:
    """Takes an account's events, and waits for what should come."""

    def __init__(self) -> None:
        self.seen: list[BrokerEvent] = []
        self._news = asyncio.Event()

    def kinds(self) -> list[EventKind]:
        return [one.kind for one in self.seen]

    async def listen(self, bench: Bench) -> None:
        async for event in bench.broker.events():
            self.seen.append(event)
            self._news.set()

    async def until(self, kind: EventKind, count: int) -> None:
        async with asyncio.timeout(60):
            while self.kinds().count(kind) < count:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(place: Place) -> AsyncGenerator[tuple[Bench, Listener]]:
    bench, listener = await place.open(), Listener()
    task = asyncio.create_task(listener.listen(bench))
    try:
        await listener.until(EventKind.CONNECTED, 1)
        yield bench, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bench.close()


def test_stream_when_it_is_cut_then_says_lost_and_connects_again(place: BinancePlace) -> None:
    async def run() -> None:
        async with listening(place) as (bench, listener):
            fault = Fault("outage", path="none", for_s=1.5)
            place.sandbox.call(lambda: place.sandbox.faults.add(fault))
            await listener.until(EventKind.LOST, 1)
            await listener.until(EventKind.CONNECTED, 2)
            place.clear()
            await bench.broker.submit(market(bench, size=Decimal("0.001")))
            await listener.until(EventKind.EXECUTION, 1)

    asyncio.run(run())


def test_stream_when_its_subscription_lapses_behind_a_living_socket_then_is_found_out(
    place: BinancePlace,
) -> None:
    # Pings and pongs go on, and the socket answers; only events do not come.
    async def run() -> None:
        async with listening(place) as (bench, listener):
            fault = Fault("ws_silent", for_s=2.0)
            place.sandbox.call(lambda: place.sandbox.faults.add(fault))
            since = SystemClock().now() - timedelta(seconds=5)
            sent = await bench.broker.submit(market(bench, size=Decimal("0.001")))
            assert sent.kind is OutcomeKind.ACCEPTED
            await listener.until(EventKind.LOST, 1)
            assert EventKind.EXECUTION not in listener.kinds()
            await listener.until(EventKind.CONNECTED, 2)
            place.clear()
            # What the stream did not bring is there to be asked for.
            assert len(await bench.broker.executions(place.symbol, since)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("venue", [BybitPlace, KrakenPlace])
def test_stream_when_the_socket_answers_nothing_any_more_then_is_found_out(
    venue: type[BybitPlace | KrakenPlace],
) -> None:
    async def run(place: BybitPlace | KrakenPlace) -> None:
        async with listening(place) as (_, listener):
            place._double.is_mute = True
            await listener.until(EventKind.LOST, 1)
            place._double.is_mute = False
            await listener.until(EventKind.CONNECTED, 2)

    with venue() as opened:
        asyncio.run(run(opened))


def test_stream_when_nothing_happens_or_an_order_is_refused_then_stays(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        async with listening(place) as (bench, listener):
            refused = await bench.broker.submit(market(bench, size=Decimal(5_000)))
            assert refused.kind is OutcomeKind.REFUSED
            await asyncio.sleep(1.3)
            assert EventKind.LOST not in listener.kinds()
            assert isinstance(bench.broker, BinanceBroker)
            assert bench.broker.stream._expected == {}

    asyncio.run(run())


def test_stream_when_a_message_cannot_be_read_then_events_may_be_missing(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        async with listening(place) as (bench, listener):
            assert isinstance(bench.broker, BinanceBroker)
            bench.broker.stream.heard({"event": {"e": "executionReport", "s": "BTCUSDT"}})
            await listener.until(EventKind.LOST, 1)
            await listener.until(EventKind.CONNECTED, 2)

    asyncio.run(run())

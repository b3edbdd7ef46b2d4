"""Quotes are asked for once for all, are never old, and reach their reader coalesced."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.clock import FixedClock, SystemClock
from candela.errors import BrokerUnavailable
from candela.market.instrument import Instrument
from candela.orders.words import Quote
from live.feed.quotes import QuoteHub, VenueQuotes
from tests.fixtures.exchange.ledger import generated
from tests.fixtures.exchange.plugin import exchange, venue_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BTC = Instrument("binance", "BTC/USDT")
ETH = Instrument("binance", "ETH/USDT")


def quote(symbol: str, bid: int, at: datetime) -> Quote:
    return Quote(symbol, Decimal(bid), Decimal(bid + 1), at)


class Prices:
    """A source whose prices a test sets."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.asked: list[list[str]] = []
        self.bid = 100
        self.is_down = False

    async def read(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        self.asked.append(list(symbols))
        if self.is_down:
            raise BrokerUnavailable("no answer")
        return {one: quote(one, self.bid, self.clock.now()) for one in symbols}


def test_quotes_when_thousands_watch_then_one_request_asks_for_all_symbols() -> None:
    clock = FixedClock(NOW)
    source = Prices(clock)

    async def run() -> Mapping[str, Quote]:
        hub = QuoteHub(lambda _: source, clock, poll_s=0.01)
        for _ in range(5_000):
            hub.watch(BTC)
            hub.watch(ETH)
        found = dict(await hub.changes())
        for _ in range(5_000):
            hub.unwatch(ETH)
        assert hub.latest("binance:ETH/USDT") is None
        assert hub.latest("binance:BTC/USDT") is not None
        await hub.close()
        return found

    assert set(asyncio.run(run())) == {"binance:BTC/USDT", "binance:ETH/USDT"}
    assert source.asked[0] == ["BTC/USDT", "ETH/USDT"]


def test_quotes_when_the_source_is_silent_then_the_last_one_grows_stale_and_is_none() -> None:
    clock = FixedClock(NOW)
    source = Prices(clock)

    async def run() -> tuple[bool, Quote | None, timedelta | None, bool]:
        hub = QuoteHub(lambda _: source, clock, poll_s=0.01)
        hub.watch(BTC)
        await hub.changes()
        source.is_down = True
        clock.at += timedelta(seconds=15)
        young = hub.latest(str(BTC)) is not None
        clock.at += timedelta(seconds=1)
        old, age = hub.latest(str(BTC)), hub.age_of(str(BTC))
        source.is_down, source.bid = False, 101
        await asyncio.wait_for(hub.changes(), 10)
        again = hub.latest(str(BTC)) is not None
        await hub.close()
        return young, old, age, again

    assert asyncio.run(run()) == (True, None, timedelta(seconds=16), True)


def test_quotes_when_an_older_one_comes_late_then_it_changes_nothing() -> None:
    clock = FixedClock(NOW)

    async def run() -> tuple[Quote | None, Mapping[str, Quote]]:
        hub = QuoteHub(lambda _: Prices(clock), clock)
        hub.put("binance", {"BTC/USDT": quote("BTC/USDT", 100, NOW)})
        hub.put("binance", {"BTC/USDT": quote("BTC/USDT", 102, NOW + timedelta(seconds=2))})
        hub.put("binance", {"BTC/USDT": quote("BTC/USDT", 90, NOW + timedelta(seconds=1))})
        # A reader that was away gets the newest alone.
        changes = await hub.changes()
        return hub.latest(str(BTC)), changes

    latest, changes = asyncio.run(run())
    assert latest is not None
    assert latest.bid == 102
    assert {name: one.bid for name, one in changes.items()} == {str(BTC): 102}


def test_quotes_when_read_from_a_venue_then_they_are_its_best_prices(
    exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=60)
    exchange.ledger.add("BTC/USDT", generated(start, 120))
    exchange.ledger.add("ETH/USDT", generated(start, 120, seed=2))

    async def run() -> Mapping[str, Quote]:
        source = VenueQuotes(venue_client(), SystemClock())
        return await source.read(["BTC/USDT", "ETH/USDT"])

    found = asyncio.run(run())
    assert set(found) == {"BTC/USDT", "ETH/USDT"}
    assert all(one.ask - one.bid == Decimal("0.02") for one in found.values())
    asked = [one for one in exchange.log if "bookTicker" in one.path]
    assert len(asked) == 1

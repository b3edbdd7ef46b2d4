"""What tests of a venue's bars share: an exchange with candles of a second, and a feed on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from candela.clock import SystemClock
from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.venues.retry import RetryPolicy
from live.feed.clients import VenueClients
from live.feed.feed import Feed
from live.signals.definitions import register
from live.streams.link import DatabaseLink
from live.streams.publisher import Publisher
from tests.fixtures.exchange.ledger import generated
from tests.live.signals.bench_of_signals import definition_of, run_bots, take_leases

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from candela.bots.definition import Definition
    from candela.db.connect import Database
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["ONE", "SECOND", "SYMBOL", "Followed", "following", "on_seconds", "serve"]

SYMBOL = "BTC/USDT"
BTC = Instrument("binance", SYMBOL)
SECOND = Timeframe(1)
ONE = timedelta(seconds=1)
QUICK = RetryPolicy(attempts=1, confirm_empty=0)


class Followed:
    """What the feed told, and what is stored."""

    def __init__(self, database: Database, feed: Feed, task: asyncio.Task[None]) -> None:
        self.database = database
        self.feed = feed
        self.task = task

    def told(self) -> list[tuple[datetime, str]]:
        """Return start and status of all bars that were told, as they were told."""
        with self.database.connect(Role.EXECUTOR, autocommit=True) as connection:
            rows: list[Any] = connection.execute(
                "SELECT payload ->> 'bar_at', payload ->> 'status' FROM live.outbox"
                " WHERE stream = 'bars' ORDER BY seq"
            ).fetchall()
        return [(datetime.fromisoformat(at), status) for at, status in rows]

    async def until(
        self, holds: Callable[[list[tuple[datetime, str]]], bool], within_s: float = 40.0
    ) -> list[tuple[datetime, str]]:
        """Wait until it holds of what was told."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not holds(self.told()) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            if self.task.done():
                self.task.result()
        return self.told()


@asynccontextmanager
async def following(
    database: Database,
    redis_url: str | None,
    make: MakeClient,
    definitions: list[Definition],
) -> AsyncGenerator[Followed]:
    """Follow the series of definitions that bots run on."""
    clock = SystemClock()
    link = DatabaseLink(database, Role.EXECUTOR, "test")
    async with link.use() as connection:
        for one in definitions:
            await register(connection, one)
    run_bots(database, [one.definition_id for one in definitions], clock.now())
    leases = take_leases(database, "test", "feed")
    publisher = Publisher(link, redis_url, clock)
    clients = VenueClients(lambda venue: make(venue, policy=QUICK))
    feed = Feed(database, clients, publisher, clock, lambda: leases)
    task = asyncio.create_task(feed.run())
    try:
        yield Followed(database, feed, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clients.close()
        await publisher.close()
        await link.close()


def on_seconds(**parameters: Any) -> Definition:
    """Return a definition on candles of a second."""
    return definition_of("dca", instrument=BTC, timeframe=SECOND, **parameters)


def serve(double: ExchangeDouble, rows: int = 900) -> datetime:
    """Let the exchange have candles of a second, from before now to after; return their start."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=600)
    double.ledger.add(SYMBOL, generated(start, rows, seconds=1))
    return start

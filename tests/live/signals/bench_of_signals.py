"""What tests of signals share: real candles played, a worker that holds all parts, definitions."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import polars as pl

from candela.bots.definition import Definition
from candela.db.connect import Role
from candela.ids import new_id, shard_of
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from live.feed.replay import ReplayClock, ReplayFeed, ReplaySeries
from live.feed.writer import BarWriter
from live.signals.definitions import SIGNAL_SHARDS, register
from live.signals.evaluator import Evaluator
from live.signals.stored import StoredSignals
from live.signals.worker import SignalsWorker
from live.store.port import Lease
from live.streams.link import DatabaseLink
from live.streams.publisher import Publisher
from strategies.defining import define
from strategies.registry import find
from tests.fixtures.candles import HOUR, sample

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from candela.db.connect import Database
    from live.signals.port import SignalEvent

__all__ = ["BTC", "ETH", "Played", "definition_of", "own_definition", "play", "take_leases"]

BTC = Instrument("bitvavo", "BTC/EUR")
ETH = Instrument("bitvavo", "ETH/EUR")


def definition_of(
    name: str, *, instrument: Instrument = BTC, timeframe: Timeframe = HOUR, **parameters: Any
) -> Definition:
    """Return the definition of a shipped strategy."""
    strategy = find(name)
    return define(strategy, strategy.with_values(parameters), instrument, timeframe)


def own_definition(
    body: str, *, name: str = "mine", warm_up: int = 5, reads: tuple[str, ...] = ()
) -> Definition:
    """Return the definition of a strategy that does not ship, whose function has that body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = f'''"""One of a test."""
from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, strategy
from strategies.signals import Signals


class Plain(Parameters):
    """None."""


@strategy(name="{name}", parameters=Plain, warm_up=lambda p: {warm_up},
          reads=lambda p: {reads!r})
def {name}(bars: Bars, parameters: Plain) -> Signals:
    """Do what a test wants."""
{lines}
'''
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return Definition(name, digest, {}, BTC, HOUR, "spot", warm_up, reads=reads, source=text)


def take_leases(database: Database, owner: str, kind: str = "signals") -> dict[int, Lease]:
    """Take all parts of a kind for an owner."""
    with database.connect(Role.EXECUTOR, autocommit=True) as connection:
        rows = connection.execute(
            "UPDATE live.shards SET owner = %s, epoch = epoch + 1,"
            " expires_at = now() + interval '1 h' WHERE kind = %s RETURNING shard, epoch",
            (owner, kind),
        ).fetchall()
    return {shard: Lease(shard, epoch, owner) for shard, epoch in rows}


def run_bots(database: Database, ids: Sequence[str], now: datetime) -> None:
    """Make a running bot for each definition, of one tenant."""
    tenant, account = new_id(now), new_id(now)
    with database.connect(Role.EXECUTOR) as connection:
        connection.execute("SELECT set_config('candela.tenants', %s, true)", (str(tenant),))
        connection.execute(
            "INSERT INTO tenancy.tenants (tenant_id, name) VALUES (%s, 'one')", (tenant,)
        )
        connection.execute(
            "INSERT INTO tenancy.directory (tenant_id, shard) VALUES (%s, %s)",
            (tenant, shard_of(tenant)),
        )
        connection.execute(
            "INSERT INTO trading.accounts (tenant_id, account_id, name, venue)"
            " VALUES (%s, %s, 'paper', 'bitvavo')",
            (tenant, account),
        )
        for number, definition_id in enumerate(ids):
            bot: UUID = new_id(now)
            connection.execute(
                "INSERT INTO trading.bots (tenant_id, bot_id, name, account_id, version, wanted)"
                " VALUES (%s, %s, %s, %s, 1, 'running')",
                (tenant, bot, f"bot {number}", account),
            )
            connection.execute(
                "INSERT INTO trading.bot_versions"
                " (tenant_id, bot_id, version, config, definition_id, created_by)"
                " VALUES (%s, %s, 1, '{}', %s, 'test')",
                (tenant, bot, definition_id),
            )


@dataclass
class Played:
    """A replay with a worker behind it, stepped by the test.

    Parameters
    ----------
    leases
        What the worker holds; a test may take some away.
    """

    database: Database
    clock: ReplayClock
    feed: ReplayFeed
    worker: SignalsWorker
    signals: StoredSignals
    series: list[ReplaySeries]
    leases: dict[int, Lease] = field(default_factory=dict[int, Lease])
    events: list[SignalEvent] = field(default_factory=list["SignalEvent"])
    tasks: list[asyncio.Task[None]] = field(default_factory=list["asyncio.Task[None]"])

    async def until(self, count: int, within_s: float = 30.0) -> list[SignalEvent]:
        """Wait until so many signals were told."""
        deadline = asyncio.get_running_loop().time() + within_s
        while len(self.events) < count and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            for task in self.tasks:
                if task.done():
                    task.result()
        return self.events

    def rows(self, columns: LiteralString = "definition_id, bar_at, status, decision") -> list[Any]:
        """Return the stored signals, by bar and definition."""
        with self.database.connect(Role.EXECUTOR, autocommit=True) as connection:
            return connection.execute(
                f"SELECT {columns} FROM live.signals ORDER BY bar_at, definition_id"
            ).fetchall()


@asynccontextmanager
async def play(
    database: Database,
    redis_url: str | None,
    definitions: Sequence[Definition],
    *,
    start: datetime,
    instruments: Sequence[Instrument] = (BTC,),
    rows: int = 2_000,
    evaluator: Evaluator | None = None,
    is_settled: bool = False,
) -> AsyncGenerator[Played]:
    """Store the bars before `start`, run a worker for definitions; the test plays what follows."""
    frames = {BTC: "BTC-EUR_1h", ETH: "ETH-EUR_1h"}
    series = [
        ReplaySeries(
            one,
            HOUR,
            sample(frames[one]).filter(
                (pl.col("time") >= start - timedelta(hours=rows))
                & (pl.col("time") < start + timedelta(hours=rows))
            ),
        )
        for one in instruments
    ]
    clock = ReplayClock(start)
    writer = BarWriter(database, clock)
    link = DatabaseLink(database, Role.EXECUTOR, "test")
    publisher = Publisher(link, redis_url, clock)
    async with link.use() as connection:
        for one in definitions:
            await register(connection, one)
    run_bots(database, [one.definition_id for one in definitions], start)
    leases = take_leases(database, "test")
    assert len(leases) == SIGNAL_SHARDS
    per_bar = len(definitions)

    async def settled(close_at: datetime) -> None:
        bars = round((close_at - start) / HOUR.delta)
        await played.until(bars * per_bar)

    feed = ReplayFeed(series, writer, publisher, clock, settled=settled if is_settled else None)
    feed.prepare(start)
    worker = SignalsWorker(
        database,
        redis_url,
        name="test",
        publisher=publisher,
        clock=clock,
        leases=lambda: leases,
        evaluator=evaluator,
    )
    signals = StoredSignals(database, redis_url, name="test")
    played = Played(database, clock, feed, worker, signals, series, leases)

    async def collect() -> None:
        async for batch in signals.batches():
            played.events += batch

    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(collect())]
    played.tasks += tasks
    try:
        yield played
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await worker.close()
        await signals.close()
        await publisher.close()
        await link.close()
        writer.close()


def changed(definition: Definition, **values: Any) -> Definition:
    """Return a definition with other values."""
    return replace(definition, **values)

"""A rehearsal: an executor's inside on replayed candles, in their time, with troubles by script."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from candela.bots.config import config_from
from candela.bots.market import Market
from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.bots import create_bot
from candela.desk.opening import add_paper
from candela.desk.running import start_bot
from candela.desk.users import create_user
from candela.ids import shard_of
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.orders.words import InstrumentRules
from live.feed.replay import ReplayClock, ReplayFeed, ReplaySeries
from live.feed.writer import BarWriter
from live.signals.stored import StoredSignals
from live.signals.worker import Bar, SignalsWorker
from live.streams.link import DatabaseLink
from live.streams.publisher import Publisher
from strategies.defining import define
from strategies.registry import find
from tests.backtest.parity.house import Day, RehearsedMarket, TroubledHouse, Troubles
from tests.fixtures.candles import batch
from tests.live.executor.worlds import People, World
from tests.live.signals.bench_of_signals import take_leases

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from candela.db.connect import Database
    from candela.desk.users import User

__all__ = ["Rehearsal", "RehearsedMarket", "Troubles", "rehearse"]

_LATE_BARS: Final = 5
_ZERO: Final = timedelta(0)


class Rehearsal:
    """The parts of an executor that decide and trade, stepped bar by bar.

    Parameters
    ----------
    latency
        From the close of a bar to its decisions.
    steps
        Looks at the market within a bar.
    """

    def __init__(
        self,
        database: Database,
        series: ReplaySeries,
        rules: InstrumentRules,
        *,
        start: datetime,
        troubles: Troubles | None = None,
        spread: Decimal = Decimal("0.0002"),
        latency: timedelta = timedelta(milliseconds=700),
        steps: int = 12,
        plan: str = "enterprise",
    ) -> None:
        self.database = database
        self.series = series
        self.rules = rules
        self.start = start
        self.clock = FixedClock(start)
        self.bars = 0
        self._troubles = troubles or Troubles()
        self._latency = latency
        self._steps = steps
        self._day = Day()
        self._owed: list[tuple[datetime, pl.DataFrame]] = []
        self._people = People(database, self.clock)
        self._market = RehearsedMarket(series, rules, self.clock, spread)
        self.user: User = create_user(
            database, "rehearsal@example.com", clock=self.clock, plan=plan
        )
        self._definitions: dict[str, None] = {}

    def bot(self, name: str, strategy: str, **config: Any) -> None:
        """Make a bot on a paper account of its own, and want it to run."""
        found = find(strategy)
        values: dict[str, Any] = {
            "strategy": strategy,
            "instrument": str(self.series.instrument),
            "timeframe": str(self.series.timeframe),
            "capital": "10000",
            "costs": {"taker_fee_bps": 10.0, "spread_bps": 2.0, "slippage_bps": 1.0},
            **config,
        }
        filled = found.with_values(values.get("parameters", {}))
        definition = define(found, filled, self.series.instrument, self.series.timeframe)
        bot = config_from(values).with_parameters(definition.parameters)
        market = Market(self.series.instrument, self.rules)
        with self._people.session(self.user) as session:
            add_paper(
                session,
                name=name,
                venue=self.series.instrument.venue,
                opening=Decimal(20_000),
                clock=self.clock,
                quote_ccy=self.rules.quote,
            )
            create_bot(
                session,
                name=name,
                account=name,
                config=bot,
                definition=definition,
                market=market,
                created_by="rehearsal",
                clock=self.clock,
            )
            start_bot(session, name, clock=self.clock)
        self._definitions[definition.definition_id] = None

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Return rows of the tenant's books."""
        return self._people.rows(self.user, query, **values)

    def session(self) -> Any:
        """Open a session of the tenant."""
        return self._people.session(self.user)

    async def run(self, bars: int) -> None:
        """Play so many intervals after the start, and come to rest."""
        async with self._composed() as (world, feed, worker, signals):
            frames = {
                start.astimezone(UTC): self.series.frame[row : row + 1]
                for row, start in enumerate(self.series.frame["time"].to_list())
            }
            delta = self.series.timeframe.delta
            for number in range(bars):
                bar_at = self.start + number * delta
                bar = await self._close_bar(feed, bar_at, frames.get(bar_at))
                await self._lapse(world)
                if not _within(self._troubles.outage, bar_at + delta):
                    await self._decide(world, worker, signals, bar)
                await self._watch(world, bar_at + delta)
            self._correct()

    # --- one bar ----------------------------------------------------------------------------------

    async def _close_bar(
        self, feed: ReplayFeed, bar_at: datetime, frame: pl.DataFrame | None
    ) -> Bar:
        """Store what the venue says of a bar, or tell that it says nothing."""
        delta, troubles = self.series.timeframe.delta, self._troubles
        close_at = bar_at + delta
        self._replay.at = self.clock.at = close_at
        for due, late in [one for one in self._owed if one[0] <= bar_at]:
            self._owed.remove((due, late))
            self._import(late)
        if frame is not None and bar_at in troubles.broken:
            self._owed.append((bar_at + _LATE_BARS * delta, frame))
            frame = frame.with_columns(high=pl.col("low"), low=pl.col("high") + 1)
            await feed.step(close_at, {0: frame})
            return Bar(*self._key, bar_at, "quarantined")
        if frame is None or bar_at in troubles.missing:
            if frame is not None:
                self._owed.append((bar_at + _LATE_BARS * delta, frame))
            self._writer.tell(*self._key, {bar_at: "missing"})
            return Bar(*self._key, bar_at, "missing")
        self.bars += 1
        await feed.step(close_at, {0: frame})
        return Bar(*self._key, bar_at, "ok")

    async def _decide(
        self, world: World, worker: SignalsWorker, signals: StoredSignals, bar: Bar
    ) -> None:
        delta = self.series.timeframe.delta
        close_at = bar.bar_at + delta
        self._replay.at = self.clock.at = close_at + self._latency
        self._day.trouble = "none"
        if bar.bar_at in self._troubles.refused:
            self._day.trouble = "refused"
        elif bar.bar_at in self._troubles.halved:
            self._day.trouble = "halved"
        await worker.handle([bar])
        if _within(self._troubles.deaf, close_at):
            return
        found = await signals.missed(dict.fromkeys(self._definitions, bar.bar_at - delta))
        await world.fanout.signals(found)
        await self._rest(world)

    async def _watch(self, world: World, close_at: datetime) -> None:
        """Let the market go on to the end of the bar."""
        name = str(self.series.instrument)
        delta = self.series.timeframe.delta
        for step in range(1, self._steps + 1):
            at = close_at + self._latency + (delta - self._latency) * step / (self._steps + 1)
            self._replay.at = self.clock.at = at
            resting = any(work.desk.open_intents for work in world.crew.accounts())
            if not resting and name not in world.fanout.instruments:
                continue
            quote = self._market.latest(name)
            if quote is not None:
                world.venues.on_quote(self.series.instrument.venue, quote)
                await world.fanout.quote(name, quote)
                await self._rest(world)
        await world.rounds.go()
        await self._rest(world)
        if self.bars % 50 == 0:
            await world.journal.flush()
            await world.rounds.keep_best()

    async def _lapse(self, world: World) -> None:
        """Let limits end when their time is over: the desks' own timers tick in ours."""
        now = self.clock.now()
        for work in world.crew.accounts():
            for intent in work.desk.book.intents:
                if intent.valid_until is not None and intent.valid_until <= now:
                    work.desk.cancel_intent(intent.intent_id)
        for _ in range(10_000):
            late = [
                intent
                for work in world.crew.accounts()
                for intent in work.desk.book.intents
                if intent.valid_until is not None and intent.valid_until <= now
            ]
            if all(intent.state.is_final for intent in late):
                break
            await asyncio.sleep(0.001)
        await self._rest(world)

    async def _rest(self, world: World) -> None:
        """Wait until desks have nothing more to do at this moment."""
        for _ in range(10_000):
            for failure in world.failures:
                raise failure
            if not any(_is_busy(work.desk) for work in world.crew.accounts()):
                return
            await asyncio.sleep(0.001)
        busy = [
            (intent, [one for one in work.desk.book.orders if one.intent_id == intent.intent_id])
            for work in world.crew.accounts()
            for intent in work.desk.book.intents
        ]
        message = f"orders did not come to rest by {self.clock.now()}: {busy}"
        raise AssertionError(message)

    # --- composition ------------------------------------------------------------------------------

    @property
    def _key(self) -> tuple[Instrument, Timeframe]:
        return self.series.instrument, self.series.timeframe

    @asynccontextmanager
    async def _composed(
        self,
    ) -> AsyncGenerator[tuple[World, ReplayFeed, SignalsWorker, StoredSignals]]:
        database = self.database
        self._replay = ReplayClock(self.start)
        self._writer = BarWriter(database, self._replay)
        link = DatabaseLink(database, Role.EXECUTOR, "rehearsal")
        publisher = Publisher(link, None, self._replay)
        feed = ReplayFeed([self.series], self._writer, publisher, self._replay)
        feed.prepare(self.start)
        self._list()
        held = take_leases(database, "test")
        lease = self._people.lease(self.user)
        worker = SignalsWorker(
            database,
            None,
            name="rehearsal",
            publisher=publisher,
            clock=self._replay,
            leases=lambda: held,
        )
        signals = StoredSignals(database, None, name="rehearsal")
        world = World(self._people, self._market, {lease.shard: lease})
        world.crew.tools = replace(
            world.crew.tools, brokers=TroubledHouse(world.venues, self._day, self._troubles.charged)
        )
        try:
            await worker.evaluator.start()
            await worker.refresh()
            await world.crew.open_shards([shard_of(self.user.tenant_id)])
            yield world, feed, worker, signals
        finally:
            await world.close()
            await worker.close()
            await signals.close()
            await publisher.close()
            await link.close()
            self._writer.close()

    def _list(self) -> None:
        """Let the catalogue know the rules, as a venue's listing would."""
        with self.database.connect(Role.PIPELINES) as connection:
            connection.execute(
                "UPDATE market.instruments SET amount_step = %s, price_tick = %s,"
                " minimum_cost = %s, base_ccy = %s, quote_ccy = %s"
                " WHERE venue = %s AND symbol = %s",
                (
                    *(self.rules.lot, self.rules.tick, self.rules.minimum_notional),
                    *(self.rules.base, self.rules.quote),
                    *(self.series.instrument.venue, self.series.instrument.symbol),
                ),
            )

    def _import(self, frame: pl.DataFrame) -> None:
        candles = frame.with_columns(
            pl.col("time").cast(pl.Datetime("us", "UTC")), flags=pl.lit(0, pl.Int32)
        ).select("time", "open", "high", "low", "close", "volume", "flags")
        instrument, timeframe = self._key
        self._writer.store.write(batch(candles, instrument=instrument, timeframe=timeframe))

    def _correct(self) -> None:
        for bar_at, close in self._troubles.corrected.items():
            frame = self.series.frame.filter(pl.col("time") == bar_at)
            self._import(
                frame.with_columns(
                    close=pl.lit(close),
                    high=pl.max_horizontal("high", pl.lit(close)),
                    low=pl.min_horizontal("low", pl.lit(close)),
                )
            )


def rehearse(rehearsal: Rehearsal, bars: int) -> None:
    """Run a rehearsal to its end."""
    asyncio.run(rehearsal.run(bars))


def _within(span: tuple[datetime, datetime] | None, at: datetime) -> bool:
    return span is not None and span[0] <= at < span[1]


def _is_busy(desk: Any) -> bool:
    """Whether a desk has something to do other than to wait for the market."""
    return any(
        not intent.state.is_final
        and not any(
            order.intent_id == intent.intent_id and order.state == "open"
            for order in desk.book.orders
        )
        for intent in desk.book.intents
    )

"""Stops that rest at the venue: placed, moved, taken away before a sale, and filled there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from candela.clock import FixedClock
from candela.orders.words import Quote
from tests.live.executor.worlds import (
    BAR,
    INSTRUMENT,
    NOW,
    People,
    Prices,
    World,
    entry,
    forward,
    leaving,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from candela.db.connect import Database
    from candela.desk.users import User

SYMBOL = INSTRUMENT.partition(":")[2]
STOPS = (
    "SELECT i.leg, i.state, i.quantity, i.stop_price, o.state AS order_state"
    " FROM trading.intents AS i LEFT JOIN trading.orders AS o USING (tenant_id, intent_id)"
    " WHERE i.kind = 'stop_loss' ORDER BY i.created_at"
)


@pytest.fixture
def people(database: Database) -> People:
    return People(database, FixedClock(NOW))


class Stage:
    """One bot that holds 0.01 since 50,000, with a stop at the venue."""

    def __init__(self, people: People, mode: str = "demo", **config: Any) -> None:
        self.people = people
        self.user: User = people.user()
        account = people.paper(self.user)
        values: dict[str, Any] = {"stop_loss": "0.02", "protect_at_venue": True, **config}
        self.bot: UUID = people.bot(self.user, account, **values)
        self.lease = people.lease(self.user)
        self.mode: Any = mode

    async def begin(self) -> World:
        world = World(self.people, Prices(self.people.clock), {self.lease.shard: self.lease})
        await world.crew.open_shards([self.lease.shard])
        # The paper venue stands in for one with a key: it takes the same orders.
        world.runner(self.bot).mode = self.mode
        return world

    async def enter(self) -> World:
        world = await self.begin()
        assert await world.fanout.signals([entry()]) == 1
        await until(lambda: world.runner(self.bot).is_held)
        await self.resting(world)
        return world

    async def resting(self, world: World) -> None:
        """Go round until the stop rests, and the bot knows it."""
        for _ in range(3):
            await world.rounds.go()
            await asyncio.sleep(0.05)
        shield = world.runner(self.bot).shield
        assert shield is not None
        assert shield.rests

    async def price(self, world: World, price: int) -> None:
        """Let the market move: the venue sees it first."""
        world.prices.price = Decimal(price)
        quote = Quote(SYMBOL, Decimal(price), Decimal(price), world.clock.now())
        world.venues.on_quote("binance", quote)
        await world.fanout.quote(INSTRUMENT, quote)

    def stops(self) -> list[tuple[str, str, Decimal]]:
        rows = self.people.rows(self.user, STOPS)
        return [(row["leg"], row["order_state"], row["stop_price"]) for row in rows]

    def run(self, play: Callable[[World], Awaitable[None]]) -> None:
        async def whole() -> None:
            world = await self.enter()
            try:
                await play(world)
                assert not world.failures
            finally:
                await world.close()

        asyncio.run(whole())


def test_stop_when_an_entry_filled_then_it_rests_for_all_that_is_held(people: People) -> None:
    stage = Stage(people)

    async def play(world: World) -> None:
        await stage.resting(world)

    stage.run(play)

    assert stage.stops() == [("stop-venue-1", "open", Decimal(49_000))]
    assert people.rows(stage.user, STOPS)[0]["quantity"] == Decimal("0.01")


def test_stop_when_the_venue_fills_it_then_the_trade_is_closed_by_stop(people: People) -> None:
    stage = Stage(people)

    async def play(world: World) -> None:
        await stage.price(world, 48_900)
        await until(lambda: not world.runner(stage.bot).is_held)
        await world.rounds.go()

    stage.run(play)

    assert [state for _, state, _ in stage.stops()] == ["filled"]
    trades = people.rows(stage.user, "SELECT status, exit_reason FROM trading.trades")
    assert [(one["status"], one["exit_reason"]) for one in trades] == [("closed", "stop")]
    sold = people.rows(stage.user, "SELECT sum(quantity) AS q FROM trading.fills"
                       " WHERE side = 'sell'")  # fmt: skip
    assert sold[0]["q"] == Decimal("0.01")


def test_exit_when_a_stop_rests_then_the_stop_is_gone_first(people: People) -> None:
    stage = Stage(people)

    async def play(world: World) -> None:
        forward(people.clock, minutes=1)
        await world.fanout.signals([leaving(bar=BAR + timedelta(minutes=1))])
        for _ in range(5):
            await asyncio.sleep(0.05)
            await world.rounds.go()
        await until(lambda: not world.runner(stage.bot).is_held)

    stage.run(play)

    assert [state for _, state, _ in stage.stops()] == ["canceled"]
    rows = people.rows(
        stage.user,
        "SELECT client_id, kind, created_at, final_at FROM trading.orders WHERE side = 'sell'"
        " ORDER BY created_at, kind DESC",
    )
    assert [row["kind"] for row in rows] == ["stop_loss", "market"]
    trade = people.rows(stage.user, "SELECT exit_reason FROM trading.trades")[0]
    assert trade["exit_reason"].startswith("exit")


def test_stop_when_a_trailing_level_rises_then_it_moves_and_by_a_little_it_stays(
    people: People,
) -> None:
    stage = Stage(people, stop_loss=None, trailing_stop="0.02")

    async def play(world: World) -> None:
        await stage.price(world, 50_050)
        await stage.resting(world)
        assert len(stage.stops()) == 1
        await stage.price(world, 52_000)
        await stage.resting(world)

    stage.run(play)

    assert stage.stops() == [
        ("stop-venue-1", "canceled", Decimal(49_000)),
        ("stop-venue-2", "open", Decimal(50_960)),
    ]


def test_quotes_when_a_stop_rests_then_they_sell_nothing_and_else_they_do(people: People) -> None:
    stage = Stage(people)

    async def play(world: World) -> None:
        quote = Quote(SYMBOL, Decimal(48_900), Decimal(48_900), world.clock.now())
        assert await world.fanout.quote(INSTRUMENT, quote) == 0
        runner = world.runner(stage.bot)
        work = next(iter(world.crew.accounts()))
        assert runner.shield is not None
        work.desk.cancel_intent(runner.shield.intent_id)
        await world.quiet()
        runner.shield = None
        assert await world.fanout.quote(INSTRUMENT, quote) == 1
        await until(lambda: not runner.is_held)

    stage.run(play)


def test_stop_when_the_executor_is_another_then_it_is_found_and_not_doubled(
    people: People,
) -> None:
    stage = Stage(people)

    async def play() -> None:
        first = await stage.enter()
        await first.close(clean=False)
        second = await stage.begin()
        await stage.resting(second)
        await second.close()

    asyncio.run(play())

    assert [leg for leg, _, _ in stage.stops()] == ["stop-venue-1"]


def test_bot_when_it_stops_then_its_stop_goes_with_it(people: People) -> None:
    stage = Stage(people)

    async def play(world: World) -> None:
        world.runner(stage.bot).wanted = "stopped"
        for _ in range(5):
            await world.rounds.go()
            await asyncio.sleep(0.05)
        assert not list(world.crew.runners())

    stage.run(play)

    assert [state for _, state, _ in stage.stops()] == ["canceled"]


def test_paper_bot_when_it_wants_a_stop_at_the_venue_then_its_log_says_once_that_quotes_do(
    people: People,
) -> None:
    stage = Stage(people, mode="paper")

    async def play() -> None:
        world = await stage.begin()
        await world.fanout.signals([entry()])
        await until(lambda: world.runner(stage.bot).is_held)
        for _ in range(3):
            await world.rounds.go()
        await world.close()

    asyncio.run(play())

    assert stage.stops() == []
    said = people.rows(
        stage.user, "SELECT message FROM trading.bot_logs WHERE message LIKE '%%cannot rest%%'"
    )
    assert len(said) == 1

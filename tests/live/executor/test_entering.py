"""Entries: once a bar, also where it is told again after a crash; none before books agree."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.clock import FixedClock
from tests.live.executor.worlds import BAR, NOW, People, Prices, World, entry, forward, leaving

if TYPE_CHECKING:
    from candela.db.connect import Database


def test_further_buy_when_its_bar_is_told_again_after_a_kill_then_it_is_bought_once(
    database: Database,
) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    bot = people.bot(user, people.paper(user), sizing={"kind": "fixed_value", "value": 100.0})
    prices = Prices(people.clock)
    second = entry(bar=BAR + timedelta(minutes=1), legs=5)

    async def run(epoch: int) -> Decimal:
        lease = people.lease(user, epoch)
        world = World(people, prices, {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        if epoch == 1:
            await world.fanout.signals([entry(legs=5)])
            await world.quiet()
            forward(people.clock, minutes=1)
        await world.fanout.signals([second])
        await world.quiet()
        held = world.runner(bot).position.quantity
        await world.close()
        return held

    assert asyncio.run(run(1)) == Decimal("0.004")
    forward(people.clock, seconds=20)
    assert asyncio.run(run(2)) == Decimal("0.004")
    legs = people.rows(user, "SELECT leg, bar_at FROM trading.intents ORDER BY created_at")
    assert [row["leg"] for row in legs] == ["entry", "leg"]


def test_entry_when_the_books_are_not_compared_then_it_is_refused_and_an_exit_is_owed(
    database: Database,
) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    account = people.paper(user)
    held = people.bot(user, account, "held")
    people.bot(user, account, "flat", definition="d2")
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        for work in world.crew.accounts():
            await work.desk.drain(1)
        await world.fanout.signals([entry("d2"), leaving(bar=BAR + timedelta(minutes=1))])
        assert world.runner(held).owed is not None
        await world.close()

    asyncio.run(run())

    refused = people.rows(
        user, "SELECT leg, decided_by FROM trading.decisions WHERE outcome = 'refused'"
    )
    assert [(row["leg"], row["decided_by"]) for row in refused] == [("entry", "account_books")]


def test_entry_when_a_gate_refuses_then_the_decision_says_which(database: Database) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    bot = people.bot(user, people.paper(user), limits={"trades_per_day": 1})
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        forward(people.clock, minutes=1)
        await world.fanout.signals([leaving(bar=BAR + timedelta(minutes=1))])
        await world.quiet()
        forward(people.clock, minutes=1)
        await world.fanout.signals([entry(bar=BAR + timedelta(minutes=2))])
        await world.close()

    asyncio.run(run())

    decisions = people.rows(
        user, "SELECT outcome, decided_by, gates FROM trading.decisions ORDER BY decided_at"
    )
    assert [row["outcome"] for row in decisions] == ["intent", "intent", "refused"]
    assert decisions[2]["decided_by"] == "trades_per_day"
    last = next(gate for gate in decisions[2]["gates"] if not gate["passed"])
    assert (last["value"], last["limit"]) == (2, 1)
    assert bot

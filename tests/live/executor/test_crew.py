"""An executor's inside on the real database: bots begin, trade, stop, survive a kill."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.clock import FixedClock
from candela.ids import shard_of
from tests.live.executor.worlds import (
    BAR,
    NOW,
    People,
    Prices,
    Said,
    World,
    entry,
    forward,
    leaving,
    until,
)

if TYPE_CHECKING:
    from candela.db.connect import Database


@pytest.fixture
def people(database: Database) -> People:
    return People(database, FixedClock(NOW))


def test_bot_when_signals_come_then_it_buys_and_sells_and_the_books_say_so(
    people: People,
) -> None:
    user = people.user()
    account = people.paper(user)
    bot = people.bot(user, account)
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        assert world.runner(bot).state == "running"

        assert await world.fanout.signals([entry()]) == 1
        await world.quiet()
        runner = world.runner(bot)
        assert runner.position.quantity == Decimal("0.01")
        assert runner.tally.trades_on(NOW) == 1

        world.prices.price = Decimal(60_000)
        forward(people.clock, minutes=1)
        assert await world.fanout.signals([leaving(bar=BAR + timedelta(minutes=1))]) == 1
        await world.quiet()
        assert not runner.is_held
        assert runner.tally.equity == Decimal("1098.9")
        assert not world.failures
        await world.close()

    asyncio.run(run())

    trade = people.rows(user, "SELECT status, pnl, exit_reason FROM trading.trades")[0]
    assert (trade["status"], trade["pnl"], trade["exit_reason"]) == (
        "closed",
        Decimal("98.9"),
        "exit",
    )
    runs = people.rows(user, "SELECT executor, stopped_at FROM trading.bot_runs")
    assert [(row["executor"], row["stopped_at"]) for row in runs] == [("test", None)]
    state = people.rows(user, "SELECT state FROM trading.bots")[0]["state"]
    assert state == "running"
    events = {row["event"] for row in people.rows(user, "SELECT event FROM trading.bot_logs")}
    assert {"state", "intent", "fill", "trade"} <= events


def test_signal_when_told_thrice_then_one_intent_is_committed(people: People) -> None:
    user = people.user()
    people.bot(user, people.paper(user))
    lease = people.lease(user)

    async def run() -> list[int]:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        done = [await world.fanout.signals([entry()]) for _ in range(3)]
        await world.quiet()
        done.append(await world.fanout.signals([entry()]))
        await world.close()
        return done

    assert sum(asyncio.run(run())) == 1
    assert len(people.rows(user, "SELECT FROM trading.intents")) == 1


def test_open_shards_when_the_executor_died_with_a_position_then_its_stop_still_works(
    people: People,
) -> None:
    user = people.user()
    bot = people.bot(user, people.paper(user), stop_loss="0.1")
    first = people.lease(user)

    async def before() -> None:
        world = World(people, Prices(people.clock), {first.shard: first})
        await world.crew.open_shards([first.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        # Nothing is said, nothing is closed in good order.
        await world.close(clean=False)

    async def after() -> None:
        second = people.lease(user, epoch=2)
        world = World(people, Prices(people.clock), {second.shard: second})
        world.prices.price = Decimal(44_000)
        await world.crew.open_shards([second.shard])
        runner = world.runner(bot)
        assert runner.position.quantity == Decimal("0.01")
        assert runner.tally.trades_on(NOW) == 1
        quote = world.prices.latest("binance:BTC/USDT")
        assert quote is not None
        assert await world.fanout.quote("binance:BTC/USDT", quote) == 1
        assert await world.fanout.quote("binance:BTC/USDT", quote) == 0
        await world.quiet()
        assert not runner.is_held
        await world.close()

    asyncio.run(before())
    asyncio.run(after())

    trade = people.rows(user, "SELECT status, exit_reason FROM trading.trades")[0]
    assert (trade["status"], trade["exit_reason"]) == ("closed", "stop")


def test_signal_when_the_lease_is_over_then_nothing_is_written(people: People) -> None:
    user = people.user()
    people.bot(user, people.paper(user))
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        people.lease(user, epoch=2)
        assert await world.fanout.signals([entry()]) == 0
        assert world.crew.lost == {lease.shard}
        await world.rounds.go()
        assert not world.crew.tenants
        await world.close()

    asyncio.run(run())

    assert not people.rows(user, "SELECT FROM trading.intents")


def test_stop_with_flatten_when_a_position_is_held_then_it_is_sold_and_the_bot_stops(
    people: People,
) -> None:
    user = people.user()
    bot = people.bot(user, people.paper(user))
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        with people.session(user) as session:
            session.run(
                "UPDATE trading.bots SET wanted = 'stopped', flatten_on_stop = true,"
                " wanted_at = %(at)s",
                {"at": NOW + timedelta(seconds=1)},
            )
        forward(people.clock, seconds=2)
        await world.looking.look(thoroughly=True)
        await world.rounds.go()
        await world.quiet()
        await world.rounds.go()
        assert not list(world.crew.runners())
        assert not world.fanout.definitions
        await world.close()

    asyncio.run(run())

    row = people.rows(user, "SELECT state, state_reason FROM trading.bots")[0]
    assert (row["state"], row["state_reason"]) == ("stopped", None)
    assert people.rows(user, "SELECT quantity FROM trading.positions")[0]["quantity"] == 0
    run_row = people.rows(user, "SELECT stop_reason FROM trading.bot_runs")[0]
    assert run_row["stop_reason"] == "stopped"
    assert bot


def test_halt_with_flatten_when_on_then_positions_are_sold_and_entries_refused(
    people: People,
) -> None:
    user = people.user()
    account = people.paper(user)
    people.bot(user, account, "held")
    people.bot(user, account, "flat", definition="d2")
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        with people.session(user) as session:
            session.run(
                "INSERT INTO trading.halts (halt_id, scope, tenant_id, flatten, reason,"
                " halted_by) VALUES (gen_random_uuid(), 'tenant', %(tenant)s, true, 'enough',"
                " 'me')",
                {},
            )
        await world.looking.look(thoroughly=True)
        await world.rounds.go()
        await world.quiet()
        await world.fanout.signals([entry("d2")])
        await world.close()

    asyncio.run(run())

    assert people.rows(user, "SELECT quantity FROM trading.positions")[0]["quantity"] == 0
    refused = people.rows(
        user, "SELECT decided_by FROM trading.decisions WHERE outcome = 'refused'"
    )
    assert [row["decided_by"] for row in refused] == ["kill_switch_tenant"]


def test_bot_when_its_configuration_cannot_be_read_then_it_alone_is_in_error(
    people: People,
) -> None:
    user = people.user()
    account = people.paper(user)
    people.bot(user, account, "good")
    people.bot(user, account, "bad", capital="-3")
    people.bot(user, account, "lost", instrument="binance:XX/YY", timeframe="1m")
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.close()

    asyncio.run(run())

    rows = people.rows(user, "SELECT name, state, state_reason FROM trading.bots ORDER BY name")
    assert rows[0]["state"] == "error"
    assert rows[0]["state_reason"].startswith("bad_bot_config")
    assert rows[1]["state"] == "running"


def test_exit_when_there_is_no_price_then_it_is_owed_until_there_is(people: People) -> None:
    user = people.user()
    bot = people.bot(user, people.paper(user))
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        world.prices.price = None
        said = leaving(bar=BAR + timedelta(minutes=1), close=None)
        forward(people.clock, minutes=1)
        assert await world.fanout.signals([said]) == 0
        assert world.runner(bot).owed is not None
        world.prices.price = Decimal(50_000)
        await world.rounds.go()
        assert world.runner(bot).is_held
        forward(people.clock, seconds=3)
        await world.rounds.go()
        await world.quiet()
        assert not world.runner(bot).is_held
        assert world.runner(bot).owed is None
        await world.close()

    asyncio.run(run())

    legs = people.rows(user, "SELECT leg FROM trading.intents ORDER BY created_at")
    assert [row["leg"] for row in legs] == ["entry", "exit-2"]


def test_bots_of_other_shards_are_left_alone(people: People) -> None:
    first, second = people.user(1), people.user(2)
    number = 3
    while shard_of(second.tenant_id) == shard_of(first.tenant_id):
        second = people.user(number)
        number += 1
    for user in (first, second):
        people.bot(user, people.paper(user))
    lease = people.lease(first)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        assert set(world.crew.tenants) == {first.tenant_id}
        await world.looking.look(thoroughly=True)
        assert set(world.crew.tenants) == {first.tenant_id}
        await until(lambda: True)
        await world.close()

    asyncio.run(run())

    assert people.rows(second, "SELECT state FROM trading.bots")[0]["state"] == "stopped"


def test_look_when_a_bot_runs_already_then_its_run_goes_on_until_a_person_restarts_it(
    people: People,
) -> None:
    user = people.user()
    bot = people.bot(user, people.paper(user))
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        first = world.runner(bot)
        await world.crew.reload(user.tenant_id, lease.shard, [bot])
        assert world.runner(bot) is first

        forward(people.clock, seconds=5)
        with people.session(user) as session:
            session.run("UPDATE trading.bots SET wanted_at = %(at)s", {"at": people.clock.at})
        await world.crew.reload(user.tenant_id, lease.shard, [bot])
        second = world.runner(bot)
        assert second is not first
        assert second.position.quantity == Decimal("0.01")
        await world.close()

    asyncio.run(run())

    runs = people.rows(user, "SELECT stop_reason FROM trading.bot_runs ORDER BY started_at")
    assert [row["stop_reason"] for row in runs] == ["restarted", None]


def test_signal_when_its_strategy_failed_then_its_bots_alone_are_in_error_and_stay_guarded(
    people: People,
) -> None:
    user = people.user()
    account = people.paper(user)
    broken = people.bot(user, account, "broken", stop_loss="0.1")
    people.bot(user, account, "other", definition="d2")
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        await world.fanout.signals([Said("d1", BAR + timedelta(minutes=1), "failed")])
        assert world.broken == ["broken", "its strategy failed"]
        runner = world.runner(broken)
        world.crew.break_off([(world.tenant(user), runner)], "its strategy failed")
        await world.rounds.go()
        assert await world.fanout.signals([entry(bar=BAR + timedelta(minutes=2))]) == 0

        world.prices.price = Decimal(40_000)
        quote = world.prices.latest("binance:BTC/USDT")
        assert quote is not None
        assert await world.fanout.quote("binance:BTC/USDT", quote) == 1
        await world.quiet()
        assert not runner.is_held
        await world.close()

    asyncio.run(run())

    rows = people.rows(user, "SELECT name, state, state_reason FROM trading.bots ORDER BY name")
    assert [(row["name"], row["state"], row["state_reason"]) for row in rows] == [
        ("broken", "error", "its strategy failed"),
        ("other", "running", None),
    ]

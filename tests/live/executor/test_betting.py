"""Bots that bet, inside an executor on the real database: paper bets over live quotes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.opening import add_paper
from candela.desk.session import tenant_session
from candela.orders.words import Quote
from live.executor.bet_brokers import PaperBets
from live.executor.betting import Betting
from live.store.bets import PostgresBetStore
from live.store.port import Lease
from tests.live.executor.worlds import BAR, INSTRUMENT, NOW, People, Prices, Said, World, until

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.users import User

SYMBOL = "BTC/USDT"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def people(database: Database) -> People:
    return People(database, FixedClock(NOW))


def account_of(people: People, user: User) -> UUID:
    """Open a paper account for bets with 1,000 USDT."""
    with tenant_session(people.database, user.tenant_id) as session:
        return add_paper(
            session,
            name="bets",
            venue="binance",
            opening=Decimal(1_000),
            clock=people.clock,
            kind="fixed_payout",
        ).account_id


def bettor(people: People, user: User, account: UUID) -> UUID:
    """Make a bot that stakes 10 for 0.85."""
    with people.database.connect(Role.APP) as connection:
        connection.execute(
            "INSERT INTO live.definitions (definition_id, strategy, source_digest, parameters,"
            " instrument, timeframe, kind, warm_up)"
            " VALUES ('bets', 'rsi_payout', 'sha256:0', '{}', %s, '1m', 'fixed_payout', 10)"
            " ON CONFLICT DO NOTHING",
            (INSTRUMENT,),
        )
    payout = {"payout": "0.85", "sizing": {"kind": "fixed", "value": "10"}}
    return people.bot(
        user, account, "bettor", definition="bets", strategy="rsi_payout", payout=payout
    )


def call(bar: datetime = BAR, **more: object) -> Said:
    """Return the signal of a call for two bars."""
    decision = {"call": True, "put": False, "expiry_bars": 2, "close": 50_000.0, **more}
    return Said("bets", bar, decision=decision)


def opened(people: People, lease: Lease) -> World:
    """Return the inside of an executor that also bets."""
    world = World(people, Prices(people.clock), {lease.shard: lease})
    world.fanout.betting = Betting(
        world.store,
        PostgresBetStore(world.pool),
        PaperBets(people.clock),
        world.journal,
        world.figures,
        people.clock,
        world.lease_of,
        world.failures.append,
        world.crew.lose,
    )
    return world


async def price(world: World, amount: int) -> None:
    """Let the market say its price now."""
    world.prices.price = Decimal(amount)
    at = world.clock.now()
    quote = Quote(SYMBOL, Decimal(amount), Decimal(amount), at)
    await world.fanout.quote(INSTRUMENT, quote)


def test_bot_when_it_calls_then_its_bet_is_settled_by_quotes_and_counted(people: People) -> None:
    user = people.user()
    account = account_of(people, user)
    bot = bettor(people, user, account)
    lease = people.lease(user)

    async def run() -> None:
        world = opened(people, lease)
        await world.crew.open_shards([lease.shard])
        runner = world.runner(bot)
        assert runner.state == "running"
        await price(world, 50_000)
        assert await world.fanout.signals([call()]) == 1
        betting = world.fanout.betting
        assert betting is not None
        (work,) = betting.works.values()
        await until(lambda: bool(work.desk.image.bets))
        assert betting.instruments() == {INSTRUMENT}
        (bet,) = work.desk.image.bets.values()
        assert bet.expires_at == BAR + 3 * MINUTE
        assert work.desk.image.free == 990
        # Another bar while one is open: there is room for one.
        people.clock.at += MINUTE
        assert await world.fanout.signals([call(BAR + MINUTE)]) == 0
        people.clock.at = bet.expires_at - timedelta(seconds=1)
        await price(world, 51_000)
        people.clock.at = bet.expires_at + timedelta(seconds=1)
        await price(world, 40_000)
        await until(lambda: not work.desk.image.bets)
        assert work.desk.image.free == Decimal("1008.5")
        assert runner.tally.equity == Decimal("1008.5")
        assert not world.failures
        await world.close()

    asyncio.run(run())
    (trade,) = people.rows(user, "SELECT * FROM trading.trades WHERE tenant_id = %(tenant)s")
    assert (trade["kind"], trade["status"], trade["pnl"]) == ("fixed_payout", "won", Decimal("8.5"))
    refused = people.rows(
        user,
        "SELECT decided_by FROM trading.decisions"
        " WHERE tenant_id = %(tenant)s AND outcome = 'refused'",
    )
    assert [row["decided_by"] for row in refused] == ["max_open"]


def test_bot_when_the_executor_is_killed_goes_on_with_its_open_bet(people: People) -> None:
    user = people.user()
    account = account_of(people, user)
    bot = bettor(people, user, account)
    lease = people.lease(user)

    async def begin() -> None:
        world = opened(people, lease)
        await world.crew.open_shards([lease.shard])
        await price(world, 50_000)
        assert await world.fanout.signals([call()]) == 1
        betting = world.fanout.betting
        assert betting is not None
        (work,) = betting.works.values()
        await until(lambda: bool(work.desk.image.bets))
        await world.close(clean=False)

    async def go_on() -> None:
        again = people.lease(user, epoch=2)
        world = opened(people, again)
        await world.crew.open_shards([again.shard])
        betting = world.fanout.betting
        assert betting is not None
        (work,) = betting.works.values()
        people.clock.at = BAR + 3 * MINUTE - timedelta(seconds=1)
        await price(world, 49_000)
        people.clock.at += timedelta(seconds=2)
        await price(world, 60_000)
        await until(lambda: not work.desk.image.bets)
        assert work.desk.image.free == 990
        assert world.runner(bot).tally.streak == 1
        assert not world.failures
        await world.close()

    asyncio.run(begin())
    asyncio.run(go_on())
    # A third start counts the same from the rows.
    third = people.lease(user, epoch=3)

    async def look() -> None:
        world = opened(people, third)
        await world.crew.open_shards([third.shard])
        assert world.runner(bot).tally.streak == 1
        assert world.runner(bot).tally.equity == 990
        await world.close()

    asyncio.run(look())


def test_signal_when_older_than_its_slot_is_refused_with_the_reason(people: People) -> None:
    user = people.user()
    bettor(people, user, account_of(people, user))
    lease = people.lease(user)

    async def run() -> None:
        world = opened(people, lease)
        await world.crew.open_shards([lease.shard])
        people.clock.at = BAR + MINUTE + timedelta(seconds=30)
        await price(world, 50_000)
        assert await world.fanout.signals([call()]) == 0
        await world.close()

    asyncio.run(run())
    rows = people.rows(
        user, "SELECT decided_by FROM trading.decisions WHERE tenant_id = %(tenant)s"
    )
    assert [row["decided_by"] for row in rows] == ["decision_age"]


def test_account_when_no_adapter_speaks_with_its_broker_is_blocked_with_the_reason(
    people: People,
) -> None:
    user = people.user()
    account = account_of(people, user)
    with people.database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE trading.accounts SET mode = 'demo', secret_id = account_id"
            " WHERE account_id = %s",
            (account,),
        )
    bettor(people, user, account)
    lease = people.lease(user)

    async def run() -> None:
        world = opened(people, lease)
        await world.crew.open_shards([lease.shard])
        await world.close()

    asyncio.run(run())
    (row,) = people.rows(
        user, "SELECT state, state_reason FROM trading.accounts WHERE tenant_id = %(tenant)s"
    )
    assert row["state"] == "blocked"
    assert row["state_reason"].startswith("no_payout_adapter")

"""The desk against the sandbox's broker over HTTP, which tears off answers and loses results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from candela.brokers.keys import VenueKey
from candela.brokers.rehearsal_payout import RehearsalPayoutBroker
from candela.clock import SystemClock
from candela.ids import new_id, shard_of
from candela.orders.records import Account, AccountKey
from candela.vault.credential import Credential
from live.bets.desk import BetDesk
from live.bets.terms import BetPace
from live.store.memory import MemoryStore
from live.store.memory_bets import MemoryBetStore
from live.store.port import Lease
from sandbox.faults import Fault
from sandbox.payout.broker import PayoutBroker
from tests.live.bets.house import House
from tests.live.bets.table import ASSET, Table
from tests.sandbox.harness import standing
from tests.simulation.loop import VirtualClock

PACE = BetPace(first_s=0.05, most_s=0.2, reconcile_s=0.2, slow_s=0.2)


class Moved(SystemClock):
    """The machine's clock, put forward by hand with the sandbox's."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the present instant, put forward."""
        return super().now() + self.ahead


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + 20
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline, "it never happened"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["open_dropped", "result_lost", "result_contradictory"])
def test_bet_when_the_sandbox_loses_something_ends_with_its_money(kind: str) -> None:
    async def story(forward: Callable[[float], Awaitable[None]], desk: BetDesk, table: Table,
                    clock: Moved) -> None:  # fmt: skip
        await desk.start()
        await asyncio.wait_for(desk.wait_ready(), 10)
        now = clock.now()
        commit = table.commit(
            table.bot(),
            asset="BTC/USDT",
            expires_at=now + timedelta(seconds=60),
            valid_until=now + timedelta(seconds=15),
            created_at=now,
            ccy="USDT",
        )
        assert [one.kind for one in await desk.place([commit])] == ["committed"]
        await until(lambda: bool(table.shelf.bets))
        clock.ahead += timedelta(seconds=62)
        await forward(62)
        await until(lambda: not desk.image.bets)
        await desk.stop()

    with standing() as venue, PayoutBroker(venue) as opened:
        key, secret = opened.add_customer("1000")
        venue.script([Fault(kind)])

        async def run() -> Table:
            clock = Moved()
            broker = RehearsalPayoutBroker(
                opened.url, VenueKey(Credential(key), Credential(secret)), clock,
                {"BTC/USDT": "BTCUSDT"},
            )  # fmt: skip
            virtual = VirtualClock(asyncio.get_running_loop())
            account = AccountKey(new_id(clock.now()), new_id(clock.now()))
            table = Table(virtual, House(virtual), account)
            made = Account(account, "bets", "rehearsal", "fixed_payout", "demo", "USDT")
            table.books.add_account(made, {"USDT": Decimal(1_000)}, clock.now())
            shard = shard_of(account.tenant_id)
            table.books.epochs[shard] = 1
            lease = Lease(shard, 1, "executor")
            desk = BetDesk(
                account,
                MemoryStore(table.books),
                MemoryBetStore(table.books, table.shelf),
                broker,
                lambda: lease,
                clock,
                PACE,
            )

            async def forward(seconds: float) -> None:
                await asyncio.to_thread(venue.advance, seconds)

            await story(forward, desk, table, clock)
            await broker.close()
            return table

        table = asyncio.run(run())
        (position,) = opened.positions(key)
        (bet,) = table.shelf.bets.values()
        assert (bet.venue_bet_id, bet.paid) == (str(position.number), position.paid)
        assert table.ledger() == opened.balance(key)
        assert position.asset == "BTCUSDT"
        assert bet.asset != ASSET

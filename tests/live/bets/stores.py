"""An account to bet on in either store, and what the contract of the stores puts into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID, uuid4

import psycopg

from candela.ids import client_order_id, new_id
from candela.orders.bets import Bet, BetIntent, BetOrder, BetShown, BetSide
from candela.orders.records import Account, AccountKey, Decision
from candela.orders.words import IntentSource, OrderState
from candela.risk.facts import EntryRequest
from candela.risk.limits import RiskLimits
from live.store.bets import PostgresBetStore
from live.store.bets_port import BetCommit, BetStore
from live.store.memory_bets import BetShelf, MemoryBetStore
from live.store.pool import ConnectionPool
from live.store.port import Lease
from live.store.postgres import PostgresStore
from tests.live.store.databases import PostgresWorld
from tests.live.store.worlds import BAR, NOW, MemoryWorld, World

if TYPE_CHECKING:
    from candela.db.connect import Database

ASSET = "EUR/USD"
DAY = NOW.replace(hour=0)
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Scene:
    """An account with 1,000 USDT, one bot, and the lease to write under."""

    world: World
    bets: BetStore
    account: AccountKey
    bot_id: UUID
    lease: Lease
    limits: RiskLimits

    def commit(self, leg: str = "bet", **changes: Any) -> BetCommit:
        """Return a call of 10 that expires in two minutes."""
        values: dict[str, Any] = {
            "account": self.account,
            "intent_id": new_id(NOW),
            "bot_id": self.bot_id,
            "decision_id": new_id(NOW),
            "asset": ASSET,
            "bar_at": BAR,
            "leg": leg,
            "source": IntentSource.SIGNAL,
            "side": BetSide.CALL,
            "stake": Decimal(10),
            "ccy": "USDT",
            "expires_at": NOW + 2 * MINUTE,
            "duration_s": 60,
            "payout_ratio": Decimal("0.8"),
            "ladder_step": None,
            "reference_price": Decimal("1.1"),
            "valid_until": NOW + MINUTE,
            "shard": self.lease.shard,
            "epoch": self.lease.epoch,
            "created_at": NOW,
        }
        intent = BetIntent(**values | changes)
        assert intent.decision_id is not None
        decision = Decision(
            tenant_id=self.account.tenant_id,
            decision_id=intent.decision_id,
            bot_id=intent.bot_id,
            definition_id=None,
            symbol=intent.asset,
            bar_at=intent.bar_at,
            leg=intent.leg,
            action="bet",
            outcome="intent",
            decided_by=None,
            gates=(),
            decided_at=NOW,
        )
        request = EntryRequest(
            kind="fixed_payout",
            symbol=f"house:{intent.asset}",
            stake=intent.stake,
            payout_ratio=intent.payout_ratio,
            ladder_step=intent.ladder_step,
        )
        day_end = DAY + timedelta(days=1)
        return BetCommit(decision, intent, request, self.limits, DAY, day_end)

    async def put(self, *commits: BetCommit) -> list[tuple[str, str | None]]:
        """Commit; return what became of each."""
        placed = await self.bets.commit_bets(self.lease, commits)
        return [(one.kind, one.gate) for one in placed]

    async def begun(self, leg: str = "bet", **changes: Any) -> BetOrder:
        """Commit a bet that must be taken, and begin to send it."""
        commit = self.commit(leg, **changes)
        assert await self.put(commit) == [("committed", None)]
        order = order_of(commit.intent)
        assert await self.bets.begin_bet(self.lease, order)
        return order

    async def opened(self, leg: str = "bet", **changes: Any) -> Bet:
        """Commit a bet and have it accepted."""
        order = await self.begun(leg, **changes)
        bet = await self.bets.open_bet(self.account, order.client_id, shown_of(order), NOW)
        assert bet is not None
        return bet

    async def state(self) -> tuple[str, str | None]:
        """Return state and reason of the intent of the first leg."""
        if isinstance(self.bets, MemoryBetStore):
            intent = next(iter(self.bets.shelf.intents.values()))
            return intent.state.value, intent.reason
        return (await self.world.intent_states(self.account.tenant_id))["bet"]

    async def money(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the ledger's sum, and what the book says: total and reserved."""
        sums = await self.world.sums(self.account)
        balance = (await self.bets.load_bets(self.account, NOW)).balance
        return sums["USDT"], balance.total, balance.locked


Play: TypeAlias = Callable[[Callable[[Scene], Awaitable[None]]], None]


def order_of(intent: BetIntent, attempt: int = 1) -> BetOrder:
    """Return an attempt of an intent, as it is sent."""
    return BetOrder(
        account=intent.account,
        client_id=client_order_id(intent.intent_id, attempt),
        intent_id=intent.intent_id,
        attempt=attempt,
        asset=intent.asset,
        side=intent.side,
        stake=intent.stake,
        state=OrderState.SENDING,
        created_at=NOW,
        sent_at=NOW,
        fence_at=NOW + timedelta(seconds=15),
    )


def shown_of(order: BetOrder) -> BetShown:
    """Return an attempt as the broker shows it once it took it."""
    return BetShown(
        venue_bet_id=f"h-{order.client_id}",
        asset=order.asset,
        side=order.side,
        stake=order.stake,
        payout_ratio=Decimal("0.85"),
        opened_at=NOW,
        expires_at=NOW + 2 * MINUTE,
        entry_price=Decimal("1.1"),
    )


@asynccontextmanager
async def scene_of(database: Database | None, limits: RiskLimits) -> AsyncGenerator[Scene]:
    """Set the scene in memory, or in a database."""
    if database is None:
        memory = MemoryWorld()
        account = await memory.add_tenant()
        found = memory.books.accounts[account]
        memory.books.accounts[account] = Account(
            account, found.name, "house", "fixed_payout", "paper", "USDT"
        )
        bets = MemoryBetStore(memory.books, BetShelf())
        bot = await memory.add_bot(account)
        yield Scene(memory, bets, account, bot, await memory.take_over(), limits)
        return
    admin = await psycopg.AsyncConnection.connect(database.url(), autocommit=True)
    pool = ConnectionPool(database, name=f"tests {uuid4()}")
    store = PostgresStore(pool)
    try:
        world = PostgresWorld(store, admin)
        account = await world.add_tenant()
        await admin.execute(
            "UPDATE trading.accounts SET kind = 'fixed_payout' WHERE account_id = %s",
            (account.account_id,),
        )
        bot = await world.add_bot(account)
        yield Scene(world, PostgresBetStore(pool), account, bot, await world.take_over(), limits)
    finally:
        await store.close()
        await admin.close()

"""Both stores with the same tenants, accounts and bots, so that one suite can ask both the same."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from candela.ids import client_order_id, new_id, shard_of
from candela.orders.records import (
    Account,
    AccountKey,
    Decision,
    Halt,
    Intent,
    Order,
    PositionTerms,
    Reservation,
)
from candela.orders.words import (
    Execution,
    IntentSource,
    OrderKind,
    OrderState,
    Side,
)
from live.store.memory import MemoryBooks, MemoryStore
from live.store.port import Commit, Lease, Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAR = datetime(2026, 3, 1, 11, tzinfo=UTC)
SYMBOL = "BTC/USDT"
OPENING = {"USDT": Decimal(1_000), "BTC": Decimal(2)}
_numbers = itertools.count(1)


class World(Protocol):
    """A store with something in it, and what only its owner may do."""

    @property
    def store(self) -> Store:
        """What is tested."""
        ...

    async def add_tenant(self) -> AccountKey:
        """Open a tenant with an account that holds `OPENING`; all are of one part."""
        ...

    async def add_account(self, tenant_id: UUID) -> AccountKey:
        """Open another account, empty."""
        ...

    async def add_bot(self, account: AccountKey) -> UUID:
        """Make a bot that is wanted running."""
        ...

    async def stop_bot(self, account: AccountKey, bot_id: UUID) -> None:
        """Want a bot stopped."""
        ...

    async def halt(self, halt: Halt) -> None:
        """Switch a kill switch on."""
        ...

    async def take_over(self) -> Lease:
        """Give the part to another owner."""
        ...

    async def outcomes(self, tenant_id: UUID) -> list[tuple[str, str, str | None]]:
        """Return leg, outcome and deciding gate of all decisions, sorted."""
        ...

    async def sums(self, account: AccountKey) -> Mapping[str, Decimal]:
        """Return the sum of the ledger by currency, without what is 0."""
        ...

    async def intent_states(self, tenant_id: UUID) -> Mapping[str, tuple[str, str | None]]:
        """Return state and reason of all intents by leg."""
        ...


@dataclass(slots=True)
class Scene:
    """A world, one tenant with one bot, and the lease to write under."""

    world: World
    account: AccountKey
    bot_id: UUID
    lease: Lease

    @property
    def store(self) -> Store:
        """What is tested."""
        return self.world.store

    def intent(self, leg: str = "entry", **changes: Any) -> Intent:
        """Return an intent to buy 0.1 BTC at 1,000, with 100.1 USDT held back."""
        intent_id = new_id(NOW)
        made = Intent(
            account=self.account,
            intent_id=intent_id,
            bot_id=self.bot_id,
            decision_id=new_id(NOW),
            symbol=SYMBOL,
            bar_at=BAR,
            leg=leg,
            source=IntentSource.SIGNAL,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=Decimal("0.1"),
            price=Decimal(1_000),
            stop_price=None,
            reference_price=Decimal("999.5"),
            terms=PositionTerms(stop_loss=Decimal("0.05")),
            reserve=Reservation(intent_id, "USDT", Decimal("100.1")),
            valid_until=NOW + timedelta(minutes=5),
            shard=self.lease.shard,
            epoch=self.lease.epoch,
            created_at=NOW,
        )
        made = replace(made, **changes)
        return replace(made, reserve=replace(made.reserve, intent_id=made.intent_id))

    def exit(self, leg: str = "exit", **changes: Any) -> Intent:
        """Return an intent to sell 0.1 BTC."""
        wanted = Reservation(self.bot_id, "BTC", Decimal("0.1"))
        return self.intent(leg, **{"side": Side.SELL, "reserve": wanted} | changes)

    async def committed(self, leg: str = "entry", **changes: Any) -> Intent:
        """Commit an intent that must be taken."""
        intent = self.intent(leg, **changes)
        (placed,) = await self.store.commit(self.lease, [commit_of(intent)])
        assert placed.kind == "committed", placed
        return intent

    async def working(self, leg: str = "entry", **changes: Any) -> tuple[Intent, Order]:
        """Commit an intent and begin its first attempt."""
        intent = await self.committed(leg, **changes)
        order = order_of(intent)
        assert await self.store.begin(self.lease, order)
        return intent, order


def commit_of(intent: Intent, **changes: Any) -> Commit:
    """Return the commit of an intent with the decision that it names."""
    assert intent.decision_id is not None
    is_entry = intent.side is Side.BUY
    decision = Decision(
        tenant_id=intent.tenant_id,
        decision_id=intent.decision_id,
        bot_id=intent.bot_id,
        definition_id=None,
        symbol=intent.symbol,
        bar_at=intent.bar_at,
        leg=intent.leg,
        action="enter" if is_entry else "exit",
        outcome="intent",
        decided_by=None,
        gates=({"gate": "size", "passed": True, "value": "0.1"},),
        decided_at=NOW,
    )
    return replace(Commit(decision, intent, is_entry=is_entry), **changes)


def order_of(intent: Intent, attempt: int = 1) -> Order:
    """Return an attempt of an intent, as it is sent."""
    return Order(
        account=intent.account,
        client_id=client_order_id(intent.intent_id, attempt),
        intent_id=intent.intent_id,
        attempt=attempt,
        symbol=intent.symbol,
        side=intent.side,
        kind=intent.kind,
        quantity=intent.quantity,
        price=intent.price,
        stop_price=intent.stop_price,
        state=OrderState.SENDING,
        created_at=NOW,
        sent_at=NOW,
        fence_at=NOW + timedelta(seconds=15),
    )


def execution_of(order: Order, quantity: str, price: str = "1000", **changes: Any) -> Execution:
    """Return an execution of an attempt, with a trade id of its own and a fee of 0.01 USDT."""
    made = Execution(
        trade_id=str(next(_numbers)),
        venue_order_id=order.venue_order_id or f"v-{order.client_id}",
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal("0.01"),
        fee_ccy="USDT",
        is_maker=False,
        executed_at=NOW + timedelta(seconds=1),
    )
    return replace(made, **changes)


def tenant_of_part(shard: int) -> UUID:
    """Return a new id that belongs to a part."""
    return next(found for found in iter(lambda: new_id(NOW), None) if shard_of(found) == shard)


@dataclass(slots=True)
class MemoryWorld:
    """The store of simulations."""

    books: MemoryBooks = field(default_factory=MemoryBooks)
    shard: int = 7
    epoch: int = 0
    made: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.made = MemoryStore(self.books)

    @property
    def store(self) -> Store:
        return self.made

    async def add_tenant(self) -> AccountKey:
        return self._account(tenant_of_part(self.shard), OPENING)

    async def add_account(self, tenant_id: UUID) -> AccountKey:
        return self._account(tenant_id, {})

    def _account(self, tenant_id: UUID, opening: Mapping[str, Decimal]) -> AccountKey:
        key = AccountKey(tenant_id, new_id(NOW))
        self.books.add_account(account_named(key), opening, NOW)
        return key

    async def add_bot(self, account: AccountKey) -> UUID:
        bot_id = new_id(NOW)
        self.books.add_bot(bot_id, account)
        return bot_id

    async def stop_bot(self, account: AccountKey, bot_id: UUID) -> None:
        self.books.bots[account.tenant_id, bot_id].wanted = "stopped"

    async def halt(self, halt: Halt) -> None:
        self.books.halts[halt.halt_id] = halt

    async def take_over(self) -> Lease:
        self.epoch += 1
        self.books.epochs[self.shard] = self.epoch
        return Lease(self.shard, self.epoch, f"executor-{self.epoch}")

    async def outcomes(self, tenant_id: UUID) -> list[tuple[str, str, str | None]]:
        return sorted(
            (row.leg, row.outcome, row.decided_by)
            for row in self.books.decisions.values()
            if row.tenant_id == tenant_id
        )

    async def sums(self, account: AccountKey) -> Mapping[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for entry in self.books.ledger.values():
            if entry.account == account:
                sums[entry.ccy] = sums.get(entry.ccy, Decimal(0)) + entry.amount
        return {ccy: amount for ccy, amount in sums.items() if amount}

    async def intent_states(self, tenant_id: UUID) -> Mapping[str, tuple[str, str | None]]:
        return {
            row.leg: (row.state.value, row.reason)
            for row in self.books.intents.values()
            if row.tenant_id == tenant_id
        }


def account_named(key: AccountKey) -> Account:
    """Return a paper account."""
    return Account(key, f"paper {key.account_id}", "binance", "spot", "paper", "USDT")


@asynccontextmanager
async def memory_scene() -> AsyncGenerator[Scene]:
    """Set the scene in memory."""
    yield await scene_of(MemoryWorld())


async def scene_of(world: World) -> Scene:
    """Set the scene in a world."""
    account = await world.add_tenant()
    bot_id = await world.add_bot(account)
    return Scene(world, account, bot_id, await world.take_over())

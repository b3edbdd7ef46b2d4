"""A stage for tests of the desk: one account, one venue in virtual time, calm unless asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from candela.ids import new_id, shard_of
from candela.orders.records import (
    Account,
    AccountKey,
    Decision,
    Intent,
    PositionTerms,
    Reservation,
)
from candela.orders.words import (
    IntentSource,
    OrderKind,
    OrderState,
    Side,
)
from live.desk.desk import AccountDesk
from live.desk.terms import Alarm
from live.store.memory import MemoryBooks, MemoryStore
from live.store.port import Booked, Commit, Lease
from tests.simulation.broker import Network, SimulatedBroker
from tests.simulation.faults import Faults
from tests.simulation.loop import START, VirtualClock, VirtualLoop
from tests.simulation.venue import SimulatedVenue

BTC = "BTC/USDT"
CALM = Faults(partial=0.0)


class Stage:
    """One account, one desk, one venue, nothing going wrong that was not asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: Faults = CALM) -> None:
        self.loop = loop
        self.random = Random(1)
        self.clock = VirtualClock(loop)
        self.venue = SimulatedVenue(loop, Random(2), faults, "USDT")
        self.network = Network(self.venue, Random(3))
        tenant = self.id()
        self.key = AccountKey(tenant, self.id())
        self.shard = shard_of(tenant)
        self.bot = self.id()
        self.books = MemoryBooks()
        self.books.epochs[self.shard] = 1
        opening = {"USDT": Decimal(10_000)}
        account = Account(self.key, "main", "simulated", "spot", "live", "USDT")
        self.books.add_account(account, opening, START)
        self.books.add_bot(self.bot, self.key)
        self.venue.free.update(opening)
        self.lease: Lease | None = Lease(self.shard, 1, "here")
        self.bar = 0
        self.alarms: list[Alarm] = []
        self.booked: list[Booked] = []
        self.desk = self.a_desk()

    def id(self) -> UUID:
        return new_id(START, self.random.getrandbits)

    def a_desk(self) -> AccountDesk:
        broker = SimulatedBroker(self.network, self.clock, _no_pause)
        self.venue.tell = broker.hear
        desk = AccountDesk(
            self.key,
            MemoryStore(self.books),
            broker,
            lambda: self.lease,
            self.clock,
            random=self.random.random,
        )
        desk.on_alarm(self.alarms.append)
        desk.on_booked(self.booked.append)
        return desk

    async def started(self) -> AccountDesk:
        await self.desk.start()
        await self.desk.wait_ready()
        return self.desk

    def commit(
        self,
        side: Side,
        quantity: str,
        *,
        kind: OrderKind = OrderKind.MARKET,
        price: str | None = None,
        valid_s: float | None = 60,
    ) -> Commit:
        self.bar += 1
        now, is_entry = self.clock.now(), side is Side.BUY
        intent_id, decision_id = self.id(), self.id()
        bar_at = START + timedelta(minutes=self.bar)
        leg = "entry" if is_entry else "exit"
        decision = Decision(
            tenant_id=self.key.tenant_id,
            decision_id=decision_id,
            bot_id=self.bot,
            definition_id=None,
            symbol=BTC,
            bar_at=bar_at,
            leg=leg,
            action="enter" if is_entry else "exit",
            outcome="intent",
            decided_by=None,
            gates=(),
            decided_at=now,
        )
        amount = Decimal(quantity) * 61_000 if is_entry else Decimal(quantity)
        intent = Intent(
            account=self.key,
            intent_id=intent_id,
            bot_id=self.bot,
            decision_id=decision_id,
            symbol=BTC,
            bar_at=bar_at,
            leg=leg,
            source=IntentSource.SIGNAL,
            side=side,
            kind=kind,
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
            stop_price=None,
            reference_price=self.venue.prices[BTC],
            terms=PositionTerms(),
            reserve=Reservation(intent_id, "USDT" if is_entry else "BTC", amount),
            valid_until=None if valid_s is None else now + timedelta(seconds=valid_s),
            shard=self.shard,
            epoch=1,
            created_at=now,
        )
        return Commit(decision, intent, is_entry=is_entry)

    def intent(self, commit: Commit) -> Intent:
        return self.books.intents[commit.intent.intent_id]

    def attempts(self, commit: Commit) -> list[OrderState]:
        ids = self.books.attempts.get(commit.intent.intent_id, {})
        return [self.books.orders[client_id].state for client_id in ids]


async def _no_pause() -> None:
    return None


def on_stage(play: Callable[[Stage], Awaitable[None]], faults: Faults = CALM) -> None:
    loop = VirtualLoop()

    async def whole() -> None:
        stage = Stage(loop, faults)
        try:
            await play(stage)
        finally:
            await stage.desk.stop()

    try:
        loop.run_until_complete(whole())
    finally:
        loop.close()

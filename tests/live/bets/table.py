"""A table to bet at: a house, books in memory, desks that come and go, and what bots want."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from candela.ids import new_id, shard_of
from candela.orders.bets import Bet, BetIntent, BetSide
from candela.orders.records import Account, AccountKey, Decision
from candela.orders.words import IntentSource
from candela.risk.bets import settled_of
from candela.risk.facts import EntryRequest
from candela.risk.hours import day_bounds, trading_day
from candela.risk.limits import Martingale, RiskLimits, RuinAcknowledgement
from candela.risk.martingale import next_stake
from live.bets.desk import BetDesk
from live.desk.terms import Alarm
from live.store.bets_port import BetCommit
from live.store.memory import MemoryStore
from live.store.memory_bets import BetShelf, MemoryBetStore
from live.store.memory_books import MemoryBooks
from live.store.port import Lease
from tests.live.bets.house import PAYOUT, House, HouseLink
from tests.simulation.loop import START, VirtualClock, VirtualLoop

ASSET = "EUR/USD"
OPENING = Decimal(1_000)
BAR = timedelta(minutes=1)
Answer = TypeVar("Answer")


def ladder(steps: int = 4, first: str = "5") -> Martingale:
    """Return a doubling ladder whose ruin somebody read."""
    return Martingale(
        first_stake=Decimal(first),
        factor=Decimal(2),
        steps=steps,
        acknowledgement=RuinAcknowledgement(
            first_stake=Decimal(first),
            factor=Decimal(2),
            steps=steps,
            largest_stake=None,
            payout_ratio=Decimal("0.8"),
            bankroll=OPENING,
            win_rate=0.55,
            rounds=100,
            ruin_ratio=0.01,
            acknowledged_at=START,
        ),
    )


@dataclass(slots=True)
class Table:
    """One account with one desk at a time.

    Parameters
    ----------
    pause
        Awaited about each transaction of the store.
    """

    clock: VirtualClock
    house: House
    key: AccountKey
    books: MemoryBooks = field(default_factory=MemoryBooks)
    shelf: BetShelf = field(default_factory=BetShelf)
    limits: RiskLimits = field(default_factory=RiskLimits)
    pause: Callable[[], Awaitable[None]] | None = None
    alarms: list[Alarm] = field(default_factory=list[Alarm])
    settled: list[Bet] = field(default_factory=list[Bet])
    epoch: int = 0
    random_bits: Callable[[int], int] = lambda bits: 0
    _stores: tuple[MemoryStore, MemoryBetStore] | None = None
    desk: BetDesk | None = None
    link: HouseLink | None = None

    @classmethod
    def laid(cls, limits: RiskLimits | None = None) -> Table:
        """Lay a table in the running virtual loop."""
        loop = asyncio.get_running_loop()
        clock = VirtualClock(loop)
        tenant = new_id(START)
        key = AccountKey(tenant, new_id(START))
        table = cls(clock, House(clock), key, limits=limits or RiskLimits())
        account = Account(key, "bets", "house", "fixed_payout", "demo", "USD")
        table.books.add_account(account, {"USD": OPENING}, START)
        return table

    def bot(self) -> UUID:
        """Add a bot."""
        bot_id = new_id(START)
        self.books.add_bot(bot_id, self.key)
        return bot_id

    async def sit(self, *, wait: bool = True) -> BetDesk:
        """Open a desk as the next owner of the part."""
        self.epoch += 1
        shard = shard_of(self.key.tenant_id)
        self.books.epochs[shard] = self.epoch
        lease = Lease(shard, self.epoch, f"executor-{self.epoch}")
        stores = (
            MemoryStore(self.books, self.pause),
            MemoryBetStore(self.books, self.shelf, self.pause),
        )
        self._stores = stores
        self.link = HouseLink(self.house)
        self.desk = BetDesk(self.key, *stores, self.link, lambda: lease, self.clock)
        self.desk.on_alarm(self.alarms.append)
        self.desk.on_settled(self.settled.append)
        await self.desk.start()
        if wait:
            await self.desk.wait_ready()
        return self.desk

    async def kill(self) -> None:
        """Let the process die: its handles fail, its tasks stop where they are."""
        assert self.desk is not None
        assert self._stores is not None
        assert self.link is not None
        for store in self._stores:
            store.kill()
        await self.desk.stop()
        await self.link.close()
        self.desk = None

    def commit(self, bot_id: UUID | None, **changes: Any) -> BetCommit:
        """Return what a bot wants on the bar that has just closed: a call of one bar."""
        now = self.clock.now()
        zone = "UTC"
        day_at, day_end = day_bounds(trading_day(now, zone), zone)
        bar_at = now.replace(second=0, microsecond=0) - BAR
        step, stake = None, Decimal(5)
        if self.limits.martingale is not None:
            history = [
                settled_of(one)
                for one in self.shelf.bets.values()
                if one.bot_id == bot_id and one.status != "open"
            ]
            upcoming = next_stake(self.limits.martingale, history)
            if upcoming is not None:
                step, stake = upcoming.step, upcoming.stake
        intent_id = new_id(now)
        intent = BetIntent(
            account=self.key,
            intent_id=intent_id,
            bot_id=bot_id,
            decision_id=new_id(now),
            asset=ASSET,
            bar_at=bar_at,
            leg="bet",
            source=IntentSource.SIGNAL,
            side=BetSide.CALL,
            stake=stake,
            ccy="USD",
            expires_at=bar_at + 2 * BAR,
            duration_s=60,
            payout_ratio=Decimal("0.8"),
            ladder_step=step,
            reference_price=Decimal(100),
            valid_until=now + timedelta(seconds=20),
            shard=shard_of(self.key.tenant_id),
            epoch=self.epoch,
            created_at=now,
        )
        intent = replace(intent, **changes)
        assert intent.decision_id is not None
        decision = Decision(
            tenant_id=self.key.tenant_id,
            decision_id=intent.decision_id,
            bot_id=bot_id,
            definition_id=None,
            symbol=ASSET,
            bar_at=intent.bar_at,
            leg=intent.leg,
            action="bet",
            outcome="intent",
            decided_by=None,
            gates=(),
            decided_at=now,
        )
        request = EntryRequest(
            kind="fixed_payout",
            mode="demo",
            symbol=f"house:{ASSET}",
            stake=intent.stake,
            payout_ratio=PAYOUT,
            valid_until=intent.valid_until,
            ladder_step=intent.ladder_step,
        )
        return BetCommit(decision, intent, request, self.limits, day_at, day_end)

    async def bet(self, bot_id: UUID | None, **changes: Any) -> tuple[str, str | None]:
        """Place what a bot wants; return what became of it and which gate refused it."""
        assert self.desk is not None
        (placed,) = await self.desk.place([self.commit(bot_id, **changes)])
        return placed.kind, placed.gate

    def ledger(self) -> Decimal:
        """Return the sum of all movements."""
        return sum((entry.amount for entry in self.books.ledger.values()), Decimal(0))

    def codes(self) -> list[str]:
        """Return the alarms so far."""
        return [alarm.code for alarm in self.alarms]

    def statuses(self) -> list[str]:
        """Return how bets stand, oldest first."""
        bets = sorted(self.shelf.bets.values(), key=lambda one: one.opened_at)
        return [one.status.value for one in bets]


def play(story: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Run a story in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(story())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

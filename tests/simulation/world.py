"""One history: bots trade, an executor is killed and comes back, a venue has faults."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from candela.ids import is_ours, new_id, shard_of
from candela.money import ZERO
from candela.orders.records import (
    Account,
    AccountKey,
    Halt,
    Intent,
)
from candela.orders.words import Execution, OrderReport, OrderRequest
from live.desk.desk import AccountDesk
from live.desk.terms import Alarm, Counts, DeskNotReady
from live.store.port import LeaseLost
from tests.simulation.bots import again, wanted
from tests.simulation.broker import Network, SimulatedBroker
from tests.simulation.checks import check
from tests.simulation.faults import Faults, of_rate
from tests.simulation.loop import START, VirtualClock, VirtualLoop
from tests.simulation.process import TERM_S, Process
from tests.simulation.venue import RULES, SimulatedVenue
from tests.simulation.watched import WatchedBooks

__all__ = ["Result", "World", "run_history"]

_BAR_S = 15.0
_QUIET_S = 1_200.0


@dataclass(slots=True)
class Result:
    """What became of a history."""

    seed: int
    breaches: list[str]
    digest: str
    orders: int
    fills: int
    kills: int
    stalls: int
    virtual_s: float
    counts: Counts
    alarms: dict[str, int]


class World:
    """Venue, books and whoever works on them."""

    def __init__(self, loop: VirtualLoop, seed: int, faults: Faults, orders: int) -> None:
        self.loop = loop
        self.random = Random(seed)
        self.faults = faults
        self.clock = VirtualClock(loop)
        fee = self.random.choice(("came", "USDT", "BNB"))
        self.venue = SimulatedVenue(loop, Random(seed + 1), faults, fee)
        self.network = Network(self.venue, Random(seed + 2))
        self.network.received = self._received
        self.books = WatchedBooks()
        self.wanted_orders = orders
        tenant = self.new_id()
        self.key = AccountKey(tenant, self.new_id())
        self.shard = shard_of(tenant)
        self.books.epochs[self.shard] = 0
        opening = {"USDT": Decimal(100_000), "BNB": Decimal(5)}
        account = Account(self.key, "simulated", "simulated", "spot", "live", "USDT")
        self.books.add_account(account, opening, START)
        self.venue.free.update(opening)
        self.opening = opening
        self.bots = [self.new_id() for _ in range(5)]
        for bot in self.bots:
            self.books.add_bot(bot, self.key)
        self.current: Process | None = None
        self.processes: list[Process] = []
        self.breaches: list[str] = []
        self.alarms: dict[str, int] = {}
        self.kills = self.stalls = self.placed = self.bar = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._failed = asyncio.Event()
        self.venue.tell = self._told
        self.counts: list[Counts] = []

    # --- what happens to processes ----------------------------------------------------------------

    def alarm(self, alarm: Alarm) -> None:
        """Count what a person would have been told."""
        self.alarms[alarm.code] = self.alarms.get(alarm.code, 0) + 1

    def kill(self, process: Process) -> None:
        """Kill a process; another starts a while later."""
        self.kills += 1
        process.kill()
        self.loop.call_soon(self._bury, process)

    def _bury(self, process: Process) -> None:
        self._let_go(process.desk)
        if self.current is process:
            self.current = None
            self.loop.call_later(self.random.uniform(0.1, 20), self._failed.set)

    def stalled(self, process: Process, until_s: float) -> None:
        """Let another take over from a process that was stopped for longer than its term."""
        self.stalls += 1
        if until_s - self.loop.time() >= TERM_S:
            self.loop.call_later(TERM_S + 1, self._take_over, process)

    def _take_over(self, process: Process) -> None:
        if self.current is process:
            self.current = None
            self.books.epochs[self.shard] += 1
            self._failed.set()

    def _let_go(self, desk: AccountDesk) -> None:
        for task in list(desk._tasks):
            task.cancel()
        if desk._timer is not None:
            desk._timer.cancel()

    async def _start(self) -> Process:
        self.books.epochs[self.shard] += 1
        process = Process(self, self.books.epochs[self.shard])
        self.current = process
        self.processes.append(process)
        self.counts.append(process.desk.counts)
        process.desk.on_end(lambda failure: self._ended(process, failure))
        await process.desk.start()
        return process

    def _ended(self, process: Process, failure: BaseException) -> None:
        if not isinstance(failure, LeaseLost) and not process.is_dead:
            self.breaches.append(f"a desk failed: {failure!r}")
        process.kill()
        if self.current is process:
            self.current = None
            self.loop.call_later(1.0, self._failed.set)

    # --- what is watched --------------------------------------------------------------------------

    def _note(self, *words: object) -> None:
        self._digest.update(f"{self.loop.time():.6f} {words}\n".encode())

    def _told(self, news: OrderReport | Execution) -> None:
        self._note("venue", news)
        if isinstance(news, Execution):
            request = self.venue.orders[news.venue_order_id].request
            if is_ours(request.client_id) is None:
                base, quote = news.symbol.split("/")
                self.books.note_external_truth(base, news.quantity * news.side.sign)
                value = news.quantity * news.price
                fee = news.fee if news.fee_ccy == quote else ZERO
                self.books.note_external_truth(quote, -value * news.side.sign - fee)
                if news.fee_ccy != quote:
                    self.books.note_external_truth(news.fee_ccy, -news.fee)
        for process in self.processes[-2:]:
            process.broker.hear(news)

    def _received(self, broker: SimulatedBroker, request: OrderRequest) -> None:
        self._note("sent", request)
        process = next(one for one in self.processes if one.broker is broker)
        if not process.is_entitled():
            self.breaches.append(f"{request.client_id} was sent after its lease")
        order = self.books.orders.get(request.client_id)
        if order is None:
            self.breaches.append(f"{request.client_id} was sent without having been written")
        elif order.intent_id not in self.books.intents:
            self.breaches.append(f"{request.client_id} has no intent")

    # --- what bots do -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Trade until enough was placed, heal everything, and wait until all is quiet."""
        process = await self._start_again()
        while self.placed < self.wanted_orders:
            await asyncio.sleep(_BAR_S * self.random.uniform(0.2, 1.0))
            self._misfortune()
            if self._failed.is_set() or self.current is None:
                process = await self._start_again()
            if process.desk.is_ready:
                await self._decide(process)
        self.venue.faults = self.faults.healed()
        self.network.down_until_s = self.network.key_dead_until_s = self.loop.time()
        self.books.halts.clear()
        until_s = self.loop.time() + _QUIET_S
        while self.loop.time() < until_s:
            await asyncio.sleep(30)
            if self._failed.is_set() or self.current is None:
                await self._start_again()
        final = self.current
        if final is not None:
            await asyncio.sleep(1)
            self._let_go(final.desk)
        for process in self.processes:
            process.kill()

    async def _start_again(self) -> Process:
        while True:
            if self.current is None and self.processes:
                await self._failed.wait()
            self._failed.clear()
            try:
                return await self._start()
            except asyncio.CancelledError:
                self.current = None
                self._failed.set()

    async def _decide(self, process: Process) -> None:
        self.bar += 1
        random = self.random
        bar_at = START + timedelta(seconds=self.bar)
        commits = [
            commit
            for bot in self.bots
            if random.random() < 0.7
            for commit in wanted(self, process.desk, process.epoch, bot, bar_at)
        ]
        if not commits:
            return
        times = 2 if random.random() < 0.1 else 1
        for _ in range(times):
            try:
                placed = await process.desk.place(commits)
            except (DeskNotReady, LeaseLost):
                return
            except asyncio.CancelledError:
                if process.is_dead:
                    return
                raise
            self.placed += sum(one.kind == "committed" for one in placed)
            commits = [again(self, commit) for commit in commits]
            self._check_reserved()
        if random.random() < 0.15:
            chosen = random.choice(commits).intent
            process.desk.cancel_intent(self._intent_of(chosen))

    def _intent_of(self, intent: Intent) -> UUID:
        key = (intent.tenant_id, intent.bot_id, intent.symbol, intent.bar_at, intent.leg)
        return self.books.intent_keys.get(key, intent.intent_id)

    def _check_reserved(self) -> None:
        for ccy, reserved in self.books.reserved[self.key].items():
            total = self.books.totals[self.key].get(ccy, ZERO)
            # A late fill takes what was free when another intent was committed.
            if reserved < 0 or (reserved > total and "late_fill" not in self.alarms):
                self.breaches.append(f"{reserved} {ccy} reserved of {total}")

    # --- what befalls all -------------------------------------------------------------------------

    def _misfortune(self) -> None:
        random, faults, now_s = self.random, self.venue.faults, self.loop.time()
        if random.random() < faults.cut and self.current is not None:
            self.current.broker.cut(random.uniform(0.5, 40))
        if random.random() < faults.outage:
            self.network.down_until_s = now_s + random.uniform(20, 900)
        if random.random() < faults.dead_key:
            self.network.key_dead_until_s = now_s + random.uniform(60, 500)
        if random.random() < faults.external:
            self._external()
        if random.random() < faults.halt:
            halt = Halt(
                self.new_id(),
                "tenant",
                self.key.tenant_id,
                None,
                None,
                flatten=False,
                reason="by hand",
            )
            self.books.halts[halt.halt_id] = halt
            self.loop.call_later(random.uniform(5, 60), self.books.halts.pop, halt.halt_id, None)

    def _external(self) -> None:
        random = self.random
        if random.random() < 0.4:
            self.venue.trade_by_hand(random.choice(tuple(RULES)))
        else:
            amount = Decimal(random.randrange(1, 50_000)) / 1000
            ccy = random.choice(("USDT", "DUST"))
            self.venue.move(ccy, amount)
            self.books.note_external_truth(ccy, amount)

    def new_id(self) -> UUID:
        """Return an id that the seed decides."""
        return new_id(self.clock.now(), self.random.getrandbits)

    @property
    def digest(self) -> str:
        """Return what tells this history from all others."""
        return self._digest.hexdigest()


def run_history(
    seed: int,
    *,
    orders: int = 100,
    rate: float = 0.1,
    stalls: float | None = None,
    kills: float | None = None,
    given: Faults | None = None,
) -> Result:
    """Run one history and hold its books to the venue's ledger.

    Parameters
    ----------
    given
        Faults in place of those of the rate.
    """
    loop = VirtualLoop()
    try:
        random = Random(seed + 7)
        faults = given or of_rate(rate, random)
        faults = replace(
            faults,
            stall=faults.stall if stalls is None else stalls,
            kill=faults.kill if kills is None else kills,
        )
        world = World(loop, seed, faults, orders)
        loop.run_until_complete(world.run())
        breaches = [*world.breaches, *world.books.breaches, *check(world)]
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(_ended(pending))
    finally:
        loop.close()
    counts = _summed(world.counts)
    return Result(
        seed,
        breaches,
        world.digest,
        len(world.books.intents),
        len(world.books.fills),
        world.kills,
        world.stalls,
        loop.time(),
        counts,
        world.alarms,
    )


async def _ended(tasks: set[asyncio.Task[object]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def _summed(all_counts: list[Counts]) -> Counts:
    total = Counts()
    for counts in all_counts:
        for name in Counts.__slots__:
            value = getattr(counts, name)
            if isinstance(value, int):
                setattr(total, name, getattr(total, name) + value)
        for edge, number in counts.resolved.items():
            total.resolved[edge] = total.resolved.get(edge, 0) + number
    return total

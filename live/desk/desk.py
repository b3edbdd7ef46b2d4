"""The account desk: takes intents, carries them through, keeps the books at one with the venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from secrets import SystemRandom
from typing import Any
from uuid import UUID

from candela.brokers.port import BrokerEvent, CredentialsDead, EventKind, NoInformation, SpotBroker
from candela.clock import Clock
from candela.errors import BrokerError
from candela.orders.records import AccountBook, AccountKey, Position
from candela.orders.words import Balance, Execution, OrderReport, OrderState, Side
from live.desk.image import missing_of
from live.desk.keeper import Keeper
from live.desk.line import Line
from live.desk.reconcile import Reconciler
from live.desk.rounds import Round, Rounds
from live.desk.terms import Counts, DeskNotReady, DeskTerms, Leases, OnAlarm, OnBooked
from live.desk.work import Work
from live.store.port import Booked, Commit, Placed, Store

__all__ = ["AccountDesk"]

_STANDARD = DeskTerms()
_UNANSWERED = frozenset({OrderState.SENDING, OrderState.UNKNOWN})


class AccountDesk:
    """One account at one venue: the only one that sends for it, as long as its lease holds.

    Idle it is one task that listens; each open intent is one more.

    Parameters
    ----------
    leases
        Gives the lease of the account's shard; None once its local term is over.
    random
        From 0 to 1, for jitter; a simulation hands in its own.
    """

    def __init__(
        self,
        account: AccountKey,
        store: Store,
        broker: SpotBroker,
        leases: Leases,
        clock: Clock,
        *,
        terms: DeskTerms = _STANDARD,
        random: Callable[[], float] | None = None,
    ) -> None:
        self.account = account
        self.counts = Counts()
        self.failure: BaseException | None = None
        self._broker = broker
        self._clock = clock
        self._terms = terms
        random = random or SystemRandom().random
        self._line = Line(clock, terms, self.counts, random)
        self._rounds = Rounds(terms, random)
        self._keeper = Keeper(account, store, leases, clock, self.counts)
        self._keeper.news = self._wake
        self._reconciler = Reconciler(self._keeper, broker, self._line, terms)
        self._works: dict[UUID, Work] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._on_end: Callable[[BaseException], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reconciling: asyncio.Task[None] | None = None
        self._failures = 0
        self._is_compared = False
        self._is_ending = False
        self._is_started = False
        self._unanswered: list[str] = []
        self._changed = asyncio.Event()

    # --- what others ask --------------------------------------------------------------------------

    @property
    def book(self) -> AccountBook:
        """What is known of the account now."""
        return self._keeper.image.book()

    @property
    def is_ready(self) -> bool:
        """Whether new intents are taken: compared with the venue, and no answer is missing."""
        if not self._is_compared or self._is_ending or self._line.is_dead or self.failure:
            return False
        orders = self._keeper.image.orders
        self._unanswered = [
            client_id
            for client_id in self._unanswered
            if client_id in orders and orders[client_id].state in _UNANSWERED
        ]
        return not self._unanswered

    @property
    def unknown_open(self) -> int:
        """How many attempts there are whose answer was lost and not found yet."""
        return sum(order.state in _UNANSWERED for order in self._keeper.image.orders.values())

    @property
    def open_intents(self) -> int:
        """How many intents are being carried through."""
        return len(self._works)

    def position(self, bot_id: UUID, symbol: str) -> Position:
        """Return what a bot holds of an instrument, empty where it never held any."""
        known = self._keeper.image.positions.get((bot_id, symbol))
        return known or Position(bot_id, self.account, symbol)

    def balance(self, ccy: str) -> Balance:
        """Return what of a currency is free, and what open intents hold back."""
        return self._keeper.image.balance(ccy)

    def bot_of(self, intent_id: UUID) -> UUID | None:
        """Return whose an intent is that is not forgotten; None for one by hand."""
        intent = self._keeper.image.intents.get(intent_id)
        return None if intent is None else intent.bot_id

    def has_open_intent(self, bot_id: UUID, symbol: str) -> bool:
        """Return whether an intent of a bot on an instrument is not final yet."""
        return any(
            intent.bot_id == bot_id and intent.symbol == symbol and not intent.state.is_final
            for intent in self._keeper.image.intents.values()
        )

    def on_booked(self, callback: OnBooked) -> None:
        """Call back after each transaction that booked fills."""
        self._keeper.booked.append(callback)

    def on_alarm(self, callback: OnAlarm) -> None:
        """Call back with what a person should hear of."""
        self._keeper.alarmed.append(callback)

    def on_end(self, callback: Callable[[BaseException], None]) -> None:
        """Call back once where the desk cannot go on: its lease is lost, or the store failed.

        After `LeaseLost` another executor has the account. After anything else the process must
        end: what is true is read at the next start.
        """
        self._on_end = callback

    def set_fee_rates(self, rates: Mapping[tuple[str, str], Decimal]) -> None:
        """Value fees in third assets, for figures: quote per unit, by symbol and asset."""
        self._keeper.fee_rates = rates

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the books, take up what is open, and begin to compare with the venue."""
        await self._keeper.load()
        self._is_started = True
        image = self._keeper.image
        self._unanswered = [
            order.client_id for order in image.orders.values() if order.state in _UNANSWERED
        ]
        for intent_id in {**dict.fromkeys(image.intents), **dict.fromkeys(image.attempts)}:
            self._work(intent_id)
        self._spawn(self._listen())
        self._keeper.booked.append(self._moved)
        self._turn()

    async def wait_ready(self) -> None:
        """Wait until new intents are taken, or the desk has ended."""
        while not self.is_ready and self.failure is None and not self._is_ending:
            self._changed.clear()
            await self._changed.wait()

    async def place(self, commits: Sequence[Commit]) -> tuple[Placed, ...]:
        """Commit intents; what was committed is sent by tasks of the desk, exits first.

        Raises
        ------
        DeskNotReady
            The desk is starting or ending, or the key is refused; nothing was written.
        candela.errors.Conflict
            As `LeaseLost`: nothing was written.
        """
        self._check_ready()
        placed = await self._keeper.commit(commits)
        self._begin_work(commits, placed)
        return placed

    def take(self, commits: Sequence[Commit], placed: Sequence[Placed]) -> None:
        """Take up intents of this account that were committed in one batch with others'."""
        self._keeper.take(commits, placed)
        self._begin_work(commits, placed)

    def cancel_intent(self, intent_id: UUID) -> bool:
        """Ask to end an intent: its order is canceled, what has filled is kept.

        Returns False where nothing of it is open.
        """
        work = self._works.get(intent_id)
        if work is None:
            return False
        work.wants_cancel = True
        work.wake()
        return True

    async def drain(self, deadline_s: float) -> bool:
        """Take nothing new, and wait until no answer is missing; False where time was up.

        Orders that rest at the venue stay there.
        """
        self._is_ending = True
        self._changed.set()
        until = self._clock.now() + timedelta(seconds=deadline_s)
        while self._is_under_way() and self.failure is None:
            left_s = (until - self._clock.now()).total_seconds()
            if left_s <= 0:
                return False
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    async def stop(self) -> None:
        """Let go at once; what is open is resolved by whoever starts next."""
        self._is_ending = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- inside -----------------------------------------------------------------------------------

    def _check_ready(self) -> None:
        if not self.is_ready:
            state = "ending" if self._is_ending else "starting"
            if self._line.is_dead:
                state = "without a key that the venue takes"
            raise DeskNotReady(
                f"the desk of account {self.account.account_id} is {state}",
                "Try again when it is ready.",
            )

    def _is_under_way(self) -> bool:
        image = self._keeper.image
        if any(image.unsettled()):
            return True
        return any(not image.of_intent(intent_id) for intent_id in self._works)

    def _begin_work(self, commits: Sequence[Commit], placed: Sequence[Placed]) -> None:
        taken = [
            commit.intent
            for commit, result in zip(commits, placed, strict=True)
            if result.kind == "committed"
        ]
        for intent in sorted(taken, key=lambda intent: intent.side is not Side.SELL):
            self._work(intent.intent_id)

    def _work(self, intent_id: UUID) -> None:
        if intent_id in self._works or self.failure is not None:
            return
        work = Work(intent_id, self._keeper, self._broker, self._line, self._terms)
        self._works[intent_id] = work
        self._spawn(self._carry(work))

    async def _carry(self, work: Work) -> None:
        try:
            await work.run()
        finally:
            del self._works[work.intent_id]
            self._changed.set()
        self._moved()
        self._keeper.image.forget(work.intent_id)

    def _wake(self, intent_id: UUID) -> None:
        """Pass news on to whoever works on the intent; where nobody does, see whether one must."""
        self._changed.set()
        work = self._works.get(intent_id)
        if work is not None:
            work.wake()
            return
        if not self._is_started:
            return
        image = self._keeper.image
        orders = image.of_intent(intent_id)
        if intent_id in image.intents or any(
            order.state.may_be_alive or missing_of(order) > 0 for order in orders
        ):
            self._work(intent_id)
        else:
            image.forget(intent_id)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None or self.failure is not None:
            return
        self.failure = failure
        self._changed.set()
        if self._timer is not None:
            self._timer.cancel()
        for other in list(self._tasks):
            other.cancel()
        if self._on_end is not None:
            self._on_end(failure)

    # --- listening and comparing ------------------------------------------------------------------

    async def _listen(self) -> None:
        number = 0
        while True:
            try:
                async for event in self._broker.events():
                    number = 0
                    await self._heard(event)
            except CredentialsDead:
                self._line.dead()
            except BrokerError:
                self.counts.questions_unanswered += 1
            await asyncio.sleep(self._line.pause_s(number))
            number += 1

    async def _heard(self, event: BrokerEvent) -> None:
        if event.kind is EventKind.EXECUTION and event.execution is not None:
            await self._heard_execution(event.execution)
        elif event.kind is EventKind.ORDER and event.order is not None:
            await self._heard_order(event.order)
        elif event.kind is EventKind.CONNECTED:
            self._rounds.connected(self._now())
            self._turn()

    async def _heard_execution(self, execution: Execution) -> None:
        await self._keeper.book([execution])

    async def _heard_order(self, report: OrderReport) -> None:
        if not await self._keeper.report(report):
            self._keeper.wait_for(report)

    def _moved(self, booked: Booked | None = None) -> None:
        """Plan to have confirmed what was booked, or how an intent has ended."""
        del booked
        before = self._rounds.next_at
        self._rounds.moved(self._now())
        if self._rounds.next_at < before:
            self._turn()

    def _turn(self) -> None:
        """Begin the round that is due, or wait for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.failure is not None or self._reconciling is not None:
            return
        due = self._rounds.due(
            self._now(),
            # Whoever has lost the account finds it out by looking.
            has_open=self._reconciler.has_open or not self._keeper.is_entitled,
            is_quiet=not any(self._keeper.image.unsettled()),
        )
        if due is not None:
            self._reconciling = self._spawn(self._compare(due))
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._rounds.next_at, self._turn)

    async def _compare(self, kind: Round) -> None:
        try:
            is_whole = kind is Round.WHOLE
            finding = await (self._reconciler.whole() if is_whole else self._reconciler.look())
        except NoInformation:
            pause_s = self._line.pause_s(self._failures, self._terms.reconcile_s)
            self._rounds.failed(self._now(), pause_s)
            self._failures += 1
        except CredentialsDead:
            self._keeper.alarm("credentials_dead", "the venue refuses the key of this account")
            await self._keeper.block("credentials_dead: the venue refuses the key")
            self._rounds.failed(self._now(), self._terms.dead_key_s)
        else:
            self._failures = 0
            self._rounds.over(self._now(), finding)
            self._is_compared = self._is_compared or is_whole
        self._changed.set()
        self._reconciling = None
        self._turn()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

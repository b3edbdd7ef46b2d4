"""The one writer of an account: transactions in their order, and the image that follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from candela.clock import Clock
from candela.ids import is_ours
from candela.orders.graph import moved, state_shown
from candela.orders.records import AccountKey, Intent, Order
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    IntentState,
    OrderReport,
    OrderState,
)
from live.desk.image import Image, missing_of
from live.desk.terms import Alarm, Counts, Leases, OnAlarm, OnBooked
from live.store.port import (
    Booked,
    Commit,
    FillsDiffer,
    Lease,
    LeaseLost,
    OrderChange,
    Placed,
    Store,
)

__all__ = ["Keeper"]

_EARLY = 256


class Keeper:
    """Writes to the store, one transaction after the other, and keeps the image behind it.

    The lock makes the image follow the transactions in the order in which they were committed.
    """

    def __init__(
        self, account: AccountKey, store: Store, leases: Leases, clock: Clock, counts: Counts
    ) -> None:
        self.account = account
        self.clock = clock
        self.counts = counts
        self.rules: dict[str, InstrumentRules] = {}
        self.fee_rates: Mapping[tuple[str, str], Decimal] = {}
        self.booked: list[OnBooked] = []
        self.alarmed: list[OnAlarm] = []
        self.news: Callable[[UUID], None] = _nobody
        self.image: Image
        self._store = store
        self._leases = leases
        self._lock = asyncio.Lock()
        self._meanwhile: list[Intent] | None = None
        self._early: dict[tuple[str, str], list[OrderReport | Execution]] = {}
        self._told: set[tuple[str, UUID | None]] = set()

    def lease(self) -> Lease:
        """Return the lease to write and send under.

        Raises
        ------
        LeaseLost
            Its local term is over.
        """
        lease = self._leases()
        if lease is None:
            raise LeaseLost(
                f"the lease for account {self.account.account_id} is over",
                "Another executor goes on with it.",
            )
        return lease

    @property
    def is_entitled(self) -> bool:
        """Whether the lease holds."""
        return self._leases() is not None

    def alarm(self, code: str, words: str, intent_id: UUID | None = None) -> None:
        """Tell a person, once for each code and intent; whoever lost the account tells nothing."""
        if (code, intent_id) in self._told or not self.is_entitled:
            return
        self._told.add((code, intent_id))
        self.counts.alarms += 1
        for tell in self.alarmed:
            tell(Alarm(code, words, intent_id))

    def calm(self, code: str) -> None:
        """Note that what was told is over, so that it is told again when it comes back."""
        self._told.discard((code, None))

    async def load(self) -> None:
        """Read the account from the store, at the start or where the image may be behind."""
        async with self._lock:
            self._meanwhile = []
            book = await self._store.load(self.account)
            meanwhile, self._meanwhile = self._meanwhile, None
            if hasattr(self, "image"):
                self.image.take(book)
            else:
                self.image = Image(book)
            for intent in meanwhile:
                # Committed in a batch of others' after the store was read.
                if intent.intent_id not in self.image.intents:
                    self.image.add(intent)
        for intent_id in list(self.image.attempts):
            self.news(intent_id)

    async def commit(self, commits: Sequence[Commit]) -> tuple[Placed, ...]:
        """Commit intents and take up those that were."""
        async with self._lock:
            placed = await self._store.commit(self.lease(), commits)
            self.take(commits, placed)
        return placed

    def take(self, commits: Sequence[Commit], placed: Sequence[Placed]) -> None:
        """Take up what was committed."""
        for commit, result in zip(commits, placed, strict=True):
            if result.kind == "committed":
                self.image.add(commit.intent)
                if self._meanwhile is not None:
                    self._meanwhile.append(commit.intent)

    async def begin(self, order: Order) -> bool:
        """Write an attempt before it is sent; False where the image was behind."""
        async with self._lock:
            if not await self._store.begin(self.lease(), order):
                return False
            self.image.keep(_sending(order))
            return True

    async def change(self, order: Order, state: OrderState, reason: str | None = None) -> None:
        """Write that an attempt is in another state."""
        await self._changed(
            OrderChange(self.account, order.client_id, state, self.clock.now(), reason)
        )

    async def report(self, report: OrderReport) -> bool:
        """Write what a venue shows of one of our attempts; False where it is none that is known."""
        if report.executions:
            await self.book(report.executions)
        order = self.image.order_of(report.symbol, report.client_id, report.venue_order_id)
        state = state_shown(report.state)
        now = self.clock.now()
        if order is None:
            return await self._remembered(report, state, now)
        reason = None if state is OrderState.OPEN else f"the venue says {report.state}"
        after = moved(
            order,
            state,
            now,
            reason=reason,
            venue_order_id=report.venue_order_id,
            venue_executed=report.executed,
        )
        if after is None:
            return True
        if order.state is OrderState.ABSENT and after.state is not OrderState.ABSENT:
            self._tell_reappeared(after)
        await self._changed(
            OrderChange(
                self.account,
                order.client_id,
                state,
                now,
                reason,
                report.venue_order_id,
                report.executed,
            )
        )
        return True

    async def book(self, executions: Sequence[Execution]) -> Booked | None:
        """Book executions; those of which the order is not known yet wait for it."""
        fresh = [one for one in executions if not self.image.has_seen(one)]
        if not fresh:
            return None
        try:
            return await self._booked(fresh)
        except FillsDiffer as differ:
            self.alarm("fills_differ", str(differ))
            await self.block(f"fills_differ: {differ.message}")
            if len(fresh) == 1:
                return None
        booked = None
        for execution in fresh:
            booked = await self.book([execution]) or booked
        return booked

    async def finish(self, intent_id: UUID, state: IntentState, reason: str | None) -> None:
        """End an intent."""
        now = self.clock.now()
        async with self._lock:
            await self._store.finish(self.account, intent_id, state, reason, now)
            self.image.end(intent_id, state, now)
        self.news(intent_id)

    async def block(self, reason: str | None) -> None:
        """Block the account, or let it go on, where that is news."""
        account = self.image.account
        if reason is not None and account.state == "blocked":
            is_graver = reason.startswith("fills_differ:")
            if not is_graver or (account.state_reason or "").startswith("fills_differ:"):
                # Books that agree again lift other blocks; this one needs a person.
                return
        self.lease()
        async with self._lock:
            await self._store.block_account(self.account, reason, self.clock.now())
            self.image.account = (await self._store.load(self.account)).account

    async def adopt(self, shown: Mapping[str, Balance], note: str, key: str) -> None:
        """Book what the venue holds beyond our ledger as external."""
        self.lease()
        async with self._lock:
            await self._store.adopt_balances(self.account, shown, self.clock.now(), note, key=key)
            book = await self._store.load(self.account)
            self.image.totals = {ccy: balance.total for ccy, balance in book.balances.items()}

    async def note_external(self, reports: Sequence[OrderReport]) -> None:
        """Keep orders of others apart."""
        async with self._lock:
            await self._store.note_external(self.account, reports, self.clock.now())

    async def reconciled(self, at: datetime) -> None:
        """Keep when the books last agreed."""
        self.lease()
        async with self._lock:
            await self._store.reconciled(self.account, at)
            self.image.reconciled_at = at

    async def is_halted(self, intent: Intent) -> bool:
        """Return whether a kill switch holds for an intent."""
        account, bot = intent.account.account_id, intent.bot_id
        halts = await self._store.halts(intent.tenant_id)
        return any(
            halt.account_id in {None, account} and halt.bot_id in {None, bot} for halt in halts
        )

    def wait_for(self, news: OrderReport | Execution) -> None:
        """Keep news of an order whose venue id is not known yet."""
        waiting = self._early.setdefault((news.symbol, news.venue_order_id), [])
        if len(waiting) < _EARLY:
            waiting.append(news)
        if len(self._early) > _EARLY:
            del self._early[next(iter(self._early))]

    async def _remembered(self, report: OrderReport, state: OrderState, now: datetime) -> bool:
        """Take news of an attempt that was let go of as final; True where it lives again."""
        if report.client_id is None or is_ours(report.client_id) is None:
            return False
        change = OrderChange(
            self.account,
            report.client_id,
            state,
            now,
            None,
            report.venue_order_id,
            report.executed,
        )
        async with self._lock:
            changed = await self._store.change([change])
            for order in changed:
                self.image.keep(order)
        for order in changed:
            if not order.state.is_final:
                self._tell_reappeared(order)
            self.news(order.intent_id)
        return bool(changed)

    def _tell_reappeared(self, order: Order) -> None:
        self.alarm(
            "reappeared",
            f"order {order.client_id} was held to be absent and is {order.state}",
            order.intent_id,
        )

    async def _changed(self, change: OrderChange) -> None:
        async with self._lock:
            changed = await self._store.change([change])
            for order in changed:
                self.image.keep(order)
        if not changed:
            # Whoever had the lease before may have written the same news.
            await self.load()
        for order in changed:
            self.news(order.intent_id)
            await self._catch_up(order)

    async def _booked(self, executions: Sequence[Execution]) -> Booked:
        image = self.image
        was_expected = self._expected(executions)
        async with self._lock:
            booked = await self._store.book(
                self.account,
                executions,
                self.clock.now(),
                rules=self.rules,
                fee_rates=self.fee_rates,
            )
            image.keep_booked(booked)
        self._remember(executions, booked)
        self._tell(booked, was_expected)
        for order in booked.orders:
            self.news(order.intent_id)
            await self._catch_up(order)
        if len(booked.fills) + len(booked.unknown) < len(executions):
            # Booked already: before the start, or by whoever had the lease and still heard it.
            await self.load()
        return booked

    def _expected(self, executions: Sequence[Execution]) -> set[str]:
        """Return the attempts that may fill: alive, or with more counted than was booked."""
        found = (
            self.image.order_of(one.symbol, one.client_id, one.venue_order_id) for one in executions
        )
        return {
            order.client_id
            for order in found
            if order is not None and (not order.state.is_final or missing_of(order) > 0)
        }

    def _remember(self, executions: Sequence[Execution], booked: Booked) -> None:
        for execution in booked.unknown:
            self.wait_for(execution)
        foreign = {(one.symbol, one.trade_id) for one in booked.unknown}
        for execution in executions:
            if (execution.symbol, execution.trade_id) not in foreign:
                self.image.remember(execution)

    def _tell(self, booked: Booked, was_expected: set[str]) -> None:
        self.counts.fills += len(booked.fills)
        for fill in booked.fills:
            if fill.client_id not in was_expected:
                self._tell_late(fill.client_id, self.image.orders[fill.client_id])
        if any(position.dust < 0 for position in booked.positions):
            self.alarm("oversold", "more was sold than the bot held; its next entry pays for it")
        if booked.fills:
            for tell in self.booked:
                tell(booked)

    def _tell_late(self, client_id: str, order: Order) -> None:
        self.counts.late_fills += 1
        self.alarm("late_fill", f"order {client_id} was final and has filled", order.intent_id)

    async def _catch_up(self, order: Order) -> None:
        """Take up news that came before the venue's id of the order was known."""
        if order.venue_order_id is None or not self._early:
            return
        for news in self._early.pop((order.symbol, order.venue_order_id), []):
            if isinstance(news, Execution):
                await self.book([news])
            else:
                await self.report(news)


def _sending(order: Order) -> Order:
    return replace(order, state=OrderState.SENDING)


def _nobody(_: UUID) -> None:
    return None

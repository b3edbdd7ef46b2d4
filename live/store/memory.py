"""The store in memory: what PostgreSQL keeps, for simulations, which kill who holds a handle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from candela.errors import Conflict
from candela.money import EXACT, ZERO
from candela.orders.booking import Touched, book_execution, same_content
from candela.orders.graph import moved
from candela.orders.records import (
    AccountBook,
    AccountKey,
    Decision,
    Fill,
    Halt,
    LedgerEntry,
    Order,
    Position,
    Trade,
)
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    IntentState,
    OrderReport,
    OrderState,
    Side,
)
from live.store.memory_books import BotRow, MemoryBooks, decision_key
from live.store.port import (
    NO_RATES,
    NO_RULES,
    Booked,
    Commit,
    FillsDiffer,
    Lease,
    LeaseLost,
    OrderChange,
    Placed,
)

__all__ = ["BotRow", "MemoryBooks", "MemoryStore", "StoreGone"]


class StoreGone(Conflict):
    """The handle was killed with the process that held it."""

    code = "store_gone"


class MemoryStore:
    """One process's handle on the books: the `live.store.port.Store` of simulations.

    Parameters
    ----------
    pause
        Awaited before and after each transaction: where a process can be killed, or stall.
    """

    def __init__(
        self, books: MemoryBooks, pause: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.books = books
        self._pause = pause
        self._is_dead = False

    def kill(self) -> None:
        """Let every further call of this handle fail; what was committed stays."""
        self._is_dead = True

    async def _begun(self) -> None:
        if self._pause is not None:
            await self._pause()
        if self._is_dead:
            raise StoreGone("the store's handle is dead", "Open another handle on the books.")

    async def _ended(self) -> None:
        if self._pause is not None:
            await self._pause()

    async def load(self, account: AccountKey) -> AccountBook:
        """Return what is known of an account."""
        await self._begun()
        return self.books.book_of(account)

    async def halts(self, tenant_id: UUID) -> tuple[Halt, ...]:
        """Return the kill switches that are on for a tenant, those of the platform included."""
        await self._begun()
        return self.books.halts_of(tenant_id)

    async def commit(self, lease: Lease, commits: Sequence[Commit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all."""
        await self._begun()
        self._check(lease)
        placed = tuple(self._committed(commit) for commit in commits)
        await self._ended()
        return placed

    async def decide(self, lease: Lease, decisions: Sequence[Decision]) -> None:
        """Write decisions without an intent; those stored already are left as they are."""
        await self._begun()
        self._check(lease)
        for decision in decisions:
            self.books.decisions.setdefault(decision_key(decision), decision)
        await self._ended()

    async def begin(self, lease: Lease, order: Order) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING."""
        await self._begun()
        self._check(lease)
        books = self.books
        intent = books.intents[order.intent_id]
        others = books.attempts.get(order.intent_id, {})
        if (
            order.client_id in books.orders
            or intent.state.is_final
            or any(books.orders[client_id].state.may_be_alive for client_id in others)
        ):
            return False
        books.orders[order.client_id] = replace(order, state=OrderState.SENDING)
        books.attempts.setdefault(order.intent_id, {})[order.client_id] = None
        books.open_orders.setdefault(order.account, {})[order.client_id] = None
        if intent.state is not IntentState.WORKING:
            books.intents[intent.intent_id] = replace(intent, state=IntentState.WORKING)
        await self._ended()
        return True

    async def change(self, changes: Sequence[OrderChange]) -> tuple[Order, ...]:
        """Move attempts along the declared graph; older news than what is known is ignored."""
        await self._begun()
        changed: dict[str, Order] = {}
        for change in changes:
            order = self.books.orders.get(change.client_id)
            if order is None or order.account != change.account:
                continue
            after = moved(
                order,
                change.state,
                change.at,
                reason=change.reason,
                venue_order_id=change.venue_order_id,
                venue_executed=change.venue_executed,
            )
            if after is not None:
                self.books.keep_order(after)
                changed[after.client_id] = after
        await self._ended()
        return tuple(changed.values())

    async def book(
        self,
        account: AccountKey,
        executions: Sequence[Execution],
        now: datetime,
        *,
        rules: Mapping[str, InstrumentRules] = NO_RULES,
        fee_rates: Mapping[tuple[str, str], Decimal] = NO_RATES,
    ) -> Booked:
        """Book executions: fill, order, position, trade, ledger and balances at once."""
        await self._begun()
        books = self.books
        fresh: dict[tuple[str, str], Execution] = {}
        for execution in executions:
            key = (execution.symbol, execution.trade_id)
            known = books.fills.get((account, *key))
            twin = fresh.setdefault(key, execution) if known is None else execution
            if not _agrees(known, twin, execution):
                raise FillsDiffer(
                    f"trade {execution.trade_id} of {execution.symbol} came with another content",
                    "Compare the account's trades at the venue with what is booked.",
                )
        changed = _Changed()
        for execution in fresh.values():
            order = books.order_of(account, execution)
            if order is None:
                changed.unknown.append(execution)
                continue
            intent = books.intents[order.intent_id]
            place = (intent.bot_id, order.symbol)
            position = books.positions.get(place) if intent.bot_id is not None else None
            held = position.trade_id if position is not None else None
            effect = book_execution(
                Touched(
                    books.accounts[account],
                    order,
                    intent,
                    books.reservations[intent.intent_id],
                    position,
                    None if held is None else books.trades.get(held),
                ),
                execution,
                now,
                rules.get(order.symbol),
                fee_rates.get((order.symbol, execution.fee_ccy)),
            )
            books.keep_effect(effect)
            after = effect.touched
            changed.fills.append(effect.fill)
            changed.orders[order.client_id] = after.order
            if after.position is not None:
                changed.positions[place] = after.position
            if after.trade is not None:
                changed.trades[after.trade.trade_id] = after.trade
            changed.ccys.update((entry.ccy, None) for entry in effect.entries)
            changed.ccys[after.reservation.ccy] = None
        booked = Booked(
            fills=tuple(changed.fills),
            orders=tuple(changed.orders.values()),
            positions=tuple(changed.positions.values()),
            trades=tuple(changed.trades.values()),
            balances={ccy: books.balance_of(account, ccy) for ccy in changed.ccys},
            unknown=tuple(changed.unknown),
        )
        await self._ended()
        return booked

    async def finish(
        self,
        account: AccountKey,
        intent_id: UUID,
        state: IntentState,
        reason: str | None,
        now: datetime,
    ) -> bool:
        """End an intent and release what it still holds back; False where it is final already."""
        await self._begun()
        intent = self.books.intents[intent_id]
        if intent.state.is_final or intent.account != account:
            return False
        self.books.keep_intent(replace(intent, state=state, reason=reason, final_at=now))
        await self._ended()
        return True

    async def adopt_balances(
        self,
        account: AccountKey,
        shown: Mapping[str, Balance],
        now: datetime,
        note: str,
        *,
        key: str,
    ) -> Mapping[str, Decimal]:
        """Book what the venue shows beyond our ledger as external; return the differences."""
        await self._begun()
        differences: dict[str, Decimal] = {}
        totals = self.books.totals[account]
        for ccy in sorted({*shown, *totals}):
            there = shown[ccy].total if ccy in shown else ZERO
            difference = EXACT.subtract(there, totals.get(ccy, ZERO))
            if difference and (account, key, ccy) not in self.books.ledger:
                differences[ccy] = difference
                self.books.keep_entry(
                    LedgerEntry(account, key, ccy, difference, "external", now, note=note)
                )
        await self._ended()
        return differences

    async def note_external(
        self, account: AccountKey, reports: Sequence[OrderReport], now: datetime
    ) -> None:
        """Keep orders of others apart: written, never touched."""
        await self._begun()
        for report in reports:
            key = (account, report.symbol, report.venue_order_id)
            self.books.external[key] = (report, now)
        await self._ended()

    async def mark_position(
        self, account: AccountKey, bot_id: UUID, symbol: str, best_price: Decimal
    ) -> None:
        """Keep the best price since entry, so that a trailing stop survives a restart."""
        await self._begun()
        position = self.books.positions.get((bot_id, symbol))
        if position and position.opened_at is not None and position.account == account:
            self.books.positions[bot_id, symbol] = replace(position, best_price=best_price)
        await self._ended()

    async def block_account(self, account: AccountKey, reason: str | None, now: datetime) -> None:
        """Block an account, or let it go on with None."""
        await self._begun()
        row = self.books.accounts[account]
        state: Literal["active", "blocked"] = "active" if reason is None else "blocked"
        if row.state != "closed":
            self.books.accounts[account] = replace(row, state=state, state_reason=reason)
            self.books.changed_at[account] = now
        await self._ended()

    async def set_bot_state(
        self, tenant_id: UUID, bot_id: UUID, state: str, reason: str | None, now: datetime
    ) -> None:
        """Say what a bot is doing."""
        await self._begun()
        row = self.books.bots[tenant_id, bot_id]
        row.state, row.reason, row.state_at = state, reason, now
        await self._ended()

    async def reconciled(self, account: AccountKey, now: datetime) -> None:
        """Keep when the books last agreed with the venue."""
        await self._begun()
        self.books.reconciled_at[account] = now
        await self._ended()

    async def log(
        self,
        tenant_id: UUID,
        bot_id: UUID,
        level: Literal["debug", "info", "warning", "error"],
        event: str,
        message: str,
        data: Mapping[str, Any] | None,
        now: datetime,
    ) -> None:
        """Keep a line of a bot's log."""
        await self._begun()
        self.books.logs.append((tenant_id, bot_id, level, event, message, data, now))

    def _check(self, lease: Lease) -> None:
        held = self.books.epochs.get(lease.shard, 0)
        if lease.epoch != held:
            raise LeaseLost(
                f"the lease of part {lease.shard} is at epoch {held}, not {lease.epoch}",
                "Another executor has taken the part over; this one lets go of it.",
            )

    def _committed(self, commit: Commit) -> Placed:
        books, intent, decision = self.books, commit.intent, commit.decision
        if decision_key(decision) in books.decisions or decision_key(intent) in books.intent_keys:
            return Placed("duplicate")
        refusal = self._entry_refusal(commit) if commit.is_entry else None
        if refusal is None:
            reserve = intent.reserve
            free = books.balance_of(intent.account, reserve.ccy).free
            if reserve.amount > free:
                refusal = ("balance", f"{reserve.amount} {reserve.ccy} wanted, {free} free")
        if refusal is not None:
            gate, words = refusal
            refused = replace(decision, outcome="refused", decided_by=gate)
            books.decisions[decision_key(decision)] = refused
            return Placed("refused", gate, words)
        books.decisions[decision_key(decision)] = decision
        books.add_intent(intent)
        return Placed("committed")

    def _entry_refusal(self, commit: Commit) -> tuple[str, str] | None:
        books, intent = self.books, commit.intent
        for halt in books.halts_of(intent.tenant_id):
            if (halt.account_id or intent.account.account_id) == intent.account.account_id and (
                halt.bot_id is None or halt.bot_id == intent.bot_id
            ):
                return "halt", halt.reason
        account = books.accounts[intent.account]
        if account.state != "active":
            return "account", account.state_reason or account.state
        if intent.bot_id is not None:
            bot = books.bots.get((intent.tenant_id, intent.bot_id))
            if bot is None or bot.wanted != "running":
                return "wanted", "the bot is not wanted running"
        if commit.day_limit is not None and commit.day_at is not None:
            entries = sum(
                other.side is Side.BUY and other.created_at >= commit.day_at
                for other in books.intents.values()
                if other.tenant_id == intent.tenant_id
            )
            if entries >= commit.day_limit:
                return "day_limit", f"{entries} of {commit.day_limit} entries today"
        return None


class _Changed:
    """What a transaction of fills has changed so far, in the order of its first change."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.orders: dict[str, Order] = {}
        self.positions: dict[tuple[UUID | None, str], Position] = {}
        self.trades: dict[UUID, Trade] = {}
        self.ccys: dict[str, None] = {}
        self.unknown: list[Execution] = []


def _agrees(known: Fill | None, twin: Execution, execution: Execution) -> bool:
    if known is not None:
        return same_content(known, execution)
    return same_content(twin, execution)

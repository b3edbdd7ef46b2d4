"""What the store in memory holds: committed rows by their keys, and the sums that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.booking import Effect
from candela.orders.records import (
    Account,
    AccountBook,
    AccountKey,
    Decision,
    Fill,
    Halt,
    Intent,
    LedgerEntry,
    Order,
    Position,
    Reservation,
    Trade,
)
from candela.orders.words import Balance, Execution, OrderReport

__all__ = ["BotRow", "MemoryBooks", "decision_key"]

Key = tuple[UUID, UUID | None, str, datetime, str]


def decision_key(row: Decision | Intent) -> Key:
    """Return what may be decided once: tenant, bot, symbol, bar and leg."""
    return (row.tenant_id, row.bot_id, row.symbol, row.bar_at, row.leg)


@dataclass(slots=True)
class BotRow:
    """What of a bot the store looks at."""

    account: AccountKey
    wanted: str = "running"
    state: str = "running"
    reason: str | None = None
    state_at: datetime | None = None


@dataclass(slots=True)
class MemoryBooks:
    """Everything committed; handles come and go over it.

    Parameters
    ----------
    totals
        Sums of the ledger, by account and currency.
    reserved
        Sums of the reservations, the same way.
    """

    accounts: dict[AccountKey, Account] = field(default_factory=dict[AccountKey, Account])
    bots: dict[tuple[UUID, UUID], BotRow] = field(default_factory=dict[tuple[UUID, UUID], BotRow])
    epochs: dict[int, int] = field(default_factory=dict[int, int])
    halts: dict[UUID, Halt] = field(default_factory=dict[UUID, Halt])
    decisions: dict[Key, Decision] = field(default_factory=dict[Key, Decision])
    intents: dict[UUID, Intent] = field(default_factory=dict[UUID, Intent])
    intent_keys: dict[Key, UUID] = field(default_factory=dict[Key, UUID])
    open_intents: dict[AccountKey, dict[UUID, None]] = field(
        default_factory=dict[AccountKey, dict[UUID, None]]
    )
    reservations: dict[UUID, Reservation] = field(default_factory=dict[UUID, Reservation])
    orders: dict[str, Order] = field(default_factory=dict[str, Order])
    attempts: dict[UUID, dict[str, None]] = field(default_factory=dict[UUID, dict[str, None]])
    open_orders: dict[AccountKey, dict[str, None]] = field(
        default_factory=dict[AccountKey, dict[str, None]]
    )
    venue_ids: dict[tuple[AccountKey, str, str], str] = field(
        default_factory=dict[tuple[AccountKey, str, str], str]
    )
    fills: dict[tuple[AccountKey, str, str], Fill] = field(
        default_factory=dict[tuple[AccountKey, str, str], Fill]
    )
    positions: dict[tuple[UUID | None, str], Position] = field(
        default_factory=dict[tuple[UUID | None, str], Position]
    )
    trades: dict[UUID, Trade] = field(default_factory=dict[UUID, Trade])
    ledger: dict[tuple[AccountKey, str, str], LedgerEntry] = field(
        default_factory=dict[tuple[AccountKey, str, str], LedgerEntry]
    )
    totals: dict[AccountKey, dict[str, Decimal]] = field(
        default_factory=dict[AccountKey, dict[str, Decimal]]
    )
    reserved: dict[AccountKey, dict[str, Decimal]] = field(
        default_factory=dict[AccountKey, dict[str, Decimal]]
    )
    external: dict[tuple[AccountKey, str, str], tuple[OrderReport, datetime]] = field(
        default_factory=dict[tuple[AccountKey, str, str], tuple[OrderReport, datetime]]
    )
    last_execution_at: dict[AccountKey, dict[str, datetime]] = field(
        default_factory=dict[AccountKey, dict[str, datetime]]
    )
    reconciled_at: dict[AccountKey, datetime] = field(default_factory=dict[AccountKey, datetime])
    changed_at: dict[AccountKey, datetime] = field(default_factory=dict[AccountKey, datetime])
    logs: list[tuple[UUID, UUID, str, str, str, Mapping[str, Any] | None, datetime]] = field(
        default_factory=list[tuple[UUID, UUID, str, str, str, Mapping[str, Any] | None, datetime]]
    )

    def add_account(self, account: Account, opening: Mapping[str, Decimal], now: datetime) -> None:
        """Open an account with what it holds."""
        self.accounts[account.key] = account
        self.totals.setdefault(account.key, {})
        self.reserved.setdefault(account.key, {})
        for ccy, amount in opening.items():
            self.keep_entry(LedgerEntry(account.key, "opening", ccy, amount, "opening", now))

    def add_bot(self, bot_id: UUID, account: AccountKey, wanted: str = "running") -> None:
        """Let a bot trade an account."""
        self.bots[account.tenant_id, bot_id] = BotRow(account, wanted)

    def halts_of(self, tenant_id: UUID) -> tuple[Halt, ...]:
        """Return the kill switches that hold for a tenant."""
        return tuple(halt for halt in self.halts.values() if halt.tenant_id in {None, tenant_id})

    def balance_of(self, account: AccountKey, ccy: str) -> Balance:
        """Return what of a currency is free, and what is reserved."""
        reserved = self.reserved[account].get(ccy, ZERO)
        total = self.totals[account].get(ccy, ZERO)
        return Balance(EXACT.subtract(total, reserved), reserved)

    def book_of(self, account: AccountKey) -> AccountBook:
        """Return all that must be known of an account to go on trading it."""
        intents = [self.intents[intent_id] for intent_id in self.open_intents.get(account, {})]
        clients = dict(self.open_orders.get(account, {}))
        for intent in intents:
            clients.update(self.attempts.get(intent.intent_id, {}))
        return AccountBook(
            account=self.accounts[account],
            balances={ccy: self.balance_of(account, ccy) for ccy in self.totals[account]},
            reservations=tuple(self.reservations[intent.intent_id] for intent in intents),
            intents=tuple(intents),
            orders=tuple(self.orders[client_id] for client_id in clients),
            positions=tuple(
                position for position in self.positions.values() if position.account == account
            ),
            last_execution_at=dict(self.last_execution_at.get(account, {})),
            reconciled_at=self.reconciled_at.get(account),
        )

    def order_of(self, account: AccountKey, execution: Execution) -> Order | None:
        """Return the attempt that an execution belongs to, None where it is none of ours."""
        client_id = execution.client_id
        if client_id not in self.orders:
            client_id = self.venue_ids.get((account, execution.symbol, execution.venue_order_id))
        order = None if client_id is None else self.orders[client_id]
        return order if order is not None and order.account == account else None

    def add_intent(self, intent: Intent) -> None:
        """Write an intent with its reservation."""
        self.intents[intent.intent_id] = intent
        self.intent_keys[decision_key(intent)] = intent.intent_id
        self.open_intents.setdefault(intent.account, {})[intent.intent_id] = None
        self._hold_back(intent, Reservation(intent.intent_id, intent.reserve.ccy, ZERO))
        self._hold_back(intent, intent.reserve)

    def keep_intent(self, intent: Intent) -> None:
        """Write an intent; one that is final releases what it still held back."""
        self.intents[intent.intent_id] = intent
        if intent.state.is_final:
            self.open_intents[intent.account].pop(intent.intent_id, None)
            held = self.reservations[intent.intent_id]
            self._hold_back(intent, replace(held, amount=ZERO))

    def keep_order(self, order: Order) -> None:
        """Write an attempt."""
        self.orders[order.client_id] = order
        if order.venue_order_id is not None:
            key = (order.account, order.symbol, order.venue_order_id)
            self.venue_ids[key] = order.client_id
        if order.state.is_final:
            self.open_orders[order.account].pop(order.client_id, None)
        else:
            self.open_orders[order.account][order.client_id] = None

    def keep_entry(self, entry: LedgerEntry) -> None:
        """Write one movement of money."""
        self.ledger[entry.account, entry.entry_key, entry.ccy] = entry
        totals = self.totals[entry.account]
        totals[entry.ccy] = EXACT.add(totals.get(entry.ccy, ZERO), entry.amount)

    def keep_effect(self, effect: Effect) -> None:
        """Write what an execution did."""
        after, fill = effect.touched, effect.fill
        self.fills[fill.account, fill.symbol, fill.trade_id] = fill
        latest = self.last_execution_at.setdefault(fill.account, {})
        latest[fill.symbol] = max(latest.get(fill.symbol, fill.executed_at), fill.executed_at)
        self.keep_order(after.order)
        self._hold_back(after.intent, after.reservation)
        self.keep_intent(after.intent)
        if after.position is not None:
            self.positions[after.position.bot_id, fill.symbol] = after.position
        if after.trade is not None:
            self.trades[after.trade.trade_id] = after.trade
        for entry in effect.entries:
            self.keep_entry(entry)

    def _hold_back(self, intent: Intent, reservation: Reservation) -> None:
        before = self.reservations.get(intent.intent_id)
        self.reservations[intent.intent_id] = reservation
        reserved = self.reserved[intent.account]
        change = EXACT.subtract(reservation.amount, ZERO if before is None else before.amount)
        reserved[reservation.ccy] = EXACT.add(reserved.get(reservation.ccy, ZERO), change)

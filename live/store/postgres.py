"""The store in PostgreSQL: every call of the port is one transaction with the executor's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from live.store import attempts, bookings, keeping, loading
from live.store import commits as committing
from live.store.logs import LogLine, LogWriter
from live.store.pool import ConnectionPool
from live.store.port import NO_RATES, NO_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from candela.db.connect import Database
    from candela.orders.records import AccountBook, AccountKey, Decision, Halt, Order
    from candela.orders.words import (
        Balance,
        Execution,
        InstrumentRules,
        IntentState,
        OrderReport,
    )
    from live.store.port import Booked, Commit, Lease, OrderChange, Placed

__all__ = ["PostgresStore"]


class PostgresStore:
    """`live.store.port.Store` over a pool of connections.

    A call that raises `live.store.pool.DatabaseLost` may or may not have been committed: the
    process ends, and reads at its next start what is true.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._logs = LogWriter(pool)

    @classmethod
    def over(cls, database: Database, *, size: int = 4) -> PostgresStore:
        """Return a store with a pool of its own."""
        return cls(ConnectionPool(database, size=size))

    async def close(self) -> None:
        """Write what is still to be written of logs, then let go of the connections."""
        try:
            await self._logs.flush()
        finally:
            await self._pool.close()

    async def load(self, account: AccountKey) -> AccountBook:
        """Return what is known of an account."""
        return await loading.load(self._pool, account)

    async def halts(self, tenant_id: UUID) -> tuple[Halt, ...]:
        """Return the kill switches that are on for a tenant, those of the platform included."""
        return await loading.halts(self._pool, tenant_id)

    async def commit(self, lease: Lease, commits: Sequence[Commit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all."""
        return await committing.commit(self._pool, lease, commits)

    async def decide(self, lease: Lease, decisions: Sequence[Decision]) -> None:
        """Write decisions without an intent; those stored already are left as they are."""
        await committing.decide(self._pool, lease, decisions)

    async def begin(self, lease: Lease, order: Order) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING."""
        return await attempts.begin(self._pool, lease, order)

    async def change(self, changes: Sequence[OrderChange]) -> tuple[Order, ...]:
        """Move attempts along the declared graph; older news than what is known is ignored."""
        return await attempts.change(self._pool, changes)

    async def book(
        self,
        account: AccountKey,
        executions: Sequence[Execution],
        now: datetime,
        *,
        rules: Mapping[str, InstrumentRules] = NO_RULES,
        fee_rates: Mapping[tuple[str, str], Decimal] = NO_RATES,
    ) -> Booked:
        """Book executions: fill, order, position, trade, ledger, balances, reservation at once."""
        return await bookings.book(self._pool, account, executions, now, rules, fee_rates)

    async def finish(
        self,
        account: AccountKey,
        intent_id: UUID,
        state: IntentState,
        reason: str | None,
        now: datetime,
    ) -> bool:
        """End an intent and release what it still holds back; False where it is final already."""
        return await attempts.finish(self._pool, account, intent_id, state, reason, now)

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
        return await keeping.adopt_balances(self._pool, account, shown, now, note, key=key)

    async def note_external(
        self, account: AccountKey, reports: Sequence[OrderReport], now: datetime
    ) -> None:
        """Keep orders of others apart: written, never touched."""
        await keeping.note_external(self._pool, account, reports, now)

    async def mark_position(
        self, account: AccountKey, bot_id: UUID, symbol: str, best_price: Decimal
    ) -> None:
        """Keep the best price since entry, so that a trailing stop survives a restart."""
        await keeping.mark_position(self._pool, account, bot_id, symbol, best_price)

    async def block_account(self, account: AccountKey, reason: str | None, now: datetime) -> None:
        """Block an account, or let it go on with None."""
        await keeping.block_account(self._pool, account, reason, now)

    async def set_bot_state(
        self, tenant_id: UUID, bot_id: UUID, state: str, reason: str | None, now: datetime
    ) -> None:
        """Say what a bot is doing."""
        await keeping.set_bot_state(self._pool, tenant_id, bot_id, state, reason, now)

    async def reconciled(self, account: AccountKey, now: datetime) -> None:
        """Keep when the books last agreed with the venue."""
        await keeping.reconciled(self._pool, account, now)

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
        """Keep a line of a bot's log; written within a second, and by `close` at the latest."""
        self._logs.add(LogLine(tenant_id, bot_id, level, event, message, data, now))

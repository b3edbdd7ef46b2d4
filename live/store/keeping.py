"""What is kept of an account beside its orders: external movements, marks, blocks and states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from candela.money import EXACT, ZERO
from candela.orders.records import LedgerEntry
from live.store.fencing import lock_accounts
from live.store.rows import BALANCES, columns
from live.store.writing import add_to_ledger, move_balances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from candela.orders.records import AccountKey
    from candela.orders.words import Balance, OrderReport
    from live.store.pool import ConnectionPool

__all__ = [
    "adopt_balances",
    "block_account",
    "mark_position",
    "note_external",
    "reconciled",
    "set_bot_state",
]

_ADOPTED: Final = """
SELECT l.ccy FROM trading.ledger AS l
WHERE l.tenant_id = %s AND l.account_id = %s AND l.entry_key = %s
"""
_NOTE: Final = """
INSERT INTO trading.external_orders (
    tenant_id, account_id, symbol, venue_order_id, client_id, side, state, quantity, executed,
    first_seen_at, seen_at
)
SELECT k.*, %s, %s FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::numeric[], %s::numeric[]
) AS k
ON CONFLICT (tenant_id, account_id, symbol, venue_order_id) DO UPDATE
SET state = excluded.state, executed = excluded.executed, seen_at = excluded.seen_at
"""
_MARK: Final = """
UPDATE trading.positions SET best_price = %s, updated_at = now()
WHERE
    tenant_id = %s AND bot_id = %s AND symbol = %s AND account_id = %s AND opened_at IS NOT NULL
"""
_BLOCK: Final = """
UPDATE trading.accounts SET state = %s, state_reason = %s, state_at = %s
WHERE tenant_id = %s AND account_id = %s AND state <> 'closed'
"""
_BOT_STATE: Final = """
UPDATE trading.bots SET state = %s, state_reason = %s, state_at = %s
WHERE tenant_id = %s AND bot_id = %s
"""
_RECONCILED: Final = """
UPDATE trading.accounts SET reconciled_at = %s WHERE tenant_id = %s AND account_id = %s
"""


async def adopt_balances(
    pool: ConnectionPool,
    account: AccountKey,
    shown: Mapping[str, Balance],
    now: datetime,
    note: str,
    *,
    key: str,
) -> Mapping[str, Decimal]:
    """Do what `live.store.port.Store.adopt_balances` says."""
    place = (account.tenant_id, account.account_id)
    async with pool.transaction((account.tenant_id,)) as connection:
        await lock_accounts(connection, (account,))
        balances = await connection.execute(BALANCES, place)
        adopted = await connection.execute(_ADOPTED, (*place, key))
        totals: dict[str, Decimal] = {row[0]: row[1] for row in await balances.fetchall()}
        done = {row[0] for row in await adopted.fetchall()}
        differences: dict[str, Decimal] = {}
        for ccy in sorted({*shown, *totals} - done):
            there = shown[ccy].total if ccy in shown else ZERO
            difference = EXACT.subtract(there, totals.get(ccy, ZERO))
            if difference:
                differences[ccy] = difference
        await add_to_ledger(
            connection,
            [
                LedgerEntry(account, key, ccy, amount, "external", now, note=note)
                for ccy, amount in differences.items()
            ],
        )
        await move_balances(connection, account, differences, {}, known=totals)
    return differences


async def note_external(
    pool: ConnectionPool, account: AccountKey, reports: Sequence[OrderReport], now: datetime
) -> None:
    """Do what `live.store.port.Store.note_external` says."""
    # A statement cannot touch a row twice: the last word on an order counts.
    last = {(report.symbol, report.venue_order_id): report for report in reports}
    rows: list[tuple[Any, ...]] = [
        (
            account.tenant_id,
            account.account_id,
            report.symbol,
            report.venue_order_id,
            report.client_id,
            report.side.value,
            report.state.value,
            report.quantity,
            report.executed,
        )
        for _, report in sorted(last.items())
    ]
    if not rows:
        return
    async with pool.transaction((account.tenant_id,)) as connection:
        await connection.execute(_NOTE, (now, now, *columns(rows, 9)))


async def mark_position(
    pool: ConnectionPool, account: AccountKey, bot_id: UUID, symbol: str, best_price: Decimal
) -> None:
    """Do what `live.store.port.Store.mark_position` says."""
    async with pool.transaction((account.tenant_id,)) as connection:
        await lock_accounts(connection, (account,))
        await connection.execute(
            _MARK, (best_price, account.tenant_id, bot_id, symbol, account.account_id)
        )


async def block_account(
    pool: ConnectionPool, account: AccountKey, reason: str | None, now: datetime
) -> None:
    """Do what `live.store.port.Store.block_account` says."""
    state = "active" if reason is None else "blocked"
    async with pool.transaction((account.tenant_id,)) as connection:
        await connection.execute(
            _BLOCK, (state, reason, now, account.tenant_id, account.account_id)
        )


async def set_bot_state(
    pool: ConnectionPool,
    tenant_id: UUID,
    bot_id: UUID,
    state: str,
    reason: str | None,
    now: datetime,
) -> None:
    """Do what `live.store.port.Store.set_bot_state` says."""
    async with pool.transaction((tenant_id,)) as connection:
        await connection.execute(_BOT_STATE, (state, reason, now, tenant_id, bot_id))


async def reconciled(pool: ConnectionPool, account: AccountKey, now: datetime) -> None:
    """Do what `live.store.port.Store.reconciled` says."""
    async with pool.transaction((account.tenant_id,)) as connection:
        await connection.execute(_RECONCILED, (now, account.tenant_id, account.account_id))

"""What executions changed, written: each table in one statement, however many rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from candela.money import ZERO
from live.store.rows import columns, mean_price

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.records import (
        AccountKey,
        Fill,
        Intent,
        LedgerEntry,
        Position,
        Reservation,
        Trade,
    )

__all__ = [
    "add_fills",
    "add_to_ledger",
    "move_balances",
    "write_intents",
    "write_positions",
    "write_reservations",
    "write_trades",
]

_ADD_FILLS: Final = """
INSERT INTO trading.fills (
    tenant_id, account_id, symbol, trade_id, client_id, bot_id, side, quantity, price, fee,
    fee_ccy, is_maker, executed_at, booked_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::text[],
    %s::numeric[], %s::numeric[], %s::numeric[], %s::text[], %s::boolean[], %s::timestamptz[],
    %s::timestamptz[]
)
"""
_WRITE_INTENTS: Final = """
UPDATE trading.intents AS i
SET state = k.state, state_reason = k.state_reason, final_at = k.final_at
FROM
    unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[])
        AS k (tenant_id, intent_id, state, state_reason, final_at)
WHERE i.tenant_id = k.tenant_id AND i.intent_id = k.intent_id
"""
_WRITE_RESERVATIONS: Final = """
UPDATE trading.reservations AS r SET amount = k.amount
FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[]) AS k (tenant_id, intent_id, amount)
WHERE r.tenant_id = k.tenant_id AND r.intent_id = k.intent_id
"""
_WRITE_POSITIONS: Final = """
INSERT INTO trading.positions (
    tenant_id, bot_id, symbol, account_id, quantity, mean_price, best_price, legs, terms, realised,
    fees, dust, trade_id, opened_at, updated_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::integer[], %s::text[]::jsonb[], %s::numeric[], %s::numeric[], %s::numeric[], %s::uuid[],
    %s::timestamptz[], %s::timestamptz[]
)
ON CONFLICT (tenant_id, bot_id, symbol) DO UPDATE
SET
    account_id = excluded.account_id, quantity = excluded.quantity,
    mean_price = excluded.mean_price, best_price = excluded.best_price, legs = excluded.legs,
    terms = excluded.terms, realised = excluded.realised, fees = excluded.fees,
    dust = excluded.dust, trade_id = excluded.trade_id, opened_at = excluded.opened_at,
    updated_at = excluded.updated_at
"""
_WRITE_TRADES: Final = """
INSERT INTO trading.trades (
    tenant_id, trade_id, account_id, bot_id, mode, symbol, direction, status, quantity,
    entry_price, exit_price, entry_value, exit_quantity, exit_value, fees, pnl, exit_reason,
    entry_bar_at, opened_at, closed_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::numeric[], %s::text[], %s::timestamptz[], %s::timestamptz[],
    %s::timestamptz[]
)
ON CONFLICT (tenant_id, trade_id) DO UPDATE
SET
    status = excluded.status, quantity = excluded.quantity, entry_price = excluded.entry_price,
    exit_price = excluded.exit_price, entry_value = excluded.entry_value,
    exit_quantity = excluded.exit_quantity, exit_value = excluded.exit_value,
    fees = excluded.fees, pnl = excluded.pnl, exit_reason = excluded.exit_reason,
    closed_at = excluded.closed_at
"""
_ADD_ENTRIES: Final = """
INSERT INTO trading.ledger (
    tenant_id, account_id, entry_key, ccy, amount, kind, bot_id, note, occurred_at
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::numeric[], %s::text[], %s::uuid[],
    %s::text[], %s::timestamptz[]
)
"""
# Not in one with the movement: a new row is checked before it is found to be there already.
_OPEN_BALANCES: Final = """
INSERT INTO trading.balances (tenant_id, account_id, ccy, total)
SELECT %s, %s, k.ccy, 0 FROM unnest(%s::text[]) AS k (ccy)
ON CONFLICT DO NOTHING
"""
_MOVE_BALANCES: Final = """
UPDATE trading.balances AS b
SET total = b.total + k.total, reserved = b.reserved + k.reserved, updated_at = now()
FROM
    unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[])
        AS k (tenant_id, account_id, ccy, total, reserved)
WHERE b.tenant_id = k.tenant_id AND b.account_id = k.account_id AND b.ccy = k.ccy
"""


async def add_fills(
    connection: AsyncConnection[TupleRow], fills: Iterable[Fill], now: datetime
) -> None:
    """Write new fills."""
    rows: list[tuple[Any, ...]] = [
        (
            fill.account.tenant_id,
            fill.account.account_id,
            fill.symbol,
            fill.trade_id,
            fill.client_id,
            fill.bot_id,
            fill.side.value,
            fill.quantity,
            fill.price,
            fill.fee,
            fill.fee_ccy,
            fill.is_maker,
            fill.executed_at,
            now,
        )
        for fill in fills
    ]
    await connection.execute(_ADD_FILLS, columns(rows, 14))


async def write_intents(connection: AsyncConnection[TupleRow], intents: Iterable[Intent]) -> None:
    """Write the states of intents."""
    rows: list[tuple[Any, ...]] = [
        (intent.tenant_id, intent.intent_id, intent.state.value, intent.reason, intent.final_at)
        for intent in intents
    ]
    if rows:
        await connection.execute(_WRITE_INTENTS, columns(rows, 5))


async def write_reservations(
    connection: AsyncConnection[TupleRow], account: AccountKey, reservations: Iterable[Reservation]
) -> None:
    """Write what intents of an account still hold back; balances are moved apart."""
    rows: list[tuple[Any, ...]] = [
        (account.tenant_id, held.intent_id, held.amount) for held in reservations
    ]
    if rows:
        await connection.execute(_WRITE_RESERVATIONS, columns(rows, 3))


async def write_positions(
    connection: AsyncConnection[TupleRow], positions: Iterable[Position], now: datetime
) -> None:
    """Write positions whole."""
    rows: list[tuple[Any, ...]] = [
        (
            position.account.tenant_id,
            position.bot_id,
            position.symbol,
            position.account.account_id,
            position.quantity,
            position.mean_price,
            position.best_price,
            position.legs,
            json.dumps(position.terms.as_dict()),
            position.realised,
            position.fees,
            position.dust,
            position.trade_id,
            position.opened_at,
            now,
        )
        for position in positions
    ]
    if rows:
        await connection.execute(_WRITE_POSITIONS, columns(rows, 15))


async def write_trades(connection: AsyncConnection[TupleRow], trades: Iterable[Trade]) -> None:
    """Write trades whole, with the mean prices that readers want."""
    rows: list[tuple[Any, ...]] = [
        (
            trade.account.tenant_id,
            trade.trade_id,
            trade.account.account_id,
            trade.bot_id,
            trade.mode,
            trade.symbol,
            trade.direction,
            trade.status,
            trade.quantity,
            mean_price(trade.entry_value, trade.quantity),
            mean_price(trade.exit_value, trade.exit_quantity),
            trade.entry_value,
            trade.exit_quantity,
            trade.exit_value,
            trade.fees,
            trade.pnl,
            trade.exit_reason,
            trade.entry_bar_at,
            trade.opened_at,
            trade.closed_at,
        )
        for trade in trades
    ]
    if rows:
        await connection.execute(_WRITE_TRADES, columns(rows, 20))


async def add_to_ledger(
    connection: AsyncConnection[TupleRow], entries: Iterable[LedgerEntry]
) -> None:
    """Write movements of money; balances are moved apart."""
    rows: list[tuple[Any, ...]] = [
        (
            entry.account.tenant_id,
            entry.account.account_id,
            entry.entry_key,
            entry.ccy,
            entry.amount,
            entry.kind,
            entry.bot_id,
            entry.note,
            entry.occurred_at,
        )
        for entry in entries
    ]
    if rows:
        await connection.execute(_ADD_ENTRIES, columns(rows, 9))


async def move_balances(
    connection: AsyncConnection[TupleRow],
    account: AccountKey,
    totals: Mapping[str, Decimal],
    reserved: Mapping[str, Decimal],
    *,
    known: Collection[str],
) -> None:
    """Add to the totals and to what is reserved, by currency.

    Parameters
    ----------
    known
        Currencies that the account has a balance of already.
    """
    missing = sorted({*totals, *reserved} - set(known))
    if missing:
        values = (account.tenant_id, account.account_id, missing)
        await connection.execute(_OPEN_BALANCES, values)
    rows: list[tuple[Any, ...]] = [
        (
            account.tenant_id,
            account.account_id,
            ccy,
            totals.get(ccy, ZERO),
            reserved.get(ccy, ZERO),
        )
        for ccy in sorted({*totals, *reserved})
    ]
    if rows:
        await connection.execute(_MOVE_BALANCES, columns(rows, 5))

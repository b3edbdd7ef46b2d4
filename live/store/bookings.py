"""Executions into the database: what they touch is read, counted anew and written, in one go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from candela.money import EXACT, ZERO
from candela.orders.booking import Touched, book_execution, same_content
from live.store.attempts import write_orders
from live.store.fencing import lock_accounts
from live.store.port import Booked, FillsDiffer
from live.store.rows import (
    ACCOUNT,
    BALANCES,
    FILLS,
    INTENTS,
    ORDERS,
    POSITIONS,
    TRADES,
    account_of,
    balance_of,
    fill_of_row,
    intent_of,
    order_of,
    position_of,
    reservation_of,
    trade_of,
)
from live.store.writing import (
    add_fills,
    add_to_ledger,
    move_balances,
    write_intents,
    write_positions,
    write_reservations,
    write_trades,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.booking import Effect
    from candela.orders.records import (
        Account,
        AccountKey,
        Fill,
        Intent,
        Order,
        Position,
        Reservation,
        Trade,
    )
    from candela.orders.words import Balance, Execution, InstrumentRules
    from live.store.pool import ConnectionPool

__all__ = ["book"]

_ORDERS_OF: Final = f"""{ORDERS}
WHERE
    o.tenant_id = %s AND o.account_id = %s
    AND (o.client_id = ANY(%s::text[]) OR o.venue_order_id = ANY(%s::text[]))
"""
_FILLS_OF: Final = f"""{FILLS}
INNER JOIN unnest(%s::text[], %s::text[]) AS k (symbol, trade_id) USING (symbol, trade_id)
WHERE f.tenant_id = %s AND f.account_id = %s
"""
_INTENTS_OF: Final = f"{INTENTS} WHERE i.tenant_id = %s AND i.intent_id = ANY(%s::uuid[])"
_TOUCHED: Final = """
    SELECT i.bot_id, i.symbol FROM trading.intents AS i
    WHERE i.tenant_id = %s AND i.intent_id = ANY(%s::uuid[])
"""
_POSITIONS_OF: Final = f"""{POSITIONS}
WHERE p.tenant_id = %s AND (p.bot_id, p.symbol) IN ({_TOUCHED})
"""
_TRADES_OF: Final = f"""{TRADES}
INNER JOIN trading.positions AS p USING (tenant_id, trade_id)
WHERE t.tenant_id = %s AND (p.bot_id, p.symbol) IN ({_TOUCHED})
"""


@dataclass(slots=True)
class _Books:
    """What a transaction has read, and what it makes of it, execution by execution."""

    account: Account
    orders: dict[str, Order]
    venue_ids: dict[tuple[str, str], str]
    fills: dict[tuple[str, str], Fill]
    balances: dict[str, tuple[Decimal, Decimal]]
    intents: dict[UUID, Intent]
    reservations: dict[UUID, Reservation]
    positions: dict[tuple[UUID | None, str], Position]
    trades: dict[UUID, Trade]
    effects: list[Effect] = field(default_factory=list["Effect"])
    unknown: list[Execution] = field(default_factory=list["Execution"])
    totals: dict[str, Decimal] = field(default_factory=dict[str, "Decimal"])
    reserved: dict[str, Decimal] = field(default_factory=dict[str, "Decimal"])

    def order_of(self, execution: Execution) -> Order | None:
        """Return the attempt by client id, else by the venue's id; None where it is not ours."""
        client_id = execution.client_id
        if client_id is None or client_id not in self.orders:
            client_id = self.venue_ids.get((execution.symbol, execution.venue_order_id))
        return None if client_id is None else self.orders[client_id]

    def take(
        self,
        order: Order,
        execution: Execution,
        now: datetime,
        rules: Mapping[str, InstrumentRules],
        fee_rates: Mapping[tuple[str, str], Decimal],
    ) -> None:
        """Let an execution act on what is known of its attempt."""
        intent = self.intents[order.intent_id]
        held = self.reservations[order.intent_id]
        position = self.positions.get((intent.bot_id, order.symbol))
        trade_id = None if position is None else position.trade_id
        effect = book_execution(
            Touched(
                self.account,
                order,
                intent,
                held,
                position,
                None if trade_id is None else self.trades.get(trade_id),
            ),
            execution,
            now,
            rules.get(order.symbol),
            fee_rates.get((order.symbol, execution.fee_ccy)),
        )
        after = effect.touched
        self.effects.append(effect)
        self.orders[order.client_id] = after.order
        if after.order.venue_order_id is not None:
            self.venue_ids[order.symbol, after.order.venue_order_id] = order.client_id
        self.intents[order.intent_id] = after.intent
        # An intent that is final holds nothing back, whatever was left of its reservation.
        rest = ZERO if after.intent.state.is_final else after.reservation.amount
        self.reservations[order.intent_id] = replace(after.reservation, amount=rest)
        if after.position is not None:
            self.positions[intent.bot_id, order.symbol] = after.position
        if after.trade is not None:
            self.trades[after.trade.trade_id] = after.trade
        for entry in effect.entries:
            _add(self.totals, entry.ccy, entry.amount)
        _add(self.reserved, held.ccy, EXACT.subtract(rest, held.amount))


async def book(
    pool: ConnectionPool,
    account: AccountKey,
    executions: Sequence[Execution],
    now: datetime,
    rules: Mapping[str, InstrumentRules],
    fee_rates: Mapping[tuple[str, str], Decimal],
) -> Booked:
    """Do what `live.store.port.Store.book` says, in three round trips for any number.

    Raises
    ------
    FillsDiffer
        Under a known trade id comes another content; nothing of the call was written.
    """
    async with pool.transaction((account.tenant_id,)) as connection:
        books = await _read(connection, account, executions)
        for execution in _fresh(executions, books.fills):
            order = books.order_of(execution)
            if order is None:
                books.unknown.append(execution)
            else:
                books.take(order, execution, now, rules, fee_rates)
        if books.effects:
            await _write(connection, books, now)
    return _booked(books)


async def _read(
    connection: AsyncConnection[TupleRow], account: AccountKey, executions: Sequence[Execution]
) -> _Books:
    place = (account.tenant_id, account.account_id)
    clients = [entry.client_id for entry in executions if entry.client_id is not None]
    venue_ids = [entry.venue_order_id for entry in executions]
    trade_ids = [entry.trade_id for entry in executions]
    symbols = [entry.symbol for entry in executions]
    await lock_accounts(connection, (account,))
    owners = await connection.execute(ACCOUNT, place)
    found = await connection.execute(_ORDERS_OF, (*place, clients, venue_ids))
    fills = await connection.execute(_FILLS_OF, (symbols, trade_ids, *place))
    balances = await connection.execute(BALANCES, place)
    orders = [order_of(row) for row in await found.fetchall()]
    tenant, wanted = account.tenant_id, [order.intent_id for order in orders]
    intents = await connection.execute(_INTENTS_OF, (tenant, wanted))
    positions = await connection.execute(_POSITIONS_OF, (tenant, tenant, wanted))
    trades = await connection.execute(_TRADES_OF, (tenant, tenant, wanted))
    intent_rows = await intents.fetchall()
    return _Books(
        account=account_of(account, await owners.fetchone()),
        orders={order.client_id: order for order in orders},
        venue_ids={
            (order.symbol, order.venue_order_id): order.client_id
            for order in orders
            if order.venue_order_id is not None
        },
        fills={
            (fill.symbol, fill.trade_id): fill for fill in map(fill_of_row, await fills.fetchall())
        },
        balances={ccy: (total, reserved) for ccy, total, reserved in await balances.fetchall()},
        intents={row[2]: intent_of(row) for row in intent_rows},
        reservations={row[2]: reservation_of(row) for row in intent_rows},
        positions={
            (position.bot_id, position.symbol): position
            for position in map(position_of, await positions.fetchall())
        },
        trades={trade.trade_id: trade for trade in map(trade_of, await trades.fetchall())},
    )


def _fresh(
    executions: Sequence[Execution], fills: Mapping[tuple[str, str], Fill]
) -> list[Execution]:
    """Return those that are not booked yet, each once, and refuse a known id with new content."""
    fresh: dict[tuple[str, str], Execution] = {}
    for execution in executions:
        key = (execution.symbol, execution.trade_id)
        twin = fills.get(key) or fresh.get(key)
        if twin is None:
            fresh[key] = execution
        elif not same_content(twin, execution):
            raise FillsDiffer(
                f"trade {execution.trade_id} of {execution.symbol} came with another content",
                "Compare the account's trades at the venue with what is booked.",
            )
    return list(fresh.values())


async def _write(connection: AsyncConnection[TupleRow], books: _Books, now: datetime) -> None:
    key = books.account.key
    changed = _booked(books)
    intents = {effect.touched.intent.intent_id: None for effect in books.effects}
    await add_fills(connection, changed.fills, now)
    await write_orders(connection, changed.orders)
    await write_intents(connection, [books.intents[intent_id] for intent_id in intents])
    await write_reservations(
        connection, key, [books.reservations[intent_id] for intent_id in intents]
    )
    await write_positions(connection, changed.positions, now)
    await write_trades(connection, changed.trades)
    await add_to_ledger(connection, [entry for effect in books.effects for entry in effect.entries])
    await move_balances(connection, key, books.totals, books.reserved, known=books.balances)


def _booked(books: _Books) -> Booked:
    orders = {effect.touched.order.client_id: effect.touched.order for effect in books.effects}
    positions = {
        (after.bot_id, after.symbol): after
        for effect in books.effects
        if (after := effect.touched.position) is not None
    }
    trades = {
        after.trade_id: after
        for effect in books.effects
        if (after := effect.touched.trade) is not None
    }
    balances: dict[str, Balance] = {}
    for ccy in {**books.totals, **books.reserved}:
        total, reserved = books.balances.get(ccy, (ZERO, ZERO))
        balances[ccy] = balance_of(
            EXACT.add(total, books.totals.get(ccy, ZERO)),
            EXACT.add(reserved, books.reserved.get(ccy, ZERO)),
        )
    return Booked(
        fills=tuple(effect.fill for effect in books.effects),
        orders=tuple(orders.values()),
        positions=tuple(positions.values()),
        trades=tuple(trades.values()),
        balances=balances,
        unknown=tuple(books.unknown),
    )


def _add(sums: dict[str, Decimal], ccy: str, amount: Decimal) -> None:
    sums[ccy] = EXACT.add(sums.get(ccy, ZERO), amount)

"""How rows of schema trading read as records: the columns in order, and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from candela.errors import NotFound
from candela.money import EXACT, quotient
from candela.orders.records import (
    Account,
    AccountKey,
    Fill,
    Halt,
    Intent,
    Order,
    Position,
    PositionTerms,
    Reservation,
    Trade,
)
from candela.orders.words import (
    Balance,
    IntentSource,
    IntentState,
    OrderKind,
    OrderState,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from psycopg.rows import TupleRow

__all__ = [
    "ACCOUNT",
    "BALANCES",
    "FILLS",
    "HALTS",
    "INTENTS",
    "ORDERS",
    "POSITIONS",
    "TRADES",
    "AccountNotFound",
    "account_of",
    "balance_of",
    "columns",
    "fill_of_row",
    "halt_of",
    "intent_of",
    "mean_price",
    "order_of",
    "position_of",
    "reservation_of",
    "trade_of",
]


class AccountNotFound(NotFound):
    """A tenant has no account under that id."""

    code = "account_not_found"


ACCOUNT: Final = """
SELECT
    a.tenant_id, a.account_id, a.name, a.venue, a.kind, a.mode, a.quote_ccy, a.secret_id, a.state,
    a.state_reason, a.reconciled_at
FROM trading.accounts AS a
WHERE a.tenant_id = %s AND a.account_id = %s
"""
ORDERS: Final = """
SELECT
    o.tenant_id, o.account_id, o.client_id, o.intent_id, o.attempt, o.symbol, o.side, o.kind,
    o.quantity, o.price, o.stop_price, o.state, o.created_at, o.venue_order_id, o.state_reason,
    o.executed, o.venue_executed, o.sent_at, o.fence_at, o.answered_at, o.final_at
FROM trading.orders AS o
"""
# Every intent has a reservation.
INTENTS: Final = """
SELECT
    i.tenant_id, i.account_id, i.intent_id, i.bot_id, i.decision_id, i.symbol, i.bar_at, i.leg,
    i.source, i.side, i.kind, i.quantity, i.price, i.stop_price, i.reference_price, i.terms,
    r.ccy, r.asked, i.valid_until, i.shard, i.epoch, i.created_at, i.state, i.state_reason,
    i.final_at, r.amount
FROM trading.intents AS i
INNER JOIN trading.reservations AS r USING (tenant_id, intent_id)
"""
FILLS: Final = """
SELECT
    f.tenant_id, f.account_id, f.symbol, f.trade_id, f.client_id, f.bot_id, f.side, f.quantity,
    f.price, f.fee, f.fee_ccy, f.is_maker, f.executed_at
FROM trading.fills AS f
"""
POSITIONS: Final = """
SELECT
    p.tenant_id, p.account_id, p.bot_id, p.symbol, p.quantity, p.mean_price, p.best_price, p.legs,
    p.terms, p.realised, p.fees, p.dust, p.trade_id, p.opened_at
FROM trading.positions AS p
"""
TRADES: Final = """
SELECT
    t.tenant_id, t.account_id, t.trade_id, t.bot_id, t.mode, t.symbol, t.direction, t.status,
    t.quantity, t.entry_value, t.exit_quantity, t.exit_value, t.fees, t.entry_bar_at, t.opened_at,
    t.pnl, t.exit_reason, t.closed_at
FROM trading.trades AS t
"""
HALTS: Final = """
SELECT h.halt_id, h.scope, h.tenant_id, h.account_id, h.bot_id, h.flatten, h.reason
FROM trading.halts AS h
WHERE h.released_at IS NULL
"""
BALANCES: Final = """
SELECT b.ccy, b.total, b.reserved FROM trading.balances AS b
WHERE b.tenant_id = %s AND b.account_id = %s
ORDER BY b.ccy
"""


def account_of(key: AccountKey, row: TupleRow | None) -> Account:
    """Read of `ACCOUNT`.

    Raises
    ------
    AccountNotFound
        There is no such account, or it is another tenant's.
    """
    if row is None:
        raise AccountNotFound(
            f"tenant {key.tenant_id} has no account {key.account_id}", "`candela account list`."
        )
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:10]]
    return Account(*values)


def order_of(row: TupleRow) -> Order:
    """Read of `ORDERS`."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:21]]
    values[5], values[6], values[10] = Side(row[6]), OrderKind(row[7]), OrderState(row[11])
    return Order(*values)


def intent_of(row: TupleRow) -> Intent:
    """Read of `INTENTS`; its reserve is what was held back at first."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:8]]
    values += [IntentSource(row[8]), Side(row[9]), OrderKind(row[10]), *row[11:15]]
    values += [PositionTerms.read(row[15]), Reservation(row[2], row[16], row[17]), *row[18:22]]
    values += [IntentState(row[22]), *row[23:25]]
    return Intent(*values)


def reservation_of(row: TupleRow) -> Reservation:
    """Read of `INTENTS` what is still held back."""
    return Reservation(row[2], row[16], row[25])


def fill_of_row(row: TupleRow) -> Fill:
    """Read of `FILLS`."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:6], Side(row[6]), *row[7:13]]
    return Fill(*values)


def position_of(row: TupleRow) -> Position:
    """Read of `POSITIONS`."""
    values: list[Any] = [row[2], AccountKey(row[0], row[1]), *row[3:14]]
    values[7] = PositionTerms.read(row[8])
    return Position(*values)


def trade_of(row: TupleRow) -> Trade:
    """Read of `TRADES`."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:18]]
    return Trade(*values)


def halt_of(row: TupleRow) -> Halt:
    """Read of `HALTS`."""
    values: list[Any] = list(row)
    return Halt(*values)


def balance_of(total: Decimal, reserved: Decimal) -> Balance:
    """Return total and reserved as what is free and what is not."""
    return Balance(EXACT.subtract(total, reserved), reserved)


def mean_price(value: Decimal, quantity: Decimal) -> Decimal | None:
    """Return quote per base, for whoever reads trades; None while nothing was traded."""
    return quotient(value, quantity) if quantity > 0 else None


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> tuple[list[Any], ...]:
    """Turn rows into one list a column, as `unnest` takes them."""
    made: tuple[list[Any], ...] = tuple([] for _ in range(width))
    for row in rows:
        for column, value in zip(made, row, strict=True):
            column.append(value)
    return made

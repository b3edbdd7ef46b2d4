"""What a tenant's figures are made of, read from its books and sorted into series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from candela.metrics.periods import Deal, Execution, Flow

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

__all__ = ["Books", "Scope", "Series", "read_books"]

Scope = Literal["bot", "account", "user"]

_TRADES: Final = """
SELECT
    t.trade_id::text AS key, t.bot_id, t.account_id, t.mode,
    CASE WHEN t.kind = 'spot' THEN split_part(t.symbol, '/', 2) ELSE a.quote_ccy END AS currency,
    t.opened_at, t.closed_at, t.pnl, coalesce(t.stake, t.entry_value) AS cost, t.fees
FROM trading.trades AS t
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
WHERE t.tenant_id = %(tenant)s AND t.pnl IS NOT NULL AND t.closed_at IS NOT NULL
    AND t.status IN ('closed', 'won', 'lost', 'drawn')
"""
_FILLS: Final = """
SELECT
    f.bot_id, f.account_id, a.mode, split_part(f.symbol, '/', 2) AS currency, f.executed_at AS at,
    f.price * f.quantity AS value
FROM trading.fills AS f
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
WHERE f.tenant_id = %(tenant)s
"""
_DEPOSITS: Final = """
SELECT l.account_id, a.mode, l.ccy AS currency, l.occurred_at AS at, l.amount
FROM trading.ledger AS l
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
WHERE l.tenant_id = %(tenant)s AND l.ccy = a.quote_ccy
    AND l.kind IN ('opening', 'external', 'transfer')
"""
# A bot's capital is what its configuration says; a version with more of it puts in the difference.
_CAPITAL: Final = """
SELECT
    v.bot_id, a.mode, a.quote_ccy AS currency, v.created_at AS at,
    (v.config ->> 'capital')::numeric
    - lag((v.config ->> 'capital')::numeric, 1, 0) OVER (
        PARTITION BY v.bot_id ORDER BY v.version
    ) AS amount
FROM trading.bot_versions AS v
INNER JOIN trading.bots AS b USING (tenant_id, bot_id)
INNER JOIN trading.accounts AS a ON b.tenant_id = a.tenant_id AND b.account_id = a.account_id
WHERE v.tenant_id = %(tenant)s AND v.config ? 'capital'
"""


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """Whose figures, of which mode and currency: these are never added up."""

    scope: Scope
    scope_id: UUID
    mode: str
    currency: str


@dataclass(slots=True)
class Books:
    """What belongs to one series."""

    deals: list[Deal] = field(default_factory=list[Deal])
    flows: list[Flow] = field(default_factory=list[Flow])
    executions: list[Execution] = field(default_factory=list[Execution])


def read_books(connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> dict[Series, Books]:
    """Return what a tenant traded, by series; whoever never traded has no series of bots."""
    found: defaultdict[Series, Books] = defaultdict(Books)

    def rows(query: LiteralString) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, {"tenant": tenant_id}).fetchall()

    for row in rows(_TRADES):
        names = ("key", "opened_at", "closed_at", "pnl", "cost", "fees")
        deal = Deal(**{name: row[name] for name in names})
        for series in _series_of(row, tenant_id):
            found[series].deals.append(deal)
    for row in rows(_FILLS):
        execution = Execution(row["at"], row["value"])
        for series in _series_of(row, tenant_id):
            found[series].executions.append(execution)
    for row in rows(_DEPOSITS):
        for series in _series_of(row | {"bot_id": None}, tenant_id):
            found[series].flows.append(Flow(row["at"], row["amount"]))
    for row in rows(_CAPITAL):
        if row["amount"]:
            series = Series("bot", row["bot_id"], row["mode"], row["currency"])
            found[series].flows.append(Flow(row["at"], row["amount"]))
    return dict(found)


def _series_of(row: dict[str, Any], tenant_id: UUID) -> Iterable[Series]:
    mode, currency = row["mode"], row["currency"]
    yield Series("account", row["account_id"], mode, currency)
    yield Series("user", tenant_id, mode, currency)
    if row["bot_id"] is not None:
        yield Series("bot", row["bot_id"], mode, currency)

"""What a tenant's bots did: positions, trades, orders, decisions and log lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = [
    "DecisionRow",
    "LogRow",
    "OrderRow",
    "PositionRow",
    "TradeRow",
    "decisions_of",
    "logs_of",
    "orders_of",
    "positions_of",
    "trades_of",
]

_POSITIONS: Final = """
SELECT b.name AS bot, a.name AS account, p.symbol, p.quantity, p.mean_price, p.best_price, p.legs,
    p.terms, p.realised, p.fees, p.dust, p.opened_at, p.updated_at
FROM trading.positions AS p
INNER JOIN trading.bots AS b USING (tenant_id, bot_id)
INNER JOIN trading.accounts AS a ON a.tenant_id = p.tenant_id AND a.account_id = p.account_id
WHERE p.tenant_id = %(tenant)s AND (%(bot)s::uuid IS NULL OR p.bot_id = %(bot)s)
    AND (%(flat)s OR p.quantity <> 0)
ORDER BY b.name, p.symbol
"""
_TRADES: Final = """
SELECT t.trade_id, b.name AS bot, a.name AS account, t.kind, t.mode, t.symbol, t.direction,
    t.status, t.quantity, t.entry_price, t.exit_price, t.entry_value, t.exit_value, t.fees, t.pnl,
    t.exit_reason, t.opened_at, t.closed_at, t.stake, t.payout_ratio, t.expires_at
FROM trading.trades AS t
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
LEFT JOIN trading.bots AS b ON b.tenant_id = t.tenant_id AND b.bot_id = t.bot_id
WHERE t.tenant_id = %(tenant)s AND (%(bot)s::uuid IS NULL OR t.bot_id = %(bot)s)
    AND (%(before)s::timestamptz IS NULL OR t.opened_at < %(before)s)
ORDER BY t.opened_at DESC, t.trade_id DESC
LIMIT %(limit)s
"""
_ORDERS: Final = """
SELECT o.client_id, b.name AS bot, a.name AS account, o.symbol, i.source, i.leg, o.attempt, o.side,
    o.kind, o.quantity, o.price, o.executed, o.state, o.state_reason AS reason, o.created_at,
    o.final_at, o.venue_order_id
FROM trading.orders AS o
INNER JOIN trading.intents AS i USING (tenant_id, intent_id)
INNER JOIN trading.accounts AS a ON a.tenant_id = o.tenant_id AND a.account_id = o.account_id
LEFT JOIN trading.bots AS b ON b.tenant_id = i.tenant_id AND b.bot_id = i.bot_id
WHERE o.tenant_id = %(tenant)s AND (%(bot)s::uuid IS NULL OR i.bot_id = %(bot)s)
    AND (NOT %(open)s
         OR o.state IN ('created', 'sending', 'unknown', 'open', 'canceling'))
ORDER BY o.created_at DESC, o.client_id DESC
LIMIT %(limit)s
"""
_DECISIONS: Final = """
SELECT d.decision_id, d.symbol, d.bar_at, d.leg, d.action, d.outcome, d.decided_by, d.gates,
    d.decided_at, i.state AS intent_state, i.state_reason AS intent_reason
FROM trading.decisions AS d
LEFT JOIN trading.intents AS i USING (tenant_id, decision_id)
WHERE d.tenant_id = %(tenant)s AND d.bot_id = %(bot)s
    AND (NOT %(refused)s OR d.outcome = 'refused')
ORDER BY d.decided_at DESC, d.decision_id DESC
LIMIT %(limit)s
"""
# The newest come first, so that a limit leaves the oldest out.
_LOGS: Final = """
SELECT l.log_id, b.name AS bot, l.logged_at, l.level, l.event, l.message, l.data
FROM trading.bot_logs AS l
INNER JOIN trading.bots AS b USING (tenant_id, bot_id)
WHERE l.tenant_id = %(tenant)s AND (%(bot)s::uuid IS NULL OR l.bot_id = %(bot)s)
    AND l.level = ANY(%(levels)s)
    AND (%(since)s::timestamptz IS NULL OR l.logged_at >= %(since)s)
ORDER BY l.logged_at DESC, l.log_id DESC
LIMIT %(limit)s
"""
_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class PositionRow:
    """What a bot holds of an instrument; base and quote as in `candela.orders.records.Position`."""

    bot: str
    account: str
    symbol: str
    quantity: Decimal
    mean_price: Decimal
    best_price: Decimal | None
    legs: int
    terms: dict[str, str]
    realised: Decimal
    fees: Decimal
    dust: Decimal
    opened_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade from flat to flat, or a contract; money in the quote currency."""

    trade_id: UUID
    bot: str | None
    account: str
    kind: Literal["spot", "fixed_payout"]
    mode: str
    symbol: str
    direction: str
    status: str
    quantity: Decimal
    entry_price: Decimal | None
    exit_price: Decimal | None
    entry_value: Decimal
    exit_value: Decimal
    fees: Decimal
    pnl: Decimal | None
    exit_reason: str | None
    opened_at: datetime
    closed_at: datetime | None
    stake: Decimal | None
    payout_ratio: Decimal | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An attempt of an intent; no bot: asked for by hand."""

    client_id: str
    bot: str | None
    account: str
    symbol: str
    source: str
    leg: str
    attempt: int
    side: str
    kind: str
    quantity: Decimal
    price: Decimal | None
    executed: Decimal
    state: str
    reason: str | None
    created_at: datetime
    final_at: datetime | None
    venue_order_id: str | None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision with the gates that it met, in order.

    Parameters
    ----------
    intent_state, intent_reason
        What became of the intent that came of it.
    """

    decision_id: UUID
    symbol: str
    bar_at: datetime
    leg: str
    action: str
    outcome: Literal["intent", "refused", "nothing"]
    decided_by: str | None
    gates: list[dict[str, Any]]
    decided_at: datetime
    intent_state: str | None = None
    intent_reason: str | None = None

    @property
    def why(self) -> str:
        """The sentence of the gate that decided, or of the last one that was passed."""
        for gate in self.gates:
            if (gate.get("gate") or gate.get("name")) == self.decided_by:
                return str(gate.get("words", ""))
        return str(self.gates[-1].get("words", "")) if self.gates else ""


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line of a bot's log."""

    log_id: UUID
    bot: str
    logged_at: datetime
    level: Literal["debug", "info", "warning", "error"]
    event: str
    message: str
    data: dict[str, Any] | None


def positions_of(
    session: TenantSession, bot_id: UUID | None = None, *, flat: bool = False
) -> list[PositionRow]:
    """Return what a bot, or with None all of them, hold; flat ones only if asked for."""
    rows = session.rows(_POSITIONS, {"bot": bot_id, "flat": flat})
    return [PositionRow(**row) for row in rows]


def trades_of(
    session: TenantSession,
    bot_id: UUID | None = None,
    *,
    limit: int = 50,
    before: datetime | None = None,
) -> list[TradeRow]:
    """Return the last trades opened before an instant, newest first."""
    rows = session.rows(_TRADES, {"bot": bot_id, "limit": limit, "before": before})
    return [TradeRow(**row) for row in rows]


def orders_of(
    session: TenantSession,
    bot_id: UUID | None = None,
    *,
    limit: int = 50,
    only_open: bool = False,
) -> list[OrderRow]:
    """Return the last orders, newest first."""
    rows = session.rows(_ORDERS, {"bot": bot_id, "limit": limit, "open": only_open})
    return [OrderRow(**row) for row in rows]


def decisions_of(
    session: TenantSession, bot_id: UUID, *, limit: int = 50, only_refused: bool = False
) -> list[DecisionRow]:
    """Return a bot's last decisions, newest first."""
    rows = session.rows(_DECISIONS, {"bot": bot_id, "limit": limit, "refused": only_refused})
    return [DecisionRow(**row) for row in rows]


def logs_of(
    session: TenantSession,
    bot_id: UUID | None = None,
    *,
    limit: int = 100,
    since: datetime | None = None,
    least: Literal["debug", "info", "warning", "error"] = "info",
) -> list[LogRow]:
    """Return the last lines of that level or above since an instant, oldest first."""
    levels = list(_LEVELS[_LEVELS.index(least) :])
    rows = session.rows(_LOGS, {"bot": bot_id, "limit": limit, "since": since, "levels": levels})
    return [LogRow(**row) for row in reversed(rows)]

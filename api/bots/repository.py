"""The SQL of bots' lists: filtered, and by pages, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = [
    "is_verified",
    "list_bots",
    "list_decisions",
    "list_orders",
    "list_runs",
    "list_versions",
]

_BOTS: Final = """
SELECT b.bot_id, b.name, b.account_id, a.name AS account, a.venue, a.kind, a.mode, a.quote_ccy,
    b.version, b.wanted, b.wanted_at, b.flatten_on_stop, b.state, b.state_reason, b.state_at,
    b.created_at, v.config AS stored, v.definition_id
FROM trading.bots AS b
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
INNER JOIN trading.bot_versions AS v USING (tenant_id, bot_id, version)
WHERE b.tenant_id = %(tenant)s AND b.removed_at IS NULL
    AND (%(state)s::text IS NULL OR b.state = %(state)s)
    AND (%(mode)s::text IS NULL OR a.mode = %(mode)s)
    AND (%(account)s::uuid IS NULL OR b.account_id = %(account)s)
    AND (%(strategy)s::text IS NULL OR v.config ->> 'strategy' = %(strategy)s)
"""
_NEWEST: Final = """
    AND (%(at)s::timestamptz IS NULL OR (b.created_at, b.bot_id) < (%(at)s, %(id)s::uuid))
ORDER BY b.created_at DESC, b.bot_id DESC LIMIT %(limit)s
"""
_OLDEST: Final = """
    AND (%(at)s::timestamptz IS NULL OR (b.created_at, b.bot_id) > (%(at)s, %(id)s::uuid))
ORDER BY b.created_at, b.bot_id LIMIT %(limit)s
"""
_VERSIONS: Final = """
SELECT version, config, definition_id, created_by, created_at FROM trading.bot_versions
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
    AND (%(before)s::integer IS NULL OR version < %(before)s)
ORDER BY version DESC LIMIT %(limit)s
"""
_RUNS: Final = """
SELECT run_id, version, started_at, stopped_at, stop_reason FROM trading.bot_runs
WHERE tenant_id = %(tenant)s AND bot_id = %(bot)s
    AND (%(at)s::timestamptz IS NULL OR (started_at, run_id) < (%(at)s, %(id)s::uuid))
ORDER BY started_at DESC, run_id DESC LIMIT %(limit)s
"""
_DECISIONS: Final = """
SELECT d.decision_id, d.symbol, d.bar_at, d.leg, d.action, d.outcome, d.decided_by, d.gates,
    d.decided_at, i.state AS intent_state, i.state_reason AS intent_reason
FROM trading.decisions AS d
LEFT JOIN trading.intents AS i USING (tenant_id, decision_id)
WHERE d.tenant_id = %(tenant)s AND d.bot_id = %(bot)s
    AND (%(outcome)s::text IS NULL OR d.outcome = %(outcome)s)
    AND (%(at)s::timestamptz IS NULL OR (d.decided_at, d.decision_id) < (%(at)s, %(id)s::uuid))
ORDER BY d.decided_at DESC, d.decision_id DESC LIMIT %(limit)s
"""
_ORDERS: Final = """
SELECT o.client_id, o.intent_id, o.symbol, i.source, i.leg, o.attempt, o.side, o.kind, o.quantity,
    o.price, o.executed, o.state, o.state_reason AS reason, o.created_at, o.final_at,
    o.venue_order_id
FROM trading.orders AS o
INNER JOIN trading.intents AS i USING (tenant_id, intent_id)
WHERE o.tenant_id = %(tenant)s AND i.bot_id = %(bot)s
    AND (%(at)s::timestamptz IS NULL OR (o.created_at, o.intent_id) < (%(at)s, %(id)s::uuid))
ORDER BY o.created_at DESC, o.intent_id DESC LIMIT %(limit)s
"""
_VERIFIED: Final = """
SELECT 1 FROM identity.credentials
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND email_verified_at IS NOT NULL
"""

Rows = list[dict[str, Any]]
Place = tuple["datetime | None", "UUID | None"]


def list_bots(
    session: TenantSession, filters: dict[str, Any], place: Place, limit: int, *, oldest: bool
) -> Rows:
    """Return bots by when they were made; filters: state, mode, account, strategy."""
    values = {**filters, "at": place[0], "id": place[1], "limit": limit}
    return session.rows(_BOTS + (_OLDEST if oldest else _NEWEST), values)


def list_versions(session: TenantSession, bot_id: UUID, before: int | None, limit: int) -> Rows:
    """Return the configurations that a bot had, the last one first."""
    return session.rows(_VERSIONS, {"bot": bot_id, "before": before, "limit": limit})


def list_runs(session: TenantSession, bot_id: UUID, place: Place, limit: int) -> Rows:
    """Return the times in which executors worked on a bot."""
    values = {"bot": bot_id, "at": place[0], "id": place[1], "limit": limit}
    return session.rows(_RUNS, values)


def list_decisions(
    session: TenantSession, bot_id: UUID, outcome: str | None, place: Place, limit: int
) -> Rows:
    """Return a bot's decisions with their gates."""
    values = {"bot": bot_id, "outcome": outcome, "at": place[0], "id": place[1], "limit": limit}
    return session.rows(_DECISIONS, values)


def list_orders(session: TenantSession, bot_id: UUID, place: Place, limit: int) -> Rows:
    """Return the attempts to trade for a bot."""
    values = {"bot": bot_id, "at": place[0], "id": place[1], "limit": limit}
    return session.rows(_ORDERS, values)


def is_verified(session: TenantSession, user_id: UUID) -> bool:
    """Return whether a user has verified the address."""
    return session.row(_VERIFIED, {"user": user_id}) is not None

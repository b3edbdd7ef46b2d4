"""The SQL of orders by hand: their pages, and their fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["fills_of", "list_requests"]

_LISTED: Final = """
SELECT r.request_id, a.name AS account, r.symbol, r.side, r.kind, r.quantity, r.price,
    r.valid_until, r.state, r.reason, r.requested_at, r.answered_at, f.executed, f.value,
    (r.state IN ('refused', 'lapsed')
        OR coalesce(i.state IN ('done', 'failed'), false)) AS is_final
FROM trading.order_requests AS r
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
LEFT JOIN trading.intents AS i USING (tenant_id, intent_id)
LEFT JOIN LATERAL (
    SELECT sum(t.quantity) AS executed, sum(t.quantity * t.price) AS value
    FROM trading.orders AS o INNER JOIN trading.fills AS t USING (tenant_id, client_id)
    WHERE o.tenant_id = r.tenant_id AND o.intent_id = r.intent_id
) AS f ON true
WHERE r.tenant_id = %(tenant)s
    AND (%(state)s::text IS NULL OR r.state = %(state)s)
    AND (%(account)s::uuid IS NULL OR r.account_id = %(account)s)
    AND (%(at)s::timestamptz IS NULL OR (r.requested_at, r.request_id) < (%(at)s, %(id)s::uuid))
ORDER BY r.requested_at DESC, r.request_id DESC LIMIT %(limit)s
"""
_FILLS: Final = """
SELECT t.trade_id, t.quantity, t.price, t.fee, t.fee_ccy, t.is_maker, t.executed_at
FROM trading.order_requests AS r
INNER JOIN trading.orders AS o ON o.tenant_id = r.tenant_id AND o.intent_id = r.intent_id
INNER JOIN trading.fills AS t ON t.tenant_id = o.tenant_id AND t.client_id = o.client_id
WHERE r.tenant_id = %(tenant)s AND r.request_id = %(request)s
ORDER BY t.executed_at, t.trade_id LIMIT 1000
"""


def list_requests(
    session: TenantSession,
    state: str | None,
    account_id: UUID | None,
    place: tuple[datetime | None, UUID | None],
    limit: int,
) -> list[dict[str, Any]]:
    """Return orders by hand, the newest first."""
    values = {"state": state, "account": account_id, "at": place[0], "id": place[1]}
    return session.rows(_LISTED, values | {"limit": limit})


def fills_of(session: TenantSession, request_id: UUID) -> list[dict[str, Any]]:
    """Return what was traded of an order by hand, the oldest first."""
    return session.rows(_FILLS, {"request": request_id})

"""The SQL of what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["list_external", "list_positions"]

_POSITIONS: Final = """
SELECT p.bot_id, b.name AS bot, p.account_id, a.name AS account, a.mode, a.venue, p.symbol,
    p.quantity, p.mean_price, p.best_price, p.legs, p.realised, p.fees, p.dust, p.opened_at,
    p.updated_at, m.close AS mark, m.time AS marked_at, EXISTS (
        SELECT 1 FROM trading.intents AS i
        INNER JOIN trading.orders AS o ON o.tenant_id = i.tenant_id AND o.intent_id = i.intent_id
        WHERE i.tenant_id = p.tenant_id AND i.bot_id = p.bot_id AND i.symbol = p.symbol
            AND i.source = 'protection' AND i.state = 'working' AND o.state = 'open'
    ) AS is_protected_at_venue
FROM trading.positions AS p
INNER JOIN trading.bots AS b USING (tenant_id, bot_id)
INNER JOIN trading.accounts AS a ON a.tenant_id = p.tenant_id AND a.account_id = p.account_id
LEFT JOIN market.instruments AS n ON n.venue = a.venue AND n.symbol = p.symbol
LEFT JOIN LATERAL (
    SELECT c.close, c.time FROM market.candles AS c
    WHERE c.instrument_id = n.instrument_id AND c.timeframe_s = 60
    ORDER BY c.time DESC LIMIT 1
) AS m ON true
WHERE p.tenant_id = %(tenant)s AND p.quantity <> 0
    AND (%(bot)s::uuid IS NULL OR p.bot_id = %(bot)s)
    AND (%(account)s::uuid IS NULL OR p.account_id = %(account)s)
    AND (%(at)s::timestamptz IS NULL
         OR (coalesce(p.opened_at, p.updated_at), p.bot_id) < (%(at)s, %(id)s::uuid))
ORDER BY coalesce(p.opened_at, p.updated_at) DESC, p.bot_id DESC
LIMIT %(limit)s
"""
_EXTERNAL: Final = """
SELECT a.account_id, a.name AS account, a.mode, h.ccy, h.reserved, h.updated_at,
    h.total - coalesce((
        SELECT sum(p.quantity + p.dust) FROM trading.positions AS p
        WHERE p.tenant_id = h.tenant_id AND p.account_id = h.account_id
            AND split_part(p.symbol, '/', 1) = h.ccy
    ), 0) AS quantity
FROM trading.balances AS h
INNER JOIN trading.accounts AS a USING (tenant_id, account_id)
WHERE h.tenant_id = %(tenant)s AND a.state <> 'closed' AND h.ccy <> a.quote_ccy
    AND (%(account)s::uuid IS NULL OR h.account_id = %(account)s)
ORDER BY a.name, h.ccy
LIMIT 1000
"""


def list_positions(
    session: TenantSession,
    bot_id: UUID | None,
    account_id: UUID | None,
    place: tuple[datetime | None, UUID | None],
    limit: int,
) -> list[dict[str, Any]]:
    """Return what bots hold, with the last close that is stored, the newest first."""
    values = {"bot": bot_id, "account": account_id, "at": place[0], "id": place[1], "limit": limit}
    return session.rows(_POSITIONS, values)


def list_external(session: TenantSession, account_id: UUID | None) -> list[dict[str, Any]]:
    """Return what accounts hold beside their quote currency that no bot bought."""
    return session.rows(_EXTERNAL, {"account": account_id})

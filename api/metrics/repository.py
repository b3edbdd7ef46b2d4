"""Reading figures that the pipelines computed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["equity_rows", "metric_rows"]

_METRICS: Final = """
SELECT * FROM trading.metric_rollups
WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND scope_id = %(id)s AND period = %(period)s
    AND (%(mode)s::text IS NULL OR mode = %(mode)s)
    AND (%(since)s::date IS NULL OR starts_on >= %(since)s)
    AND (%(until)s::date IS NULL OR starts_on <= %(until)s)
ORDER BY starts_on DESC, mode, currency
LIMIT %(limit)s
"""
_EQUITY: Final = """
SELECT mode, currency, day, profit, deposits, equity FROM trading.equity_points
WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND scope_id = %(id)s
    AND (%(mode)s::text IS NULL OR mode = %(mode)s)
    AND (%(since)s::date IS NULL OR day >= %(since)s)
    AND (%(until)s::date IS NULL OR day <= %(until)s)
ORDER BY day DESC, mode, currency
LIMIT %(limit)s
"""


def metric_rows(
    session: TenantSession,
    *,
    scope: str,
    scope_id: UUID,
    period: str,
    mode: str | None,
    since: date | None,
    until: date | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return periods that begin within a span, the newest first."""
    values = {"scope": scope, "id": scope_id, "period": period, "mode": mode}
    return session.rows(_METRICS, values | {"since": since, "until": until, "limit": limit})


def equity_rows(
    session: TenantSession,
    *,
    scope: str,
    scope_id: UUID,
    mode: str | None,
    since: date | None,
    until: date | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return days of a span, the newest first."""
    values = {"scope": scope, "id": scope_id, "mode": mode}
    return session.rows(_EQUITY, values | {"since": since, "until": until, "limit": limit})

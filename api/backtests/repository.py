"""The SQL of backtests: orders of a tenant, and the requests and runs behind them."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["add", "asked_since", "cancel", "one", "open_orders", "page", "report"]

_REQUEST: Final = """
INSERT INTO research.requests (request_id, kind, spec, surface, requested_by, requested_at)
VALUES (%(request)s, %(kind)s, %(spec)s, 'api', %(by)s, %(at)s)
"""
_ORDER: Final = """
INSERT INTO trading.backtest_orders (
    tenant_id, order_id, request_id, strategy, user_id, ordered_at
)
VALUES (%(tenant)s, %(order)s, %(request)s, %(strategy)s, %(user)s, %(at)s)
"""
# Whose a request is, its order says: nothing of schema research is shown but through one.
_SHOWN: Final = """
SELECT o.order_id AS backtest_id, r.kind, o.strategy, r.spec, r.state, r.progress_ratio,
    r.progress_note, o.ordered_at AS requested_at, r.started_at, r.finished_at, r.run_id,
    r.sweep_id, s.metrics AS figures, r.error, p.run_id IS NOT NULL AS has_report,
    (SELECT count(*) FROM research.trials AS t WHERE t.family_id = s.family_id) AS trials,
    s.family_id
FROM trading.backtest_orders AS o
INNER JOIN research.requests AS r USING (request_id)
LEFT JOIN research.runs AS s USING (run_id)
LEFT JOIN research.run_reports AS p USING (run_id)
WHERE o.tenant_id = %(tenant)s
"""
_ONE: Final = _SHOWN + " AND o.order_id = %(order)s"
_PAGE: Final = (
    _SHOWN
    + """
    AND (%(state)s::text IS NULL OR r.state = %(state)s)
    AND (
        %(at)s::timestamptz IS NULL
        OR (o.ordered_at, o.order_id) < (%(at)s, %(id)s)
    )
ORDER BY o.ordered_at DESC, o.order_id DESC
LIMIT %(limit)s
"""
)
_ASKED: Final = """
SELECT count(*) AS n FROM trading.backtest_orders
WHERE tenant_id = %(tenant)s AND ordered_at >= %(since)s
"""
_OPEN: Final = """
SELECT count(*) AS n FROM trading.backtest_orders AS o
INNER JOIN research.requests AS r USING (request_id)
WHERE o.tenant_id = %(tenant)s AND r.state IN ('queued', 'running')
"""
_REPORT: Final = """
SELECT p.report FROM trading.backtest_orders AS o
INNER JOIN research.requests AS r USING (request_id)
INNER JOIN research.run_reports AS p USING (run_id)
WHERE o.tenant_id = %(tenant)s AND o.order_id = %(order)s
"""
_CANCEL: Final = """
SELECT o.request_id, research.cancel_request(o.request_id, %(at)s) AS state
FROM trading.backtest_orders AS o
WHERE o.tenant_id = %(tenant)s AND o.order_id = %(order)s
"""


def add(
    session: TenantSession,
    *,
    order_id: UUID,
    user_id: UUID,
    kind: str,
    strategy: str,
    spec: Mapping[str, Any],
    at: datetime,
) -> None:
    """Ask for a backtest; Dagster takes the request up."""
    values = {
        "order": order_id,
        # Ids sort by time, as those of requests from elsewhere do.
        "request": f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(8)}",
        "kind": kind,
        "strategy": strategy,
        # Text, so that its numbers stay as they are.
        "spec": json.dumps(spec, allow_nan=False),
        # A person's address is nothing for a table without tenants.
        "by": f"order {order_id}",
        "user": user_id,
        "at": at,
    }
    session.run(_REQUEST, values)
    session.run(_ORDER, values)


def one(session: TenantSession, order_id: UUID) -> dict[str, Any] | None:
    """Return a backtest, None where the tenant has none of that id."""
    return session.row(_ONE, {"order": order_id})


def page(session: TenantSession, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return backtests behind an instant and an id, newest first."""
    return session.rows(_PAGE, values)


def asked_since(session: TenantSession, since: datetime) -> int:
    """Return how many backtests the tenant has asked for since an instant."""
    row = session.row(_ASKED, {"since": since})
    return int(row["n"]) if row else 0


def open_orders(session: TenantSession) -> int:
    """Return how many backtests of the tenant wait or are worked on."""
    row = session.row(_OPEN, {})
    return int(row["n"]) if row else 0


def report(session: TenantSession, order_id: UUID) -> bytes | None:
    """Return the report of a backtest, HTML gzipped; None where there is none."""
    row = session.row(_REPORT, {"order": order_id})
    return None if row is None else bytes(row["report"])


def cancel(session: TenantSession, order_id: UUID, at: datetime) -> str | None:
    """Cancel a backtest that is not over; return its state now, None where there is none."""
    row = session.row(_CANCEL, {"order": order_id, "at": at})
    return None if row is None else str(row["state"])

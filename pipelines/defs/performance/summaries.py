"""The summary of a user's day, told once after the day has ended where the user lives."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.desk.session import TenantSession
from candela.notify.inbox import notify
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["summarise_days"]

# The day before today on the tenant's own calendar, of those who traded on it and were not told.
_DUE: Final = """
SELECT t.tenant_id, t.zone, u.user_id, d.day
FROM tenancy.tenants AS t
INNER JOIN tenancy.users AS u ON u.tenant_id = t.tenant_id AND u.is_active
INNER JOIN unnest(%(ids)s::uuid[], %(days)s::date[]) AS d (tenant_id, day)
    ON t.tenant_id = d.tenant_id
WHERE t.closed_at IS NULL AND NOT EXISTS (
    SELECT FROM notify.notifications AS n
    WHERE n.tenant_id = t.tenant_id AND n.user_id = u.user_id
        AND n.once_key = 'daily:' || d.day::text
)
ORDER BY t.tenant_id, u.user_id
"""
_ZONES: Final = "SELECT tenant_id, zone FROM tenancy.tenants WHERE closed_at IS NULL"
_BOOKS: Final = """
SELECT mode, currency, trades, wins, net_profit AS profit, fees
FROM trading.metric_rollups
WHERE tenant_id = %(tenant)s AND scope = 'user' AND scope_id = %(tenant)s AND period = 'day'
    AND starts_on = %(day)s AND trades > 0
ORDER BY mode DESC, currency
"""


def summarise_days(database: Database, clock: Clock) -> int:
    """Write mail and notification to everybody who traded yesterday; return to how many.

    Each user is told of a day once, however often this runs: both rows are written together, under
    a key of user and day. Days without a trade are not told of.
    """
    told = 0
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        for row in _due(connection, clock):
            with connection.transaction():
                told += _tell(TenantSession(connection, row["tenant_id"]), row, clock)
    return told


def _due(connection: psycopg.Connection[TupleRow], clock: Clock) -> list[dict[str, Any]]:
    now = clock.now()
    zones: list[tuple[UUID, str]] = connection.execute(_ZONES).fetchall()
    yesterdays = [now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1) for _, zone in zones]
    values = {"ids": [tenant for tenant, _ in zones], "days": yesterdays}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_DUE, values).fetchall()


def _tell(session: TenantSession, row: dict[str, Any], clock: Clock) -> int:
    books = session.rows(_BOOKS, {"day": row["day"]})
    if not books:
        return 0
    once = f"daily:{row['day']}"
    is_new = notify(
        session,
        "daily_summary",
        user_id=row["user_id"],
        clock=clock,
        once_key=once,
        day=row["day"],
        books=books,
    )
    if is_new:
        queue_mail(
            session,
            "daily_summary",
            user_id=row["user_id"],
            clock=clock,
            once_key=once,
            day=row["day"],
            books=books,
        )
    return int(is_new)

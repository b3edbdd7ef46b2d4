"""The SQL of pages of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["list_logs"]

_LOGS: Final = """
SELECT l.log_id, l.bot_id, b.name AS bot, l.logged_at, l.level, l.event, l.message, l.data
FROM trading.bot_logs AS l
INNER JOIN trading.bots AS b USING (tenant_id, bot_id)
WHERE l.tenant_id = %(tenant)s AND (%(bot)s::uuid IS NULL OR l.bot_id = %(bot)s)
    AND l.logged_at >= %(since)s
    AND (%(until)s::timestamptz IS NULL OR l.logged_at < %(until)s)
    AND l.level = ANY(%(levels)s)
    AND (%(event)s::text IS NULL OR l.event = %(event)s)
    AND (%(text)s::text IS NULL OR position(lower(%(text)s) IN lower(l.message)) > 0)
    AND (%(at)s::timestamptz IS NULL OR (l.logged_at, l.log_id) < (%(at)s, %(id)s::uuid))
ORDER BY l.logged_at DESC, l.log_id DESC
LIMIT %(limit)s
"""


def list_logs(session: TenantSession, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return lines of one bot or, with None, of all, the newest first.

    Parameters
    ----------
    values
        bot, since, until, levels, event, text; at and id of the line behind which the page
        begins; limit.
    """
    return session.rows(_LOGS, values)

"""Reading logs, as far back as the plan keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from api.kit.paging import read_cursor, write_cursor
from api.logs.repository import list_logs
from api.logs.schemas import LogOut, LogPage
from candela.desk.bots import bot_with_id
from candela.desk.users import subscription_of
from candela.plans import plan_named

if TYPE_CHECKING:
    from uuid import UUID

    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["Level", "LogFilters", "logs_page"]

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilters:
    """Which lines a page shows.

    Parameters
    ----------
    least
        Lines of this level and above.
    text
        Within the message, in any case of letters.
    """

    least: Level = "info"
    since: datetime | None = None
    until: datetime | None = None
    event: str | None = None
    text: str | None = None


def logs_page(
    session: TenantSession,
    bot_id: UUID | None,
    filters: LogFilters,
    cursor: str | None,
    limit: int,
    *,
    clock: Clock,
) -> LogPage:
    """Return lines of one bot or, with None, of all, the newest first.

    Raises
    ------
    UnknownBot, BadCursor
        There is no such bot, or the cursor is none.
    """
    if bot_id is not None:
        bot_with_id(session, bot_id)
    days = plan_named(subscription_of(session).plan).log_retention_days
    kept_since = clock.now() - timedelta(days=days)
    at, row_id = read_cursor(cursor)
    rows = list_logs(
        session,
        {
            "bot": bot_id,
            "since": max(kept_since, filters.since or kept_since),
            "until": filters.until,
            "levels": list(_LEVELS[_LEVELS.index(filters.least) :]),
            "event": filters.event,
            "text": filters.text,
            "at": at,
            "id": row_id,
            "limit": limit + 1,
        },
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return LogPage(
        items=[LogOut(**row) for row in rows[:limit]],
        next_cursor=None if last is None else write_cursor(last["logged_at"], last["log_id"]),
        kept_since=kept_since,
    )

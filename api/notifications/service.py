"""A user's inbox as pages of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.kit.paging import Page, read_cursor, write_cursor
from api.notifications.schemas import NotificationOut
from candela.notify.inbox import Notification, notifications_of
from candela.notify.rendering import render_short

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["notifications_page"]


def notifications_page(
    session: TenantSession,
    user_id: UUID,
    *,
    cursor: str | None,
    limit: int,
    only_unread: bool,
) -> Page[NotificationOut]:
    """Return a page of a user's notifications, the newest first.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    at, row_id = read_cursor(cursor)
    before = None if at is None or row_id is None else (at, row_id)
    rows = notifications_of(
        session, user_id, limit=limit + 1, before=before, only_unread=only_unread
    )
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[_shown(row) for row in shown],
        next_cursor=write_cursor(shown[-1].created_at, shown[-1].notification_id) if more else None,
    )


def _shown(row: Notification) -> NotificationOut:
    title, body = render_short(
        row.kind, row.params, language=row.language, zone=row.zone, at=row.created_at
    )
    return NotificationOut(
        notification_id=row.notification_id,
        kind=row.kind,
        title=title,
        body=body,
        created_at=row.created_at,
        read_at=row.read_at,
    )

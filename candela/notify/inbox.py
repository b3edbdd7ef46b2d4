"""The inbox: what users are told inside the application, with what they have read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from candela.errors import NotFound
from candela.ids import new_id
from candela.notify.mails import MAIL_PARAMS, MailKind, Value, plain_params

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "InboxKind",
    "Notification",
    "UnknownNotification",
    "count_unread",
    "mark_all_read",
    "mark_read",
    "notifications_of",
    "notify",
]

InboxKind = MailKind | Literal["trade_closed"]

_TRADE_PARAMS: Final = frozenset({"bot", "symbol", "mode", "profit", "currency"})

_INSERT: Final = """
INSERT INTO notify.notifications
    (tenant_id, notification_id, user_id, kind, params, once_key, created_at)
VALUES (%(tenant)s, %(id)s, %(user)s, %(kind)s, %(params)s, %(once)s, %(at)s)
ON CONFLICT DO NOTHING
"""
_LIST: Final = """
SELECT n.notification_id, n.kind, n.params, n.created_at, n.read_at, u.language, t.zone
FROM notify.notifications AS n
INNER JOIN tenancy.users AS u ON u.tenant_id = n.tenant_id AND u.user_id = n.user_id
INNER JOIN tenancy.tenants AS t ON t.tenant_id = n.tenant_id
WHERE n.tenant_id = %(tenant)s AND n.user_id = %(user)s
    AND (NOT %(unread)s OR n.read_at IS NULL)
    AND (%(before)s::timestamptz IS NULL
         OR (n.created_at, n.notification_id) < (%(before)s, %(before_id)s))
ORDER BY n.created_at DESC, n.notification_id DESC
LIMIT %(limit)s
"""
_COUNT: Final = """
SELECT count(*) AS unread FROM notify.notifications
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND read_at IS NULL
"""
_READ: Final = """
UPDATE notify.notifications SET read_at = coalesce(read_at, %(at)s)
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND notification_id = %(id)s
"""
_READ_ALL: Final = """
UPDATE notify.notifications SET read_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND read_at IS NULL AND created_at <= %(at)s
"""


class UnknownNotification(NotFound):
    """The user has no such notification."""

    code = "unknown_notification"


@dataclass(frozen=True, slots=True)
class Notification:
    """A line of the inbox; the text is made from kind and params, in the user's language."""

    notification_id: UUID
    kind: str
    params: dict[str, Any]
    created_at: datetime
    read_at: datetime | None
    language: str
    zone: str


def notify(
    session: TenantSession,
    kind: InboxKind,
    *,
    user_id: UUID,
    clock: Clock,
    once_key: str | None = None,
    **params: Value,
) -> bool:
    """Put a notification into a user's inbox; return False where it was told before.

    Parameters
    ----------
    once_key
        What the user is told once only.
    params
        As `MAIL_PARAMS` names them; of trade_closed: bot, symbol, mode, profit and currency.

    Raises
    ------
    ValueError
        A parameter is missing, or too many are given.
    """
    now = clock.now()
    wanted = _TRADE_PARAMS if kind == "trade_closed" else MAIL_PARAMS[kind]
    values = {
        "id": new_id(now),
        "user": user_id,
        "kind": kind,
        "params": Jsonb(plain_params(kind, wanted, params)),
        "once": once_key,
        "at": now,
    }
    return session.run(_INSERT, values) > 0


def notifications_of(
    session: TenantSession,
    user_id: UUID,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    only_unread: bool = False,
) -> list[Notification]:
    """Return a user's notifications behind a row, newest first."""
    at, row_id = before or (None, None)
    values = {"user": user_id, "limit": limit, "unread": only_unread}
    rows = session.rows(_LIST, values | {"before": at, "before_id": row_id})
    return [Notification(**row) for row in rows]


def count_unread(session: TenantSession, user_id: UUID) -> int:
    """Return how many a user has not read."""
    row = session.row(_COUNT, {"user": user_id})
    return int(row["unread"]) if row else 0


def mark_read(
    session: TenantSession, user_id: UUID, notification_id: UUID, *, clock: Clock
) -> None:
    """Write that a user has read a notification; the first time counts.

    Raises
    ------
    UnknownNotification
        The user has no such one.
    """
    values = {"user": user_id, "id": notification_id, "at": clock.now()}
    if not session.run(_READ, values):
        message = f"There is no notification {notification_id}."
        raise UnknownNotification(message, "GET /notifications lists yours.")


def mark_all_read(session: TenantSession, user_id: UUID, *, clock: Clock) -> int:
    """Write that a user has read all there is until now; return how many were unread."""
    return session.run(_READ_ALL, {"user": user_id, "at": clock.now()})

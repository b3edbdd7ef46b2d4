"""Routes of the inbox."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.deps import Reader, State, Trader
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems
from api.notifications.schemas import NotificationOut, ReadAnswer, UnreadOut
from api.notifications.service import notifications_page
from candela.notify.inbox import count_unread, mark_all_read, mark_read

__all__ = ["router"]

router = APIRouter(prefix="/notifications", tags=["notifications"])


@router.get("", responses=problems(403))
def list_notifications(
    caller: Reader,
    state: State,
    unread: Annotated[bool, Query(description="only those not read yet")] = False,  # noqa: FBT002 - a query
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NotificationOut]:
    """List what you were told, the newest first."""
    with state.act(caller) as session:
        return notifications_page(
            session, caller.user_id, cursor=cursor, limit=limit, only_unread=unread
        )


@router.get("/unread", responses=problems(403))
def count_unread_notifications(caller: Reader, state: State) -> UnreadOut:
    """Count what you have not read."""
    with state.act(caller) as session:
        return UnreadOut(unread=count_unread(session, caller.user_id))


@router.post("/read-all", responses=problems(403))
def read_all_notifications(caller: Trader, state: State) -> ReadAnswer:
    """Mark all that you were told until now as read."""
    with state.act(caller) as session:
        return ReadAnswer(marked=mark_all_read(session, caller.user_id, clock=state.clock))


@router.post("/{notification_id}/read", status_code=204, responses=problems(403, 404))
def read_notification(caller: Trader, state: State, notification_id: UUID) -> None:
    """Mark one as read; the first time counts."""
    with state.act(caller) as session:
        mark_read(session, caller.user_id, notification_id, clock=state.clock)

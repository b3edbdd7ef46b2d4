"""Routes of logs, as pages."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, State
from api.kit.fields import Instant
from api.kit.paging import Cursor, Limit
from api.kit.problems import problems
from api.kit.texts import Text
from api.logs.schemas import LogPage
from api.logs.service import Level, LogFilters, logs_page

__all__ = ["Filters", "log_filters", "router"]

router = APIRouter(tags=["logs"])


def log_filters(
    level: Annotated[Level, Query(description="this level and above")] = "info",
    since: Annotated[Instant | None, Query(description="lines from this instant on")] = None,
    until: Annotated[Instant | None, Query(description="lines before this instant")] = None,
    event: Annotated[str | None, Query(max_length=40, pattern=r"^[a-z_]+$")] = None,
    text: Annotated[
        Text | None, Query(min_length=1, max_length=200, description="within the message")
    ] = None,
) -> LogFilters:
    """Read which lines are wanted."""
    return LogFilters(least=level, since=since, until=until, event=event, text=text)


Filters = Annotated[LogFilters, Depends(log_filters)]


@router.get("/logs", responses=problems(403))
def list_logs(
    caller: Reader, state: State, filters: Filters, limit: Limit = 100, cursor: Cursor = None
) -> LogPage:
    """List what all bots said, the newest first."""
    with state.act(caller) as session:
        return logs_page(session, None, filters, cursor, limit, clock=state.clock)


@router.get("/bots/{bot_id}/logs", responses=problems(403, 404))
def list_bot_logs(
    caller: Reader,
    state: State,
    bot_id: UUID,
    filters: Filters,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> LogPage:
    """List what a bot said, the newest first."""
    with state.act(caller) as session:
        return logs_page(session, bot_id, filters, cursor, limit, clock=state.clock)

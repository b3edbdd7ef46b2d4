"""Routes of the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.audit.schemas import AuditPage
from api.audit.service import AuditFilter, audit_page, audit_sheet
from api.deps import Owner, Reader, State
from api.kit.fields import Instant
from api.kit.paging import Cursor, Limit
from api.kit.problems import problems
from api.kit.sheets import CSV_TYPE

__all__ = ["Wanted", "router"]

router = APIRouter(tags=["audit"])

Word = Annotated[str | None, Query(max_length=100, pattern=r"^[a-z0-9_.]+$")]


def _wanted(
    action: Annotated[Word, Query(description="such as bot.start, or bot for all of bots")] = None,
    entity: Annotated[Word, Query(description="such as bot, order, session")] = None,
    since: Annotated[Instant | None, Query(description="from this instant")] = None,
    until: Annotated[Instant | None, Query(description="before this instant")] = None,
) -> AuditFilter:
    return AuditFilter(action=action, entity=entity, since=since, until=until)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("/audit", responses=problems(403))
def list_audit_entries(
    caller: Reader, state: State, wanted: Wanted, limit: Limit = 50, cursor: Cursor = None
) -> AuditPage:
    """List what was done to the account, by whom and from where, newest first."""
    with state.act(caller) as session:
        return audit_page(session, wanted, limit, cursor)


@router.get(
    "/audit.csv",
    responses=problems(403) | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def download_audit_entries(caller: Owner, state: State, wanted: Wanted) -> Response:
    """Download the newest 10,000 entries as CSV."""
    with state.act(caller) as session:
        text = audit_sheet(session, wanted)
    headers = {"content-disposition": 'attachment; filename="audit.csv"'}
    return Response(text, media_type=CSV_TYPE, headers=headers)

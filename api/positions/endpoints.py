"""Routes of what is held; a position is closed by stopping its bot with flatten."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.deps import Reader, State
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems
from api.positions.schemas import ExternalOut, PositionOut
from api.positions.service import external_holdings, positions_page

__all__ = ["router"]

router = APIRouter(prefix="/positions", tags=["positions"])

OfAccount = Annotated[UUID | None, Query(description="of one account")]


@router.get("", responses=problems(403))
def list_positions(
    caller: Reader,
    state: State,
    *,
    bot_id: Annotated[UUID | None, Query(description="of one bot")] = None,
    account_id: OfAccount = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PositionOut]:
    """List what bots hold, the newest first; what no bot bought is in /positions/external."""
    with state.act(caller) as session:
        return positions_page(session, bot_id, account_id, cursor, limit)


@router.get("/external", responses=problems(403))
def list_external_holdings(
    caller: Reader, state: State, account_id: OfAccount = None
) -> list[ExternalOut]:
    """List what accounts hold that no bot bought, apart from bots' positions."""
    with state.act(caller) as session:
        return external_holdings(session, account_id)

"""The route of a bot's chart."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.charts.schemas import ChartOut
from api.charts.service import chart
from api.deps import Reader, State
from api.kit.fields import Instant
from api.kit.problems import problems

__all__ = ["router"]

router = APIRouter(tags=["bots"])


@router.get("/bots/{bot_id}/chart", responses=problems(403, 404))
def get_bot_chart(
    caller: Reader,
    state: State,
    bot_id: UUID,
    before: Annotated[
        Instant | None, Query(description="candles that begin before; null: the last ones")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=2_000, description="most candles")] = 500,
) -> ChartOut:
    """Show stored candles of a bot's series with its fills, oldest first."""
    with state.act(caller) as session:
        return chart(session, bot_id, before, limit, clock=state.clock)

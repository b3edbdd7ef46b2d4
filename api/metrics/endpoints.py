"""Routes of figures by period."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from annotated_types import Ge, Le
from fastapi import APIRouter, Depends, Query

from api.deps import Reader, State
from api.kit.fields import Day
from api.kit.problems import problems
from api.metrics.schemas import EquityOut, MetricsOut, PeriodName, TradeMode
from api.metrics.service import Asked, equity_of, metrics_of

__all__ = ["router"]

router = APIRouter(prefix="/metrics", tags=["metrics"])

# PostgreSQL knows more years than this, and nobody has figures of them.
_FIRST = date(1970, 1, 1)
_LAST = date(9999, 12, 30)
_Day = Annotated[Day, Ge(_FIRST), Le(_LAST)]


def _asked(
    bot: Annotated[UUID | None, Query(description="figures of this bot")] = None,
    account: Annotated[UUID | None, Query(description="figures of this account")] = None,
    mode: Annotated[TradeMode | None, Query(description="of this mode only")] = None,
    since: Annotated[
        _Day | None,
        Query(alias="from", description="from this day on, in your zone"),
    ] = None,
    until: Annotated[
        _Day | None,
        Query(alias="to", description="up to this day, inclusive"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="most rows of the answer")] = 100,
) -> Asked:
    """Read whose figures are wanted."""
    return Asked(bot_id=bot, account_id=account, mode=mode, since=since, until=until, limit=limit)


_Asked = Annotated[Asked, Depends(_asked)]


@router.get("", responses=problems(403, 404))
def list_metrics(
    caller: Reader,
    state: State,
    asked: _Asked,
    period: Annotated[PeriodName, Query(description="length of a period")] = "day",
) -> MetricsOut:
    """List figures by period of a bot, an account or all together, the newest first."""
    with state.act(caller) as session:
        return metrics_of(session, asked, period)


@router.get("/equity", responses=problems(403, 404))
def show_equity(caller: Reader, state: State, asked: _Asked) -> EquityOut:
    """Show equity day by day."""
    with state.act(caller) as session:
        return equity_of(session, asked)

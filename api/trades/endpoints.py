"""Trades: GET /trades, /trades.csv and /trades/{trade_id}."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from api.deps import Reader, State
from api.kit.problems import problems
from api.kit.queries import documented, read_query
from api.kit.reading import JsonBytes
from api.kit.sheets import CSV_TYPE
from api.trades import service
from api.trades.schemas import ExportFilters, TradeDetail, TradeFilters, TradePage

__all__ = ["router"]

router = APIRouter(tags=["trades"])


@router.get(
    "/trades",
    response_model=TradePage,
    responses=problems(),
    response_class=JsonBytes,
    openapi_extra=documented(TradeFilters),
)
async def list_trades(state: State, caller: Reader, request: Request) -> JsonBytes:
    """List trades, newest first, those that are open among them."""
    # The database makes the JSON; a test holds it against the model.
    asked = read_query(TradeFilters, request)
    return JsonBytes(await service.trade_page(state, caller, asked))


@router.get(
    "/trades.csv",
    response_class=StreamingResponse,
    responses=problems()
    | {
        200: {
            "description": "CSV with a header",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
def export_trades(
    state: State, caller: Reader, asked: Annotated[ExportFilters, Query()]
) -> StreamingResponse:
    """Export all trades that the filters let by as CSV, newest first."""
    return StreamingResponse(
        service.trade_sheet(state, caller, asked),
        media_type=CSV_TYPE,
        headers={"content-disposition": 'attachment; filename="trades.csv"'},
    )


@router.get("/trades/{trade_id}", responses=problems(404))
def read_trade(state: State, caller: Reader, trade_id: UUID) -> TradeDetail:
    """Show a trade with its orders, fills, fees, decisions with their gates, and bars."""
    with state.act(caller) as session:
        return service.one_trade(session, trade_id)

"""Backtests: POST and GET /backtests, GET and DELETE /backtests/{backtest_id}, its report."""

from __future__ import annotations

import gzip
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.backtests import service
from api.backtests.schemas import Backtest, BacktestPage, NewBacktest
from api.backtests.schemas import State as BacktestState
from api.deps import Reader, State, Trader
from api.kit.idempotency import OnceKey
from api.kit.paging import Cursor, Limit
from api.kit.problems import problems
from api.spending import COSTLY

__all__ = ["router"]

router = APIRouter(prefix="/backtests", tags=["backtests"])
# The page draws by a script of its own: it is shown as if from nowhere, and reaches nothing.
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


@router.post("", status_code=202, responses=problems(403, 404, 409), dependencies=[COSTLY])
def order_backtest(state: State, caller: Trader, once: OnceKey, body: NewBacktest) -> Backtest:
    """Ask for a backtest, or with axes for a sweep; it is checked now and run as its turn comes."""
    with state.act(caller) as session:
        return once.run(
            session, caller, lambda: service.order(session, caller, body, clock=state.clock)
        )


@router.get("", responses=problems())
def list_backtests(
    state: State,
    caller: Reader,
    wanted: Annotated[BacktestState | None, Query(alias="state")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> BacktestPage:
    """List backtests, newest first, with what is left of the month's."""
    with state.act(caller) as session:
        return service.backtest_page(
            session, state=wanted, cursor=cursor, limit=limit, now=state.clock.now()
        )


@router.get("/{backtest_id}", responses=problems(404))
def read_backtest(state: State, caller: Reader, backtest_id: UUID) -> Backtest:
    """Show a backtest: state, progress, figures, error."""
    with state.act(caller) as session:
        return service.one(session, backtest_id)


@router.get("/{backtest_id}/report", response_class=HTMLResponse, responses=problems(404))
def read_backtest_report(
    state: State, caller: Reader, backtest_id: UUID, request: Request
) -> HTMLResponse:
    """Show the report of a backtest that is done: verdict, curves, trades, assumptions."""
    with state.act(caller) as session:
        report = service.report(session, backtest_id)
    headers = {"content-security-policy": _SANDBOX, "vary": "accept-encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return HTMLResponse(gzip.decompress(report), headers=headers)
    return HTMLResponse(report, headers=headers | {"content-encoding": "gzip"})


@router.delete("/{backtest_id}", responses=problems(404, 409))
def cancel_backtest(state: State, caller: Trader, backtest_id: UUID) -> Backtest:
    """Cancel a backtest that waits or is worked on."""
    with state.act(caller) as session:
        return service.cancel(session, caller, backtest_id, clock=state.clock)

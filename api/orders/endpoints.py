"""Routes of orders by hand."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from api.deps import Caller, Reader, State, Trader
from api.kit.idempotency import Once, RequiredOnceKey
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems
from api.orders import service
from api.orders.schemas import OrderIn, PayoutOrderIn, RequestOut, RequestWhole, SpotOrderIn
from api.state import ApiState

__all__ = ["place", "router"]

router = APIRouter(prefix="/orders", tags=["orders"])

_POLL_S: Final = 0.2
Wait = Annotated[
    float, Query(ge=0, le=10, allow_inf_nan=False, description="seconds to wait for its end")
]


@router.get("", responses=problems(403))
def list_orders(
    caller: Reader,
    state_: State,
    *,
    state: Annotated[Literal["waiting", "taken", "refused", "lapsed"] | None, Query()] = None,
    account_id: Annotated[UUID | None, Query(description="of one account")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RequestOut]:
    """List orders by hand, the newest first; those of a bot are in /bots/{bot_id}/orders."""
    with state_.act(caller) as session:
        return service.requests_page(session, state, account_id, cursor, limit)


@router.post("", status_code=202, responses=problems(403, 404, 409, 428))
async def place_order(
    caller: Trader,
    state: State,
    once: RequiredOnceKey,
    body: OrderIn,
    response: Response,
    wait: Wait = 0,
) -> RequestWhole:
    """Ask for an order of no bot; an executor takes it through the same gates as a bot's."""
    found = await run_in_threadpool(place, state, caller, body, once)
    if isinstance(found, Response):
        # What was answered when the key came first; GET /orders/{request_id} tells what became.
        return found
    response.headers["location"] = f"/api/v1/orders/{found.request_id}"
    until = time.monotonic() + wait
    while not found.is_final and time.monotonic() < until:
        await asyncio.sleep(_POLL_S)
        found = await run_in_threadpool(_read, state, caller, found.request_id)
    return found


@router.get("/{request_id}", responses=problems(403, 404))
def get_order(caller: Reader, state: State, request_id: UUID) -> RequestWhole:
    """Show an order by hand with the gates that it met and its fills."""
    return _read(state, caller, request_id)


def place(
    state: ApiState, caller: Caller, body: SpotOrderIn | PayoutOrderIn, once: Once
) -> RequestWhole:
    """Ask for an order, once for a key, and return it as it is shown."""
    with state.act(caller) as session:

        def ask() -> RequestWhole:
            row = service.place_order(session, caller, body, clock=state.clock)
            return service.order(session, row.request_id)

        return once.run(session, caller, ask)


def _read(state: ApiState, caller: Caller, request_id: UUID) -> RequestWhole:
    with state.act(caller) as session:
        return service.order(session, request_id)

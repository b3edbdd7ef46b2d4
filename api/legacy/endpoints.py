"""Routes of older systems: other names of today's routes, and the one bot of those without many."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

from api.bots import endpoints as bots
from api.bots.schemas import BotOut, ConfigIn, ConfigOut, StartIn, StatusOut, StopIn
from api.deps import Caller, Reader, State, Trader
from api.kit.idempotency import OnceKey
from api.kit.paging import Cursor, Limit
from api.kit.problems import problems
from api.legacy.aliases import ALIASES
from api.legacy.service import default_bot
from api.logs.endpoints import Filters, list_bot_logs
from api.logs.schemas import LogPage
from api.state import ApiState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

__all__ = ["legacy_router", "single_bot"]

single_bot = APIRouter(prefix="/api/v1/bot", tags=["legacy"], deprecated=True)
_ODD = re.compile(r"[^a-z0-9]+")


def legacy_router(routers: Iterable[APIRouter]) -> APIRouter:
    """Return the routes of older systems, over the functions of today's.

    Parameters
    ----------
    routers
        Of the features; their paths begin below /api/v1.
    """
    today = {
        (method, route.path): route
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    made = APIRouter(tags=["legacy"], deprecated=True)
    for method, path, new_method, new_path in ALIASES:
        route = today.get((new_method, new_path))
        if route is not None:
            _add(made, method, path, route)
    return made


def _add(router: APIRouter, method: str, path: str, route: APIRoute) -> None:
    router.add_api_route(
        path,
        route.endpoint,
        methods=[method],
        name=f"legacy_{method.lower()}_{_ODD.sub('_', path.lower()).strip('_')}",
        response_model=route.response_model,
        status_code=route.status_code,
        dependencies=route.dependencies,
        responses=route.responses,
        response_class=route.response_class,
        summary=route.summary,
        description=f"Another name of `/api/v1{route.path}`. {route.description}",
        openapi_extra=route.openapi_extra,
        include_in_schema=route.include_in_schema,
    )


def _bot_id(state: ApiState, caller: Caller) -> UUID:
    with state.act(caller) as session:
        return default_bot(session).bot_id


@single_bot.post("/start", status_code=202, responses=problems(403, 404, 409))
def start_default_bot(
    caller: Trader, state: State, once: OnceKey, body: StartIn | None = None
) -> BotOut:
    """Start the tenant's first bot: POST /bots/{bot_id}/start."""
    return bots.start_bot(caller, state, once, _bot_id(state, caller), body)


@single_bot.post("/stop", status_code=202, responses=problems(403, 404, 409))
def stop_default_bot(
    caller: Trader, state: State, once: OnceKey, body: StopIn | None = None
) -> BotOut:
    """Stop the tenant's first bot: POST /bots/{bot_id}/stop."""
    return bots.stop_bot(caller, state, once, _bot_id(state, caller), body)


@single_bot.post("/restart", status_code=202, responses=problems(403, 404, 409))
def restart_default_bot(
    caller: Trader, state: State, once: OnceKey, body: StartIn | None = None
) -> BotOut:
    """Restart the tenant's first bot: POST /bots/{bot_id}/restart."""
    return bots.restart_bot(caller, state, once, _bot_id(state, caller), body)


@single_bot.get(
    "/status",
    response_model=StatusOut,
    responses=problems(403, 404) | {304: {"description": "Nothing changed"}},
)
def get_default_bot_status(
    caller: Reader, state: State, response: Response, if_none_match: bots.IfNoneMatch = None
) -> Any:
    """Show how the tenant's first bot stands: GET /bots/{bot_id}/status."""
    return bots.get_bot_status(caller, state, _bot_id(state, caller), response, if_none_match)


@single_bot.get("/config", responses=problems(403, 404))
def get_default_bot_config(caller: Reader, state: State, response: Response) -> ConfigOut:
    """Show the configuration of the tenant's first bot: GET /bots/{bot_id}/config."""
    return bots.get_bot_config(caller, state, _bot_id(state, caller), response)


@single_bot.put("/config", responses=problems(403, 404, 409, 412, 428))
def change_default_bot_config(
    caller: Trader,
    state: State,
    body: ConfigIn,
    response: Response,
    if_match: bots.IfMatch = None,
) -> ConfigOut:
    """Change the configuration of the tenant's first bot: PUT /bots/{bot_id}/config."""
    return bots.change_bot_config(caller, state, _bot_id(state, caller), body, response, if_match)


@single_bot.get("/logs", responses=problems(403, 404))
def list_default_bot_logs(
    caller: Reader, state: State, filters: Filters, limit: Limit = 100, cursor: Cursor = None
) -> LogPage:
    """List what the tenant's first bot said: GET /bots/{bot_id}/logs."""
    return list_bot_logs(caller, state, _bot_id(state, caller), filters, limit, cursor)

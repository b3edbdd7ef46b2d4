"""Where a request goes: straight to the few routes that share its first words, not past all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

__all__ = ["RouteIndex", "add_routes"]

# Two words tell routes apart, three where the first two are those of the version.
_PLACE: Final = re.compile(r"/api/v1(?:/[^/]*)?|(?:/[^/]*){1,2}")


def add_routes(
    app: FastAPI, routers: Iterable[APIRouter], prefix: str = "", *, is_shown: bool = True
) -> None:
    """Add every route of routers to the application itself.

    `include_router` keeps the routers, and asks each of them twice at every request.

    Parameters
    ----------
    is_shown
        False: the document leaves them out.

    Raises
    ------
    TypeError
        A router holds something else than routes, such as another router.
    """
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                app.router.add_api_route(
                    prefix + route.path,
                    route.endpoint,
                    response_model=route.response_model,
                    status_code=route.status_code,
                    tags=route.tags,
                    dependencies=route.dependencies,
                    summary=route.summary,
                    description=route.description,
                    response_description=route.response_description,
                    responses=route.responses,
                    deprecated=route.deprecated,
                    methods=list(route.methods or ()),
                    operation_id=route.operation_id,
                    response_model_exclude_none=route.response_model_exclude_none,
                    include_in_schema=route.include_in_schema and is_shown,
                    response_class=route.response_class,
                    name=route.name,
                    openapi_extra=route.openapi_extra,
                )
            elif isinstance(route, APIWebSocketRoute):
                app.router.add_api_websocket_route(
                    prefix + route.path, route.endpoint, name=route.name
                )
            else:
                message = f"{type(route).__name__} of {router.tags} is no route of a feature"
                raise TypeError(message)


class RouteIndex:
    """Hands a request to the routes that begin as its path does.

    Routes are tried one after the other, 2 to 3 microseconds each: the last of 150 waited longer
    for its turn than it worked. What no route begins like meets all of them, and so its refusal.
    """

    def __init__(self, router: APIRouter) -> None:
        self._all = router.middleware_stack
        self._router = router
        groups: dict[str, list[BaseRoute]] = {}
        for route in router.routes:
            place = place_of(getattr(route, "path", "{"))
            if "{" in place:
                # It could be meant by what any group is asked for.
                message = f"{route}: a route begins with words, and not with a parameter"
                raise ValueError(message)
            groups.setdefault(place, []).append(route)
        self._groups = {
            place: APIRouter(routes=routes, default=router.default)
            for place, routes in groups.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self._all(scope, receive, send)
            return
        scope.setdefault("router", self._router)
        group = self._groups.get(place_of(scope["path"]))
        await (self._all if group is None else group)(scope, receive, send)


def place_of(path: str) -> str:
    """Return the words that a path begins with, by which its routes are known."""
    found = _PLACE.match(path)
    return path if found is None else found[0]

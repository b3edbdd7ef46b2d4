"""The application: its routes, its middleware, and what it opens and closes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.bodies import BodyBounds
from api.budgets import Budgets
from api.document import name_of, shape_document
from api.documentation import add_documentation
from api.handlers import add_handlers
from api.health.endpoints import router as health_router
from api.legacy.endpoints import legacy_router, single_bot
from api.middleware import RequestMarks
from api.routers import ROUTERS
from api.routing import RouteIndex, add_routes
from api.state import ApiOptions, ApiState

__all__ = ["PREFIX", "create_app"]

PREFIX: Final = "/api/v1"


def create_app(
    options: ApiOptions, open_state: Callable[[], AbstractAsyncContextManager[ApiState]]
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    open_state
        Opens what it works with when it starts, and closes it when it ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_state() as state:
            app.state.api = state
            yield

    app = FastAPI(
        title="Candela",
        version="1",
        description="Prove trading rules, run them for many accounts, show that live kept them.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        # One model of a thing, whichever way it goes: clients that are generated know it once.
        separate_input_output_schemas=False,
        generate_unique_id_function=name_of,
        lifespan=lifespan,
    )
    add_handlers(app)
    if not options.is_production:
        add_documentation(app, PREFIX)
    # The last one that is added is the first to see a request.
    app.add_middleware(Budgets, limits=options.limits)
    app.add_middleware(BodyBounds)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(options.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "X-Request-ID",
        ],
        expose_headers=[
            "ETag",
            "Idempotency-Replayed",
            "Location",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            "X-Request-ID",
        ],
        # No cookie is ever read, so none needs to be sent.
        allow_credentials=False,
        max_age=600,
    )
    app.add_middleware(RequestMarks, options=options)
    add_routes(app, ROUTERS, PREFIX)
    add_routes(app, (legacy_router(ROUTERS), single_bot))
    # Also where probes of containers look, which know no version.
    add_routes(app, (health_router,), is_shown=False)
    app.router.middleware_stack = RouteIndex(app.router)
    shape_document(app)
    return app

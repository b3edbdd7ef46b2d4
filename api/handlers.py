"""Every failure as problem JSON; unknown ones show a request id alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import psycopg
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from api.kit.problems import MEDIA_TYPE, Fault, Problem, problem_of, title_of
from candela.errors import CandelaError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["add_handlers", "answer", "unavailable"]

_LOG: Final = logging.getLogger(__name__)
_NO_STORE: Final = {"cache-control": "no-store"}


def add_handlers(app: FastAPI) -> None:
    """Let every failure of a route become a problem."""
    app.add_exception_handler(CandelaError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(psycopg.OperationalError, _no_database)
    app.add_exception_handler(PoolTimeout, _no_database)
    app.add_exception_handler(Exception, _unknown)


def answer(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as a response."""
    more = dict(headers or {})
    if problem.status == 401:  # noqa: PLR2004 - a status is its own name
        more.setdefault("www-authenticate", "Bearer")
    return Response(
        problem.model_dump_json(),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=_NO_STORE | more,
    )


def unavailable(error: Exception, request_id: str) -> Response:
    """Return the answer where PostgreSQL does not work now; the request had no effect."""
    _LOG.error("PostgreSQL does not answer: %s", error)
    problem = Problem(
        title=title_of(503),
        status=503,
        code="database_unavailable",
        detail="The database does not answer now.",
        hint="Send the request again in some seconds.",
        retryable=True,
        request_id=request_id,
    )
    return answer(problem, {"retry-after": "5"})


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CandelaError)  # noqa: S101 - registered for it alone
    if error.status >= 500:  # noqa: PLR2004
        _LOG.error("%s", error, exc_info=error)
    wait: float | None = getattr(error, "retry_after_s", None)
    headers = {} if wait is None else {"retry-after": str(max(1, round(wait)))}
    return answer(problem_of(error, _request_id(request)), headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    faults = [
        Fault(field=".".join(str(part) for part in one["loc"]), reason=str(one["msg"]))
        for one in error.errors()
    ]
    first = faults[0] if faults else Fault(field="body", reason="unusable")
    return answer(
        Problem(
            title=title_of(422),
            status=422,
            code="invalid_input",
            detail=f"{first.field}: {first.reason}.",
            hint="See faults for each field.",
            request_id=_request_id(request),
            faults=faults,
        )
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    if error.status_code == 400:  # noqa: PLR2004 - a status is its own name
        # The one that the library raises: bytes that are no text, or no JSON.
        unread = {"loc": ("body",), "msg": "cannot be read as JSON in UTF-8"}
        return await _invalid(request, RequestValidationError([unread]))
    headers = dict(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004 - a status is its own name
        # The router tells the methods of the first route of a path alone.
        headers["Allow"] = ", ".join(_methods(request))
    codes = {
        404: "no_such_path",
        405: "method_not_allowed",
        408: "body_too_slow",
        413: "body_too_large",
    }
    details: dict[int, str] = {
        404: f"There is no path {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
        408: "The body did not arrive in half a minute.",
        413: "The body is larger than 1 MiB.",
    }
    return answer(
        Problem(
            title=title_of(error.status_code),
            status=error.status_code,
            code=codes.get(error.status_code, "http_error"),
            detail=details.get(error.status_code, str(error.detail)),
            hint="See /api/v1/openapi.json.",
            request_id=_request_id(request),
        ),
        headers,
    )


def _methods(request: Request) -> list[str]:
    named: set[str] = set()
    found: set[str] = set()
    for route in request.app.routes:
        matched, _ = route.matches(request.scope)
        if matched is not Match.NONE:
            methods = set(getattr(route, "methods", None) or ())
            found |= methods
            if getattr(route, "path", "") == request.url.path:
                named |= methods
    return sorted(named or found)


async def _no_database(request: Request, error: Exception) -> Response:
    return unavailable(error, _request_id(request))


async def _unknown(request: Request, error: Exception) -> Response:
    _LOG.error("unexpected failure of %s", request.url.path, exc_info=error)
    content: dict[str, Any] = {
        "title": title_of(500),
        "status": 500,
        "code": "internal_error",
        "detail": "Something failed that should not have.",
        "hint": "Tell the operator the request id.",
        "request_id": _request_id(request),
    }
    return answer(Problem(**content))

"""The OpenAPI document: names that read well, one media type of problems, an example a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.examples import example_of
from api.kit.problems import MEDIA_TYPE, title_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute

__all__ = ["name_of", "shape_document"]

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_FIRST_REFUSED: Final = 400
# Headers without which such a route says 428.
_REQUIRED: Final = ("idempotency-key", "if-match")
_CODES: Final = {
    400: ("webhook_refused", "The signature is missing or wrong."),
    401: ("not_authenticated", "No token was sent."),
    402: ("payment_declined", "The card was declined."),
    403: ("scope_missing", "The token lacks the scope trade."),
    404: ("no_such_bot", "There is no bot 0195a1b2-0000-7000-8000-000000000001."),
    409: ("idempotency_key_reused", "The key belongs to another request."),
    412: ("config_changed", "The configuration has changed since it was read."),
    422: ("invalid_input", "query.limit: Input should be less than or equal to 200."),
    428: ("idempotency_key_required", "Orders need the header Idempotency-Key."),
    429: ("too_many_requests", "More than 60 requests of the class write in 60 s."),
    502: ("stripe_failed", "Stripe did not answer as it should."),
    503: ("database_unavailable", "The database does not answer now."),
}


def name_of(route: APIRoute) -> str:
    """Return the operationId of a route: the name of its function, which is its own alone."""
    return route.name


def shape_document(app: FastAPI) -> None:
    """Let the application show its document in our shape."""
    plain = app.openapi

    def shaped() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for path in document["paths"].values():
                for method, item in path.items():
                    if method in _METHODS:
                        _shape(document, item)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = shaped  # type: ignore[method-assign]


def _shape(document: dict[str, Any], item: dict[str, Any]) -> None:
    for one in item.get("parameters", ()):
        if "428" in item["responses"] and one["name"].lower() in _REQUIRED:
            one["required"] = True
    for media in item.get("requestBody", {}).get("content", {}).values():
        _show(document, media, is_whole=False)
    for status, answer in item["responses"].items():
        if not status.isdigit():
            continue
        content = answer.get("content", {})
        if int(status) < _FIRST_REFUSED or MEDIA_TYPE not in content:
            for media in content.values():
                _show(document, media, is_whole=True)
        else:
            # The library adds its own media type to that of the model.
            shown = {**content[MEDIA_TYPE], "example": _problem(int(status))}
            answer["content"] = {MEDIA_TYPE: shown}


def _show(document: dict[str, Any], media: dict[str, Any], *, is_whole: bool) -> None:
    if "example" not in media and "examples" not in media:
        media["example"] = example_of(document, media.get("schema", {}), is_whole=is_whole)


def _problem(status: int) -> dict[str, Any]:
    code, detail = _CODES.get(status, ("http_error", f"{title_of(status)}."))
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "code": code,
        "detail": detail,
        "hint": None,
        "retryable": status in {429, 502, 503},
        "request_id": "0195a1b2000070008000000000000009",
        "faults": [],
    }
    if code == "invalid_input":
        field, _, reason = detail.partition(": ")
        problem["faults"] = [{"field": field, "reason": reason.rstrip(".")}]
    return problem

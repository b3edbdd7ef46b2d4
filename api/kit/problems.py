"""Problem JSON: one shape for every error on every route, and its place in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from candela.errors import CandelaError

__all__ = ["MEDIA_TYPE", "Fault", "Problem", "problem_of", "problems"]

MEDIA_TYPE: Final = "application/problem+json"
_TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Request timeout",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Unusable input",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "Unavailable",
}


class Fault(BaseModel):
    """One thing wrong with what was sent.

    Parameters
    ----------
    field
        Where: ``body.config.capital``, ``query.limit``, ``path.bot_id``, ``header.if-match``.
    reason
        What is wrong with it.
    """

    model_config = ConfigDict(frozen=True)

    field: str
    reason: str


class Problem(BaseModel):
    """What went wrong, with which value, and what to do (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(default="about:blank", description="always about:blank; see code")
    title: str = Field(description="the status in words", examples=["Not allowed"])
    status: int = Field(description="HTTP status", examples=[403])
    code: str = Field(description="stable name of the error", examples=["plan_limit_reached"])
    detail: str = Field(
        description="one sentence with the value at fault",
        examples=["2 active bots with this one; limit of the plan free: 1."],
    )
    hint: str | None = Field(
        default=None,
        description="what to do next",
        examples=["Take a larger plan, or free what is in use."],
    )
    retryable: bool = Field(default=False, description="whether the same request may help later")
    request_id: str = Field(description="of the request, as in the header X-Request-ID")
    faults: list[Fault] = Field(
        default_factory=list[Fault], description="of a 422: each field and its reason"
    )


def problem_of(error: CandelaError, request_id: str) -> Problem:
    """Return the problem that a failure is; one with faults names each field and its reason."""
    faults: list[Fault] = list(getattr(error, "faults", ()))
    # An error that is always about the same field of a body names it once, on its class.
    if field := getattr(error, "field", None):
        faults.append(Fault(field=field, reason=error.message))
    return Problem(
        title=title_of(error.status),
        status=error.status,
        code=error.code,
        detail=error.message,
        hint=error.hint,
        retryable=error.retryable,
        request_id=request_id,
        faults=faults,
    )


def title_of(status: int) -> str:
    """Return a status in words."""
    return _TITLES.get(status, "Error")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of the OpenAPI document for statuses that a route can answer.

    401, 422 and 429 are those of every route behind a login, and are added to what is named.
    """
    return {
        status: {
            "model": Problem,
            "description": title_of(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 401, 422, 429})
    }

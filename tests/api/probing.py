"""Requests made from the OpenAPI document: every path, with ids and bodies that fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from httpx2 import Response

    from tests.fixtures.api import Api
    from tests.sql.tenants import Tenant

__all__ = [
    "METHODS",
    "Operation",
    "ids_of",
    "operations",
    "places_of_ids",
    "same_but_for_ids",
    "send",
]

METHODS: Final = ("get", "post", "put", "patch", "delete")
_WORDS: Final[Mapping[str, Any]] = {
    "uuid": "00000000-0000-7000-8000-000000000000",
    "date-time": "2026-03-01T00:00:00Z",
    "date": "2026-03-01",
    "email": "probe@example.com",
    "password": "Correct-Horse-Battery-7",
    "uri": "https://example.com/",
}

# What only the program knows, by the name of the field.
_NAMED: Final[Mapping[str, Any]] = {
    "instrument": "binance:BTC/USDT",
    "symbol": "BTC/USDT",
    "timeframe": "1m",
    "strategy": "ma_cross",
    "capital": "50",
}


@dataclass(frozen=True)
class Operation:
    """A path with a method, as the document describes it."""

    method: str
    path: str
    needs_login: bool
    path_parameters: tuple[str, ...]
    query: Mapping[str, Any]
    body: Any
    is_admins: bool
    operation_id: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def operations(app: Any) -> list[Operation]:
    """Return every operation of the document with a request that fits it."""
    document = app.openapi()
    return [
        _operation(document, path, method, item)
        for path, methods in document["paths"].items()
        for method, item in methods.items()
        if method in METHODS
    ]


def send(
    api: Api,
    operation: Operation,
    *,
    token: str | None,
    ids: Mapping[str, Any],
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Response:
    """Send a request to an operation, with ids in its path."""
    path = operation.path
    for name in operation.path_parameters:
        path = path.replace(f"{{{name}}}", str(ids[name]))
    headers = {"idempotency-key": uuid4().hex}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    options: dict[str, Any] = {}
    content = operation.body if body is None else body
    if content is not None:
        options["json"] = content
    return api.client.request(
        operation.method.upper(),
        path,
        headers=headers,
        params=dict(operation.query if query is None else query),
        **options,
    )


def same_but_for_ids(one: Response, other: Response, ids: Mapping[str, Any], absent: Any) -> bool:
    """Return whether two answers tell the same, leaving out the ids that were asked for."""
    texts: list[str] = []
    for answer in (one, other):
        text = answer.text.replace(answer.headers.get("x-request-id", "-"), "REQUEST")
        for value in {*map(str, ids.values()), str(absent)}:
            text = text.replace(value, "ID")
        texts.append(text)
    return one.status_code == other.status_code and texts[0] == texts[1]


def ids_of(tenant: Tenant) -> dict[str, Any]:
    """Return a tenant's own id for every path parameter there is."""
    one = tenant.row_id
    names = (
        "user_id", "session_id", "token_id", "key_id", "secret_id", "order_id", "request_id",
        "trade_id", "alert_id", "notification_id", "mail_id", "decision_id", "intent_id",
        "run_id", "halt_id", "invoice_id", "backtest_id", "parity_id", "export_id",
        "position_id",
    )  # fmt: skip
    return dict.fromkeys(names, one) | {
        "bot_id": tenant.bot_id,
        "account_id": tenant.account_id,
        "tenant_id": tenant.tenant_id,
    }


def _operation(document: dict[str, Any], path: str, method: str, item: dict[str, Any]) -> Operation:
    parameters = [_resolved(document, one) for one in item.get("parameters", [])]
    content = item.get("requestBody", {}).get("content", {})
    chosen = content.get("application/json", {})
    body: Any = None
    if chosen:
        body = _example(document, chosen)
    return Operation(
        method=method,
        path=path,
        needs_login=bool(item.get("security")),
        path_parameters=tuple(one["name"] for one in parameters if one["in"] == "path"),
        query={
            one["name"]: _sample(document, one["schema"])
            for one in parameters
            if one["in"] == "query" and one.get("required")
        },
        body=body,
        is_admins=path.startswith("/api/v1/admin"),
        operation_id=item.get("operationId", ""),
    )


def _example(document: dict[str, Any], media: dict[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    for one in media.get("examples", {}).values():
        return one["value"]
    return _sample(document, media["schema"])


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _sample(document: dict[str, Any], given: dict[str, Any]) -> Any:  # noqa: C901, PLR0911 - a rule each
    schema = _resolved(document, given)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _sample(document, schema[key][0])
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", [])
            return {
                name: _NAMED.get(name) or _sample(document, schema["properties"][name])
                for name in wanted
            }
        case "array":
            count = max(1, schema.get("minItems", 0))
            return [_sample(document, schema["items"]) for _ in range(count)]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return _word(schema)


def _word(schema: dict[str, Any]) -> str:
    if schema.get("format") in _WORDS:
        return str(_WORDS[schema["format"]])
    text = "probe1"
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1_000)]


def places_of_ids(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a body the fields stand whose names end with _id."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name, inner in fields.items():
            if name.endswith("_id"):
                yield (*place, name)
            yield from places_of_ids(inner, (*place, name))

"""The reference page of the API: each route, who may call it, and what it answers."""

from __future__ import annotations

from typing import Any, Final

from fastapi.routing import APIRoute, APIWebSocketRoute

from api.app import PREFIX, create_app
from api.legacy.endpoints import legacy_router
from api.routers import ROUTERS
from api.state import ApiOptions

__all__ = ["page"]

_WHO: Final = {
    "_owner": "a person in a session",
    "_reader": "read",
    "_trader": "trade",
    "_admin": "administrator",
    "_fresh": "a person with a fresh second factor",
    "caller_of": "any caller",
}


def page(note: str) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    note
        Says that the page is written by a program.
    """
    app = create_app(ApiOptions(), lambda: None)  # pyright: ignore[reportArgumentType] - never run
    document = app.openapi()
    rows: dict[str, list[str]] = {}
    sockets: list[str] = []
    placed = [(PREFIX, route) for router in ROUTERS for route in router.routes]
    placed += [("", route) for route in legacy_router(ROUTERS).routes]
    for prefix, route in placed:
        if isinstance(route, APIWebSocketRoute):
            sockets.append(f"| `{prefix}{route.path}` | {_line(route.endpoint.__doc__)} |")
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        path = f"{prefix}{route.path_format}"
        for method in sorted(route.methods or ()):
            about: dict[str, Any] = document["paths"][path][method.lower()]
            tag = "older paths" if about.get("deprecated") else (about.get("tags") or ["other"])[0]
            answers = ", ".join(sorted(about["responses"]))
            rows.setdefault(str(tag), []).append(
                f"| `{method} {path.removeprefix(PREFIX)}` | {_who(route)} |"
                f" {answers} | {_line(about.get('description') or about.get('summary'))} |"
            )
    count = sum(len(found) for found in rows.values())
    parts = [
        "# The API\n\n"
        + note
        + f"{count} routes; all but some older paths lie below `{PREFIX}`. The OpenAPI document at"
        f" `{PREFIX}/openapi.json` has every field, example and error. "
        "[Use the API](../howto/use-the-api.md) is the way in."
    ]
    for tag, found in rows.items():
        parts.append(
            f"## {tag}\n\n| route | who | answers | what it does |\n|---|---|---|---|\n"
            + "\n".join(found)
        )
    if sockets:
        parts.append("## WebSockets\n\n| path | what it tells |\n|---|---|\n" + "\n".join(sockets))
    return "\n\n".join(parts) + "\n"


def _who(route: APIRoute) -> str:
    """Return who may call a route, by the narrowest dependency that it names."""
    found: list[str] = []
    waiting = list(route.dependant.dependencies)
    while waiting:
        one = waiting.pop()
        found.append(getattr(one.call, "__name__", ""))
        waiting += one.dependencies
    return next((words for name, words in _WHO.items() if name in found), "everybody")


def _line(text: str | None) -> str:
    words = " ".join((text or "").split("\n\n")[0].split())
    return words.replace("|", "\\|")

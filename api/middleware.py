"""What every request gets: an id, the address it came from, and headers that guard browsers."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from candela.clock import SystemClock
from candela.ids import new_id
from candela.logging import request_id as request_id_of_lines

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.state import ApiOptions, ApiState
    from candela.telemetry import Figures

__all__ = ["RequestMarks", "address_of"]

_ACCESS: Final = logging.getLogger("candela.api.access")
_PREFIX: Final = "/api/v1"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_GUARDS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)


class RequestMarks:
    """Marks a request with an id and its true address, and its answer with guarding headers."""

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._trusted = tuple(ipaddress.ip_network(one) for one in options.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id(SystemClock().now()).hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        client = scope.get("client") or ("", 0)
        state["address"] = address_of(client[0], _forwarded(headers), self._trusted)

        status = 500

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                named = {name for name, _ in given}
                message["headers"] = [
                    *given,
                    (b"x-request-id", request_id.encode()),
                    *(guard for guard in _GUARDS if guard[0] not in named),
                ]
            await send(message)

        if scope["type"] == "websocket":
            with _named(request_id):
                await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        held: ApiState = scope["app"].state.api
        held.in_flight += 1
        with _named(request_id):
            try:
                await self._app(scope, receive, marked)
            finally:
                held.in_flight -= 1
                _tell(held.figures, scope, status, time.perf_counter() - began)


def _tell(figures: Figures, scope: Scope, status: int, took_s: float) -> None:
    """Count a request, and write its line: by the template of its path, which names nobody."""
    template = getattr(scope.get("route"), "path", None) or "none"
    # A route knows its place below the prefix only.
    if template[0] == "/" and scope["path"].startswith(_PREFIX) and template[:7] != _PREFIX:
        template = _PREFIX + template
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    figures.count("candela_api_requests_total", (method, template, f"{status // 100}xx"))
    figures.histogram("candela_api_request_seconds").add(took_s)
    if _ACCESS.isEnabledFor(logging.INFO):
        ms = round(took_s * 1_000, 2)
        extra = {"method": method, "route": template, "status": status, "took_ms": ms}
        _ACCESS.info("answered", extra=extra)


def _forwarded(headers: Headers) -> str | None:
    # Some proxies add a line of their own behind the one that they were sent: all are one list.
    return ", ".join(headers.getlist("x-forwarded-for")) or None


@contextmanager
def _named(name: str) -> Generator[None]:
    token = request_id_of_lines.set(name)
    try:
        yield
    finally:
        request_id_of_lines.reset(token)


def address_of(
    peer: str,
    forwarded: str | None,
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...],
) -> str:
    """Return the address of who really asks: the last one that no trusted proxy stands for."""
    return _address(peer, forwarded, trusted)


@lru_cache(maxsize=4_096)
def _address(
    peer: str,
    forwarded: str | None,
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...],
) -> str:
    chain = [peer, *reversed([one.strip() for one in (forwarded or "").split(",") if one.strip()])]
    for one in chain:
        try:
            address = ipaddress.ip_address(one)
        except ValueError:
            return peer
        if not any(address in network for network in trusted):
            return str(address)
    return chain[-1]

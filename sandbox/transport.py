"""How requests travel: aiohttp requests in, answers out, spoiled where a fault says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web

from sandbox.answers import as_json
from sandbox.calls import Call, Reply, call_of

if TYPE_CHECKING:
    from sandbox.faults import Fault
    from sandbox.rest import Rest

__all__ = ["Transport", "tear"]

_PAGE: Final = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>"
    "</center>\r\n<hr><center>cloud</center>\r\n</body>\r\n</html>\r\n"
)
_JSON: Final = "application/json;charset=UTF-8"
_PIECES: Final = 20


def tear(request: web.Request) -> web.StreamResponse:
    """Tear a connection down without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


class Transport:
    """Serve REST requests."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let requests that hang go: the venue closes."""
        self._closing.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        rest = self._rest
        method = request.method
        body = (await request.read()).decode("utf-8", "replace") if request.body_exists else ""
        call = call_of(
            rest.next_number(),
            method,
            request.path,
            request.rel_url.raw_query_string,
            body,
            request.headers.get("X-MBX-APIKEY", ""),
            request.remote or "",
        )
        fault = rest.fault_of(call)
        if fault is not None:
            return await self._spoiled(cast("web.Request", request), call, fault)
        refused = rest.charge(call)
        reply = refused or rest.answer(call)
        rest.note(call, reply, "", executed=refused is None)
        return self._sent(call, reply)

    def _sent(self, call: Call, reply: Reply, media: str = _JSON) -> web.Response:
        self._rest.stamp(call, reply)
        reply.headers["Date"] = formatdate(self._rest.engine.clock.told_ms() / 1_000, usegmt=True)
        reply.headers["Content-Type"] = media
        return web.Response(body=reply.text.encode(), status=reply.status, headers=reply.headers)

    async def _spoiled(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        rest, kind = self._rest, fault.kind
        if kind == "slow":
            await self._pause(fault.seconds)
        refused = rest.charge(call)
        executes = kind in _RIGHT or fault.executes == "yes"
        right = refused
        if refused is None and executes:
            right = rest.answer(call)
        elif refused is None and fault.executes == "later":
            rest.engine.later(fault.delay_s, lambda: _drop(rest.answer(call)))
        is_executed = refused is None and (executes or fault.executes == "later")
        if kind in {"hang", "reset"}:
            rest.note(call, None, kind, executed=is_executed)
            if kind == "hang":
                await self._pause(fault.seconds)
            return tear(request)
        if kind == "late_answer":
            await self._pause(fault.seconds)
        reply, media = _spoil(fault, right)
        if fault.retry_after_s:
            reply.headers["Retry-After"] = f"{fault.retry_after_s:g}"
        rest.note(call, reply, kind, executed=is_executed)
        answer = self._sent(call, reply, media)
        if kind in {"short", "drip"}:
            return await _stream(request, kind, fault.seconds, reply)
        return answer


_RIGHT: Final = frozenset(
    {"slow", "late_answer", "drip", "short", "cut", "blank", "empty_list", "partial_page"}
)
"""Faults whose answer is made from the right one."""


def _drop(_reply: Reply) -> None:
    """Nobody waits for this answer any more."""


def _spoil(fault: Fault, right: Reply | None) -> tuple[Reply, str]:
    """Return the answer that goes out, and its media type."""
    kind, status = fault.kind, fault.status
    if right is not None and kind in _RIGHT:
        return _altered(kind, right), _JSON
    if kind in {"html", "outage"}:
        return Reply(_PAGE.format(status=status), status), "text/html"
    bodies = {"empty": "", "half": '{"code":-1000,"ms', "wrong": "0"}
    if kind in bodies:
        return Reply(bodies[kind], status), _JSON
    content = {"code": fault.code, "msg": fault.message}
    return Reply(as_json(content), status, fault.code), _JSON


def _altered(kind: str, right: Reply) -> Reply:
    match kind:
        case "cut":
            return Reply(right.text[: len(right.text) // 2], right.status, right.code)
        case "blank":
            return Reply("")
        case "empty_list":
            return Reply("[]")
        case "partial_page":
            content = json.loads(right.text)
            if isinstance(content, list):
                rows = cast("list[object]", content)
                return Reply(as_json(rows[: len(rows) // 2]))
            return right
        case _:
            return right


async def _stream(
    request: web.Request, kind: str, seconds: float, reply: Reply
) -> web.StreamResponse:
    body = reply.text.encode()
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(body)
    await response.prepare(request)
    if kind == "short":
        await response.write(body[: len(body) // 2])
        return tear(request)
    size = max(1, len(body) // _PIECES)
    try:
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(seconds / _PIECES)
    except ConnectionError:
        # The client lost patience, as it should.
        return response
    return response

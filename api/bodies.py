"""Bodies of a bounded size that arrive in a bounded time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LARGEST", "BodyBounds"]

LARGEST: Final = 1_048_576
"""Bytes of a body."""
_BODY_S: Final = 30.0


class BodyBounds:
    """Refuses a body above 1 MiB, announced or not, and one that takes half a minute."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        seen = int(announced) if announced.isdecimal() else 0
        is_large = seen > LARGEST
        loop = asyncio.get_running_loop()
        ends, so_far, is_whole = loop.time() + _BODY_S, 0, False

        async def bounded() -> Message:
            nonlocal so_far, is_whole
            if is_whole:
                return await receive()
            if is_large:
                raise HTTPException(413)
            try:
                async with asyncio.timeout_at(ends):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            so_far += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if so_far > LARGEST:
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)

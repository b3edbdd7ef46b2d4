"""The page of figures: on this machine alone, and never on the port of the public."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from candela.telemetry import Figures

__all__ = ["figures_page"]

_LOG: Final = logging.getLogger(__name__)
_HOST: Final = "127.0.0.1"
_WAIT_S: Final = 5.0


@asynccontextmanager
async def figures_page(figures: Figures, port: int | None) -> AsyncGenerator[str | None]:
    """Serve ``GET /metrics``; yield its address, None where no port was given."""
    if port is None:
        yield None
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_WAIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                is_asked = head.startswith(b"GET /metrics ")
                body = figures.text().encode() if is_asked else b"see /metrics\n"
                status = b"200 OK" if is_asked else b"404 Not Found"
                writer.write(
                    b"HTTP/1.1 %b\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"
                    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
                )
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, _HOST, port)
    address = f"http://{_HOST}:{server.sockets[0].getsockname()[1]}/metrics"
    _LOG.info("Figures are at %s", address)
    try:
        yield address
    finally:
        server.close()

"""The listeners: one TLS port for all hosts of the venue, one plain port for control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from sandbox.control import Control
from sandbox.hosts import server_context
from sandbox.market_streams import MarketStreams
from sandbox.sockets import Sockets
from sandbox.transport import Transport
from sandbox.user_streams import UserStreams

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.rest import Rest

__all__ = ["Server"]

_QUIT_S: Final = 0.2


class Server:
    """Listen on loopback, and hand requests to who answers them."""

    def __init__(self, rest: Rest, port: int, control_port: int) -> None:
        self.port = port
        self.control_port = control_port
        self._transport = Transport(rest)
        self.sockets = Sockets(rest.engine.clock, rest.faults)
        self.market = MarketStreams(rest, self.sockets)
        self.user = UserStreams(rest, self.sockets)
        self._control = Control(rest, self.user, self.sockets)
        self._runners: list[web.ServerRunner] = []

    async def open(self, folder: Path) -> None:
        """Listen, with the authority of a folder; the ports are known afterwards."""
        context = server_context(folder)
        gateway = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=_QUIT_S
        )
        control = web.ServerRunner(
            web.Server(self._control.handle, access_log=None), shutdown_timeout=_QUIT_S
        )
        for runner in (gateway, control):
            await runner.setup()
            self._runners.append(runner)
        await web.TCPSite(gateway, "127.0.0.1", self.port, ssl_context=context).start()
        await web.TCPSite(control, "127.0.0.1", self.control_port).start()
        self.port = gateway.addresses[0][1]
        self.control_port = control.addresses[0][1]

    async def close(self) -> None:
        """Tear every connection down and stop listening."""
        self._transport.close()
        await self.sockets.close()
        for runner in self._runners:
            await runner.cleanup()

    def tick(self) -> None:
        """Send what the market streams have to tell."""
        self.market.tick()
        self.sockets.tick()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if request.path.startswith("/ws-api"):
                return await self.user.serve(request)
            return await self.market.serve(request)
        return await self._transport.handle(request)

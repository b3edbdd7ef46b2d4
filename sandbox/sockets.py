"""Websocket connections: pings, ends, and events that a fault drops, doubles, swaps or delays."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import WSMsgType, web

from sandbox.answers import as_json
from sandbox.faults import LASTING, STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.clock import VenueClock
    from sandbox.faults import FaultPlan

__all__ = ["Socket", "Sockets"]

_PING_S: Final = 20.0
_PATIENCE_S: Final = 60.0
_LIFE_S: Final = 86_400.0
_CHANCE_S: Final = 0.5
_GOING_AWAY: Final = 1_001
_POLICY: Final = 1_008
_EVENTS: Final = {name: words for name, words in STREAMS.items() if name not in LASTING}


@dataclass(slots=True, eq=False)
class Socket:
    """One connection.

    Parameters
    ----------
    kind
        ``market`` or ``user``.
    """

    wire: web.WebSocketResponse
    kind: str
    opened_s: float
    heard_s: float
    pinged_s: float
    streams: set[str] = field(default_factory=set[str])
    is_combined: bool = False
    transport: asyncio.BaseTransport | None = None
    queue: asyncio.Queue[str | bytes | int] = field(
        default_factory=asyncio.Queue["str | bytes | int"]
    )
    swapped: str | None = None
    asked_at: float = 0.0

    def had_chance(self) -> bool:
        """Return whether an answer to the last ping could be here: time may be moved by hand."""
        return time.monotonic() - self.asked_at > _CHANCE_S

    def send(self, content: object) -> None:
        """Send a message when its turn comes."""
        self.queue.put_nowait(as_json(content))

    def end(self, code: int) -> None:
        """End the connection in good order after what is queued."""
        self.queue.put_nowait(code)

    def cut(self) -> None:
        """Tear the connection down."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()


class Sockets:
    """All connections."""

    def __init__(self, clock: VenueClock, faults: FaultPlan) -> None:
        self._clock = clock
        self._faults = faults
        self._delayed: set[asyncio.TimerHandle] = set()
        self.open: set[Socket] = set()

    async def serve(
        self,
        request: web.BaseRequest,
        kind: str,
        hear: Callable[[Socket, str], None],
        greet: Callable[[Socket], None] | None = None,
    ) -> web.StreamResponse:
        """Hold a connection until it ends.

        Parameters
        ----------
        hear
            Takes each text message.
        greet
            Is given the connection once it stands.
        """
        if self._faults.is_on("ws_refuse") or self._faults.is_on("outage"):
            return web.Response(status=503, text="")
        wire = web.WebSocketResponse(autoping=False, compress=False)
        await wire.prepare(request)
        now = self._clock.elapsed_s()
        socket = Socket(wire, kind, now, now, now, transport=request.transport)
        self.open.add(socket)
        sender = asyncio.get_running_loop().create_task(_send(socket))
        try:
            if greet is not None:
                greet(socket)
            async for message in wire:
                if message.type is WSMsgType.TEXT:
                    hear(socket, cast("str", message.data))
                elif message.type is WSMsgType.PING:
                    await wire.pong(cast("bytes", message.data))
                elif message.type is WSMsgType.PONG:
                    socket.heard_s = self._clock.elapsed_s()
        except ConnectionError:
            # The client is gone, which is how most connections end.
            return wire
        finally:
            self.open.discard(socket)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        return wire

    def push(
        self,
        socket: Socket,
        content: dict[str, Any],
        name: str,
        symbol: str,
        client: str = "",
        key: str = "",
    ) -> None:
        """Send an event, unless or until a fault has it otherwise."""
        faults = self._faults
        text = as_json(content)
        if not faults.script:
            self._put(socket, text)
            return
        if faults.is_on("ws_silent", key):
            return
        fault = faults.take(_EVENTS, socket.kind, name, symbol=symbol, client=client, key=key)
        if fault is None:
            self._put(socket, text)
        elif fault.kind == "ws_duplicate":
            self._put(socket, text)
            self._put(socket, text)
        elif fault.kind == "ws_reorder":
            socket.swapped = text
        elif fault.kind == "ws_delay":
            loop = asyncio.get_running_loop()
            self._delayed.add(loop.call_later(fault.seconds, self._put, socket, text))

    @staticmethod
    def _put(socket: Socket, text: str) -> None:
        socket.queue.put_nowait(text)
        if socket.swapped is not None:
            late, socket.swapped = socket.swapped, None
            socket.queue.put_nowait(late)

    def tick(self) -> None:
        """Ping, and end what is too old or has not answered."""
        now = self._clock.elapsed_s()
        is_out = self._faults.is_on("outage")
        for socket in list(self.open):
            if is_out:
                socket.cut()
            elif now - socket.heard_s > _PATIENCE_S + _PING_S and socket.had_chance():
                socket.end(_POLICY)
            elif now - socket.opened_s > _LIFE_S:
                socket.end(_GOING_AWAY)
            elif now - socket.pinged_s >= _PING_S:
                socket.pinged_s = now
                socket.asked_at = time.monotonic()
                socket.queue.put_nowait(str(self._clock.told_ms()).encode())

    def cut(self, kind: str = "") -> int:
        """Tear connections down, all or of one kind; returns how many."""
        found = [one for one in self.open if kind in {"", one.kind}]
        for socket in found:
            socket.cut()
        return len(found)

    def shut_down(self) -> int:
        """Announce that the server goes down, then end every connection."""
        found = list(self.open)
        for socket in found:
            event = {"e": "serverShutdown", "E": self._clock.told_ms()}
            socket.send({"event": event} if socket.kind == "user" else event)
            socket.end(_GOING_AWAY)
        return len(found)

    async def close(self) -> None:
        """Tear everything down."""
        for handle in self._delayed:
            handle.cancel()
        for socket in list(self.open):
            socket.cut()
        await asyncio.sleep(0)


async def _send(socket: Socket) -> None:
    """Send what is queued: text, a ping's bytes, or a code that ends the connection."""
    while True:
        item = await socket.queue.get()
        try:
            if isinstance(item, str):
                await socket.wire.send_str(item)
            elif isinstance(item, bytes):
                await socket.wire.ping(item)
            else:
                await socket.wire.close(code=item)
                return
        except ConnectionError:
            # The reading side sees the same end and clears up.
            return

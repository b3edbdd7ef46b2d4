"""An account's stream of events: reconnected by itself, and never believed while it is silent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast
from zlib import crc32

from candela.brokers.port import BrokerEvent, EventKind
from candela.venues.door import ShapeError, record

if TYPE_CHECKING:
    from candela.brokers.wire import Wire

__all__ = ["PROBE", "AccountStream", "Pace"]

_LOG: Final = logging.getLogger(__name__)
_QUEUE: Final = 10_000
PROBE: Final = "probe"
"""Id of our own questions on a socket."""


class Pace:
    """How soon a stream is found out.

    Parameters
    ----------
    look_s
        Between looks.
    quiet_s
        Silence after which the socket is asked whether it lives.
    answer_s
        How long it may take to say so. Together under 30 s.
    subscribed_s
        How long a subscription may take.
    expected_s
        How long after its answer an order of ours must have shown up in the stream: a
        subscription that has lapsed behind a socket that still answers is found so.
    """

    def __init__(
        self,
        *,
        look_s: float = 2.5,
        quiet_s: float = 15.0,
        answer_s: float = 10.0,
        subscribed_s: float = 20.0,
        expected_s: float = 10.0,
        rest_s: float = 0.5,
        longest_rest_s: float = 30.0,
    ) -> None:
        self.look_s = look_s
        self.quiet_s = quiet_s
        self.answer_s = answer_s
        self.subscribed_s = subscribed_s
        self.expected_s = expected_s
        self.rest_s = rest_s
        self.longest_rest_s = longest_rest_s


class AccountStream:
    """Turn the raw messages of ccxt's sockets into events.

    What ccxt itself makes of the messages is not used: it keeps the last thousand only, and its
    numbers are floats.

    Parameters
    ----------
    read
        Turns a message into events; raises `ShapeError` for one that it must know and cannot read.
    watches
        Names of the ccxt calls that subscribe.
    probe
        Makes a message that the venue answers on the socket.
    """

    def __init__(
        self,
        venue: str,
        read: Callable[[object], Sequence[BrokerEvent]],
        watches: Sequence[str],
        probe: Callable[[], dict[str, Any]],
        pace: Pace | None = None,
    ) -> None:
        self._venue = venue
        self._read = read
        self._watches = tuple(watches)
        self._probe = probe
        self._pace = pace or Pace()
        self._queue: asyncio.Queue[BrokerEvent] = asyncio.Queue(_QUEUE)
        self._heard_at = 0.0
        self._is_open = False
        self._lapse = ""
        self._expected: dict[str, float] = {}

    def heard(self, message: object) -> bool:
        """Take a message of the socket; False where it answers our own question, not ccxt's."""
        self._heard_at = asyncio.get_running_loop().time()
        if _is_own(message):
            return False
        try:
            events = self._read(message)
        except (ShapeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            self._lapse = f"a message cannot be read ({type(error).__name__})"
            return True
        for event in events:
            if event.kind is EventKind.CONNECTED:
                self._is_open = True
            elif event.kind is EventKind.LOST:
                self._lapse = "the venue ended the stream"
            if event.order is not None and event.order.client_id is not None:
                self._expected.pop(event.order.client_id, None)
            if event.kind is not EventKind.LOST:
                self._put(event)
        return True

    def expect(self, client_id: str) -> None:
        """Note that an order is being sent; the stream may show it before the answer comes."""
        if self._is_open:
            self._expected[client_id] = math.inf

    def settle(self, client_id: str, *, is_accepted: bool) -> None:
        """Note what the answer said: an order that was accepted must show up in the stream."""
        if client_id not in self._expected:
            return
        if is_accepted:
            self._expected[client_id] = asyncio.get_running_loop().time()
        else:
            del self._expected[client_id]

    async def events(self, wire: Wire) -> AsyncIterator[BrokerEvent]:
        """Yield events for ever; CONNECTED after each subscription, LOST when one broke."""
        pump = asyncio.create_task(self._pump(wire))
        try:
            while True:
                yield await self._queue.get()
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    async def _pump(self, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = self._heard_at = loop.time()
            self._is_open, self._lapse = False, ""
            self._expected.clear()
            reason = await self._session(wire)
            was_open, self._is_open = self._is_open, False
            if was_open:
                self._put(BrokerEvent(EventKind.LOST))
            _LOG.warning("The stream of an account at %s is lost: %s.", self._venue, reason)
            # A stream that held for a while does not count as a failed attempt.
            held_s = loop.time() - started
            failures = 1 if was_open and held_s > self._pace.longest_rest_s else failures + 1
            rest_s = min(
                self._pace.longest_rest_s, self._pace.rest_s * 2.0 ** min(failures - 1, 10)
            )
            await asyncio.sleep(rest_s * _spread(wire))

    async def _session(self, wire: Wire) -> str:
        """Keep one connection, and return why it ended."""
        # The rests between sessions are ours; ccxt would double its own at each failed dial.
        wire.exchange.ws_dial_backoff = {}
        watching = [asyncio.create_task(self._watch(wire, name)) for name in self._watches]
        guard = asyncio.create_task(self._guard(wire))
        try:
            done, _ = await asyncio.wait([*watching, guard], return_when=asyncio.FIRST_COMPLETED)
            first = next(iter(done))
            if first is guard and not first.cancelled() and first.exception() is None:
                return str(first.result())
            if first.cancelled():
                return "the connection was closed"
            # Only the class: the text may hold what was signed.
            return type(first.exception()).__name__
        finally:
            for task in [*watching, guard]:
                task.cancel()
            await asyncio.gather(*watching, guard, return_exceptions=True)
            if wire.exchange.clients:
                await wire.exchange.close_ws_clients()

    async def _watch(self, wire: Wire, name: str) -> str:
        await wire.house.ready(wire.exchange)
        while True:
            with record():
                await getattr(wire.exchange, name)()

    async def _guard(self, wire: Wire) -> str:
        loop, pace = asyncio.get_running_loop(), self._pace
        began, asked_at = loop.time(), None
        while True:
            await asyncio.sleep(pace.look_s)
            now = loop.time()
            if self._lapse:
                return self._lapse
            if not self._is_open:
                if now - began > pace.subscribed_s:
                    return f"not subscribed within {pace.subscribed_s:g} s"
                continue
            if any(now - at > pace.expected_s for at in self._expected.values()):
                return "an accepted order did not show up in it"
            if asked_at is not None and self._heard_at >= asked_at:
                asked_at = None
            if asked_at is not None and now - asked_at > pace.answer_s:
                return f"silent for {now - self._heard_at:.0f} s"
            if asked_at is None and now - self._heard_at > pace.quiet_s:
                asked_at = now
                await self._ask(wire)

    async def _ask(self, wire: Wire) -> None:
        clients = cast("dict[str, Any]", wire.exchange.clients)
        for client in clients.values():
            if client.connection is not None and not client.connection.closed:
                await client.send(self._probe())

    def _put(self, event: BrokerEvent) -> None:
        if self._queue.full():
            # Nobody takes them: what is dropped here is asked for after the next connection.
            self._lapse = "events are not taken"
            return
        self._queue.put_nowait(event)


def _is_own(message: object) -> bool:
    return isinstance(message, dict) and cast("dict[str, object]", message).get("id") == PROBE


def _spread(wire: Wire) -> float:
    """Return 0.75 to 1.25, so that accounts which were cut at once do not come back at once."""
    return 0.75 + crc32(str(id(wire)).encode()) % 1_000 / 2_000

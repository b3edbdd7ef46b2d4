"""The hub of a process: reads each tenant's live journal once, and hands it to all who watch."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.sockets.errors import TooManySockets
from candela.bus import journal_key

if TYPE_CHECKING:
    from api.sockets.tickets import Holder
    from candela.clock import Clock
    from candela.telemetry import Figures

__all__ = ["Hub", "Watcher"]

_LOG: Final = logging.getLogger(__name__)
_BLOCK_MS: Final = 250
_ANSWER_S: Final = 5.0
_AGAIN_S: Final = 1.0
_BEAT_S: Final = 20.0
_CHECK_S: Final = 1.0
# More than a journal holds, which is what a socket that comes back may have missed.
_MOST_WAITING: Final = 1_500
_OLDEST: Final = timedelta(hours=24)
_BEAT: Final = json.dumps({"type": "beat"})
RESET: Final = json.dumps({"type": "reset"})
ENDED, SLOW, RESTART = 4401, 4408, 1012
_REASONS: Final = {ENDED: "ended", SLOW: "slow", RESTART: "restart"}


class Watcher:
    """One socket's queue: bounded, and closed for whoever reads too slowly.

    Parameters
    ----------
    bot_id
        None: of all bots of the tenant.
    """

    __slots__ = ("_ready", "bot_id", "close_code", "holder", "lines")

    def __init__(self, holder: Holder, bot_id: str | None) -> None:
        self.holder = holder
        self.bot_id = bot_id
        self.lines: deque[str] = deque()
        self.close_code = 0
        self._ready = asyncio.Event()

    def put(self, line: str) -> bool:
        """Add a line; False where the queue is full, and the socket is to be closed."""
        if len(self.lines) >= _MOST_WAITING:
            return False
        self.lines.append(line)
        self._ready.set()
        return True

    def close(self, code: int) -> None:
        """Let the socket be closed with a code; what waits is not sent any more."""
        self.close_code = self.close_code or code
        self.lines.clear()
        self._ready.set()

    async def next(self) -> str | None:
        """Return the next line, as soon as there is one; None where the socket is to be closed."""
        while not self.lines:
            if self.close_code:
                return None
            self._ready.clear()
            await self._ready.wait()
        return self.lines.popleft()


class Hub:
    """Reads the journals of all tenants who watch, over one connection.

    Parameters
    ----------
    has_ended
        Whether the session or token that holds a socket is worth nothing any more.
    most
        Sockets of one tenant in this process.
    """

    def __init__(
        self,
        redis_url: str,
        clock: Clock,
        figures: Figures,
        has_ended: Callable[[Holder], bool],
        *,
        most: int = 20,
    ) -> None:
        self._bus: Any = redis.asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            redis_url, protocol=2, socket_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 0)
        )
        self._clock = clock
        self._figures = figures
        self._has_ended = has_ended
        self._most = most
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._positions: dict[UUID, str] = {}
        self._is_lost = False
        self._is_closing = False
        figures.gauge("candela_api_sockets", lambda: {"": self.count})

    @property
    def count(self) -> int:
        """How many sockets there are."""
        return sum(map(len, self._watchers.values()))

    async def join(self, holder: Holder, bot_id: str | None, after: str | None) -> Watcher:
        """Return a queue that gets each line from now on, behind those after a line that was seen.

        Raises
        ------
        TooManySockets
            The tenant has as many as it may have.
        """
        tenant_id = holder.tenant_id
        if len(self._watchers.get(tenant_id, ())) >= self._most:
            message = f"{self._most} connections are open."
            raise TooManySockets(message, "Close one that is not needed.")
        last = await self._last(tenant_id)
        watcher = Watcher(holder, bot_id)
        if self._is_closing:
            watcher.close(RESTART)
        # Without a pause between the two: what is read behind the position reaches this socket.
        position = self._positions.setdefault(tenant_id, last)
        self._watchers.setdefault(tenant_id, set()).add(watcher)
        if after is not None:
            early, watcher.lines = watcher.lines, deque()
            for line in await self._missed(tenant_id, bot_id, after, position):
                early.append(line)
            # Lines that came while the older ones were read stand behind them.
            early.extend(watcher.lines)
            watcher.lines = early
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a socket."""
        tenant_id = watcher.holder.tenant_id
        left = self._watchers.get(tenant_id, set())
        left.discard(watcher)
        if not left:
            self._watchers.pop(tenant_id, None)
            self._positions.pop(tenant_id, None)

    async def run(self) -> None:
        """Read and check, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._check())
            while True:
                _heed_cancellation()
                if not self._positions:
                    await asyncio.sleep(_BLOCK_MS / 1_000)
                    continue
                try:
                    await self._read()
                    self._is_lost = False
                except (redis.exceptions.RedisError, OSError) as error:
                    if not self._is_lost:
                        _LOG.warning("No live lines: Redis is lost (%s).", type(error).__name__)
                    self._is_lost = True
                    await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Close every socket: the process ends, and another one takes over."""
        self._is_closing = True
        for watcher in [one for group in self._watchers.values() for one in group]:
            self._end(watcher, RESTART)
        await self._bus.aclose()

    async def _read(self) -> None:
        tenants = {journal_key(one): one for one in self._positions}
        keys = {key: self._positions[one] for key, one in tenants.items()}
        found = await self._bus.xread(keys, count=500, block=_BLOCK_MS)
        for key, entries in found or ():
            tenant_id = tenants[key.decode()]
            for entry_id, fields in entries:
                line, bot_id = _line(entry_id, fields)
                if tenant_id in self._positions:
                    self._positions[tenant_id] = entry_id.decode()
                for watcher in list(self._watchers.get(tenant_id, ())):
                    if watcher.bot_id in {None, bot_id} and not watcher.put(line):
                        self._end(watcher, SLOW)

    async def _check(self) -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + _BEAT_S
        while True:
            await asyncio.sleep(_CHECK_S)
            now = self._clock.now()
            is_beat = loop.time() >= beat_at
            beat_at += _BEAT_S if is_beat else 0
            for watcher in [one for group in self._watchers.values() for one in group]:
                if self._has_ended(watcher.holder) or _is_old(watcher.holder, now):
                    self._end(watcher, ENDED)
                elif is_beat and not watcher.put(_BEAT):
                    self._end(watcher, SLOW)

    def _end(self, watcher: Watcher, code: int) -> None:
        if not watcher.close_code:
            self._figures.count("candela_api_sockets_closed_total", _REASONS[code])
        watcher.close(code)

    async def _last(self, tenant_id: UUID) -> str:
        with suppress(redis.exceptions.RedisError, OSError):
            found = await self._bus.xrevrange(journal_key(tenant_id), count=1)
            if found:
                return found[0][0].decode()
        return "0-0"

    async def _missed(
        self, tenant_id: UUID, bot_id: str | None, after: str, until: str
    ) -> list[str]:
        """Return what came after a line; first that lines are lost, where they were trimmed."""
        key = journal_key(tenant_id)
        try:
            first = await self._bus.xrange(key, count=1)
            found = await self._bus.xrange(key, min=f"({after}", max=until)
        except (redis.exceptions.RedisError, OSError):
            return [RESET]
        lines = [_line(*entry) for entry in found]
        is_whole = bool(first) and _order(first[0][0].decode()) <= _order(after)
        kept = [line for line, bot in lines if bot_id in {None, bot}]
        return kept if is_whole else [RESET, *kept]


def _heed_cancellation() -> None:
    # redis-py 8.1 was seen to lose a cancellation that arrives while it waits for an answer.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _line(entry_id: bytes, fields: dict[bytes, bytes]) -> tuple[str, str]:
    plain = {name.decode(): value.decode() for name, value in fields.items()}
    bot_id = plain.get("bot", "")
    content = {
        "type": "log",
        "id": entry_id.decode(),
        "bot_id": bot_id,
        "at": plain.get("at"),
        "level": plain.get("level"),
        "event": plain.get("event"),
        "message": plain.get("message"),
        "data": json.loads(plain.get("data") or "{}"),
    }
    return json.dumps(content, separators=(",", ":")), bot_id


def _order(entry_id: str) -> tuple[int, int]:
    at, _, number = entry_id.partition("-")
    return int(at), int(number or 0)


def _is_old(holder: Holder, now: datetime) -> bool:
    return now - holder.issued_at > _OLDEST

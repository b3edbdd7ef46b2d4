"""The journal of bots: one line an event, without secrets, stored by the store and told live."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import redis.exceptions

from candela.bus import journal_key
from candela.clock import Clock
from candela.logging import redact
from live.store.port import Store
from live.streams.opening import open_redis

__all__ = ["EVENTS", "Journal", "JournalEvent", "Level"]

_LOG: Final = logging.getLogger(__name__)
Level = Literal["debug", "info", "warning", "error"]
JournalEvent = Literal[
    "state",  # starting, running, stopping, stopped, blocked, error
    "signal",
    "decision",
    "refused",
    "intent",
    "order",
    "fill",
    "trade",
    "protection",
    "reconciled",
    "blocked",
    "halted",
]
EVENTS: Final[frozenset[str]] = frozenset(JournalEvent.__args__)
"""Names that lines of the journal may have."""

_FLUSH_S: Final = 0.25
_LIVE_LINES: Final = 1_000
_LIVE_S: Final = 86_400
_MOST_WAITING: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Line:
    tenant_id: UUID
    bot_id: UUID
    level: Level
    event: JournalEvent
    message: str
    data: Mapping[str, Any] | None
    at: datetime


class Journal:
    """Take lines at once, write them a moment later; nothing is lost at a clean stop.

    Lines explain; what is owed to the books is in the rows of decisions, orders and fills. So a
    crash may cost the last quarter of a second, and a lost Redis only those who watch.

    Parameters
    ----------
    redis_url
        None: no live copies.
    """

    def __init__(self, store: Store, redis_url: str | None, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._redis: Any = None if redis_url is None else open_redis(redis_url)
        self._waiting: list[_Line] = []
        self._turn = asyncio.Lock()
        self.dropped = 0
        """Lines of level debug and info that a flood pushed out."""

    def note(
        self,
        tenant_id: UUID,
        bot_id: UUID | None,
        event: JournalEvent,
        message: str,
        *,
        level: Level = "info",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a line; orders by hand have no bot, and no journal."""
        if bot_id is None:
            return
        if len(self._waiting) >= _MOST_WAITING and level in {"debug", "info"}:
            self.dropped += 1
            return
        kept = None if data is None else {name: _plain(value) for name, value in data.items()}
        line = _Line(tenant_id, bot_id, level, event, redact(message), kept, self._clock.now())
        self._waiting.append(line)

    async def run(self) -> None:
        """Write what was taken, several times a second, until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Hand all lines to the store, then to those who watch."""
        async with self._turn:
            lines, self._waiting = self._waiting, []
            for line in lines:
                await self._store.log(
                    line.tenant_id,
                    line.bot_id,
                    line.level,
                    line.event,
                    line.message,
                    line.data,
                    line.at,
                )
            if lines and self._redis is not None:
                await self._tell(lines)

    async def close(self) -> None:
        """Write what waits, and let go of Redis."""
        await self.flush()
        if self._redis is not None:
            await self._redis.aclose()

    async def _tell(self, lines: list[_Line]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for line in lines:
                    fields = {
                        "bot": str(line.bot_id),
                        "at": line.at.isoformat(),
                        "level": line.level,
                        "event": line.event,
                        "message": line.message,
                        "data": json.dumps(line.data or {}),
                    }
                    key = journal_key(line.tenant_id)
                    pipe.xadd(key, fields, maxlen=_LIVE_LINES, approximate=True)
                for tenant_id in {line.tenant_id for line in lines}:
                    pipe.expire(journal_key(tenant_id), _LIVE_S)
                await pipe.execute()
        except (redis.exceptions.RedisError, OSError) as error:
            _LOG.info("Nobody can watch the journal now: %s", type(error).__name__)


def _plain(value: object) -> str | int | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    return redact(str(value))

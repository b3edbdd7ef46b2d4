"""What ended before its time, sessions, tokens, users: known everywhere within a second."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from candela.bus import ENDINGS_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis.asyncio

    from candela.clock import Clock
    from candela.identity.lookups import Ending, Lookups

__all__ = ["Endings"]

_LOG: Final = logging.getLogger(__name__)
# As long as an access token lives, and a minute for clocks that differ.
_KEPT: Final = timedelta(minutes=16)
# What was stamped so long ago may have been committed only now.
_OVERLAP: Final = timedelta(seconds=60)
_EVERY_S: Final = 0.5
_AGAIN_S: Final = 1.0


class Endings:
    """Remembers in memory what has ended lately; PostgreSQL is the truth.

    A look takes one small query, twice a second. A word on a channel of Redis makes every process
    look at once; without Redis nothing is lost but those milliseconds.
    """

    def __init__(self, lookups: Lookups, bus: redis.asyncio.Redis, clock: Clock) -> None:
        self._lookups = lookups
        self._bus: Any = bus
        self._clock = clock
        self._single: dict[UUID, datetime] = {}
        self._users: dict[UUID, datetime] = {}
        self._seen_until: datetime | None = None
        self._nudged = asyncio.Event()
        self._is_silent = False

    def has_ended(
        self, *, user_id: UUID, issued_at: float, session_id: UUID | None, token_id: UUID | None
    ) -> bool:
        """Return whether a token is worth nothing any more.

        Parameters
        ----------
        issued_at
            Seconds since 1970; whole ones are enough, for a session's end is known by its id too.
        """
        if session_id in self._single or token_id in self._single:
            return True
        cutoff = self._users.get(user_id)
        return cutoff is not None and issued_at < int(cutoff.timestamp())

    def note(self, endings: Iterable[Ending]) -> None:
        """Remember what ended."""
        for one in endings:
            kept = self._users if one.kind == "user" else self._single
            kept[one.which] = max(one.at, kept.get(one.which, one.at))

    async def tell(self) -> None:
        """Look at once, and let every other process do so: something has ended."""
        await self.look()
        try:
            async with asyncio.timeout(_AGAIN_S):
                await self._bus.publish(ENDINGS_CHANNEL, b"look")
        except (RedisError, OSError, TimeoutError):
            self._say_once("Redis does not answer: endings are told by PostgreSQL alone")

    async def look(self) -> None:
        """Read what has ended since the last look."""
        now = self._clock.now()
        since = now - _KEPT if self._seen_until is None else self._seen_until - _OVERLAP
        found = await asyncio.to_thread(self._lookups.endings, since)
        self.note(found)
        self._seen_until = now
        self._forget(now - _KEPT)

    async def watch(self) -> None:
        """Look, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                try:
                    await self.look()
                except (psycopg.Error, PoolTimeout) as error:
                    # No request is served without the database either.
                    self._say_once(f"endings cannot be read: {type(error).__name__}")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), _EVERY_S)
                self._nudged.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._bus.pubsub() as channel:
                    await channel.subscribe(ENDINGS_CHANNEL)
                    self._is_silent = False
                    # In steps: redis-py 8.1 was seen to lose a cancellation while it waits.
                    while not _is_cancelled():
                        if await channel.get_message(
                            ignore_subscribe_messages=True, timeout=_EVERY_S
                        ):
                            self._nudged.set()
                    return
            except (RedisError, OSError, TimeoutError):
                self._say_once("Redis does not answer: endings are told by PostgreSQL alone")
            await asyncio.sleep(_AGAIN_S)

    def _forget(self, before: datetime) -> None:
        for kept in (self._single, self._users):
            for which in [which for which, at in kept.items() if at < before]:
                del kept[which]

    def _say_once(self, words: str) -> None:
        if not self._is_silent:
            _LOG.warning(words)
            self._is_silent = True


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

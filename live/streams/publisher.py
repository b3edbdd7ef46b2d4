"""The publisher: puts committed events on the streams, at once or by a sweep, and tidies up."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import psycopg
import redis.exceptions

from candela.bus import stream_keys
from live.streams.events import STREAMS
from live.streams.opening import heed_cancellation, open_redis
from live.streams.outbox import published, unpublished
from live.streams.trimming import trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.clock import Clock
    from live.streams.events import StreamEvent
    from live.streams.link import DatabaseLink

__all__ = ["Publisher"]

_LOG: Final = logging.getLogger(__name__)
_ADD: Final = """
for i = 1, #ARGV, 3 do
    local n = redis.call('INCR', KEYS[2])
    redis.call('XADD', KEYS[1], '*', 'n', n, 'seq', ARGV[i], 'key', ARGV[i + 1],
        'payload', ARGV[i + 2])
end
"""
_SWEEP_S: Final = 1.0
_TRIM_S: Final = 60.0
_SWEPT: Final = 500
# How long Redis is left alone after it failed: each try costs a connection attempt.
_REST_S: Final = 2.0
# Readers that were away for longer begin with the tables.
_FORGET: Final = """
DELETE FROM live.outbox AS o
WHERE o.seq IN (
    SELECT f.seq FROM live.outbox AS f
    WHERE f.created_at < clock_timestamp() - interval '1 day'
    ORDER BY f.seq LIMIT 10000
)
"""


class Publisher:
    """Carry events of the outbox to Redis Streams; each at least once.

    Where Redis is gone nothing is lost: readers see the outbox itself, each second, and what stayed
    unpublished follows when Redis is back.

    Parameters
    ----------
    link
        A connection as candela_executor.
    redis_url
        None where there is no Redis: then nothing is published.
    """

    def __init__(self, link: DatabaseLink, redis_url: str | None, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._redis: Any = None if redis_url is None else open_redis(redis_url)
        self._rest_until = 0.0
        self.is_connected = redis_url is not None

    async def publish(self, events: Sequence[StreamEvent]) -> bool:
        """Publish events whose transaction has just been committed; False where a sweep must.

        It never raises for what Redis or the database do: the cause is committed, and the sweep
        publishes what this did not.
        """
        if not events or not await self._add(events):
            return False
        try:
            async with self._link.use() as connection:
                await published(connection.cursor(), [one.seq for one in events], self._clock.now())
        except psycopg.OperationalError as error:
            # Published twice then, which readers know by the number.
            _LOG.warning("Events were published, and the outbox does not know yet: %s", error)
            return False
        return True

    async def sweep(self, older_than_s: float = _SWEEP_S) -> int:
        """Publish what stayed unpublished; return how many.

        Raises
        ------
        psycopg.OperationalError
            The database does not answer.
        """
        if self._redis is None or asyncio.get_running_loop().time() < self._rest_until:
            return 0
        total = 0
        while True:
            async with self._link.use() as connection, connection.transaction():
                cursor = connection.cursor()
                found = await unpublished(cursor, older_than_s, _SWEPT)
                if not found or not await self._add(found):
                    return total
                await published(cursor, [one.seq for one in found], self._clock.now())
            total += len(found)

    async def tidy(self) -> None:
        """Trim the streams, and forget events that are more than a day old."""
        async with self._link.use() as connection:
            await connection.execute(_FORGET)
        if self._redis is None:
            return
        try:
            seconds, micros = await self._redis.time()
            for stream in STREAMS:
                await trim(self._redis, stream, seconds * 1_000 + micros // 1_000)
        except (redis.exceptions.RedisError, OSError) as error:
            self._lost(error)

    async def run(self) -> None:
        """Sweep each second and tidy each minute, until cancelled."""
        loop = asyncio.get_running_loop()
        tidy_at = loop.time() + _TRIM_S
        while True:
            heed_cancellation()
            try:
                await self.sweep()
                if loop.time() >= tidy_at:
                    tidy_at = loop.time() + _TRIM_S
                    await self.tidy()
            except psycopg.OperationalError as error:
                _LOG.warning("The outbox cannot be swept now: %s", error)
            await asyncio.sleep(_SWEEP_S)

    async def close(self) -> None:
        """Close the connection to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _add(self, events: Sequence[StreamEvent]) -> bool:
        if self._redis is None or asyncio.get_running_loop().time() < self._rest_until:
            return False
        script = self._redis.register_script(_ADD)
        ordered = sorted(events, key=lambda one: (one.stream, one.seq))
        try:
            for stream, group in groupby(ordered, key=lambda one: one.stream):
                keys = stream_keys(stream)
                values: list[str | int] = []
                for one in group:
                    payload = json.dumps(dict(one.payload), separators=(",", ":"))
                    values += [one.seq, one.key, payload]
                await script(keys=[keys.entries, keys.count], args=values)
        except (redis.exceptions.RedisError, OSError) as error:
            self._lost(error)
            return False
        if not self.is_connected:
            _LOG.info("Redis answers again; what stayed unpublished follows.")
            self.is_connected = True
        return True

    def _lost(self, error: Exception) -> None:
        self._rest_until = asyncio.get_running_loop().time() + _REST_S
        if self.is_connected:
            _LOG.warning(
                "Redis is lost (%s): readers go to PostgreSQL each second until it answers again.",
                type(error).__name__,
            )
        self.is_connected = False

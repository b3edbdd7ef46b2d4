"""The consumer: every event to its reader, from the stream, and what that lost from PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import redis.exceptions

from candela.bus import stream_keys
from candela.db.connect import Role
from live.streams.events import StreamEvent
from live.streams.link import DatabaseLink
from live.streams.opening import heed_cancellation, open_redis
from live.streams.outbox import Position

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from candela.db.connect import Database

__all__ = ["Consumer"]

_LOG: Final = logging.getLogger(__name__)
_COUNT: Final = 500
_BLOCK_MS: Final = 500
_POLL_S: Final = 1.0
# Streams are believed for so long before PostgreSQL is asked what they did not tell.
_LOOK_S: Final = 10.0
# How long an entry may be handled before another consumer of the group takes it.
_CLAIM_MS: Final = 60_000
_CLAIM_S: Final = 30.0


class Consumer:
    """Read streams as one group: each committed event once while it lives, again after a restart.

    An event is known by its number in the outbox; entries that come twice are dropped. Entries
    carry their count in the stream: where it jumps, where the group is gone (FLUSHALL), and after
    each loss of Redis, PostgreSQL is read from the last position; so it is every 10 s anyway, and
    each second while Redis is gone. A reader must take a repetition for nothing, since events of
    the last minute come again after a restart.

    Parameters
    ----------
    group
        Name of the reader; an executor has one of its own and so sees everything.
    after
        Begin after this number; None: with what the last minute brought.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str | None,
        streams: Sequence[str],
        group: str,
        *,
        role: Role = Role.EXECUTOR,
        after: int | None = None,
    ) -> None:
        self._link = DatabaseLink(database, role, f"streams {group}")
        self._streams = tuple(streams)
        self._names = {stream_keys(one).entries: one for one in streams}
        self._group = group
        self._redis: Any = None if redis_url is None else open_redis(redis_url)
        self._position = Position(streams, after)
        self._counts: dict[str, int] = {}
        self._unacknowledged: dict[str, list[bytes]] = {}
        self.is_joined = False
        self._look_at = self._claim_at = 0.0
        self.jumps = 0
        """How often PostgreSQL had to tell what the stream did not."""

    async def batches(self) -> AsyncGenerator[tuple[StreamEvent, ...]]:
        """Yield events as they come, for ever; those of a batch are done when the next is asked."""
        loop = asyncio.get_running_loop()
        while True:
            heed_cancellation()
            found: list[StreamEvent] = []
            try:
                is_lost = not await self._read(found)
                if is_lost or loop.time() >= self._look_at:
                    self._look_at = loop.time() + _LOOK_S
                    # The counts of entries that are still on their way must follow on this.
                    found += await self._missed()
            except psycopg.OperationalError as error:
                self._look_at = 0.0
                _LOG.warning("%s cannot read the outbox now: %s", self._group, error)
                is_lost = True
            if found:
                yield tuple(sorted(found, key=lambda one: one.seq))
            if self._unacknowledged:
                await self._acknowledge()
            if is_lost and not found:
                await asyncio.sleep(_POLL_S)

    async def close(self, *, leave: bool = False) -> None:
        """Close the connections.

        Parameters
        ----------
        leave
            Remove the group, which keeps entries from being trimmed: the reader will not be back.
        """
        if self._redis is not None:
            try:
                if leave:
                    for entries in self._names:
                        await self._redis.xgroup_destroy(entries, self._group)
            except (redis.exceptions.RedisError, OSError) as error:
                # Ten minutes later it is removed as forgotten.
                _LOG.info("The group %s stays for now: %s", self._group, type(error).__name__)
            await self._redis.aclose()
        await self._link.close()

    async def _missed(self) -> list[StreamEvent]:
        async with self._link.use() as connection:
            return await self._position.missed(connection)

    async def _read(self, found: list[StreamEvent]) -> bool:
        """Read what the streams have; False where PostgreSQL must be asked."""
        if self._redis is None:
            return False
        loop = asyncio.get_running_loop()
        try:
            if not self.is_joined:
                await self._join()
                return False
            if loop.time() >= self._claim_at:
                self._claim_at = loop.time() + _CLAIM_S
                is_whole = await self._claim(found)
                if found or not is_whole:
                    return is_whole
            answer = await self._redis.xreadgroup(
                self._group,
                self._group,
                dict.fromkeys(self._names, ">"),
                count=_COUNT,
                block=_BLOCK_MS,
            )
        except (redis.exceptions.RedisError, OSError) as error:
            # Also NOGROUP: somebody flushed the server.
            _LOG.warning("%s lost the streams: %s", self._group, type(error).__name__)
            self.is_joined = False
            self._unacknowledged.clear()
            return False
        return self._take(answer, found)

    async def _join(self) -> None:
        """Make the group where it is not there; what it has not seen, PostgreSQL tells."""
        for entries in self._names:
            try:
                await self._redis.xgroup_create(entries, self._group, id="$", mkstream=True)
            except redis.exceptions.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
        self._counts.clear()
        self._claim_at = 0.0
        self.is_joined = True

    async def _claim(self, found: list[StreamEvent]) -> bool:
        """Take over entries that a dead reader of this group left; False where some are lost."""
        is_whole = True
        for entries in self._names:
            _, taken, gone = await self._redis.xautoclaim(
                entries, self._group, self._group, _CLAIM_MS, count=_COUNT
            )
            for entry_id, fields in taken:
                self._unacknowledged.setdefault(entries, []).append(entry_id)
                self._note(entries, fields, found)
            if gone:
                _LOG.warning("%s lost %d entries before they were read", self._group, len(gone))
                is_whole = False
        return is_whole

    def _take(self, answer: Any, found: list[StreamEvent]) -> bool:
        is_whole = True
        for name, entries in answer:
            stream = name.decode()
            for entry_id, fields in entries:
                self._unacknowledged.setdefault(stream, []).append(entry_id)
                count = int(fields[b"n"])
                before = self._counts.get(stream)
                if before is not None and count != before + 1:
                    self.jumps += 1
                    is_whole = False
                self._counts[stream] = count
                self._note(stream, fields, found)
        return is_whole

    def _note(self, entries: str, fields: dict[bytes, bytes], found: list[StreamEvent]) -> None:
        seq = int(fields[b"seq"])
        if self._position.take(seq):
            payload = cast("dict[str, Any]", json.loads(fields[b"payload"]))
            found.append(StreamEvent(seq, self._names[entries], fields[b"key"].decode(), payload))

    async def _acknowledge(self) -> None:
        done, self._unacknowledged = self._unacknowledged, {}
        try:
            for entries, ids in done.items():
                await self._redis.xack(entries, self._group, *ids)
        except (redis.exceptions.RedisError, OSError) as error:
            _LOG.warning("%s could not acknowledge: %s", self._group, type(error).__name__)
            self.is_joined = False

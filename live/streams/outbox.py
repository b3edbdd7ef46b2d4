"""The outbox: events written in the transaction of their cause, and read again by their number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from live.streams.events import StreamEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import psycopg

    from live.streams.events import OutboxEvent

__all__ = ["Position", "append", "append_sync", "published", "unpublished"]

_APPEND: Final = """
INSERT INTO live.outbox (stream, key, payload)
SELECT e.stream, e.key, e.payload::jsonb
FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS e (stream, key, payload, number)
ORDER BY e.number
RETURNING seq
"""
# Longer than any transaction that writes to the outbox may stay open: numbers are given out at the
# insert and seen at the commit, so a lower one may appear after a higher one for so long.
_SETTLED_S: Final = 60
_PAGE: Final = 2_000
_READ: Final = """
SELECT o.seq, o.stream, o.key, o.payload,
    o.created_at < clock_timestamp() - make_interval(secs => %s)
FROM live.outbox AS o
WHERE o.seq > %s AND o.stream = ANY(%s)
ORDER BY o.seq LIMIT %s
"""
_START: Final = """
SELECT coalesce(max(o.seq), 0) FROM live.outbox AS o
WHERE o.created_at < clock_timestamp() - make_interval(secs => %s)
"""
_UNPUBLISHED: Final = """
SELECT o.seq, o.stream, o.key, o.payload FROM live.outbox AS o
WHERE o.published_at IS NULL AND o.created_at <= clock_timestamp() - make_interval(secs => %s)
ORDER BY o.seq LIMIT %s
FOR NO KEY UPDATE SKIP LOCKED
"""
_PUBLISHED: Final = "UPDATE live.outbox SET published_at = %s WHERE seq = ANY(%s)"


async def append(
    cursor: psycopg.AsyncCursor, events: Sequence[OutboxEvent]
) -> tuple[StreamEvent, ...]:
    """Write events in the caller's transaction and return them with their numbers.

    They may be published once the transaction is committed; what is not will be by a sweep.
    """
    if not events:
        return ()
    await cursor.execute(_APPEND, _columns(events))
    return _numbered(events, await cursor.fetchall())


def append_sync(cursor: psycopg.Cursor, events: Sequence[OutboxEvent]) -> tuple[StreamEvent, ...]:
    """Do what `append` does, for writers that are not asynchronous."""
    if not events:
        return ()
    cursor.execute(_APPEND, _columns(events))
    return _numbered(events, cursor.fetchall())


async def unpublished(
    cursor: psycopg.AsyncCursor, older_than_s: float, limit: int
) -> tuple[StreamEvent, ...]:
    """Return events that no stream has yet, locked until the transaction ends."""
    await cursor.execute(_UNPUBLISHED, (older_than_s, limit))
    return tuple(StreamEvent(*row) for row in await cursor.fetchall())


async def published(cursor: psycopg.AsyncCursor, seqs: Sequence[int], now: datetime) -> None:
    """Note that a stream has these events."""
    await cursor.execute(_PUBLISHED, (now, list(seqs)))


class Position:
    """How far a reader is in the outbox, exact though numbers do not appear in order.

    Everything up to `floor` was delivered and can have no late-comer; above it, each number that
    was delivered is remembered.

    Parameters
    ----------
    floor
        Deliver everything after this number; None: what was written within the last minute, and
        what comes.
    """

    def __init__(self, streams: Collection[str], floor: int | None = None) -> None:
        self._streams = list(streams)
        self._floor = floor
        self._seen: set[int] = set()

    def take(self, seq: int) -> bool:
        """Note a number as delivered; False where it was before."""
        if seq in self._seen or (self._floor is not None and seq <= self._floor):
            return False
        self._seen.add(seq)
        return True

    async def start(self, connection: psycopg.AsyncConnection) -> None:
        """Find the floor where none was given."""
        if self._floor is None:
            row = await (await connection.execute(_START, (_SETTLED_S,))).fetchone()
            self._floor = cast("int", row[0]) if row else 0

    async def missed(self, connection: psycopg.AsyncConnection) -> list[StreamEvent]:
        """Return what was committed and not delivered yet, oldest first; they count as delivered.

        The reader must deliver what is returned: it is not returned again.
        """
        await self.start(connection)
        found: list[StreamEvent] = []
        at = cast("int", self._floor)
        is_rising = True
        while True:
            values = (_SETTLED_S, at, self._streams, _PAGE)
            rows = await (await connection.execute(_READ, values)).fetchall()
            for seq, stream, key, payload, is_settled in rows:
                if self.take(seq):
                    found.append(StreamEvent(seq, stream, key, payload))
                is_rising = is_rising and is_settled
                if is_rising:
                    self._floor = seq
                at = seq
            if len(rows) < _PAGE:
                break
        floor = cast("int", self._floor)
        self._seen = {seq for seq in self._seen if seq > floor}
        return found


def _columns(events: Sequence[OutboxEvent]) -> tuple[list[str], list[str], list[str]]:
    return (
        [event.stream for event in events],
        [event.key for event in events],
        [json.dumps(dict(event.payload), separators=(",", ":")) for event in events],
    )


def _numbered(
    events: Sequence[OutboxEvent], rows: Sequence[tuple[int, ...]]
) -> tuple[StreamEvent, ...]:
    return tuple(
        StreamEvent(row[0], event.stream, event.key, event.payload)
        for event, row in zip(events, rows, strict=True)
    )

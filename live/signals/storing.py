"""Storing signals: all of a bar in one transaction, each once, under the leases of their parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from live.signals.definitions import mark_broken, shard_of_definition
from live.streams.events import OutboxEvent
from live.streams.outbox import append

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from live.signals.port import SignalStatus
    from live.store.port import Lease
    from live.streams.events import StreamEvent

__all__ = ["SignalRow", "bar_key", "decided", "store_signals"]

_HELD: Final = """
SELECT s.shard, s.epoch
FROM live.shards AS s
INNER JOIN unnest(%s::integer[], %s::bigint[], %s::text[]) AS h (shard, epoch, owner)
    ON h.shard = s.shard AND h.epoch = s.epoch AND h.owner = s.owner
WHERE s.kind = 'signals'
FOR SHARE OF s
"""
_STORE: Final = """
INSERT INTO live.signals
    (definition_id, bar_at, status, decision, bars_digest, first_bar_at, bars, known_at,
     evaluated_at, epoch)
SELECT r.definition_id, %(bar_at)s, r.status, r.decision::jsonb, r.bars_digest, r.first_bar_at,
    r.bars, %(known_at)s, %(now)s, r.epoch
FROM unnest(
    %(ids)s::text[], %(statuses)s::text[], %(decisions)s::text[], %(digests)s::text[],
    %(firsts)s::timestamptz[], %(bars)s::integer[], %(epochs)s::bigint[]
) AS r (definition_id, status, decision, bars_digest, first_bar_at, bars, epoch)
ON CONFLICT (definition_id, bar_at) DO NOTHING
RETURNING definition_id
"""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal before it is stored.

    Parameters
    ----------
    bars_digest
        Of times and values of the bars that it was decided on; empty where none were read.
    error
        Why the definition failed, for status ``failed``.
    """

    definition_id: str
    status: SignalStatus
    decision: Mapping[str, Any]
    bars_digest: str = ""
    first_bar_at: datetime | None = None
    bars: int = 0
    error: str = ""


def bar_key(instrument: str, timeframe: str, bar_at: datetime) -> str:
    """Return the key of a bar in the streams."""
    return f"{instrument} {timeframe} {bar_at:%Y-%m-%dT%H:%M:%SZ}"


async def decided(
    connection: psycopg.AsyncConnection, ids: Sequence[str], bar_at: datetime
) -> frozenset[str]:
    """Return which of the definitions have a signal on the bar."""
    rows = await (
        await connection.execute(
            "SELECT s.definition_id FROM live.signals AS s"
            " WHERE s.definition_id = ANY(%s) AND s.bar_at = %s",
            (list(ids), bar_at),
        )
    ).fetchall()
    return frozenset(row[0] for row in rows)


async def store_signals(
    connection: psycopg.AsyncConnection,
    rows: Sequence[SignalRow],
    leases: Mapping[int, Lease],
    *,
    series: tuple[str, str],
    bar_at: datetime,
    known_at: datetime,
    now: datetime,
) -> tuple[StreamEvent, ...]:
    """Store signals of one bar that have none yet, with the event that tells of them.

    Those of parts whose lease was lost are left to the new owner.

    Parameters
    ----------
    series
        Instrument and timeframe.
    """
    async with connection.transaction(), connection.cursor() as cursor:
        held = list(leases.values())
        await cursor.execute(
            _HELD,
            (
                [one.shard for one in held],
                [one.epoch for one in held],
                [one.owner for one in held],
            ),
        )
        epochs: dict[int, int] = dict(await cursor.fetchall())
        kept = [one for one in rows if shard_of_definition(one.definition_id) in epochs]
        if not kept:
            return ()
        await cursor.execute(
            _STORE,
            {
                "bar_at": bar_at,
                "known_at": known_at,
                "now": now,
                "ids": [one.definition_id for one in kept],
                "statuses": [one.status for one in kept],
                "decisions": [json.dumps(dict(one.decision)) for one in kept],
                "digests": [one.bars_digest for one in kept],
                "firsts": [one.first_bar_at for one in kept],
                "bars": [one.bars for one in kept],
                "epochs": [epochs[shard_of_definition(one.definition_id)] for one in kept],
            },
        )
        new = [row[0] for row in await cursor.fetchall()]
        broken = {one.definition_id: one.error for one in kept if one.status == "failed"}
        if broken:
            await mark_broken(cursor, broken, now)
        if not new:
            return ()
        instrument, timeframe = series
        event = OutboxEvent(
            "signals",
            bar_key(instrument, timeframe, bar_at),
            {
                "instrument": instrument,
                "timeframe": timeframe,
                "bar_at": bar_at.isoformat(),
                "definitions": new,
            },
        )
        return await append(cursor, [event])

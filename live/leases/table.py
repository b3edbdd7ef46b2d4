"""Leases in the database, timed by its clock: heartbeat, renewal, taking and giving back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from live.store.port import Lease
from live.store.rows import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from live.store.pool import ConnectionPool

__all__ = ["PARTS", "Executor", "Kind", "LeaseTable", "Place", "Seen", "share_of"]

Kind: TypeAlias = Literal["trade", "signals", "feed"]
Place: TypeAlias = tuple[Kind, int]
PARTS: Final[Mapping[Kind, int]] = {"trade": 64, "signals": 8, "feed": 8}
"""How many parts of each kind there are."""

# Whoever was taken for dead and beats is alive, and counts again.
_BEAT: Final = """
INSERT INTO live.executors AS e (executor, host, pid, started_at, seen_at, stopped_at, figures)
SELECT %s, %s, %s, clock_timestamp(), clock_timestamp(), CASE WHEN %s THEN clock_timestamp() END, %s
ON CONFLICT (executor) DO UPDATE
SET
    seen_at = excluded.seen_at, figures = excluded.figures,
    stopped_at = CASE
        WHEN excluded.stopped_at IS NOT NULL THEN coalesce(e.stopped_at, excluded.stopped_at)
    END
"""
# Only what has not run out: once it has, others may have taken it and given it back.
_RENEW: Final = """
UPDATE live.shards AS s SET expires_at = clock_timestamp() + make_interval(secs => %s)
FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS k (kind, shard, epoch)
WHERE
    s.kind = k.kind AND s.shard = k.shard AND s.epoch = k.epoch AND s.owner = %s
    AND s.expires_at > clock_timestamp()
RETURNING s.kind, s.shard
"""
_LIVING: Final = """
SELECT count(*) FROM live.executors
WHERE
    stopped_at IS NULL AND executor <> %s
    AND seen_at > clock_timestamp() - make_interval(secs => %s)
"""
_NEXT: Final = """
SELECT extract(EPOCH FROM min(expires_at) - clock_timestamp())::double precision
FROM live.shards
WHERE kind = ANY(%s) AND owner <> %s
"""
_TAKE: Final = """
UPDATE live.shards AS s
SET
    owner = %s, epoch = s.epoch + 1,
    expires_at = clock_timestamp() + make_interval(secs => %s)
FROM (
    SELECT kind, shard FROM live.shards
    WHERE kind = %s AND (owner IS NULL OR expires_at <= clock_timestamp())
    ORDER BY shard
    LIMIT %s
    FOR UPDATE SKIP LOCKED
) AS free
WHERE s.kind = free.kind AND s.shard = free.shard
RETURNING s.shard, s.epoch
"""
_GIVE_BACK: Final = """
UPDATE live.shards AS s SET owner = NULL, expires_at = NULL
FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS k (kind, shard, epoch)
WHERE s.kind = k.kind AND s.shard = k.shard AND s.epoch = k.epoch AND s.owner = %s
"""


@dataclass(frozen=True, slots=True)
class Executor:
    """One process that takes leases.

    Parameters
    ----------
    name
        No other process, before or after, has it.
    """

    name: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round of the keeper found.

    Parameters
    ----------
    renewed
        Those that still hold.
    others
        Executors that live beside this one.
    next_free_s
        Seconds until the next lease of another one runs out; None where there is none.
    """

    renewed: frozenset[Place]
    others: int
    next_free_s: float | None
    taken: Mapping[Place, Lease]


class LeaseTable:
    """What one executor does to the table of leases."""

    def __init__(
        self, pool: ConnectionPool, executor: Executor, kinds: Iterable[Kind], term_s: float
    ) -> None:
        self._pool = pool
        self._executor = executor
        self._kinds = tuple(kinds)
        self._term_s = term_s

    async def round(
        self, held: Mapping[Place, Lease], figures: Mapping[str, Any], *, is_leaving: bool
    ) -> Seen:
        """Say that this executor lives, renew what it holds, take its share of what is free."""
        executor, term_s = self._executor, self._term_s
        async with self._pool.transaction() as connection:
            await connection.execute(
                _BEAT,
                (executor.name, executor.host, executor.pid, is_leaving, json.dumps(figures)),
            )
            renewed = await connection.execute(_RENEW, (term_s, *_keys(held), executor.name))
            living = await connection.execute(_LIVING, (executor.name, term_s))
            following = await connection.execute(_NEXT, (list(self._kinds), executor.name))
            kept: frozenset[Place] = frozenset((row[0], row[1]) for row in await renewed.fetchall())
            others = _only(await living.fetchone())
            next_free_s = _only(await following.fetchone())
            taken: dict[Place, Lease] = {}
            for kind in () if is_leaving else self._kinds:
                missing = share_of(kind, others) - sum(place[0] == kind for place in kept)
                if missing > 0:
                    found = await connection.execute(_TAKE, (executor.name, term_s, kind, missing))
                    for shard, epoch in await found.fetchall():
                        taken[kind, shard] = Lease(shard, epoch, executor.name)
        return Seen(kept, others, next_free_s, taken)

    async def give_back(self, held: Mapping[Place, Lease]) -> None:
        """Let others take these at once."""
        async with self._pool.transaction() as connection:
            await connection.execute(_GIVE_BACK, (*_keys(held), self._executor.name))


def share_of(kind: Kind, others: int) -> int:
    """Return how many parts of a kind one of so many and one executors should hold at most."""
    return -(-PARTS[kind] // (others + 1))


def _keys(held: Mapping[Place, Lease]) -> tuple[list[Any], ...]:
    return columns([(*place, lease.epoch) for place, lease in sorted(held.items(), key=_place)], 3)


def _place(item: tuple[Place, Lease]) -> Place:
    return item[0]


def _only(row: tuple[Any, ...] | None) -> Any:
    return None if row is None else row[0]

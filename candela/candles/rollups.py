"""Rollups brought up to date for exactly the spans whose candles changed, late ones included."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

import psycopg

from candela.candles.spans import merge_spans
from candela.db.connect import Role
from candela.market.timeframe import ROLLUPS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from candela.db.connect import Database

__all__ = ["RefreshReport", "RolledUp", "refresh_rollups"]

_LOCK: Final = "candela:rollups"
# In one pass: the default, ten buckets at a time, takes nine times as long.
_REFRESH: Final = (
    "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz,"
    """ options => '{"buckets_per_batch": 0}')"""
)
_PATIENCE_S: Final = 600.0
_PAUSE_S: Final = 0.5
_MEETING: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
# Not whether the extension is there: a database keeps its plain views until it is upgraded.
_IS_TIMESCALE: Final = (
    "SELECT EXISTS (SELECT 1 FROM platform.schema_files WHERE name LIKE 'timescale/%')"
)


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What was refreshed of one rollup."""

    relation: str
    spans: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did.

    Parameters
    ----------
    variant
        ``timescale`` where continuous aggregates were refreshed; ``plain`` where the rollups are
        views, which are never older than their candles.
    spans
        The merged spans of candles that had changed, [from, to), UTC.
    """

    variant: str
    ranges: int
    spans: tuple[tuple[datetime, datetime], ...]
    rollups: tuple[RolledUp, ...]
    seconds: float


def _whole_buckets(
    spans: Sequence[tuple[datetime, datetime]], timeframe: Timeframe
) -> list[tuple[datetime, datetime]]:
    """Widen the spans to whole buckets: a refresh skips a bucket that it covers in part."""
    return merge_spans(
        [
            (
                timeframe.floor(start),
                timeframe.floor(end - Timeframe(1).delta) + timeframe.delta,
            )
            for start, end in spans
        ]
    )


def refresh_rollups(
    database: Database,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] | None = None,
) -> RefreshReport:
    """Refresh every rollup for the spans recorded since the last refresh, then forget them.

    Killed at any moment, the spans that were not refreshed stay recorded. Two at once take turns.

    Parameters
    ----------
    progress
        Called with the number of refreshes done and to do.
    """
    started = time.monotonic()
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        # A long refresh of another process is waited for, not failed on; and one that the limit
        # of statements cut off would begin anew each time, and never end.
        connection.execute("SET lock_timeout = 0")
        connection.execute("SET statement_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (_LOCK,))
        rows = cast(
            "list[tuple[int, datetime, datetime]]",
            connection.execute(
                "SELECT range_id, from_at, to_at FROM market.rollup_ranges ORDER BY from_at"
            ).fetchall(),
        )
        spans = merge_spans([(start, end) for _, start, end in rows])
        found = connection.execute(_IS_TIMESCALE).fetchone()
        is_timescale = found is not None and bool(found[0])
        rollups: list[RolledUp] = []
        if is_timescale:
            rollups = _refresh_aggregates(connection, spans, should_stop, progress)
        if not is_timescale or len(rollups) == len(ROLLUPS):
            connection.execute(
                "DELETE FROM market.rollup_ranges WHERE range_id = ANY(%s)",
                ([range_id for range_id, _, _ in rows],),
            )
    return RefreshReport(
        variant="timescale" if is_timescale else "plain",
        ranges=len(rows),
        spans=tuple((start.astimezone(UTC), end.astimezone(UTC)) for start, end in spans),
        rollups=tuple(rollups),
        seconds=time.monotonic() - started,
    )


def _refresh(connection: psycopg.Connection, relation: str, start: datetime, end: datetime) -> None:
    """Refresh one span; again where it met another refresh or a chunk being compressed."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute(_REFRESH, (relation, start, end))
        except _MEETING:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _refresh_aggregates(
    connection: psycopg.Connection,
    spans: Sequence[tuple[datetime, datetime]],
    should_stop: Callable[[], bool],
    progress: Callable[[int, int], None] | None,
) -> list[RolledUp]:
    windows = [(timeframe, _whole_buckets(spans, timeframe)) for timeframe in ROLLUPS]
    total, done = sum(len(parts) for _, parts in windows), 0
    rolled_up: list[RolledUp] = []
    for timeframe, parts in windows:
        started = time.monotonic()
        for start, end in parts:
            if should_stop():
                return rolled_up
            _refresh(connection, f"market.candles_{timeframe}", start, end)
            done += 1
            if progress is not None:
                progress(done, total)
        rolled_up.append(RolledUp(f"candles_{timeframe}", len(parts), time.monotonic() - started))
    return rolled_up

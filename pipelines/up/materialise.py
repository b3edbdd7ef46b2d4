"""Bringing the assets up to date in this process: one run a series, not one a partition."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from candela.candles.filesources import add_file
from candela.files.options import ReadOptions
from candela.files.unreadable import FileUnreadable
from pipelines.definitions import defs
from pipelines.lib.feeds import feeds_of
from pipelines.lib.plan import Plan, make_plan, register_series
from pipelines.up.home import project_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from candela.clock import Clock
    from pipelines.lib.partitions import Span
    from pipelines.resources import Platform

__all__ = ["Done", "SpanDone", "materialise", "register_sample", "sample_files"]

_ROLLUPS: Final = dg.AssetKey("candle_rollups")
# Console lines of every event would bury what a person wants to know; they are in the pages.
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# A run of this process has no code location to be retried in: the next `candela up` does it again.
_TAGS: Final = {"candela/started_by": "candela up", "dagster/max_retries": "0"}


@dataclass(frozen=True, slots=True)
class SpanDone:
    """One run: the months of a series."""

    span: Span
    succeeded: bool
    seconds: float
    error: str | None
    run_id: str


@dataclass(slots=True)
class Done:
    """What was materialised."""

    plan: Plan
    spans: list[SpanDone] = field(default_factory=list[SpanDone])
    rollups: dict[str, Any] = field(default_factory=dict[str, Any])
    rollups_error: str | None = None
    unreadable: list[FileUnreadable] = field(default_factory=list[FileUnreadable])
    waiting: int = 0


def sample_files() -> list[Path]:
    """Return the candle files that ship with the project."""
    return sorted((project_folder() / "data" / "sample").glob("*.parquet"))


def register_sample(
    connection: psycopg.Connection, files: Sequence[Path], clock: Clock
) -> list[FileUnreadable]:
    """Make the files sources of the series in them; return those that cannot be read.

    A file that was registered before stays as it is, also where somebody stopped it.
    """
    known = {
        str(row[0])
        for row in connection.execute("SELECT location FROM market.candle_sources").fetchall()
    }
    refused: list[FileUnreadable] = []
    for path in files:
        if str(path.resolve()) in known:
            continue
        try:
            add_file(connection, path, ReadOptions(), clock=clock)
        except FileUnreadable as error:
            refused.append(error)
    return refused


def materialise(
    instance: dg.DagsterInstance,
    platform: Platform,
    *,
    progress: Callable[[str, float, int], None],
) -> Done:
    """Materialise what is missing or came from other bytes; nothing where all is as it should be.

    Files only: what venues have is fetched by the schedules, which can wait for a network.
    """
    with platform.writer() as connection:
        plan = make_plan(instance, connection, platform.clock, kinds=("file",))
        done = Done(plan, unreadable=list(plan.unreadable))
        has_venues = any(not feed.is_file for feed in feeds_of(connection))
        if has_venues:
            later = make_plan(instance, connection, platform.clock, kinds=("exchange",))
            done.waiting = later.partitions
        stale = _has_stale_rollups(connection)
    register_series(instance, plan.series)
    working = replace(platform, progress=progress)
    for span in plan.spans:
        done.spans.append(_run_span(instance, working, span))
    first = instance.get_latest_materialization_event(_ROLLUPS) is None
    if plan.spans or stale or first:
        _run_rollups(instance, working, done, with_instruments=not has_venues)
    return done


def _has_stale_rollups(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT EXISTS (SELECT 1 FROM market.rollup_ranges)").fetchone()
    return row is not None and bool(row[0])


def _run_span(instance: dg.DagsterInstance, platform: Platform, span: Span) -> SpanDone:
    started = time.monotonic()
    result = defs.resolve_job_def("update_candles").execute_in_process(
        instance=instance,
        tags=span.run_tags() | _TAGS,
        run_config=_QUIET,
        resources={"platform": _held(platform)},
        raise_on_error=False,
    )
    return SpanDone(span, result.success, time.monotonic() - started, _error(result), result.run_id)


def _run_rollups(
    instance: dg.DagsterInstance, platform: Platform, done: Done, *, with_instruments: bool
) -> None:
    # The catalogue asks venues where there are any, and a network may be slow to say that it is
    # not there: then the schedule does it.
    job = "refresh_rollups_and_catalogue" if with_instruments else "refresh_stale_rollups"
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=_TAGS,
        run_config=_QUIET,
        resources={"platform": _held(platform)},
        raise_on_error=False,
    )
    done.rollups_error = _error(result)
    for event in result.get_asset_materialization_events():
        if event.asset_key == _ROLLUPS:
            metadata = event.materialization.metadata
            done.rollups = {key: value.value for key, value in metadata.items()}


def _held(platform: Platform) -> dg.ResourceDefinition:
    from pipelines.resources import platform_resource

    return platform_resource(lambda: platform)


def _error(result: dg.ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return error.message.strip()
    return "The run failed before its first step; see the pages of Dagster."

"""Runs that are killed or meet each other: whole months only, nothing twice, found and gone on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest

from candela.clock import FixedClock
from candela.db.connect import Database, Role
from pipelines.definitions import defs
from pipelines.defs.upkeep.janitor import end_dead_runs, janitor, suspects
from pipelines.lib.presence import PRESENCE_TAG, absent, present
from pipelines.resources import Platform
from pipelines.up.home import Home
from pipelines.up.materialise import materialise
from tests.fixtures.candles import HOUR, START, made_up
from tests.fixtures.state import wait_for
from tests.pipelines.bringing import CANDLES, add, bring, count, plan, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Event
    from pathlib import Path

KILLS = 5


def three_years() -> pl.DataFrame:
    # Not at import: the pool of polars must not be started before the fork.
    return made_up(24 * 365 * 3, timeframe=HOUR, start=datetime(2021, 1, 1, tzinfo=UTC))


def work(database: Database, redis_url: str, home: Home, slices: int, reached: Event) -> None:
    """Bring in what is missing, in a process of its own; tell when so many slices are stored."""
    platform = Platform(database, redis_url, FixedClock(START.replace(year=2027)))
    left = slices

    def count_down(*_: object) -> None:
        nonlocal left
        time.sleep(0.01)  # the reader is quicker than a signal
        left -= 1
        if left == 0:
            reached.set()

    with home.instance() as instance:
        materialise(instance, platform, progress=count_down)
    reached.set()


def hold(database: Database, home: Home, run_id: str, held: Event) -> None:
    """Be the process of a run, until killed."""
    with home.instance() as instance, present(database, instance, run_id):
        held.set()
        time.sleep(600)


def spawn(target: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Event]:
    # A fork of a process that has imported everything, so that a kill falls into the work.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipelines.test_killed", "great_expectations"])
    event = context.Event()
    process = context.Process(target=target, args=(*arguments, event), daemon=True)
    process.start()
    assert event.wait(60)
    return process, event


def kill(process: BaseProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def months(platform: Platform) -> dict[datetime, int]:
    with platform.database.connect(Role.ANALYST) as connection:
        rows = connection.execute(
            "SELECT date_trunc('month', time, 'UTC'), count(*) FROM market.candles GROUP BY 1"
        ).fetchall()
    return {month.astimezone(UTC): rows for month, rows in rows}


def a_started_run(instance: dg.DagsterInstance) -> str:
    job = defs.resolve_job_def("refresh_stale_rollups")
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id


@pytest.mark.slow
def test_backfill_when_killed_then_whole_months_only_and_the_rest_comes_later(
    platform: Platform, home: Home, candle_file: Callable[..., Path]
) -> None:
    frame = three_years()
    add(platform, candle_file(frame))
    expected = dict(frame.group_by(pl.col("time").dt.truncate("1mo")).agg(pl.len()).iter_rows())
    seed = random.Random(11)
    seen: list[int] = []
    with home.instance():
        pass  # the first to open the storage makes its tables
    for _ in range(KILLS):
        slices = seed.randrange(1, 10)
        process, _ = spawn(work, platform.database, platform.redis_url, home, slices)
        time.sleep(seed.uniform(0, 0.1))
        kill(process)
        found = months(platform)
        assert {month: rows for month, rows in found.items() if rows != expected[month]} == {}
        seen.append(len(found))
    assert any(0 < number < len(expected) for number in seen), seen
    with home.instance() as instance:
        done = bring(instance, platform)
        assert all(one.succeeded for one in done.spans)
        assert plan(instance, platform).partitions == 0
        assert len(instance.get_materialized_partitions(CANDLES)) == len(expected)
    assert stored(platform).equals(frame)
    assert count(platform.database, "SELECT count(*) FROM market.candle_revisions") == 0


@pytest.mark.slow
def test_partition_when_two_runs_bring_it_at_once_then_stored_once(
    platform: Platform, home: Home, candle_file: Callable[..., Path]
) -> None:
    frame = three_years().head(24 * 365)
    add(platform, candle_file(frame))
    with home.instance():
        pass
    workers = [spawn(work, platform.database, platform.redis_url, home, 1)[0] for _ in range(2)]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert stored(platform).equals(frame)
    assert count(platform.database, "SELECT sum(rows_new) FROM market.batches") == frame.height
    assert count(platform.database, "SELECT count(*) FROM market.candle_revisions") == 0
    with home.instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="update_candles"))
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert plan(instance, platform).partitions == 0


def test_presence_when_held_then_seen_and_when_let_go_then_absent(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run_id = a_started_run(instance)
    with platform.writer() as connection:
        with present(platform.database, instance, run_id):
            assert absent(connection, [run_id]) == set()
        assert absent(connection, [run_id]) == {run_id}
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[PRESENCE_TAG].endswith(f":{os.getpid()}")


def test_presence_when_its_connection_is_cut_then_taken_again(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run_id = a_started_run(instance)
    with platform.writer() as connection, present(platform.database, instance, run_id):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (f"candela run {run_id[:8]}",),
        )
        wait_for(lambda: absent(connection, [run_id]) == {run_id})
        wait_for(lambda: absent(connection, [run_id]) == set())


def test_janitor_when_the_process_is_killed_then_the_run_fails_at_the_second_look(
    platform: Platform, home: Home
) -> None:
    with home.instance() as instance:
        dead, living = a_started_run(instance), a_started_run(instance)
        keepers = [spawn(hold, platform.database, home, one)[0] for one in (dead, living)]
        kill(keepers[0])
        with platform.writer() as connection:
            wait_for(lambda: suspects(instance, connection, datetime.now(UTC)) == [dead])
        cursor = look(instance, platform, None)
        assert status(instance, dead) is dg.DagsterRunStatus.STARTED
        cursor = look(instance, platform, cursor)
        assert status(instance, dead) is dg.DagsterRunStatus.STARTED, "two looks at one instant"
        later = FixedClock(platform.clock.now() + timedelta(seconds=15))
        look(instance, Platform(platform.database, platform.redis_url, later), cursor)
        assert status(instance, dead) is dg.DagsterRunStatus.FAILURE
        assert status(instance, living) is dg.DagsterRunStatus.STARTED
        kill(keepers[1])


def test_end_dead_runs_when_already_over_then_left_alone(instance: dg.DagsterInstance) -> None:
    run_id = a_started_run(instance)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_canceled(run)
    end_dead_runs(instance, [run_id, "no-such-run"])
    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def look(instance: dg.DagsterInstance, platform: Platform, cursor: str | None) -> str | None:
    context = dg.build_sensor_context(
        instance,
        cursor=cursor,
        resources={"platform": platform},
        repository_def=defs.get_repository_def(),
    )
    return janitor.evaluate_tick(context).cursor


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status

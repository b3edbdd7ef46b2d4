"""Dagster's own processes on PostgreSQL: a run through the queue, one that is killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from pipelines.lib.presence import PRESENCE_TAG
from pipelines.resources import environment_with
from pipelines.up.serve import Pages
from tests.fixtures.candles import HOUR, made_up
from tests.pipelines.bringing import CANDLES, add, checks, count, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipelines.resources import Platform
    from pipelines.up.home import Home

WAIT_S = 150.0


def wait_for(reached: Callable[[], bool], pages: Pages) -> None:
    deadline = time.monotonic() + WAIT_S
    while not reached():
        pages.check()
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(reversed(instance.get_runs(dg.RunsFilter(job_name="update_candles"))))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_run_when_its_process_is_killed_then_the_janitor_ends_it_and_it_is_retried(
    platform: Platform, home: Home, candle_file: Callable[..., Path], tmp_path: Path
) -> None:
    frame = made_up(24 * 45, timeframe=HOUR)
    add(platform, candle_file(frame))
    environment = environment_with(
        home.variables()
        | {
            "CANDELA_DATABASE_URL": platform.database.admin_url.get_secret_value(),
            "CANDELA_REDIS_URL": platform.redis_url,
            "CANDELA_STATE_DIR": str(tmp_path / "state"),
        }
    )
    with ExitStack() as stack:
        instance = stack.enter_context(home.instance())
        pages = stack.enter_context(Pages(home, "127.0.0.1", 0, environment))
        # The run stands still where it wants to write, so that the kill falls into its work.
        blocker = stack.enter_context(platform.database.connect(autocommit=True))
        blocker.execute(
            "SELECT pg_advisory_lock(i.instrument_id, %s) FROM market.instruments AS i",
            (HOUR.seconds,),
        )
        pages.start_pages()
        pages.wait_until_ready()
        pages.start_daemon()
        # The sensor sees the file, the queue takes the run, the launcher starts its process.
        wait_for(lambda: any(PRESENCE_TAG in run.tags for run in runs(instance)), pages)
        (first,) = runs(instance)
        os.kill(int(first.tags[PRESENCE_TAG].rpartition(":")[2]), signal.SIGKILL)
        blocker.execute("SELECT pg_advisory_unlock_all()")
        wait_for(
            lambda: len(runs(instance)) > 1 and all(run.is_finished for run in runs(instance)),
            pages,
        )
        dead, retried = runs(instance)
        assert (dead.status, retried.status) == (
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.SUCCESS,
        )
        assert retried.parent_run_id == dead.run_id
        assert len(instance.get_materialized_partitions(CANDLES)) == 2
        assert all(passed for passed, _, _ in checks(instance, "nothing_refused").values())
        wait_for(
            lambda: count(platform.database, "SELECT count(*) FROM market.rollup_ranges") == 0,
            pages,
        )
    assert stored(platform).equals(frame)
    said = (home.path / "daemon.log").read_text("utf-8")
    assert "janitor" in said
    assert [line for line in said.splitlines() if "ERROR" in line or "Traceback" in line] == []

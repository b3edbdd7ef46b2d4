"""The janitor: runs whose process died become failed, so that they are retried."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
from dagster import SensorEvaluationContext

from pipelines.lib.presence import PRESENCE_TAG, absent
from pipelines.resources import Platform

__all__ = ["end_dead_runs", "janitor", "suspects"]

# The lock of a run is taken before its first step and its connection is looked after every 5 s;
# two looks this far apart tell a process that is gone from a server that was restarted.
_LOOK_S = 15
_BETWEEN_LOOKS = timedelta(seconds=12)
# Until a run holds its lock it loads code; one that never gets there is found by the time alone.
_LONGEST_START = timedelta(minutes=5)


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    minimum_interval_seconds=_LOOK_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Fails runs that are STARTED though no process holds their lock: killed, or their host is"
        " gone. No setting of Dagster ends those. Automatic retry follows."
    ),
)
def janitor(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult:
    """Fail what was without a process at this look and at the one before."""
    now = platform.clock.now()
    with platform.writer() as connection:
        missing = suspects(context.instance, connection, now)
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    dead = [
        run_id
        for run_id in missing
        if run_id in seen and now - datetime.fromisoformat(seen[run_id]) >= _BETWEEN_LOOKS
    ]
    end_dead_runs(context.instance, dead)
    cursor = {run_id: seen.get(run_id, now.isoformat()) for run_id in missing if run_id not in dead}
    return dg.SensorResult(
        skip_reason=f"{len(dead)} dead runs ended." if dead else "Every run has its process.",
        cursor=json.dumps(cursor),
    )


def suspects(
    instance: dg.DagsterInstance, connection: psycopg.Connection, now: datetime
) -> list[str]:
    """Return the started runs that no process holds the lock of.

    When the database cannot be asked, nothing is suspected: the caller's error says so.
    """
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    held: list[str] = []
    unheld: list[str] = []
    for record in instance.get_run_records(filters):
        run = record.dagster_run
        if PRESENCE_TAG in run.tags:
            held.append(run.run_id)
        elif record.start_time is not None:
            started = datetime.fromtimestamp(record.start_time, UTC)
            if now - started > _LONGEST_START:
                unheld.append(run.run_id)
    gone = absent(connection, held + unheld)
    return [run_id for run_id in held + unheld if run_id in gone]


def end_dead_runs(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """Report the runs as failed, with the reason and the process that is gone."""
    for run_id in run_ids:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            continue
        process = run.tags.get(PRESENCE_TAG, "unknown")
        instance.report_run_failed(run, f"Its process ({process}) is gone. Found by the janitor.")

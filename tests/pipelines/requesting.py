"""What the tests of requested backtests do: let sensors look, run a request, look at the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.definitions import defs
from pipelines.defs.backtests.requested import ATTEMPT_TAG, PARTITION_TAG, REQUEST_TAG
from pipelines.resources import platform_resource

if TYPE_CHECKING:
    from pipelines.resources import Platform

SPEC: dict[str, Any] = {
    "strategy": "ma_cross",
    "parameters": {"fast": 10, "slow": 40},
    "instruments": ["bitvavo:BTC/EUR"],
    "timeframe": "1h",
}
SWEEP: dict[str, Any] = {
    "base": SPEC | {"parameters": {}},
    "axes": ["fast=5:14:1", "slow=40:60:20"],
    "chunk": 4,
}


def look(
    instance: dg.DagsterInstance,
    platform: Platform,
    cursor: str | None = None,
    name: str = "requested_backtests",
) -> dg.SensorResult:
    """Let a sensor look once; make its partitions known, as the daemon would."""
    with dg.build_sensor_context(
        instance,
        cursor=cursor,
        resources={"platform": platform},
        repository_def=defs.get_repository_def(),
    ) as context:
        ticked = defs.get_repository_def().get_sensor_def(name).evaluate_tick(context)
    for one in ticked.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(one.partitions_def_name, list(one.partition_keys))
    return dg.SensorResult(
        run_requests=ticked.run_requests, cursor=ticked.cursor, skip_reason=ticked.skip_message
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """Return the metadata of the partition that a run materialised."""
    (event,) = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}


def keys(ticked: dg.SensorResult) -> list[str | None]:
    return [one.run_key for one in ticked.run_requests or []]


def queued(
    instance: dg.DagsterInstance,
    request_id: str,
    attempt: int = 1,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED,
) -> str:
    """Make the run that the daemon makes of a request."""
    return instance.create_run_for_job(
        defs.resolve_job_def("run_backtests"),
        status=status,
        tags={REQUEST_TAG: request_id, ATTEMPT_TAG: str(attempt), PARTITION_TAG: request_id},
    ).run_id


def execute(
    instance: dg.DagsterInstance, platform: Platform, request_id: str
) -> dg.ExecuteInProcessResult:
    """Run a request in this process."""
    return defs.resolve_job_def("run_backtests").execute_in_process(
        instance=instance,
        partition_key=request_id,
        resources={"platform": platform_resource(lambda: platform)},
        raise_on_error=False,
    )

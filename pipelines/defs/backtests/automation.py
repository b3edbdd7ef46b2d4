"""What brings requested and scheduled backtests to their runs."""

import json

import dagster as dg
from dagster import SensorEvaluationContext

from backtest.ledger import Ledger, Request
from candela.db.connect import Role
from pipelines.defs.backtests.assets import backtest_runs
from pipelines.defs.backtests.requested import (
    QUEUE_TAG,
    REQUESTS,
    cancel_waiting,
    run_request_for,
    settle_ended,
)
from pipelines.resources import Platform

__all__ = ["requested_backtests", "run_backtests", "scheduled_backtests"]

_RUNS_A_TICK = 25

run_backtests = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "run_backtests",
    selection=dg.AssetSelection.assets(backtest_runs),
    # A dead run's request comes back to the queue, which asks for the next run; Dagster's own retry
    # would be a second one.
    tags={QUEUE_TAG: "backtests", "dagster/max_retries": "0"},
    description="Run the backtest, sweep or walk-forward of a request.",
)


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    job=run_backtests,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks for a run of each queued request, once an attempt. A request whose run ended without"
        " a word of it is queued again, three times at most; of one that was cancelled no run"
        " starts."
    ),
)
def requested_backtests(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult:
    """Compare the open requests with the runs that were asked for; the cursor holds the latter."""
    ledger = Ledger(platform.database, platform.clock, role=Role.PIPELINES)
    asked: dict[str, int] = json.loads(context.cursor or "{}")
    requests = settle_ended(context.instance, ledger, ledger.open_requests())
    still_open = {one.request_id: one for one in requests if not one.is_over}
    dropped = cancel_waiting(context.instance, asked.keys() - still_open.keys())
    wanted = [
        one
        for one in still_open.values()
        if one.state == "queued" and asked.get(one.request_id) != one.attempt
    ][:_RUNS_A_TICK]
    cursor = {key: attempt for key, attempt in asked.items() if key in still_open}
    cursor |= {one.request_id: one.attempt for one in wanted}
    new = _unknown(context.instance, wanted)
    said = f"{len(still_open)} requests are open, {len(dropped)} runs were taken back."
    return dg.SensorResult(
        run_requests=[run_request_for(one) for one in wanted],
        dynamic_partitions_requests=[REQUESTS.build_add_request(new)] if new else [],
        cursor=json.dumps(cursor),
        skip_reason=None if wanted else said,
    )


def _unknown(instance: dg.DagsterInstance, requests: list[Request]) -> list[str]:
    if not requests:
        return []
    known = set(instance.get_dynamic_partitions(str(REQUESTS.name)))
    return [one.request_id for one in requests if one.request_id not in known]


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes a request of each schedule in research.schedules that is due.",
)
def scheduled_backtests(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult:
    """Let the ledger take what is due: the database knows which ticks were taken, no cursor."""
    ledger = Ledger(platform.database, platform.clock, role=Role.PIPELINES)
    made, bad = ledger.enqueue_due()
    for error in bad:
        context.log.warning("%s", error)
    said = ", ".join(f"{name} as {request}" for name, request in sorted(made.items()))
    return dg.SensorResult(skip_reason=f"Requested: {said}." if said else "Nothing is due.")

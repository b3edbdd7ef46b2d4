"""Backtests that somebody asked for: a partition each, recorded in the ledger."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from backtest.ledger import Ledger
from backtest.requests import run_request
from candela.db.connect import Role
from pipelines.defs.backtests.evidence import evidence_metadata
from pipelines.defs.backtests.requested import REQUESTS
from pipelines.defs.backtests.working import Cancelled, work_off
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["backtest_runs"]


@dg.asset(
    group_name="research",
    partitions_def=REQUESTS,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    deps=[dg.AssetDep("candles", partition_mapping=dg.AllPartitionMapping())],
    kinds={"postgres"},
    pool="backtests",
    description=(
        "A backtest, sweep or walk-forward for each request of research.requests, with its figures;"
        " runs, trials, trades and reports are in the ledger. A sweep that was killed goes on where"
        " it was."
    ),
)
def backtest_runs(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Work the request of the partition off."""
    ledger = Ledger(platform.database, platform.clock, role=Role.PIPELINES)
    with explained():
        try:
            request, outcome = work_off(
                ledger,
                context.partition_key,
                context.run.run_id,
                run_request,
                strategies=platform.strategies,
            )
        except Cancelled as error:
            # A run ends as cancelled only where that was announced before.
            context.instance.report_run_canceling(context.run, str(error))
            raise dg.DagsterExecutionInterruptedError(str(error)) from error
        return dg.MaterializeResult(metadata=evidence_metadata(ledger, request, outcome))

"""Figures by period as an asset, and the summaries that are written from them."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from pipelines.defs.performance.keeping import roll_up
from pipelines.defs.performance.summaries import summarise_days
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["EVERYBODY", "daily_summaries", "metric_rollups"]

EVERYBODY = "candela/everybody"
"""Tag of a run that computes the figures of all tenants, changed or not."""
# Two at once would compute the same.
_ALONE = {"candela/exclusive": "performance"}


@dg.asset(
    group_name="trading",
    kinds={"postgres"},
    tags=_ALONE,
    op_tags=_ALONE,
    description=(
        "Win rate, profit, profit factor, Sharpe ratio, drawdown and streaks of each bot, account"
        " and user by day, week and month of the user's zone, and equity day by day; paper, demo"
        " and live apart. Whatever is booked late changes exactly the rows that it touches."
    ),
)
def metric_rollups(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Bring the figures of all tenants up to their books."""

    def show(done: int, total: int) -> None:
        platform.progress("figures", done / total, done)

    everybody = context.run.tags.get(EVERYBODY) == "yes"
    with explained():
        report = roll_up(platform.database, platform.clock, everybody=everybody, progress=show)
    return dg.MaterializeResult(
        metadata={
            "tenants": report.tenants,
            "series": report.series,
            "rows_written": report.written,
            "rows_removed": report.removed,
            "everybody": everybody,
        }
    )


@dg.asset(
    group_name="trading",
    deps=[metric_rollups],
    kinds={"postgres"},
    tags=_ALONE,
    op_tags=_ALONE,
    description=(
        "A mail in the outbox and a line in the inbox of everybody who traded on the day that"
        " ended where they live, once a user and day, in their language and zone."
    ),
)
def daily_summaries(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Tell of the days that have ended."""
    with explained():
        told = summarise_days(platform.database, platform.clock)
    context.log.info("%s users were told", told)
    return dg.MaterializeResult(metadata={"users": told})

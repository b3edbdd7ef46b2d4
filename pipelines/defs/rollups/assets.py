"""The coarser candles, refreshed for exactly the spans whose candles changed."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.candles.rollups import refresh_rollups
from candela.market.timeframe import ROLLUPS
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["candle_rollups"]


@dg.asset(
    group_name="market_data",
    deps=["candles"],
    kinds={"postgres"},
    tags={"candela/exclusive": "rollups"},
    op_tags={"candela/exclusive": "rollups"},
    description=(
        "Candles of 5 minutes, 15 minutes, 1 hour, 4 hours and 1 day in UTC buckets. With"
        " TimescaleDB they are continuous aggregates, refreshed for the spans that changed, late"
        " data included; without it they are views, which are never stale."
    ),
)
def candle_rollups(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Refresh what is older than its candles."""

    def show(done: int, total: int) -> None:
        platform.progress("rollups", done / total, done)

    with explained():
        report = refresh_rollups(platform.database, progress=show)
    for start, end in report.spans:
        context.log.info("changed: %s to %s", start, end)
    lines = ["| rollup | spans | seconds |", "|---|---|---|"]
    lines += [f"| {one.relation} | {one.spans} | {one.seconds:.3f} |" for one in report.rollups]
    lines += [
        f"| candles_{timeframe} | view, always current | - |"
        for timeframe in ROLLUPS
        if report.variant == "plain"
    ]
    return dg.MaterializeResult(
        metadata={
            "variant": report.variant,
            "changed_ranges": report.ranges,
            "changed_spans": len(report.spans),
            "seconds": report.seconds,
            "rollups": dg.MetadataValue.md("\n".join(lines)),
        }
    )

"""The record of absent candles, with the reason of each, by series and month."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.candles.gaps import record_gaps
from candela.candles.series import NoSuchInstrument, Series, find_series
from pipelines.lib.failures import explained
from pipelines.lib.figures import MonthFigures, month_figures
from pipelines.lib.partitions import PARTITIONS, selected
from pipelines.resources import Platform

__all__ = ["candle_gaps"]

_LISTED = 50


@dg.asset(
    group_name="market_data",
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.multi_run(12),
    deps=["candles"],
    kinds={"postgres"},
    description=(
        "Candles that the grid has and the store has not, each with the reason: not fetched, no"
        " trades, hole at the source, outage of the venue, market closed. A gap that was filled"
        " leaves the record."
    ),
)
def candle_gaps(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Look for gaps in the selected months and record them."""
    new = changed = filled = 0
    with explained(), platform.writer() as connection:
        for span in selected(context.partition_keys):
            try:
                stored = find_series(connection, span.series.instrument)
            except NoSuchInstrument:
                stored = list[Series]()
            for series in stored:
                if series.timeframe != span.series.timeframe:
                    continue
                done = record_gaps(
                    connection, series, span.start, span.end, now=platform.clock.now()
                )
                new, changed, filled = new + done.new, changed + done.changed, filled + done.filled
            for month, figures in month_figures(connection, span).items():
                context.add_asset_metadata(
                    _metadata(figures), partition_key=span.series.partition(month)
                )
    return dg.MaterializeResult(
        metadata={"run_new": new, "run_changed": changed, "run_filled": filled}
    )


def _metadata(figures: MonthFigures) -> dict[str, dg.MetadataValue]:
    by_reason: dict[str, int] = {}
    for _, _, missing, reason in figures.gaps:
        by_reason[reason] = by_reason.get(reason, 0) + missing
    lines = ["| from (UTC) | to | candles | reason |", "|---|---|---|---|"]
    lines += [
        f"| {start:%Y-%m-%d %H:%M} | {end:%Y-%m-%d %H:%M} | {missing} | {reason} |"
        for start, end, missing, reason in figures.gaps[:_LISTED]
    ]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(len(figures.gaps)),
        "candles_missing": dg.MetadataValue.int(figures.missing),
    }
    if figures.gaps:
        metadata["missing_by_reason"] = dg.MetadataValue.json(by_reason)
        metadata["longest"] = dg.MetadataValue.int(max(gap[2] for gap in figures.gaps))
        metadata["gaps"] = dg.MetadataValue.md("\n".join(lines))
    return metadata

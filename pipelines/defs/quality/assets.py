"""How good each month of a series is, as figures that the pages draw over its months."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from pipelines.lib.failures import explained
from pipelines.lib.feeds import feeds_by_series, feeds_of, names_of
from pipelines.lib.figures import MonthFigures, month_figures
from pipelines.lib.partitions import PARTITIONS, selected
from pipelines.resources import Platform

__all__ = ["candle_quality"]


@dg.asset(
    group_name="market_data",
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.multi_run(12),
    deps=["candles", "candle_gaps"],
    kinds={"postgres"},
    description=(
        "Of each month: how much of it is there, what was refused and what was flagged, by check."
        " Whether it passes the data contract is said by the checks of `candles`."
    ),
)
def candle_quality(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Count what is stored, refused, flagged and absent in the selected months."""
    with explained(), platform.writer() as connection:
        feeds = feeds_by_series(feeds_of(connection))
        for span in selected(context.partition_keys):
            names = names_of(feeds.get(span.series, []))
            for month, figures in month_figures(connection, span, names).items():
                context.add_asset_metadata(
                    _metadata(figures), partition_key=span.series.partition(month)
                )
    return dg.MaterializeResult()


def _metadata(figures: MonthFigures) -> dict[str, dg.MetadataValue]:
    known = figures.rows + figures.missing
    metadata: dict[str, dg.MetadataValue] = {
        "candles": dg.MetadataValue.int(figures.rows),
        "absent": dg.MetadataValue.int(figures.missing),
        "refused": dg.MetadataValue.int(sum(figures.refused.values())),
        "flagged": dg.MetadataValue.int(figures.flagged),
        "complete_ratio": dg.MetadataValue.float(figures.rows / known if known else 0.0),
    }
    metadata |= {f"refused_{name}": dg.MetadataValue.int(n) for name, n in figures.refused.items()}
    metadata |= {f"flagged_{name}": dg.MetadataValue.int(n) for name, n in figures.flags.items()}
    return metadata

"""The job that brings partitions up to date, as sensors, schedules and `candela up` ask for it."""

import dagster as dg

from pipelines.defs.candles.assets import candles
from pipelines.defs.gaps.assets import candle_gaps
from pipelines.defs.quality.assets import candle_quality
from pipelines.defs.quality.checks import contract_checks

__all__ = ["keep_candles_current", "update_candles"]

update_candles = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "update_candles",
    selection=dg.AssetSelection.assets(candles, candle_gaps, candle_quality)
    | dg.AssetSelection.checks(contract_checks),
    description="Bring months of a series in, record their gaps, and judge what is stored.",
)

# Every few minutes a month only grows by a few candles, each judged as it came in; the suite looks
# at the month as a whole every night.
keep_candles_current = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "keep_candles_current",
    selection=dg.AssetSelection.assets(candles, candle_gaps, candle_quality).without_checks(),
    description="Fetch what a venue has closed since the last time.",
)

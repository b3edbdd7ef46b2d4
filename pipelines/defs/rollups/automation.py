"""What refreshes the rollups by itself: a look at the spans that candles have changed."""

import dagster as dg
from dagster import SensorEvaluationContext

from pipelines.defs.rollups.assets import candle_rollups
from pipelines.resources import Platform

__all__ = ["refresh_rollups_and_catalogue", "refresh_stale_rollups", "stale_rollups"]

# Two at once would only wait for each other's lock.
_ONE_AT_A_TIME = {"candela/exclusive": "rollups"}

refresh_stale_rollups = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "refresh_stale_rollups",
    selection=dg.AssetSelection.assets(candle_rollups),
    tags=_ONE_AT_A_TIME,
    description="Refresh the rollups for the spans whose candles changed.",
)
refresh_rollups_and_catalogue = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "refresh_rollups_and_catalogue",
    selection=dg.AssetSelection.assets(candle_rollups) | dg.AssetSelection.assets("instruments"),
    tags=_ONE_AT_A_TIME,
    description="Refresh the rollups, and say what the catalogue holds.",
)
_CHANGED = "SELECT max(range_id) FROM market.rollup_ranges"


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    job=refresh_stale_rollups,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a refresh where candles changed after their rollups.",
)
def stale_rollups(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask once for each newest change; a run takes everything recorded by its start."""
    with platform.writer() as connection:
        row = connection.execute(_CHANGED).fetchone()
    if row is None or row[0] is None:
        return dg.SkipReason("The rollups are as new as their candles.")
    context.log.info("spans recorded up to %s", row[0])
    return dg.RunRequest(run_key=str(row[0]))

"""The nightly run of the upkeep."""

import dagster as dg

from pipelines.defs.upkeep.assets import old_rows

__all__ = ["tidy_every_night", "tidy_up"]

tidy_up = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "tidy_up",
    selection=dg.AssetSelection.assets(old_rows),
    description="Remove rows that nobody needs any more.",
)

tidy_every_night = dg.ScheduleDefinition(
    name="tidy_every_night",
    job=tidy_up,
    cron_schedule="20 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Removes once a day what is too old.",
)

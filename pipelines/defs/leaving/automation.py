"""The job that erases, and its schedule."""

import dagster as dg

from pipelines.defs.leaving.assets import erased_tenants

__all__ = ["erase_tenants", "erase_tenants_every_night"]

erase_tenants = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "erase_tenants",
    selection=dg.AssetSelection.assets(erased_tenants),
    description="Erase those who left 30 days ago.",
)

erase_tenants_every_night = dg.ScheduleDefinition(
    name="erase_tenants_every_night",
    job=erase_tenants,
    cron_schedule="50 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Erases once a day those who left 30 days ago.",
)

"""The nightly run of the parity proof."""

import dagster as dg

from pipelines.defs.parity.assets import bot_parity

__all__ = ["prove_bots", "prove_every_night"]

prove_bots = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "prove_bots",
    selection=dg.AssetSelection.assets(bot_parity),
    description="Compare every bot with its backtest.",
)

prove_every_night = dg.ScheduleDefinition(
    name="prove_every_night",
    job=prove_bots,
    cron_schedule="40 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Proves each bot of the platform once a day.",
)

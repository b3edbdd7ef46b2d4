"""Catalogue and rankings every five minutes, where a venue is a source."""

import dagster as dg
from dagster import ScheduleEvaluationContext

from candela.candles.sources import list_sources
from pipelines.resources import Platform

__all__ = ["market_every_5_minutes", "refresh_market"]

refresh_market = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "refresh_market",
    selection=dg.AssetSelection.assets("instruments", "instrument_rankings"),
    tags={"candela/exclusive": "market"},
    description="Ask the venues in use what they list, and rank it.",
)


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=refresh_market,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks the venues that are sources; without one it asks nobody.",
)
def market_every_5_minutes(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask only venues that somebody has registered: nothing leaves this machine unasked."""
    with platform.writer() as connection:
        venues = {one.location for one in list_sources(connection) if one.kind == "exchange"}
    if not venues:
        return dg.SkipReason("No venue is a source; `candela sources add` adds one.")
    context.log.info("venues: %s", ", ".join(sorted(venues)))
    return dg.RunRequest()

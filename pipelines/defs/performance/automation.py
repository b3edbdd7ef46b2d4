"""When figures are computed: minutes after a booking, and all of them once a night."""

import dagster as dg
from dagster import ScheduleEvaluationContext

from candela.db.connect import Role
from pipelines.defs.performance.assets import EVERYBODY, daily_summaries, metric_rollups
from pipelines.defs.performance.keeping import stale_tenants
from pipelines.resources import Platform

__all__ = [
    "roll_up_every_10_minutes",
    "roll_up_every_night",
    "roll_up_figures",
    "summarise_days",
    "summarise_every_hour",
]

# Two at once would compute the same.
_ALONE = {"candela/exclusive": "performance"}

roll_up_figures = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "roll_up_figures",
    selection=dg.AssetSelection.assets(metric_rollups),
    tags=_ALONE,
    description="Bring the figures of bots, accounts and users up to their books.",
)
summarise_days = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "summarise_days",
    selection=dg.AssetSelection.assets(metric_rollups, daily_summaries),
    tags=_ALONE,
    description="Bring the figures up to date, then tell users of the day that ended.",
)
_NOTHING = "Nothing was booked, and no day has ended, since the last look."


def _count(platform: Platform, *, everybody: bool = False) -> int:
    with platform.database.connect(Role.PIPELINES, autocommit=True) as connection:
        return len(stale_tenants(connection, platform.clock.now(), everybody=everybody))


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=roll_up_figures,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Computes the figures of tenants whose books changed.",
)
def roll_up_every_10_minutes(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run where figures may be old."""
    stale = _count(platform)
    context.log.info("%s tenants may have old figures", stale)
    return dg.RunRequest() if stale else dg.SkipReason(_NOTHING)


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=roll_up_figures,
    cron_schedule="50 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Computes the figures of all tenants: what a look by time missed is mended.",
)
def roll_up_every_night(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run over everybody."""
    tenants = _count(platform, everybody=True)
    context.log.info("%s tenants", tenants)
    return dg.RunRequest(tags={EVERYBODY: "yes"}) if tenants else dg.SkipReason("Nobody is there.")


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=summarise_days,
    cron_schedule="5,35 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Writes to those for whom a day ended; zones begin theirs at half hours, too.",
)
def summarise_every_hour(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run where there is anybody."""
    tenants = _count(platform, everybody=True)
    context.log.info("%s tenants", tenants)
    return dg.RunRequest() if tenants else dg.SkipReason("Nobody is there.")

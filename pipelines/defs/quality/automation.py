"""A daily look at the months that venues still add to; other months are judged as they come in."""

from datetime import timedelta

import dagster as dg
from dagster import ScheduleEvaluationContext

from pipelines.defs.quality.checks import contract_checks
from pipelines.lib.feeds import feeds_of
from pipelines.lib.partitions import SERIES, Span, month_of
from pipelines.resources import Platform

__all__ = ["judge_candles", "judge_every_night"]

judge_candles = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "judge_candles",
    selection=dg.AssetSelection.checks(contract_checks),
    description="Run the suite of the data contract over what is stored; brings nothing in.",
)


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=judge_candles,
    cron_schedule="20 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Judges the month that held yesterday, of every series with a venue source.",
)
def judge_every_night(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for one partition a venue series: on the first of a month that is the month before."""
    month = month_of(platform.clock.now() - timedelta(days=1))
    known = set(context.instance.get_dynamic_partitions(str(SERIES.name)))
    with platform.writer() as connection:
        series = {
            feed.series
            for feed in feeds_of(connection)
            if not feed.is_file and feed.covers(month) and str(feed.series) in known
        }
    if not series:
        return dg.SkipReason("No venue is a source; `candela sources add` adds one.")
    return [dg.RunRequest(tags=Span(one, (month,)).run_tags()) for one in sorted(series)]

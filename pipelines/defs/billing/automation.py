"""The nightly run of the comparison with Stripe, and the hourly look at trials."""

import dagster as dg
from dagster import ScheduleEvaluationContext

from pipelines.defs.billing.assets import billing_reconciliation, ended_trials, monthly_income
from pipelines.resources import Platform

__all__ = [
    "compare_billing",
    "compare_billing_every_night",
    "look_at_trials",
    "look_at_trials_every_hour",
]

compare_billing = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "compare_billing",
    selection=dg.AssetSelection.assets(billing_reconciliation, monthly_income),
    description="Compare every customer with Stripe, then count what comes in.",
)


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=compare_billing,
    cron_schedule="50 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks Stripe about every customer once a day; without a key of it, about nobody.",
)
def compare_billing_every_night(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask where plans can be bought."""
    if platform.billing is None:
        return dg.SkipReason("No key of Stripe is set.")
    context.log.info("customers are compared with Stripe")
    return dg.RunRequest()


look_at_trials = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "look_at_trials",
    selection=dg.AssetSelection.assets(ended_trials),
    description="Put the free plan in force where a trial is over.",
)

look_at_trials_every_hour = dg.ScheduleDefinition(
    name="look_at_trials_every_hour",
    job=look_at_trials,
    cron_schedule="5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks once an hour at trials that end.",
)

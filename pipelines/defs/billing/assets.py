"""What was bought, as Stripe says, and what it brings in a month."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.billing.mrr import count_mrr
from candela.billing.reconcile import reconcile_all
from candela.billing.trials import end_trials
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["billing_reconciliation", "ended_trials", "monthly_income"]


@dg.asset(
    group_name="billing",
    kinds={"postgres"},
    description=(
        "Plans, invoices and payments of every customer, compared with Stripe: what an event did"
        " not tell, or told while nobody listened, is put right and written to the audit log."
    ),
)
def billing_reconciliation(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Compare every customer with Stripe; one that cannot be asked does not stop the others."""
    if platform.billing is None:
        return dg.MaterializeResult(metadata={"customers": 0, "is_configured": False})

    def show(done: int, total: int) -> None:
        platform.progress("billing", done / total, done)

    with explained():
        found = reconcile_all(platform.database, platform.billing, platform.clock, show)
    failed = [one for one in found if one.error is not None]
    for one in failed:
        context.log.warning("%s cannot be compared: %s", one.tenant_id, one.error)
    return dg.MaterializeResult(
        metadata={
            "customers": len(found),
            "is_configured": True,
            "repaired": sum(one.is_repaired for one in found),
            "rows": sum(one.rows for one in found),
            "failed": len(failed),
        }
    )


@dg.asset(
    group_name="billing",
    deps=[billing_reconciliation],
    kinds={"postgres"},
    description="Subscriptions that are paid for and what they bring in a month, each day by plan.",
)
def monthly_income(platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    """Count the day."""
    with explained():
        found = count_mrr(platform.database, platform.clock)
    total = sum(one.mrr_usd for one in found)
    return dg.MaterializeResult(
        metadata={
            "mrr_usd": f"{total:.2f}",
            "subscriptions": sum(one.subscriptions for one in found),
        }
    )


@dg.asset(
    group_name="billing",
    kinds={"postgres"},
    description=(
        "Trials that were given at sign-up: their people are told three days before the end, and"
        " after it the free plan holds. Trials of a subscription are Stripe's."
    ),
)
def ended_trials(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Look at the trials that end soon or are over; harmless twice."""
    with explained():
        found = end_trials(platform.database, platform.clock)
    for tenant_id, code in found.failed:
        context.log.warning("the trial of %s could not be looked at: %s", tenant_id, code)
    return dg.MaterializeResult(
        metadata={"ended": found.ended, "told": found.told, "failed": len(found.failed)}
    )

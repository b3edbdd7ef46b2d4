"""Those who left: payments that could not be ended at once, and erasing after 30 days."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.audit.record import Actor
from candela.billing.buying import end_at_once
from candela.desk.leaving import erase_due, note_payments_ended, still_paying
from candela.desk.session import tenant_session
from candela.errors import CandelaError
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["erased_tenants"]


@dg.asset(
    group_name="billing",
    kinds={"postgres"},
    description=(
        "Tenants that left 30 days ago: every row is deleted, the keys of what was sealed with"
        " them; payments and the audit log stay under an id that names nobody."
    ),
)
def erased_tenants(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """End what is still paid for, then erase who is due; who still pays waits."""
    with explained():
        waiting = still_paying(platform.database)
        ended = sum(_end_payments(context, platform, one) for one in waiting)
        erased = erase_due(platform.database, platform.clock.now())
    return dg.MaterializeResult(
        metadata={
            "payments_ended": ended,
            "still_paying": len(waiting) - ended,
            "erased": len(erased),
            "rows": sum(sum(one.rows.values()) for one in erased),
        }
    )


def _end_payments(context: AssetExecutionContext, platform: Platform, tenant_id: Any) -> bool:
    try:
        with tenant_session(platform.database, tenant_id) as session:
            if platform.billing is not None:
                actor = Actor(name="candela pipelines")
                end_at_once(session, platform.billing, clock=platform.clock, actor=actor)
            note_payments_ended(session, clock=platform.clock)
    except CandelaError as error:
        context.log.warning("payments of %s go on: %s", tenant_id, error.code)
        return False
    return True

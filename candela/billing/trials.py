"""Trials without Stripe: their people are told before they end, and then the free plan holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from candela.audit.record import Actor, record
from candela.billing.subscriptions import lock_billing, read_standing
from candela.db.connect import Role
from candela.desk.session import tenant_session
from candela.desk.users import change_plan
from candela.errors import CandelaError
from candela.notify.telling import tell_tenant

if TYPE_CHECKING:
    from datetime import datetime

    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = ["TOLD_BEFORE", "Trials", "end_trials"]

TOLD_BEFORE: Final = timedelta(days=3)
"""So long before its end people are told that a trial ends."""
_ACTOR: Final = Actor(name="trials")
_ENDING: Final = """
SELECT s.tenant_id FROM tenancy.subscriptions AS s
INNER JOIN tenancy.tenants AS t ON s.tenant_id = t.tenant_id
WHERE s.status = 'trialing' AND s.stripe_subscription_id IS NULL
    AND s.period_end_at <= %(until)s AND t.closed_at IS NULL
ORDER BY s.tenant_id
"""


@dataclass(frozen=True, slots=True)
class Trials:
    """What a look at trials came to: how many ended, were told of, and could not be looked at."""

    ended: int = 0
    told: int = 0
    failed: tuple[tuple[UUID, str], ...] = ()


def end_trials(database: Database, clock: Clock) -> Trials:
    """Put the free plan in force where a trial is over; a tenant that fails stops no other.

    Entries stopped at the instant itself, by the row of the trial. From now on they are allowed as
    far as the free plan goes; what is beyond it goes on being managed, and opens nothing.
    """
    now = clock.now()
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        rows = connection.execute(_ENDING, {"until": now + TOLD_BEFORE}).fetchall()
    ended = told = 0
    failed: list[tuple[UUID, str]] = []
    for (tenant_id,) in rows:
        try:
            with tenant_session(database, tenant_id) as session:
                done, said = _look(session, now, clock)
        except CandelaError as error:
            failed.append((tenant_id, error.code))
            continue
        ended += done
        told += said
    return Trials(ended, told, tuple(failed))


def _look(session: TenantSession, now: datetime, clock: Clock) -> tuple[bool, bool]:
    # A plan that is being bought meanwhile wins: it is written under the same lock.
    lock_billing(session)
    known = read_standing(session)
    ends = known.period_end_at
    if known.status != "trialing" or known.stripe_subscription_id is not None or ends is None:
        return False, False
    if now < ends:
        once, plan = f"ends:trial:{ends.isoformat()}", known.plan
        told = tell_tenant(
            session, "subscription_ends", clock=clock, once_key=once, plan=plan, ends_at=ends
        )
        return False, told > 0
    change_plan(session, "free", clock=clock)
    record(
        session,
        _ACTOR,
        "billing.trial_ended",
        "subscription",
        session.tenant_id,
        clock=clock,
        detail={"was": known.told},
    )
    tell_tenant(session, "plan_changed", clock=clock, plan="free")
    return True, False

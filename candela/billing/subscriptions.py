"""What a tenant's plan is, computed from all that Stripe says of its customer, and put in force."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from psycopg.errors import LockNotAvailable

from candela.audit.record import record
from candela.billing.errors import BillingBusy
from candela.billing.gateway import MissingAtStripe
from candela.notify.telling import tell_tenant
from candela.plans import PlanName, Subscription, SubscriptionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from candela.audit.record import Actor
    from candela.billing.gateway import Gateway
    from candela.billing.shapes import SubscriptionShape
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["GRACE", "Standing", "lock_billing", "read_standing", "refresh", "standing_of"]

GRACE: Final = timedelta(days=7)
"""How long entries go on after a renewal could not be paid."""

_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('billing:' || %(tenant)s::text, 0))
"""
_COLUMNS: Final = """
SELECT plan, status, period_start_at, period_end_at, stripe_subscription_id, stripe_item_id,
    stripe_price_id, billing_interval, cancel_at_period_end, trial_ends_at, granted_at
FROM tenancy.subscriptions WHERE tenant_id = %(tenant)s
"""
_PRICES: Final = "SELECT stripe_price_id, plan, billing_interval FROM billing.prices"
_WRITE: Final = """
INSERT INTO tenancy.subscriptions
    (tenant_id, plan, status, period_start_at, period_end_at, stripe_subscription_id,
     stripe_item_id, stripe_price_id, billing_interval, cancel_at_period_end, trial_ends_at,
     source_at, updated_at)
VALUES
    (%(tenant)s, %(plan)s, %(status)s, %(period_start_at)s, %(period_end_at)s,
     %(stripe_subscription_id)s, %(stripe_item_id)s, %(stripe_price_id)s, %(billing_interval)s,
     %(cancel_at_period_end)s, %(trial_ends_at)s, %(at)s, %(at)s)
ON CONFLICT (tenant_id) DO UPDATE SET
    plan = excluded.plan, status = excluded.status, period_start_at = excluded.period_start_at,
    period_end_at = excluded.period_end_at,
    stripe_subscription_id = excluded.stripe_subscription_id,
    stripe_item_id = excluded.stripe_item_id, stripe_price_id = excluded.stripe_price_id,
    billing_interval = excluded.billing_interval,
    cancel_at_period_end = excluded.cancel_at_period_end, trial_ends_at = excluded.trial_ends_at,
    source_at = excluded.source_at, updated_at = excluded.updated_at
"""
_ASKED: Final = "UPDATE billing.customers SET asked_at = %(at)s WHERE tenant_id = %(tenant)s"
_LIVE: Final = ("active", "trialing", "past_due", "unpaid", "paused")
_BEGUN: Final = (*_LIVE, "canceled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A tenant's plan as it is written down.

    Parameters
    ----------
    period_end_at
        Until when it is paid for; of one that could not be paid, the end of the grace.
    granted_at
        When a plan was last given or taken without Stripe.
    """

    plan: PlanName
    status: SubscriptionStatus
    period_start_at: datetime
    period_end_at: datetime | None
    stripe_subscription_id: str | None = None
    stripe_item_id: str | None = None
    stripe_price_id: str | None = None
    billing_interval: str | None = None
    cancel_at_period_end: bool = False
    trial_ends_at: datetime | None = None
    granted_at: datetime | None = None

    @property
    def is_bought(self) -> bool:
        """Whether Stripe has a subscription for it that has not ended."""
        return self.stripe_subscription_id is not None and self.status != "expired"

    def in_force(self, now: datetime) -> bool:
        """Return whether entries are allowed."""
        return Subscription(self.plan, self.status, self.period_end_at).in_force(now)

    @property
    def told(self) -> dict[str, Any]:
        """What the audit log shows of it."""
        shown = ("plan", "status", "billing_interval", "stripe_subscription_id")
        told = {name: getattr(self, name) for name in shown}
        ends = self.period_end_at
        return told | {"period_end_at": None if ends is None else ends.isoformat()}


def lock_billing(session: TenantSession) -> None:
    """Let nobody else ask or write what the tenant has bought until the transaction ends.

    Whoever holds it asks Stripe under it, so that what is written last was asked last. It is not
    the lock of trading, which must not wait for Stripe.

    Raises
    ------
    BillingBusy
        Somebody has held it for too long.
    """
    try:
        session.run(_LOCK, {})
    except LockNotAvailable:
        message = "Stripe is being asked about this account already."
        raise BillingBusy(message, "Try again soon.") from None


def read_standing(session: TenantSession) -> Standing:
    """Return a tenant's plan as it is written down; without a row it is the free one."""
    row = session.row(_COLUMNS, {})
    if row is None:
        return Standing(
            plan="free",
            status="active",
            period_start_at=datetime.fromtimestamp(0).astimezone(),
            period_end_at=None,
        )
    return Standing(**row)


def standing_of(
    known: Standing,
    found: Iterable[SubscriptionShape],
    prices: Mapping[str, tuple[str, str]],
) -> Standing:
    """Return the plan that all subscriptions of a customer come to.

    The newest one that has not ended holds; where all have ended, the last one that did, unless a
    plan was given or taken without Stripe since. It depends on nothing but what Stripe says now
    and on `granted_at`, so that events may be told in any order and any number of times.

    Parameters
    ----------
    known
        As it is written down; stands where nothing was bought.
    prices
        Plan and interval by Stripe's id of the price; others are not ours.
    """
    ours = [
        one
        for one in found
        if one.status in _BEGUN and one.items.data and one.items.data[0].price.id in prices
    ]
    live = [one for one in ours if one.status in _LIVE]
    granted = known.granted_at
    ended = [
        one
        for one in ours
        if one not in live and (granted is None or one.ended_at is None or one.ended_at > granted)
    ]
    chosen = max(live or ended, key=lambda one: (one.created, one.id), default=None)
    if chosen is not None:
        return _standing(chosen, prices, granted)
    if known.is_bought:
        # It was bought, and Stripe knows nothing of it any more.
        return replace(known, status="expired", cancel_at_period_end=False)
    return known


def refresh(
    session: TenantSession, gateway: Gateway, customer_id: str, *, clock: Clock, actor: Actor
) -> tuple[Standing, bool]:
    """Ask Stripe how a customer stands and put that in force; call it under `lock_billing`.

    Bots that run go on; what the plan does not include is refused at their next entry. Executors
    are told, and the audit log has what changed.

    Returns
    -------
    The plan, and whether it changed.
    """
    asked_at = clock.now()
    try:
        found = gateway.subscriptions(customer_id)
    except MissingAtStripe:
        found = []
    rows = session.rows(_PRICES, {})
    prices = {row["stripe_price_id"]: (row["plan"], row["billing_interval"]) for row in rows}
    # Limits are counted and changed under this one.
    session.lock()
    known = read_standing(session)
    wanted = standing_of(known, found, prices)
    session.run(_ASKED, {"at": asked_at})
    if wanted == known:
        return known, False
    session.run(_WRITE, asdict(wanted) | {"at": asked_at})
    session.announce(str(session.tenant_id), {"plan": wanted.plan})
    record(
        session,
        actor,
        "billing.subscription",
        "subscription",
        session.tenant_id,
        clock=clock,
        detail={"was": known.told, "is": wanted.told},
    )
    _tell(session, known, wanted, asked_at, clock)
    return wanted, True


def _tell(
    session: TenantSession, known: Standing, wanted: Standing, now: datetime, clock: Clock
) -> None:
    """Tell what a person has to know of a change: another plan holds, or one will end."""
    is_other = wanted.plan != known.plan or not known.in_force(now)
    if wanted.in_force(now) and is_other:
        tell_tenant(session, "plan_changed", clock=clock, plan=wanted.plan)
    ends = wanted.period_end_at
    if wanted.status == "cancelled" and ends is not None and now < ends:
        once = f"ends:{wanted.stripe_subscription_id}:{ends.isoformat()}"
        plan = wanted.plan
        tell_tenant(
            session, "subscription_ends", clock=clock, once_key=once, plan=plan, ends_at=ends
        )


def _standing(
    one: SubscriptionShape, prices: Mapping[str, tuple[str, str]], granted: datetime | None
) -> Standing:
    item = one.items.data[0]
    plan, interval = prices[item.price.id]
    ends_itself = one.cancel_at_period_end or one.cancel_at is not None
    end: datetime | None = item.current_period_end
    status: SubscriptionStatus
    match one.status:
        case "trialing" | "active" if ends_itself:
            status, end = "cancelled", one.cancel_at or end
        case "trialing":
            status, end = "trialing", one.trial_end or end
        case "active":
            status = "active"
        case "past_due":
            # The period that could not be paid has begun already.
            status, end = "past_due", item.current_period_start + GRACE
        case _:
            status, end = "expired", one.ended_at or item.current_period_start
    return Standing(
        plan=cast("PlanName", plan),
        status=status,
        period_start_at=item.current_period_start,
        period_end_at=end,
        stripe_subscription_id=one.id,
        stripe_item_id=item.id,
        stripe_price_id=item.price.id,
        billing_interval=interval,
        cancel_at_period_end=ends_itself and status != "expired",
        trial_ends_at=one.trial_end,
        granted_at=granted,
    )

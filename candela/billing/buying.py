"""Buying, changing, cancelling and taking up again a plan: Stripe is asked, its answer holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from candela.audit.record import record
from candela.billing.catalogue import Interval, current_price
from candela.billing.errors import (
    AlreadySubscribed,
    NoSubscription,
    NotForSale,
    SubscriptionRunning,
)
from candela.billing.gateway import MissingAtStripe
from candela.billing.subscriptions import Standing, lock_billing, read_standing, refresh
from candela.desk.session import TenantSession
from candela.desk.users import change_plan
from candela.ids import new_id
from candela.notify.telling import tell_tenant

if TYPE_CHECKING:
    from candela.audit.record import Actor
    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.plans import PlanName

__all__ = [
    "TRIAL_DAYS",
    "Page",
    "cancel",
    "customer_of",
    "end_at_once",
    "end_checkout",
    "open_checkout",
    "open_portal",
    "resume",
    "take_free",
]

TRIAL_DAYS: Final = 14
"""Of the first plan of whoever was sent here by somebody else."""

Open = Callable[[], AbstractContextManager[TenantSession]]
_CUSTOMER: Final = """
SELECT stripe_customer_id FROM billing.customers WHERE tenant_id = %(tenant)s
"""
_ADD_CUSTOMER: Final = """
INSERT INTO billing.customers (tenant_id, stripe_customer_id, created_at)
VALUES (%(tenant)s, %(customer)s, %(at)s)
ON CONFLICT (tenant_id) DO UPDATE SET
    stripe_customer_id = excluded.stripe_customer_id, created_at = excluded.created_at
"""
_EMAIL: Final = (
    "SELECT email FROM tenancy.users WHERE tenant_id = %(tenant)s AND user_id = %(user)s"
)
_ADD_CHECKOUT: Final = """
INSERT INTO billing.checkouts
    (tenant_id, checkout_id, stripe_session_id, plan, billing_interval, created_at)
VALUES (%(tenant)s, %(id)s, %(session)s, %(plan)s, %(interval)s, %(at)s)
ON CONFLICT (tenant_id, stripe_session_id) DO NOTHING
"""
_OPEN: Final = """
SELECT stripe_session_id FROM billing.checkouts WHERE tenant_id = %(tenant)s AND state = 'open'
"""
_END_CHECKOUT: Final = """
UPDATE billing.checkouts SET state = %(state)s, ended_at = %(at)s
WHERE tenant_id = %(tenant)s AND stripe_session_id = %(session)s AND state = 'open'
"""
_COUNT: Final = "SELECT count(*) AS n FROM billing.checkouts WHERE tenant_id = %(tenant)s"
_REFERRED: Final = """
SELECT EXISTS (
    SELECT FROM identity.referrals WHERE tenant_id = %(tenant)s AND referred_by IS NOT NULL
) AS is_so
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the customer goes on, at Stripe.

    Parameters
    ----------
    purpose
        checkout: a plan is bought; change: one that is paid for becomes another.
    """

    url: str
    purpose: Literal["checkout", "change", "portal"]


def _each_time(_: TenantSession, effect: Callable[[], Page]) -> Page:
    return effect()


def customer_of(session: TenantSession) -> str | None:
    """Return Stripe's id of the tenant; None: it never began to buy."""
    row = session.row(_CUSTOMER, {})
    return None if row is None else str(row["stripe_customer_id"])


def open_checkout(
    act: Open,
    gateway: Gateway,
    *,
    plan: PlanName,
    interval: Interval,
    user_id: UUID,
    back_url: str,
    clock: Clock,
    actor: Actor,
    once: Callable[[TenantSession, Callable[[], Page]], Page] = _each_time,
) -> Page:
    """Return the page on which a plan is bought, or on which the one in force becomes another.

    Pages that were opened before and not used are closed: nobody buys twice by two tabs.

    Parameters
    ----------
    act
        Opens a transaction of the tenant; it is called twice, since a customer that Stripe has
        made must be written down whatever follows.
    once
        Runs what opens the page, in its transaction, or gives what was answered before.

    Raises
    ------
    NotForSale
        The plan costs nothing.
    AlreadySubscribed
        It is this very plan and interval.
    """
    if plan == "free":
        message = "The plan free costs nothing and cannot be bought."
        raise NotForSale(message, "End what is paid for: POST /billing/cancel.")
    with gateway.turn(), act() as session:
        lock_billing(session)
        customer_id = _ensure_customer(session, gateway, user_id, clock)
    with gateway.turn(), act() as session:
        wanted = plan, interval
        return once(
            session,
            lambda: _open_page(session, gateway, wanted, customer_id, back_url, clock, actor),
        )


def _open_page(
    session: TenantSession,
    gateway: Gateway,
    wanted: tuple[PlanName, Interval],
    customer_id: str,
    back_url: str,
    clock: Clock,
    actor: Actor,
) -> Page:
    plan, interval = wanted
    lock_billing(session)
    price_id = current_price(session.connection, gateway, plan, interval, clock=clock)
    _end_open(session, gateway, clock)
    known, _ = refresh(session, gateway, customer_id, clock=clock, actor=actor)
    if known.is_bought and known.stripe_subscription_id and known.stripe_item_id:
        if known.stripe_price_id == price_id and not known.cancel_at_period_end:
            message = f"The plan {plan} is in force already, by the {interval}."
            raise AlreadySubscribed(message, "POST /billing/portal shows what can be changed.")
        change = (known.stripe_subscription_id, known.stripe_item_id, price_id)
        url = gateway.create_portal(customer_id=customer_id, back_url=back_url, change=change)
        page = Page(url, "change")
    else:
        page = Page(
            _new_checkout(
                session,
                gateway,
                known,
                (plan, interval, price_id),
                customer_id,
                back_url,
                clock,
            ),
            "checkout",
        )
    detail = {"plan": plan, "interval": interval, "purpose": page.purpose}
    record(
        session,
        actor,
        "billing.checkout",
        "subscription",
        session.tenant_id,
        clock=clock,
        detail=detail,
    )
    return page


def open_portal(session: TenantSession, gateway: Gateway, *, back_url: str) -> Page:
    """Return the page on which cards, invoices and the plan are managed.

    Raises
    ------
    NoSubscription
        Nothing was ever bought.
    """
    customer_id = _customer(session)
    return Page(gateway.create_portal(customer_id=customer_id, back_url=back_url), "portal")


def cancel(session: TenantSession, gateway: Gateway, *, clock: Clock, actor: Actor) -> Standing:
    """Let the plan end with what is paid for.

    Raises
    ------
    NoSubscription
        Nothing is paid for.
    """
    return _set_cancel(session, gateway, wanted=True, clock=clock, actor=actor)


def resume(session: TenantSession, gateway: Gateway, *, clock: Clock, actor: Actor) -> Standing:
    """Let a plan that was cancelled and has not ended go on.

    Raises
    ------
    NoSubscription
        Nothing is paid for, or nothing was cancelled.
    """
    return _set_cancel(session, gateway, wanted=False, clock=clock, actor=actor)


def take_free(
    session: TenantSession, gateway: Gateway | None, *, clock: Clock, actor: Actor
) -> Standing:
    """Go on with the free plan after one that was paid for has ended.

    Raises
    ------
    SubscriptionRunning
        It has not ended.
    """
    lock_billing(session)
    customer_id = customer_of(session)
    known = read_standing(session)
    if gateway is not None and customer_id is not None:
        known, _ = refresh(session, gateway, customer_id, clock=clock, actor=actor)
    if known.is_bought:
        message = f"The plan {known.plan} has not ended."
        raise SubscriptionRunning(message, "Cancel it first: POST /billing/cancel.")
    if known.plan != "free":
        change_plan(session, "free", clock=clock)
        tell_tenant(session, "plan_changed", clock=clock, plan="free")
        record(
            session,
            actor,
            "billing.free",
            "subscription",
            session.tenant_id,
            clock=clock,
            detail={"was": known.told},
        )
    return read_standing(session)


def end_at_once(session: TenantSession, gateway: Gateway, *, clock: Clock, actor: Actor) -> int:
    """End every subscription now, for who leaves; return how many had not ended. Harmless twice."""
    customer_id = customer_of(session)
    if customer_id is None:
        return 0
    lock_billing(session)
    _end_open(session, gateway, clock)
    over = {"canceled", "incomplete_expired"}
    live = [one.id for one in gateway.subscriptions(customer_id) if one.status not in over]
    for subscription_id in live:
        gateway.cancel_now(subscription_id)
    refresh(session, gateway, customer_id, clock=clock, actor=actor)
    return len(live)


def end_checkout(
    session: TenantSession, gateway: Gateway, session_id: str, *, clock: Clock
) -> None:
    """Write down what became of a page on which something could be bought."""
    state = gateway.checkout(session_id).status
    if state in {"complete", "expired"}:
        session.run(_END_CHECKOUT, {"session": session_id, "state": state, "at": clock.now()})


def _customer(session: TenantSession) -> str:
    customer_id = customer_of(session)
    if customer_id is None:
        message = "Nothing was ever bought here."
        raise NoSubscription(message, "POST /billing/checkout buys a plan.")
    return customer_id


def _ensure_customer(session: TenantSession, gateway: Gateway, user_id: UUID, clock: Clock) -> str:
    known = customer_of(session)
    if known is not None:
        try:
            if not gateway.customer(known).deleted:
                return known
        except MissingAtStripe:
            pass
    row = session.row(_EMAIL, {"user": user_id})
    made = gateway.create_customer(
        email="" if row is None else row["email"],
        tenant=str(session.tenant_id),
        once=f"customer-{session.tenant_id}-{known or 'first'}",
    )
    session.run(_ADD_CUSTOMER, {"customer": made.id, "at": clock.now()})
    return made.id


def _new_checkout(
    session: TenantSession,
    gateway: Gateway,
    known: Standing,
    wanted: tuple[PlanName, Interval, str],
    customer_id: str,
    back_url: str,
    clock: Clock,
) -> str:
    plan, interval, price_id = wanted
    count, referred = session.row(_COUNT, {}), session.row(_REFERRED, {})
    is_first = known.stripe_subscription_id is None and known.granted_at is None
    is_referred = referred is not None and referred["is_so"]
    trial_days = TRIAL_DAYS if is_first and is_referred else 0
    # The same key for the same want: an answer that was lost is given again.
    number = 0 if count is None else count["n"]
    once = f"checkout-{session.tenant_id}-{number}-{price_id}-{trial_days}"
    made = gateway.create_checkout(
        customer_id=customer_id,
        price_id=price_id,
        tenant=str(session.tenant_id),
        back_url=back_url,
        trial_days=trial_days,
        once=once,
    )
    session.run(
        _ADD_CHECKOUT,
        {
            "id": new_id(clock.now()),
            "session": made.id,
            "plan": plan,
            "interval": interval,
            "at": clock.now(),
        },
    )
    return made.url or ""


def _end_open(session: TenantSession, gateway: Gateway, clock: Clock) -> None:
    for row in session.rows(_OPEN, {}):
        session_id = str(row["stripe_session_id"])
        try:
            state = gateway.expire_checkout(session_id).status
        except MissingAtStripe:
            state = "expired"
        session.run(_END_CHECKOUT, {"session": session_id, "state": state, "at": clock.now()})


def _set_cancel(
    session: TenantSession, gateway: Gateway, *, wanted: bool, clock: Clock, actor: Actor
) -> Standing:
    customer_id = _customer(session)
    lock_billing(session)
    known, _ = refresh(session, gateway, customer_id, clock=clock, actor=actor)
    if not known.is_bought or known.stripe_subscription_id is None:
        message = f"The plan {known.plan} is not paid for: there is nothing to end or to resume."
        raise NoSubscription(message, "POST /billing/checkout buys a plan.")
    if known.cancel_at_period_end == wanted:
        if wanted:
            return known
        message = f"The plan {known.plan} was not cancelled."
        raise NoSubscription(message, "GET /billing/subscription shows how it stands.")
    gateway.cancel_at_period_end(known.stripe_subscription_id, wanted=wanted)
    record(
        session,
        actor,
        "billing.cancel" if wanted else "billing.resume",
        "subscription",
        session.tenant_id,
        clock=clock,
        detail={"plan": known.plan},
    )
    return refresh(session, gateway, customer_id, clock=clock, actor=actor)[0]

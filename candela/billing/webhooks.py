"""Events of Stripe: each is a hint, counted once by its id; what holds is what Stripe answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from candela.audit.record import Actor
from candela.billing.buying import end_checkout
from candela.billing.gateway import MissingAtStripe
from candela.billing.invoices import keep_invoice
from candela.billing.subscriptions import lock_billing, refresh

if TYPE_CHECKING:
    import psycopg

    from candela.billing.gateway import Gateway
    from candela.billing.shapes import EventShape
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "KINDS",
    "STRIPE",
    "Outcome",
    "apply_event",
    "customer_behind",
    "note_event",
    "recent_events",
    "tenant_behind",
]

Outcome = Literal["applied", "duplicate", "not_needed", "unknown_customer", "other_mode"]
STRIPE: Final = Actor(name="stripe")
KINDS: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.payment_action_required",
        "invoice.voided",
        "invoice.marked_uncollectible",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.closed",
    }
)
"""What changes a plan, an invoice or a payment."""

_NOTE: Final = """
INSERT INTO billing.events
    (event_id, kind, object_id, stripe_customer_id, made_at, outcome, handled_at)
VALUES (%(event)s, %(kind)s, %(object)s, %(customer)s, %(made)s, %(outcome)s, %(at)s)
ON CONFLICT (event_id) DO NOTHING
"""
_RECENT: Final = """
SELECT event_id, kind, object_id, outcome, handled_at FROM billing.events
ORDER BY handled_at DESC, event_id
LIMIT %s
"""
_TENANT: Final = "SELECT tenant_id FROM billing.customers WHERE stripe_customer_id = %s"


def customer_behind(event: EventShape, gateway: Gateway) -> str | None:
    """Return whose event it is; a dispute does not say so, and is asked for."""
    if event.customer_id is not None or event.intent_id is None:
        return event.customer_id
    try:
        for invoice_id in gateway.invoices_paid_by(event.intent_id):
            return gateway.invoice(invoice_id).customer
    except MissingAtStripe:
        return None
    return None


def tenant_behind(connection: psycopg.Connection[Any], customer_id: str | None) -> UUID | None:
    """Return the tenant of a customer, with a connection that sees customers of all tenants."""
    if customer_id is None:
        return None
    row = connection.execute(_TENANT, (customer_id,)).fetchone()
    return None if row is None else UUID(str(row[0]))


def note_event(
    connection: psycopg.Connection[Any],
    event: EventShape,
    outcome: Outcome,
    *,
    clock: Clock,
    customer_id: str | None = None,
) -> bool:
    """Write an event down in the transaction of its effect; False: it was there already."""
    values = {
        "event": event.id,
        "kind": event.kind,
        "object": event.object_id,
        "customer": customer_id or event.customer_id,
        "made": event.created,
        "outcome": outcome,
        "at": clock.now(),
    }
    return connection.execute(_NOTE, values).rowcount == 1


def recent_events(connection: psycopg.Connection[Any], limit: int) -> list[dict[str, str]]:
    """Return the events that came last, newest first, as texts."""
    names = ("event_id", "kind", "object_id", "outcome", "handled_at")
    rows = connection.execute(_RECENT, (limit,)).fetchall()
    return [
        dict(zip(names, (*row[:4], f"{row[4]:%Y-%m-%d %H:%M:%S}"), strict=True)) for row in rows
    ]


def apply_event(
    session: TenantSession, gateway: Gateway, event: EventShape, customer_id: str, *, clock: Clock
) -> Outcome:
    """Ask Stripe for all that the event may have changed, and write that; once an event."""
    lock_billing(session)
    if not note_event(session.connection, event, "applied", clock=clock, customer_id=customer_id):
        return "duplicate"
    refresh(session, gateway, customer_id, clock=clock, actor=STRIPE)
    if event.kind.startswith("checkout.session."):
        end_checkout(session, gateway, event.object_id, clock=clock)
    invoices = [] if event.invoice_id is None else [event.invoice_id]
    if event.kind.startswith("charge.") and event.intent_id is not None:
        invoices = gateway.invoices_paid_by(event.intent_id)
    for invoice_id in invoices:
        keep_invoice(session, gateway, customer_id, invoice_id, clock=clock)
    return "applied"

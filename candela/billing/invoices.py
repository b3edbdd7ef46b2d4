"""Invoices and the attempts to pay them, as Stripe showed them when it was last asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from candela.billing.shapes import amount_of
from candela.clock import FixedClock
from candela.notify.telling import tell_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from candela.billing.gateway import Gateway
    from candela.billing.shapes import InvoiceShape, PaymentShape
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["InvoiceRow", "PaymentRow", "invoices_of", "keep_all", "keep_invoice", "payments_of"]

_INVOICE: Final = """
INSERT INTO billing.invoices AS i
    (tenant_id, stripe_invoice_id, number, status, ccy, due, paid, period_start_at, period_end_at,
     page_url, pdf_url, created_at, paid_at, asked_at)
VALUES
    (%(tenant)s, %(invoice)s, %(number)s, %(status)s, %(ccy)s, %(due)s, %(paid)s, %(start)s,
     %(end)s, %(page)s, %(pdf)s, %(created)s, %(paid_at)s, %(at)s)
ON CONFLICT (tenant_id, stripe_invoice_id) DO UPDATE SET
    number = excluded.number, status = excluded.status, due = excluded.due, paid = excluded.paid,
    period_start_at = excluded.period_start_at, period_end_at = excluded.period_end_at,
    page_url = excluded.page_url, pdf_url = excluded.pdf_url, paid_at = excluded.paid_at,
    asked_at = excluded.asked_at
WHERE (i.number, i.status, i.due, i.paid, i.paid_at)
    IS DISTINCT FROM (
        excluded.number, excluded.status, excluded.due, excluded.paid, excluded.paid_at
    )
"""
_PAYMENT: Final = """
INSERT INTO billing.payments AS p
    (tenant_id, stripe_payment_id, stripe_invoice_id, status, ccy, amount, refunded, method,
     last_four, receipt_url, failure, created_at, paid_at, asked_at)
VALUES
    (%(tenant)s, %(payment)s, %(invoice)s, %(status)s, %(ccy)s, %(amount)s, %(refunded)s,
     %(method)s, %(last_four)s, %(receipt)s, %(failure)s, %(created)s, %(paid_at)s, %(at)s)
ON CONFLICT (tenant_id, stripe_payment_id) DO UPDATE SET
    status = excluded.status, amount = excluded.amount, refunded = excluded.refunded,
    method = excluded.method, last_four = excluded.last_four, receipt_url = excluded.receipt_url,
    failure = excluded.failure, paid_at = excluded.paid_at, asked_at = excluded.asked_at
WHERE (p.status, p.amount, p.refunded, p.receipt_url, p.failure)
    IS DISTINCT FROM (
        excluded.status, excluded.amount, excluded.refunded, excluded.receipt_url,
        excluded.failure
    )
"""
_INVOICES: Final = """
SELECT stripe_invoice_id, number, status, ccy, due, paid, period_start_at, period_end_at, page_url,
    pdf_url, created_at, paid_at
FROM billing.invoices
WHERE tenant_id = %(tenant)s
    AND (%(before)s::timestamptz IS NULL
         OR (created_at, stripe_invoice_id) < (%(before)s, %(id)s))
ORDER BY created_at DESC, stripe_invoice_id DESC
LIMIT %(limit)s
"""
_PAYMENTS: Final = """
SELECT stripe_payment_id, stripe_invoice_id, status, ccy, amount, refunded, method, last_four,
    receipt_url, failure, created_at, paid_at
FROM billing.payments
WHERE tenant_id = %(tenant)s
    AND (%(before)s::timestamptz IS NULL
         OR (created_at, stripe_payment_id) < (%(before)s, %(id)s))
ORDER BY created_at DESC, stripe_payment_id DESC
LIMIT %(limit)s
"""
_STATUS: Final = "SELECT status FROM tenancy.subscriptions WHERE tenant_id = %(tenant)s"


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice; money in its currency."""

    stripe_invoice_id: str
    number: str | None
    status: str
    ccy: str
    due: Decimal
    paid: Decimal
    period_start_at: datetime | None
    period_end_at: datetime | None
    page_url: str | None
    pdf_url: str | None
    created_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """An attempt to pay an invoice; money in its currency."""

    stripe_payment_id: str
    stripe_invoice_id: str
    status: str
    ccy: str
    amount: Decimal
    refunded: Decimal
    method: str
    last_four: str
    receipt_url: str | None
    failure: str | None
    created_at: datetime
    paid_at: datetime | None


def keep_invoice(
    session: TenantSession, gateway: Gateway, customer_id: str, invoice_id: str, *, clock: Clock
) -> int:
    """Ask for an invoice with its payments and write them down; return how many rows changed.

    One of another customer is left alone.
    """
    invoice = gateway.invoice(invoice_id)
    if invoice.customer != customer_id:
        return 0
    return _keep(session, gateway, invoice, clock.now())


def keep_all(session: TenantSession, gateway: Gateway, customer_id: str, *, clock: Clock) -> int:
    """Do the same for all invoices of a customer."""
    at = clock.now()
    return sum(_keep(session, gateway, one, at) for one in gateway.invoices(customer_id))


def invoices_of(
    session: TenantSession, *, limit: int, before: tuple[datetime | None, str | None]
) -> list[InvoiceRow]:
    """Return invoices behind an instant and id, newest first."""
    values = {"limit": limit, "before": before[0], "id": before[1]}
    return [InvoiceRow(**row) for row in session.rows(_INVOICES, values)]


def payments_of(
    session: TenantSession, *, limit: int, before: tuple[datetime | None, str | None]
) -> list[PaymentRow]:
    """Return payments behind an instant and id, newest first."""
    values = {"limit": limit, "before": before[0], "id": before[1]}
    return [PaymentRow(**row) for row in session.rows(_PAYMENTS, values)]


def _keep(session: TenantSession, gateway: Gateway, invoice: InvoiceShape, at: datetime) -> int:
    if invoice.status == "draft":
        # Not told to the customer yet, and still changing.
        return 0
    ccy = invoice.currency
    changed = session.run(
        _INVOICE,
        {
            "invoice": invoice.id,
            "number": invoice.number,
            "status": invoice.status,
            "ccy": ccy,
            "due": amount_of(invoice.amount_due, ccy),
            "paid": amount_of(invoice.amount_paid, ccy),
            "start": invoice.period_start,
            "end": invoice.period_end,
            "page": invoice.page_url,
            "pdf": invoice.pdf_url,
            "created": invoice.created,
            "paid_at": invoice.paid_at,
            "at": at,
        },
    )
    for payment in gateway.payments(invoice.id):
        values = _payment_values(payment, at)
        if values is None or not session.run(_PAYMENT, values | {"invoice": invoice.id}):
            continue
        changed += 1
        if values["status"] == "failed":
            _tell_failed(session, values, at)
    return changed


def _tell_failed(session: TenantSession, values: Mapping[str, Any], at: datetime) -> None:
    """Tell of a renewal that was not paid; who is about to buy sees it on Stripe's page."""
    row = session.row(_STATUS, {})
    if row is not None and row["status"] == "past_due":
        tell_tenant(
            session,
            "payment_failed",
            clock=FixedClock(at),
            once_key=f"payment:{values['payment']}",
            amount=values["amount"],
            currency=values["ccy"],
        )


def _payment_values(payment: PaymentShape, at: datetime) -> dict[str, Any] | None:
    intent = payment.intent
    if intent is None:
        return None
    charge = intent.latest_charge
    method = None if charge is None else charge.method
    card = None if method is None else method.card
    is_paid = charge is not None and charge.status == "succeeded"
    return {
        "payment": intent.id,
        "status": payment.outcome,
        "ccy": intent.currency,
        "amount": amount_of(intent.amount, intent.currency),
        "refunded": amount_of(0 if charge is None else charge.amount_refunded, intent.currency),
        "method": (card.brand if card else "") or (method.type if method else ""),
        "last_four": card.last4 if card else "",
        "receipt": charge.receipt_url if charge else None,
        "failure": charge.failure_message if charge else None,
        "created": intent.created,
        "paid_at": charge.created if charge is not None and is_paid else None,
        "at": at,
    }

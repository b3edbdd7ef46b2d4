"""What goes over the wire of subscriptions, payments and invoices."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CheckoutBody",
    "InvoiceView",
    "PageView",
    "PaymentView",
    "ReceivedView",
    "SubscriptionView",
    "UseView",
]

Plan = Literal["free", "basic", "pro", "enterprise"]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class CheckoutBody(BaseModel):
    """Which plan is wanted, and how it is paid."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"plan": "pro", "interval": "month"}]}
    )

    plan: Plan = Field(description="a plan of GET /billing/plans that costs something")
    interval: Literal["month", "year"] = Field(default="month", description="paid each")


class PageView(_View):
    """Where to go on: a page of Stripe."""

    url: str = Field(
        description="open it in the browser of the person who pays",
        examples=["https://checkout.stripe.com/c/pay/cs_live_a1"],
    )
    purpose: Literal["checkout", "change", "portal"] = Field(
        description="checkout: a plan is bought; change: the one that is paid for becomes another,"
        " with the difference shown; portal: cards, invoices, cancelling"
    )


class UseView(_View):
    """What is used of what the plan includes; a limit of null is none."""

    active_bots: int
    active_bots_limit: int | None
    symbols: int
    symbols_limit: int | None
    trades_today: int = Field(description="since midnight in the account's zone")
    trades_today_limit: int | None
    capital: str = Field(description="of spot bots that run, US dollars", examples=["1500"])
    capital_limit: str | None = Field(description="US dollars", examples=["10000"])
    backtests_this_month: int = Field(description="of the calendar month, UTC")
    backtests_this_month_limit: int | None


class SubscriptionView(_View):
    """The plan, how it stands, and what is used of it."""

    plan: Plan
    status: Literal["trialing", "active", "past_due", "cancelled", "expired"] = Field(
        description="cancelled: goes on until period_end_at; past_due: a payment failed, entries"
        " go on until period_end_at; expired: entries stop, exits go on being managed"
    )
    in_force: bool = Field(description="whether entries are allowed now")
    interval: Literal["month", "year"] | None = Field(description="null: it is not paid for")
    period_start_at: datetime
    period_end_at: datetime | None = Field(description="null: it has no end")
    trial_ends_at: datetime | None
    cancel_at_period_end: bool
    is_paid: bool = Field(description="whether Stripe bills it")
    use: UseView


class InvoiceView(_View):
    """An invoice, as Stripe last showed it."""

    invoice_id: str = Field(examples=["in_1PgafmB7WZ01zgkW6dKueIc5"])
    number: str | None = Field(examples=["CANDELA-0001"])
    status: Literal["draft", "open", "paid", "uncollectible", "void"]
    ccy: str = Field(description="currency of the amounts", examples=["USD"])
    due: str = Field(description="what is to be paid", examples=["29"])
    paid: str = Field(description="what was paid", examples=["29"])
    period_start_at: datetime | None
    period_end_at: datetime | None
    page_url: str | None = Field(description="the invoice as a page of Stripe")
    pdf_url: str | None = Field(description="the invoice as a PDF")
    created_at: datetime
    paid_at: datetime | None


class PaymentView(_View):
    """An attempt to pay an invoice."""

    payment_id: str = Field(examples=["pi_3MtwBwLkdIwHu7ix28a3tqPa"])
    invoice_id: str
    status: Literal["pending", "succeeded", "failed", "refunded", "disputed"]
    ccy: str = Field(description="currency of the amounts", examples=["USD"])
    amount: str = Field(examples=["29"])
    refunded: str = Field(description="what was given back", examples=["0"])
    method: str = Field(description="brand of the card, or kind of payment", examples=["visa"])
    last_four: str = Field(description="of the card", examples=["4242"])
    receipt_url: str | None
    failure: str | None = Field(description="why it failed")
    created_at: datetime
    paid_at: datetime | None


class ReceivedView(_View):
    """What became of an event."""

    outcome: Literal["applied", "duplicate", "not_needed", "unknown_customer", "other_mode"]

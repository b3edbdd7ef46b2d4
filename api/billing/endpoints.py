"""Billing: /billing/subscription, checkout, portal, cancel, resume, free, invoices, payments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request

from api.billing import service
from api.billing.schemas import (
    CheckoutBody,
    InvoiceView,
    PageView,
    PaymentView,
    ReceivedView,
    SubscriptionView,
)
from api.deps import Owner, Reader, State
from api.kit.idempotency import OnceKey
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems

__all__ = ["router"]

router = APIRouter(tags=["billing"])
# What asking Stripe can end in.
_ASKING = problems(402, 403, 409, 502, 503)


async def _raw(request: Request) -> bytes:
    """Return the body as it came: a signature is of bytes, not of what they mean."""
    return await request.body()


@router.get("/billing/subscription", responses=problems(403))
def read_subscription(state: State, caller: Reader) -> SubscriptionView:
    """Show the plan, how it stands, and what is used of what it includes."""
    with state.act(caller) as session:
        return service.subscription(session, state.clock)


@router.post("/billing/checkout", status_code=201, responses=_ASKING)
def create_checkout(state: State, caller: Owner, once: OnceKey, body: CheckoutBody) -> PageView:
    """Open the page on which a plan is bought, or the one in force is changed.

    Limits rise once Stripe has told that it was paid. Pages opened before are closed.
    """
    return service.checkout(state, caller, once, body)


@router.post("/billing/portal", status_code=201, responses=_ASKING)
def create_portal(state: State, caller: Owner) -> PageView:
    """Open the page on which cards, invoices and the plan are managed."""
    return service.portal(state, caller)


@router.post("/billing/cancel", responses=_ASKING)
def cancel_subscription(state: State, caller: Owner, once: OnceKey) -> SubscriptionView:
    """Let the plan end with what is paid for; entries stop then, exits go on being managed."""
    return service.cancel(state, caller, once)


@router.post("/billing/resume", responses=_ASKING)
def resume_subscription(state: State, caller: Owner, once: OnceKey) -> SubscriptionView:
    """Let a plan that was cancelled and has not ended go on."""
    return service.resume(state, caller, once)


@router.post("/billing/free", responses=_ASKING)
def take_free_plan(state: State, caller: Owner) -> SubscriptionView:
    """Go on with the free plan after one that was paid for has ended."""
    return service.take_free(state, caller)


@router.get("/billing/invoices", responses=problems(403))
def list_invoices(
    state: State, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[InvoiceView]:
    """List invoices, newest first."""
    with state.act(caller) as session:
        return service.invoices(session, limit, cursor)


@router.get("/billing/payments", responses=problems(403))
def list_payments(
    state: State, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[PaymentView]:
    """List attempts to pay, newest first."""
    with state.act(caller) as session:
        return service.payments(session, limit, cursor)


@router.post(
    "/webhooks/stripe",
    tags=["webhooks"],
    responses=problems(400, 502, 503),
    openapi_extra={
        "requestBody": {
            "description": "an event of Stripe, as it signed it",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
def receive_stripe_event(
    state: State,
    body: Annotated[bytes, Depends(_raw)],
    stripe_signature: Annotated[str | None, Header(max_length=2_000)] = None,
) -> ReceivedView:
    """Take an event of Stripe, proven by its signature; anything but 2xx is told again."""
    return service.receive(state, body, stripe_signature)

"""What is bought, paid and cancelled, and what Stripe tells."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.responses import Response

from api.billing.schemas import (
    InvoiceView,
    PageView,
    PaymentView,
    ReceivedView,
    SubscriptionView,
    UseView,
)
from api.kit.paging import BadCursor, Page
from candela.billing import buying
from candela.billing.errors import BillingNotConfigured, WebhookRefused
from candela.billing.invoices import invoices_of, payments_of
from candela.billing.subscriptions import Standing, read_standing
from candela.billing.use import use_of
from candela.billing.webhooks import (
    KINDS,
    Outcome,
    apply_event,
    customer_behind,
    note_event,
    tenant_behind,
)
from candela.money import plain
from candela.plans import plan_named

if TYPE_CHECKING:
    from api.billing.schemas import CheckoutBody
    from api.kit.idempotency import Once
    from api.state import ApiState
    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = [
    "cancel",
    "checkout",
    "invoices",
    "payments",
    "portal",
    "receive",
    "resume",
    "subscription",
    "take_free",
]

_LOG: Final = logging.getLogger(__name__)
_LONGEST: Final = 512 * 1_024


def subscription(session: TenantSession, clock: Clock) -> SubscriptionView:
    """Return the plan, how it stands, and what is used of it."""
    return _view(session, read_standing(session), clock)


def checkout(state: ApiState, caller: Caller, once: Once, body: CheckoutBody) -> PageView:
    """Open the page on which a plan is bought; with a key that comes again, the same one."""
    page = buying.open_checkout(
        lambda: state.act(caller),
        _gateway(state),
        plan=body.plan,
        interval=body.interval,
        user_id=caller.user_id,
        back_url=_back(state),
        clock=state.clock,
        actor=caller.actor,
        once=lambda session, effect: once.run(session, caller, effect),
    )
    # What was answered before is a finished response.
    return cast("PageView", page) if isinstance(page, Response) else _page(page)


def portal(state: ApiState, caller: Caller) -> PageView:
    """Open the page on which cards, invoices and the plan are managed."""
    gateway = _gateway(state)
    with gateway.turn(), state.act(caller) as session:
        page = buying.open_portal(session, gateway, back_url=_back(state))
    return _page(page)


def cancel(state: ApiState, caller: Caller, once: Once) -> SubscriptionView:
    """Let the plan end with what is paid for."""
    gateway = _gateway(state)
    with gateway.turn(), state.act(caller) as session:

        def effect() -> SubscriptionView:
            known = buying.cancel(session, gateway, clock=state.clock, actor=caller.actor)
            return _view(session, known, state.clock)

        return once.run(session, caller, effect)


def resume(state: ApiState, caller: Caller, once: Once) -> SubscriptionView:
    """Let a plan that was cancelled go on."""
    gateway = _gateway(state)
    with gateway.turn(), state.act(caller) as session:

        def effect() -> SubscriptionView:
            known = buying.resume(session, gateway, clock=state.clock, actor=caller.actor)
            return _view(session, known, state.clock)

        return once.run(session, caller, effect)


def take_free(state: ApiState, caller: Caller) -> SubscriptionView:
    """Go on with the free plan."""
    gateway = _gateway(state)
    with gateway.turn(), state.act(caller) as session:
        known = buying.take_free(session, gateway, clock=state.clock, actor=caller.actor)
        return _view(session, known, state.clock)


def invoices(session: TenantSession, limit: int, cursor: str | None) -> Page[InvoiceView]:
    """Return a page of invoices, newest first."""
    rows = invoices_of(session, limit=limit + 1, before=_read(cursor))
    items = [
        InvoiceView.model_validate(
            {
                **{name: getattr(one, name) for name in _INVOICE},
                "invoice_id": one.stripe_invoice_id,
                "ccy": one.ccy.upper(),
                "due": plain(one.due),
                "paid": plain(one.paid),
            }
        )
        for one in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    behind = None if last is None else _write(last.created_at, last.invoice_id)
    return Page(items=items, next_cursor=behind)


def payments(session: TenantSession, limit: int, cursor: str | None) -> Page[PaymentView]:
    """Return a page of payments, newest first."""
    rows = payments_of(session, limit=limit + 1, before=_read(cursor))
    items = [
        PaymentView.model_validate(
            {
                **{name: getattr(one, name) for name in _PAYMENT},
                "payment_id": one.stripe_payment_id,
                "invoice_id": one.stripe_invoice_id,
                "ccy": one.ccy.upper(),
                "amount": plain(one.amount),
                "refunded": plain(one.refunded),
            }
        )
        for one in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    behind = None if last is None else _write(last.created_at, last.payment_id)
    return Page(items=items, next_cursor=behind)


def receive(state: ApiState, body: bytes, signature: str | None) -> ReceivedView:
    """Take an event of Stripe: prove it, and ask Stripe for what it may have changed.

    Raises
    ------
    WebhookRefused
        It is not Stripe's, or not of these minutes.
    BillingUnavailable, BillingBusy
        Stripe cannot be asked now: nothing is written, and Stripe tells it again.
    """
    gateway, clock = _gateway(state), state.clock
    if len(body) > _LONGEST:
        raise WebhookRefused(f"The body has {len(body)} bytes; the most is {_LONGEST}.")
    event = gateway.verify(body, signature, clock.now())
    outcome: Outcome = "not_needed"
    if event.livemode != gateway.is_live:
        outcome = "other_mode"
    elif event.kind in KINDS:
        customer_id = customer_behind(event, gateway)
        with state.door.connection() as connection:
            tenant_id = tenant_behind(connection, customer_id)
        if tenant_id is not None and customer_id is not None:
            with gateway.turn(), state.act_as(tenant_id) as session:
                done = apply_event(session, gateway, event, customer_id, clock=clock)
            return ReceivedView(outcome=done)
        outcome = "unknown_customer"
    if outcome != "not_needed":
        _LOG.warning("event %s of stripe was left: %s", event.id, outcome)
    with state.app.connection() as connection:
        is_new = note_event(connection, event, outcome, clock=clock)
    return ReceivedView(outcome=outcome if is_new else "duplicate")


_INVOICE: Final = (
    *("number", "status", "period_start_at", "period_end_at", "page_url", "pdf_url"),
    *("created_at", "paid_at"),
)
_PAYMENT: Final = (
    *("status", "method", "last_four", "receipt_url", "failure", "created_at", "paid_at"),
)


def _gateway(state: ApiState) -> Gateway:
    if state.billing is None:
        raise BillingNotConfigured
    return state.billing


def _back(state: ApiState) -> str:
    return f"{state.options.public_url}/billing"


def _page(page: buying.Page) -> PageView:
    return PageView(url=page.url, purpose=page.purpose)


def _view(session: TenantSession, known: Standing, clock: Clock) -> SubscriptionView:
    plan, use = plan_named(known.plan), use_of(session, clock=clock)
    return SubscriptionView.model_validate(
        {
            "plan": known.plan,
            "status": known.status,
            "in_force": known.in_force(clock.now()),
            "interval": known.billing_interval,
            "period_start_at": known.period_start_at,
            "period_end_at": known.period_end_at,
            "trial_ends_at": known.trial_ends_at,
            "cancel_at_period_end": known.cancel_at_period_end,
            "is_paid": known.is_bought,
            "use": UseView(
                active_bots=use.active_bots,
                active_bots_limit=plan.active_bots,
                symbols=use.symbols,
                symbols_limit=plan.symbols,
                trades_today=use.trades_today,
                trades_today_limit=plan.trades_per_day,
                capital=plain(use.capital_usd),
                capital_limit=_text(plan.spot_capital_cap),
                backtests_this_month=use.backtests_this_month,
                backtests_this_month_limit=plan.backtests_per_month,
            ),
        }
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _write(at: datetime, row_id: str) -> str:
    """Return a cursor; ids of Stripe are texts, unlike those of our lists."""
    content = json.dumps([at.isoformat(), row_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read(cursor: str | None) -> tuple[datetime | None, str | None]:
    if cursor is None:
        return None, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at, row_id = datetime.fromisoformat(content[0]).astimezone(UTC), str(content[1])
        row_id.encode()
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
        binascii.Error,
    ):
        raise BadCursor(
            f"cursor {cursor[:40]!r} is none that a list gave out.",
            "Take next_cursor of the page before, unchanged.",
        ) from None
    # Texts that PostgreSQL cannot hold are behind no row.
    return at, row_id.replace("\0", "")[:255]

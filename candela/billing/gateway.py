"""The one door to Stripe: every call of its client is made here."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from candela.billing.errors import (
    BillingBusy,
    BillingMisconfigured,
    BillingRefused,
    BillingUnavailable,
    PaymentDeclined,
    WebhookRefused,
)
from candela.billing.shapes import (
    CheckoutShape,
    CustomerShape,
    EventShape,
    InvoiceShape,
    PaymentShape,
    PriceShape,
    ProductShape,
    SubscriptionShape,
)

if TYPE_CHECKING:
    from datetime import datetime

    import stripe

    from candela.vault.credential import Credential

__all__ = ["Gateway", "MissingAtStripe"]

Shape = TypeVar("Shape", bound=BaseModel)
_LOG: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 10.0
_RETRIES: Final = 2
_AT_ONCE: Final = 4
"""Requests of one process that ask Stripe while they hold a connection to the database."""
_TURN_S: Final = 15.0
_TOLERANCE_S: Final = 300
_PAGE: Final = 100
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class MissingAtStripe(BillingRefused):
    """Stripe has nothing under that id."""

    code = "missing_at_stripe"


class Gateway:
    """Ask Stripe; the client is made with the first question, since importing it takes long.

    Parameters
    ----------
    webhook_secret
        With which events are signed; None: none is taken.
    url
        Of a sandbox on this machine; None: Stripe itself.

    Raises
    ------
    BillingMisconfigured
        The address is not of this machine.
    """

    def __init__(
        self, key: Credential, webhook_secret: Credential | None = None, url: str | None = None
    ) -> None:
        if url is not None and urlsplit(url).hostname not in _LOOPBACK:
            message = f"CANDELA_STRIPE_URL is {url}, not an address of this machine."
            raise BillingMisconfigured(message, "It names a sandbox; unset it to reach Stripe.")
        self._key = key
        self._secret = webhook_secret
        self._url = url
        self._client: stripe.StripeClient | None = None
        self._making = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    @property
    def is_live(self) -> bool:
        """Whether money is moved, as the key says."""
        return "_live_" in self._key.reveal()[:12]

    @contextmanager
    def turn(self) -> Generator[None]:
        """Ask within a bound, so that a slow Stripe does not take all connections from others.

        Raises
        ------
        BillingBusy
            Others have been asking for too long.
        """
        if not self._turns.acquire(timeout=_TURN_S):
            raise BillingBusy("Stripe is being asked by too many at once.", "Try again soon.")
        try:
            yield
        finally:
            self._turns.release()

    # --- what is sold -----------------------------------------------------------------------------

    def product(self, product_id: str) -> ProductShape | None:
        """Return a product; None: Stripe has none of that id."""
        try:
            return self._ask(ProductShape, lambda v1: v1.products.retrieve(product_id))
        except MissingAtStripe:
            return None

    def create_product(self, product_id: str, name: str, once: str) -> ProductShape:
        """Make a product under an id of ours."""
        return self._ask(
            ProductShape,
            lambda v1: v1.products.create(
                {"id": product_id, "name": name}, {"idempotency_key": once}
            ),
        )

    def prices(self, product_id: str) -> list[PriceShape]:
        """Return the prices of a product, old ones too."""
        return self._all(
            PriceShape,
            lambda v1: v1.prices.list({"product": product_id, "limit": _PAGE}),
        )

    def create_price(
        self, product_id: str, *, minor: int, ccy: str, interval: Any, lookup_key: str, once: str
    ) -> PriceShape:
        """Make a price; the key is taken over from the price that had it before."""
        return self._ask(
            PriceShape,
            lambda v1: v1.prices.create(
                {
                    "product": product_id,
                    "unit_amount": minor,
                    "currency": ccy,
                    "recurring": {"interval": interval},
                    "lookup_key": lookup_key,
                    "transfer_lookup_key": True,
                },
                {"idempotency_key": once},
            ),
        )

    # --- who pays, and where ----------------------------------------------------------------------

    def create_customer(self, *, email: str, tenant: str, once: str) -> CustomerShape:
        """Make a customer."""
        return self._ask(
            CustomerShape,
            lambda v1: v1.customers.create(
                {"email": email, "metadata": {"tenant": tenant}}, {"idempotency_key": once}
            ),
        )

    def customer(self, customer_id: str) -> CustomerShape:
        """Return a customer, also one that was deleted.

        Raises
        ------
        MissingAtStripe
            There never was one.
        """
        return self._ask(CustomerShape, lambda v1: v1.customers.retrieve(customer_id))

    def create_checkout(
        self,
        *,
        customer_id: str,
        price_id: str,
        tenant: str,
        back_url: str,
        trial_days: int,
        once: str,
    ) -> CheckoutShape:
        """Open a page on which a subscription is bought."""
        params: Any = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": tenant,
            "line_items": [{"price": price_id, "quantity": 1}],
            "success_url": f"{back_url}?checkout=done",
            "cancel_url": f"{back_url}?checkout=left",
        }
        if trial_days:
            params["subscription_data"] = {"trial_period_days": trial_days}
        return self._ask(
            CheckoutShape,
            lambda v1: v1.checkout.sessions.create(params, {"idempotency_key": once}),
        )

    def checkout(self, session_id: str) -> CheckoutShape:
        """Return a page on which somebody pays, or paid."""
        return self._ask(CheckoutShape, lambda v1: v1.checkout.sessions.retrieve(session_id))

    def expire_checkout(self, session_id: str) -> CheckoutShape:
        """Close a page, so that nobody can pay on it; one that has ended is left as it is."""
        found = self.checkout(session_id)
        if found.status != "open":
            return found
        return self._ask(CheckoutShape, lambda v1: v1.checkout.sessions.expire(session_id))

    def create_portal(
        self, *, customer_id: str, back_url: str, change: tuple[str, str, str] | None = None
    ) -> str:
        """Open the page on which a customer manages what it has; return its address.

        Parameters
        ----------
        change
            Subscription, item and price: the page asks to confirm this change alone.
        """
        params: Any = {"customer": customer_id, "return_url": back_url}
        if change is not None:
            subscription, item, price = change
            params["flow_data"] = {
                "type": "subscription_update_confirm",
                "subscription_update_confirm": {
                    "subscription": subscription,
                    "items": [{"id": item, "price": price, "quantity": 1}],
                },
            }
        made = self._ask(CheckoutShape, lambda v1: v1.billing_portal.sessions.create(params))
        return made.url or ""

    # --- subscriptions ----------------------------------------------------------------------------

    def subscriptions(self, customer_id: str) -> list[SubscriptionShape]:
        """Return all subscriptions of a customer, ended ones too."""
        return self._all(
            SubscriptionShape,
            lambda v1: v1.subscriptions.list(
                {"customer": customer_id, "status": "all", "limit": _PAGE}
            ),
        )

    def cancel_at_period_end(self, subscription_id: str, *, wanted: bool) -> SubscriptionShape:
        """Let a subscription end with what is paid for, or go on after all."""
        return self._ask(
            SubscriptionShape,
            lambda v1: v1.subscriptions.update(subscription_id, {"cancel_at_period_end": wanted}),
        )

    def cancel_now(self, subscription_id: str) -> None:
        """End a subscription; one that has ended is left as it is."""
        try:
            self._ask(SubscriptionShape, lambda v1: v1.subscriptions.cancel(subscription_id))
        except MissingAtStripe:
            return

    # --- invoices ---------------------------------------------------------------------------------

    def invoice(self, invoice_id: str) -> InvoiceShape:
        """Return an invoice."""
        return self._ask(InvoiceShape, lambda v1: v1.invoices.retrieve(invoice_id))

    def invoices(self, customer_id: str) -> list[InvoiceShape]:
        """Return all invoices of a customer."""
        return self._all(
            InvoiceShape,
            lambda v1: v1.invoices.list({"customer": customer_id, "limit": _PAGE}),
        )

    def payments(self, invoice_id: str) -> list[PaymentShape]:
        """Return the attempts to pay an invoice."""
        return self._all(
            PaymentShape,
            lambda v1: v1.invoice_payments.list(
                {
                    "invoice": invoice_id,
                    "limit": _PAGE,
                    "expand": ["data.payment.payment_intent.latest_charge"],
                }
            ),
        )

    def invoices_paid_by(self, intent_id: str) -> list[str]:
        """Return the ids of the invoices that a payment is for."""
        found = self._all(
            PaymentShape,
            lambda v1: v1.invoice_payments.list(
                {
                    "payment": {"type": "payment_intent", "payment_intent": intent_id},
                    "expand": ["data.payment.payment_intent.latest_charge"],
                }
            ),
        )
        return [one.invoice for one in found]

    # --- webhooks ---------------------------------------------------------------------------------

    def verify(self, body: bytes, header: str | None, now: datetime) -> EventShape:
        """Return the event of a request, proven to be Stripe's and of these minutes.

        Raises
        ------
        WebhookRefused
            The signature is missing, wrong, old or of the future, or the body is no event.
        """
        from stripe import SignatureVerificationError, WebhookSignature

        hint = "Only Stripe calls this, with CANDELA_STRIPE_WEBHOOK_SECRET."
        if self._secret is None:
            raise WebhookRefused("No secret of webhooks is set, so that none is taken.", hint)
        try:
            # Without a tolerance: the library's own lets stamps of the future pass.
            WebhookSignature.verify_header(body, header, self._secret.reveal(), 0)  # pyright: ignore[reportUnknownMemberType]
            stamp = _stamp(header or "")
        except (SignatureVerificationError, ValueError, TypeError, StopIteration):
            raise WebhookRefused("The signature is missing or wrong.", hint) from None
        off_s = int(now.timestamp()) - stamp
        if abs(off_s) > _TOLERANCE_S:
            when = "old" if off_s > 0 else "ahead of our clock"
            message = f"The signature is more than {_TOLERANCE_S} s {when}."
            raise WebhookRefused(message, hint)
        try:
            return EventShape.model_validate(json.loads(body))
        except (ValueError, RecursionError, OverflowError):
            raise WebhookRefused("The body is no event of Stripe.", hint) from None

    # --- asking -----------------------------------------------------------------------------------

    def _opened(self) -> stripe.StripeClient:
        with self._making:
            if self._client is None:
                import stripe

                # Tells Stripe how long its answers took, and this machine's name.
                stripe.enable_telemetry = False
                self._client = stripe.StripeClient(
                    self._key.reveal(),
                    base_addresses={} if self._url is None else {"api": self._url},
                    max_network_retries=_RETRIES,
                    http_client=stripe.RequestsClient(timeout=_TIMEOUT_S),
                )
            return self._client

    def _ask(self, shape: type[Shape], call: Callable[[Any], Any]) -> Shape:
        with _translated():
            return shape.model_validate(call(self._opened().v1).to_dict())

    def _all(self, shape: type[Shape], call: Callable[[Any], Any]) -> list[Shape]:
        with _translated():
            pages = call(self._opened().v1).auto_paging_iter()
            return [shape.model_validate(one.to_dict()) for one in pages]


def _stamp(header: str) -> int:
    """Return the stamp that the signature holds for: the first one, as the library reads it."""
    pairs = (part.split("=", 2) for part in header.split(","))
    return int(next(pair[1] for pair in pairs if pair[0] == "t"))


@contextmanager
def _translated() -> Generator[None]:
    """Say failures of the client in our words; its own may quote parts of the key."""
    import stripe

    try:
        yield
    except stripe.CardError as error:
        message = f"The card was declined: {error.code or 'no reason given'}."
        raise PaymentDeclined(message, "Use another card, or ask its bank.") from None
    except (stripe.AuthenticationError, stripe.PermissionError):
        message = "Stripe refuses the key of this installation."
        raise BillingMisconfigured(message, "The operator corrects CANDELA_STRIPE_KEY.") from None
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        _LOG.warning("stripe failed: %s, status %s", type(error).__name__, error.http_status)
        message = "Stripe gives no usable answer now."
        raise BillingUnavailable(message, "Nothing was changed here; try again soon.") from None
    except stripe.IdempotencyError:
        message = "The same request was sent to Stripe before, with other content."
        raise BillingBusy(message, "Try again soon.") from None
    except stripe.StripeError as error:
        code = error.code or type(error).__name__
        if code == "resource_missing":
            raise MissingAtStripe("Stripe does not know what was asked for.") from None
        _LOG.warning("stripe refused: %s, request %s", code, error.request_id)
        message = f"Stripe refuses it: {code}."
        raise BillingRefused(message, "Tell the operator the request id.") from None
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        message = f"Stripe answered in another shape than expected: {fields}."
        raise BillingRefused(message, "Tell the operator the request id.") from None

"""What can go wrong with plans, payments and Stripe."""

from __future__ import annotations

from typing import ClassVar

from candela.errors import (
    BrokerError,
    BrokerUnavailable,
    CandelaError,
    ConfigError,
    Conflict,
    StrategyError,
)

__all__ = [
    "AlreadySubscribed",
    "BillingBusy",
    "BillingMisconfigured",
    "BillingNotConfigured",
    "BillingRefused",
    "BillingUnavailable",
    "NoSubscription",
    "NotForSale",
    "PaymentDeclined",
    "SubscriptionRunning",
    "WebhookRefused",
]


class BillingNotConfigured(ConfigError):
    """The operator has set no key of Stripe."""

    status = 503
    code = "billing_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "Plans cannot be bought here: no key of Stripe is set.",
            "The operator sets CANDELA_STRIPE_KEY and CANDELA_STRIPE_WEBHOOK_SECRET.",
        )


class BillingMisconfigured(ConfigError):
    """A setting of billing cannot be used, or Stripe refuses the key."""

    status = 503
    code = "billing_misconfigured"


class BillingUnavailable(BrokerUnavailable):
    """Stripe gave no usable answer."""

    code = "billing_unavailable"
    retry_after_s: ClassVar[float] = 10.0


class BillingBusy(BrokerUnavailable):
    """Too many are asking Stripe at once."""

    code = "billing_busy"
    retry_after_s: ClassVar[float] = 5.0


class BillingRefused(BrokerError):
    """Stripe refused what was asked, or answered what nobody understands."""

    code = "billing_refused"


class PaymentDeclined(CandelaError):
    """The card was declined."""

    status = 402
    code = "payment_declined"


class WebhookRefused(CandelaError):
    """What came is not from Stripe, or is too old or of the future."""

    status = 400
    code = "webhook_refused"


class NotForSale(StrategyError):
    """The plan costs nothing, so that nobody can buy it."""

    code = "plan_not_for_sale"


class AlreadySubscribed(Conflict):
    """The tenant has that plan already."""

    code = "already_subscribed"


class NoSubscription(Conflict):
    """There is nothing to cancel, to resume or to manage."""

    code = "no_subscription"


class SubscriptionRunning(Conflict):
    """A plan that is paid for has to end first."""

    code = "subscription_running"

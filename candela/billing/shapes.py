"""What Stripe shows, as far as we read it: its objects with our words and exact amounts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "CheckoutShape",
    "CustomerShape",
    "EventShape",
    "InvoiceShape",
    "ListShape",
    "PaymentShape",
    "PriceShape",
    "ProductShape",
    "SubscriptionShape",
    "amount_of",
    "minor_of",
]

# Currencies whose smallest unit is the unit itself. Source: Stripe, "Supported currencies".
_WHOLE: Final = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd"),
        *("vuv", "xaf", "xof", "xpf"),
    }
)
_HUNDRED: Final = Decimal(100)


def amount_of(minor: int, ccy: str) -> Decimal:
    """Return an amount of smallest units in units of the currency."""
    return Decimal(minor) if ccy.lower() in _WHOLE else Decimal(minor) / _HUNDRED


def minor_of(amount: Decimal, ccy: str) -> int:
    """Return an amount in smallest units of the currency."""
    return int(amount if ccy.lower() in _WHOLE else amount * _HUNDRED)


def _instant(value: object) -> object:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else value


def _id(value: object) -> object:
    """Return the id of what may have been expanded."""
    return value.get("id") if isinstance(value, dict) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


Instant = Annotated[datetime, BeforeValidator(_instant)]
Id = Annotated[str, BeforeValidator(_id)]
Item = TypeVar("Item")


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ListShape(_Shape, Generic[Item]):
    """A page of a list."""

    data: list[Item]
    has_more: bool = False


class CustomerShape(_Shape):
    """Who pays."""

    id: str
    deleted: bool = False


class ProductShape(_Shape):
    """A plan, as Stripe sells it."""

    id: str
    active: bool = True


class _Recurring(_Shape):
    interval: str
    interval_count: int = 1


class PriceShape(_Shape):
    """What a plan costs for an interval."""

    id: str
    product: Id
    currency: str
    unit_amount: int | None = None
    recurring: _Recurring | None = None
    active: bool = True
    lookup_key: str | None = None


class _SubscriptionItem(_Shape):
    id: str
    price: PriceShape
    current_period_start: Instant
    current_period_end: Instant


class SubscriptionShape(_Shape):
    """A subscription; its periods are on its items."""

    id: str
    status: str
    created: Instant
    items: ListShape[_SubscriptionItem]
    cancel_at_period_end: bool = False
    cancel_at: Instant | None = None
    ended_at: Instant | None = None
    trial_end: Instant | None = None


class CheckoutShape(_Shape):
    """A page on which somebody pays."""

    id: str
    url: str | None = None
    status: str | None = None


class InvoiceShape(_Shape):
    """A bill."""

    id: str
    customer: Id | None = None
    number: str | None = None
    status: str
    currency: str
    amount_due: int
    amount_paid: int
    created: Instant
    period_start: Instant | None = None
    period_end: Instant | None = None
    page_url: str | None = Field(default=None, alias="hosted_invoice_url")
    pdf_url: str | None = Field(default=None, alias="invoice_pdf")
    paid_at: Instant | None = Field(
        default=None, validation_alias=AliasPath("status_transitions", "paid_at")
    )


class _Card(_Shape):
    brand: str = ""
    last4: str = ""


class _Method(_Shape):
    type: str = ""
    card: _Card | None = None


class _Charge(_Shape):
    status: str
    amount_refunded: int = 0
    refunded: bool = False
    disputed: bool = False
    receipt_url: str | None = None
    failure_message: str | None = None
    created: Instant
    method: _Method | None = Field(default=None, alias="payment_method_details")


class _Intent(_Shape):
    id: str
    status: str
    amount: int
    currency: str
    created: Instant
    latest_charge: _Charge | None = None


class PaymentShape(_Shape):
    """An attempt to pay an invoice, expanded down to its charge."""

    invoice: Id
    intent: _Intent | None = Field(
        default=None, validation_alias=AliasPath("payment", "payment_intent")
    )

    @property
    def outcome(self) -> str:
        """What became of it, in our words."""
        intent = self.intent
        charge = None if intent is None else intent.latest_charge
        if intent is None or charge is None:
            return "pending"
        if charge.disputed:
            return "disputed"
        if charge.refunded:
            return "refunded"
        return charge.status if charge.status in {"succeeded", "failed"} else "pending"


class EventShape(_Shape):
    """What Stripe tells: that something happened to an object; how it stands is asked."""

    id: str = Field(min_length=1, max_length=255)
    kind: str = Field(alias="type", min_length=1, max_length=255)
    created: Instant
    livemode: bool
    about: dict[str, Any] = Field(validation_alias=AliasPath("data", "object"))

    @property
    def object_id(self) -> str:
        """Id of the object that it is about."""
        return str(self.about.get("id") or "")[:255]

    @property
    def customer_id(self) -> str | None:
        """Id of the customer that it is about."""
        if self.kind.startswith("customer.") and self.about.get("object") == "customer":
            return self.object_id
        found = _id(self.about.get("customer"))
        return found if isinstance(found, str) else None

    @property
    def invoice_id(self) -> str | None:
        """Id of the invoice that it is about, where it says so."""
        return self.object_id if self.about.get("object") == "invoice" else None

    @property
    def intent_id(self) -> str | None:
        """Id of the payment that a charge or a dispute belongs to."""
        found = _id(self.about.get("payment_intent"))
        return found if isinstance(found, str) else None

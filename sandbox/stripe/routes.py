"""The stand-in's routes under /v1: what is asked, changed and listed, in Stripe's shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from sandbox.stripe.billing import Billing
from sandbox.stripe.book import DAY_S, Content, Refusal

__all__ = ["Routes"]

_MOST: Final = 100
_ALL: Final = "all"


class Routes:
    """Answer one request.

    Parameters
    ----------
    address
        Under which pages are reached.
    """

    def __init__(self, billing: Billing, address: Callable[[], str]) -> None:
        self._billing = billing
        self._book = billing.book
        self._address = address
        routes: tuple[tuple[str, str, Callable[..., Content]], ...] = (
            ("POST", "/v1/products", self._create_product),
            ("GET", "/v1/products/{}", self._getter("product")),
            ("POST", "/v1/prices", self._create_price),
            ("GET", "/v1/prices", self._list_prices),
            ("POST", "/v1/customers", self._create_customer),
            ("GET", "/v1/customers/{}", self._getter("customer")),
            ("DELETE", "/v1/customers/{}", self._delete_customer),
            ("POST", "/v1/checkout/sessions", self._create_checkout),
            ("GET", "/v1/checkout/sessions/{}", self._checkout),
            ("POST", "/v1/checkout/sessions/{}/expire", self._expire_checkout),
            ("POST", "/v1/billing_portal/sessions", self._create_portal),
            ("GET", "/v1/subscriptions", self._list_subscriptions),
            ("GET", "/v1/subscriptions/{}", self._subscription),
            ("POST", "/v1/subscriptions/{}", self._update_subscription),
            ("DELETE", "/v1/subscriptions/{}", self._cancel_subscription),
            ("GET", "/v1/invoices", self._list_invoices),
            ("GET", "/v1/invoices/{}", self._getter("invoice")),
            ("GET", "/v1/invoice_payments", self._list_payments),
            ("POST", "/v1/refunds", self._refund),
        )
        self._routes = [
            (method, re.compile(path.replace("{}", "([^/]+)")), act) for method, path, act in routes
        ]

    def answer(self, method: str, path: str, asked: Content) -> Content:
        """Return the answer of a request, expanded as it asks.

        Raises
        ------
        Refusal
            In Stripe's shape.
        """
        for verb, pattern, act in self._routes:
            found = pattern.fullmatch(path)
            if verb == method and found is not None:
                expand = asked.pop("expand", [])
                told = self._book.expanded(act(asked, *found.groups()), expand)
                return _public(told)
        message = f"Unrecognized request URL ({method}: {path})."
        raise Refusal(404, "invalid_request_error", message)

    def _getter(self, kind: str) -> Callable[[Content, str], Content]:
        return lambda _, object_id: self._book.get(object_id, kind)

    # --- catalogue --------------------------------------------------------------------------------

    def _create_product(self, asked: Content) -> Content:
        content = {"name": _needed(asked, "name"), "active": True}
        return self._book.make("prod", "product", content, asked.get("id"))

    def _create_price(self, asked: Content) -> Content:
        product = self._book.get(_needed(asked, "product"), "product")
        lookup_key = asked.get("lookup_key")
        for other in self._book.all("price", lookup_key=lookup_key) if lookup_key else ():
            if asked.get("transfer_lookup_key") != "true":
                raise Refusal(400, "invalid_request_error", "A price has that lookup_key already.")
            other["lookup_key"] = None
        return self._book.make(
            "price",
            "price",
            {
                "product": product["id"],
                "active": True,
                "currency": _needed(asked, "currency"),
                "unit_amount": _whole(asked, "unit_amount"),
                "lookup_key": lookup_key,
                "type": "recurring",
                "recurring": {"interval": asked["recurring"]["interval"], "interval_count": 1},
            },
        )

    def _list_prices(self, asked: Content) -> Content:
        fields = {"product": asked["product"]} if "product" in asked else {}
        return self._page(self._book.all("price", **fields), asked, "/v1/prices")

    # --- customers --------------------------------------------------------------------------------

    def _create_customer(self, asked: Content) -> Content:
        content = {"email": asked.get("email"), "metadata": asked.get("metadata", {})}
        return self._book.make("cus", "customer", content)

    def _delete_customer(self, _: Content, customer_id: str) -> Content:
        customer = self._book.get(customer_id, "customer")
        for one in self._book.all("subscription", customer=customer_id):
            if one["status"] != "canceled":
                self._billing.end(one)
        customer["deleted"] = True
        self._book.tell("customer.deleted", customer)
        return {"id": customer_id, "object": "customer", "deleted": True}

    # --- pages ------------------------------------------------------------------------------------

    def _create_checkout(self, asked: Content) -> Content:
        if asked.get("mode") != "subscription":
            raise Refusal(400, "invalid_request_error", "Only mode=subscription.", param="mode")
        customer = self._book.get(_needed(asked, "customer"), "customer")
        if customer.get("deleted"):
            raise Refusal(400, "invalid_request_error", "The customer is deleted.")
        price = self._book.get(asked["line_items"][0]["price"], "price")
        trial = asked.get("subscription_data", {}).get("trial_period_days", "0")
        made = self._book.make(
            "cs_test",
            "checkout.session",
            {
                "mode": "subscription",
                "status": "open",
                "payment_status": "unpaid",
                "customer": customer["id"],
                "client_reference_id": asked.get("client_reference_id"),
                "subscription": None,
                "success_url": _needed(asked, "success_url"),
                "cancel_url": asked.get("cancel_url"),
                "expires_at": self._book.now() + DAY_S,
                "_price": price["id"],
                "_trial_days": int(trial),
            },
        )
        made["url"] = f"{self._address()}/pay/{made['id']}"
        return made

    def _checkout(self, _: Content, session_id: str) -> Content:
        found = self._book.get(session_id, "checkout.session")
        if found["status"] == "open" and found["expires_at"] <= self._book.now():
            self._expire(found)
        return found

    def _expire_checkout(self, asked: Content, session_id: str) -> Content:
        found = self._checkout(asked, session_id)
        if found["status"] != "open":
            message = f"Only Checkout Sessions with a status of open can be expired: {session_id}."
            raise Refusal(400, "invalid_request_error", message)
        self._expire(found)
        return found

    def _expire(self, session: Content) -> None:
        session.update(status="expired", url=None)
        self._book.tell("checkout.session.expired", _public(session))

    def _create_portal(self, asked: Content) -> Content:
        customer = self._book.get(_needed(asked, "customer"), "customer")
        made = self._book.make(
            "bps",
            "billing_portal.session",
            {
                "customer": customer["id"],
                "return_url": asked.get("return_url"),
                "flow": asked.get("flow_data"),
            },
        )
        made["url"] = f"{self._address()}/portal/{made['id']}"
        return made

    # --- subscriptions ----------------------------------------------------------------------------

    def _list_subscriptions(self, asked: Content) -> Content:
        fields = {"customer": asked["customer"]} if "customer" in asked else {}
        found = self._book.all("subscription", **fields)
        status = asked.get("status", "")
        if status != _ALL:
            found = [
                one
                for one in found
                if (one["status"] == status if status else one["status"] != "canceled")
            ]
        return self._page(found, asked, "/v1/subscriptions")

    def _subscription(self, _: Content, subscription_id: str) -> Content:
        return self._book.get(subscription_id, "subscription")

    def _update_subscription(self, asked: Content, subscription_id: str) -> Content:
        found = self._book.get(subscription_id, "subscription")
        if "cancel_at_period_end" in asked:
            wanted = asked["cancel_at_period_end"] == "true"
            self._billing.let_end(found, wanted=wanted)
        for item in asked.get("items", []):
            self._billing.change(found, item["price"])
        return found

    def _cancel_subscription(self, _: Content, subscription_id: str) -> Content:
        found = self._book.get(subscription_id, "subscription")
        self._billing.end(found)
        return found

    # --- invoices ---------------------------------------------------------------------------------

    def _list_invoices(self, asked: Content) -> Content:
        fields = {"customer": asked["customer"]} if "customer" in asked else {}
        return self._page(self._book.all("invoice", **fields), asked, "/v1/invoices")

    def _list_payments(self, asked: Content) -> Content:
        found = self._book.all("invoice_payment")
        if "invoice" in asked:
            found = [one for one in found if one["invoice"] == asked["invoice"]]
        intent = asked.get("payment", {}).get("payment_intent")
        if intent:
            found = [one for one in found if one["payment"]["payment_intent"] == intent]
        return self._page(found, asked, "/v1/invoice_payments")

    def _refund(self, asked: Content) -> Content:
        intent = self._book.get(_needed(asked, "payment_intent"), "payment_intent")
        charge = self._book.objects[intent["latest_charge"]]
        amount = _whole(asked, "amount") if "amount" in asked else charge["amount"]
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] >= charge["amount"]
        self._book.tell("charge.refunded", charge)
        content = {"amount": amount, "payment_intent": intent["id"], "status": "succeeded"}
        return self._book.make("re", "refund", content)

    def _page(self, found: list[Content], asked: Content, url: str) -> Content:
        after = asked.get("starting_after")
        if after is not None:
            ids = [one["id"] for one in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        limit = _whole(asked, "limit") if "limit" in asked else 10
        if not 1 <= limit <= _MOST:
            message = f"This value must be between 1 and {_MOST}."
            raise Refusal(400, "invalid_request_error", message, param="limit")
        data = found[:limit]
        return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def _needed(asked: Content, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        message = f"Missing required param: {name}."
        raise Refusal(400, "invalid_request_error", message, code="parameter_missing", param=name)
    return value


def _whole(asked: Content, name: str) -> int:
    value = _needed(asked, name)
    if not value.isdecimal():
        message = f"Invalid integer: {value}"
        raise Refusal(
            400, "invalid_request_error", message, code="parameter_invalid_integer", param=name
        )
    return int(value)


def _public(value: Any) -> Any:
    """Leave out what only the stand-in knows."""
    if isinstance(value, dict):
        items: Any = value.items()  # pyright: ignore[reportUnknownVariableType]
        return {name: _public(one) for name, one in items if not str(name).startswith("_")}
    if isinstance(value, list):
        return [_public(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value

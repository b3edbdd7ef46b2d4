"""The pages on which a person pays, declines, cancels or changes: plain HTML with buttons."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from sandbox.stripe.book import Content, Refusal

if TYPE_CHECKING:
    from sandbox.stripe.billing import Billing

__all__ = ["Pages"]

_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body><h1>{title}</h1><p>This is the sandbox: no money moves.</p><p>{words}</p>
<form method="post">{buttons}</form></body></html>"""
_BUTTON: Final = '<button name="action" value="{value}">{words}</button>\n'
_OPEN: Final = ("trialing", "active", "past_due")


class Pages:
    """Show pages and do what their buttons say."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing
        self._book = billing.book

    def show(self, session_id: str) -> str:
        """Return the page of a checkout or of the portal."""
        session = self._book.objects.get(session_id, {})
        if session.get("object") == "checkout.session":
            price = self._book.objects[session["_price"]]
            buttons = (("pay", "Pay"), ("decline", "Pay with a card that is declined"))
            return _page("Checkout", _price(price), buttons if session["status"] == "open" else ())
        self._book.get(session_id, "billing_portal.session")
        buttons = [("cancel", "Cancel at the end"), ("resume", "Do not cancel")]
        if session.get("flow"):
            buttons = [("confirm", "Confirm the change")]
        buttons += [("card_bad", "Use a card that is declined"), ("card_good", "Use a good card")]
        shown = [f"{one['id']}: {one['status']}" for one in self._subscriptions(session)]
        return _page("Billing", ", ".join(shown) or "No subscription.", tuple(buttons))

    def press(self, session_id: str, action: str) -> str:
        """Do what a button says; return where the person goes on."""
        session = self._book.objects.get(session_id, {})
        if session.get("object") == "checkout.session":
            return self._pay(session, action)
        self._book.get(session_id, "billing_portal.session")
        if action in {"card_bad", "card_good"}:
            self._book.works[session["customer"]] = action == "card_good"
        for subscription in self._subscriptions(session):
            if action in {"cancel", "resume"}:
                self._billing.let_end(subscription, wanted=action == "cancel")
        if action == "confirm" and session.get("flow"):
            wanted = session["flow"]["subscription_update_confirm"]
            subscription = self._book.get(wanted["subscription"], "subscription")
            self._billing.change(subscription, wanted["items"][0]["price"])
        return str(session.get("return_url") or "/")

    def _pay(self, session: Content, action: str) -> str:
        if session["status"] != "open":
            raise Refusal(400, "invalid_request_error", "The page is closed.")
        if action == "decline":
            raise Refusal(402, "card_error", "Your card was declined.", code="card_declined")
        # The session is complete before its events are told.
        session.update(status="complete", payment_status="paid", url=None)
        subscription = self._billing.subscribe(
            session["customer"], session["_price"], session["_trial_days"]
        )
        session["subscription"] = subscription["id"]
        told = {name: value for name, value in session.items() if name[0] != "_"}
        self._book.tell("checkout.session.completed", told)
        return str(session["success_url"])

    def _subscriptions(self, session: Content) -> list[Content]:
        found = self._book.all("subscription", customer=session["customer"])
        return [one for one in found if one["status"] in _OPEN]


def _page(title: str, words: str, buttons: tuple[tuple[str, str], ...]) -> str:
    shown = "".join(_BUTTON.format(value=value, words=escape(text)) for value, text in buttons)
    return _PAGE.format(title=title, words=escape(words), buttons=shown)


def _price(price: Content) -> str:
    amount, interval = price["unit_amount"] / 100, price["recurring"]["interval"]
    return f"{price['product']}: {amount:.2f} {price['currency']} each {interval}"

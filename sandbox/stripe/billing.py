"""How subscriptions go on in time: begun, renewed, declined, tried again, changed, ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sandbox.stripe.book import DAY_S, Book, Content, Refusal

__all__ = ["Billing"]

_TRIES_S: Final = (3 * DAY_S, 5 * DAY_S, 8 * DAY_S)
"""After a renewal that was declined: tried again, and again, then given up."""
_OVER: Final = ("canceled", "incomplete_expired")
_MONTHS: Final = {"month": 1, "year": 12}
_YEAR_MONTHS: Final = 12
_SHORTEST: Final = 28


class Billing:
    """Do what Stripe does by itself."""

    def __init__(self, book: Book) -> None:
        self.book = book

    # --- subscriptions ----------------------------------------------------------------------------

    def subscribe(self, customer: str, price_id: str, trial_days: int = 0) -> Content:
        """Begin a subscription whose first invoice is paid, or which is on trial."""
        book, now = self.book, self.book.now()
        price = book.get(price_id, "price")
        trial_end = now + trial_days * DAY_S if trial_days else None
        end = trial_end or self._after(now, price)
        item = {
            "id": f"si_{price_id[-6:]}{len(book.objects)}",
            "object": "subscription_item",
            "price": dict(price),
            "quantity": 1,
            "current_period_start": now,
            "current_period_end": end,
        }
        made = book.make(
            "sub",
            "subscription",
            {
                "customer": customer,
                "status": "trialing" if trial_end else "active",
                "items": {
                    "object": "list",
                    "data": [item],
                    "has_more": False,
                    "url": "/v1/subscription_items",
                },
                "cancel_at_period_end": False,
                "cancel_at": None,
                "canceled_at": None,
                "ended_at": None,
                "trial_end": trial_end,
                "_anchor": now,
                "_due": None,
                "_tries": 0,
            },
        )
        invoice = self._bill(made, 0 if trial_end else price["unit_amount"])
        if not self._pay(invoice):
            made["status"] = "incomplete"
        book.tell("customer.subscription.created", _shown(made))
        return made

    def change(self, subscription: Content, price_id: str) -> None:
        """Take another price from now on, and bill the difference for what is left."""
        item = subscription["items"]["data"][0]
        old, new = item["price"], self.book.get(price_id, "price")
        now = self.book.now()
        if old["recurring"]["interval"] != new["recurring"]["interval"]:
            item["current_period_start"] = now
            item["current_period_end"] = self._after(now, new)
            subscription["_anchor"] = now
            difference = new["unit_amount"]
        else:
            whole = item["current_period_end"] - item["current_period_start"]
            left = max(item["current_period_end"] - now, 0)
            difference = (new["unit_amount"] - old["unit_amount"]) * left // max(whole, 1)
        item["price"] = dict(new)
        subscription["cancel_at_period_end"] = False
        if subscription["status"] == "active" and difference > 0:
            self._pay(self._bill(subscription, difference))
        self.book.tell("customer.subscription.updated", _shown(subscription))

    def let_end(self, subscription: Content, *, wanted: bool) -> None:
        """End it with its period, or not."""
        if subscription["status"] in _OVER:
            message = "A canceled subscription can only update its cancellation_details."
            raise Refusal(400, "invalid_request_error", message)
        if subscription["cancel_at_period_end"] == wanted:
            return
        end = subscription["items"]["data"][0]["current_period_end"]
        subscription["cancel_at_period_end"] = wanted
        subscription["cancel_at"] = end if wanted else None
        subscription["canceled_at"] = self.book.now() if wanted else None
        self.book.tell("customer.subscription.updated", _shown(subscription))

    def end(self, subscription: Content) -> None:
        """End it now."""
        if subscription["status"] in _OVER:
            message = f"No such subscription: '{subscription['id']}'"
            raise Refusal(404, "invalid_request_error", message, code="resource_missing")
        now = self.book.now()
        subscription.update(status="canceled", ended_at=now, canceled_at=now, _due=None)
        for invoice in self.book.all("invoice", status="open", customer=subscription["customer"]):
            invoice["status"] = "void"
            self.book.tell("invoice.voided", invoice)
        self.book.tell("customer.subscription.deleted", _shown(subscription))

    # --- time -------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> int:
        """Move the clock, and let everything that falls due happen in order; return how much."""
        until = self.book.now() + seconds
        happened = 0
        while True:
            due = sorted(
                (self._due(one), one["id"])
                for one in self.book.all("subscription")
                if one["status"] not in (*_OVER, "incomplete")
            )
            if not due or due[0][0] > until:
                break
            self.book.ahead_s += max(due[0][0] - self.book.now(), 0)
            self._happen(self.book.objects[due[0][1]])
            happened += 1
        self.book.ahead_s += until - self.book.now()
        return happened

    def _due(self, subscription: Content) -> int:
        if subscription["_due"] is not None:
            return int(subscription["_due"])
        return int(subscription["items"]["data"][0]["current_period_end"])

    def _happen(self, subscription: Content) -> None:
        if subscription["_due"] is not None:
            self._try_again(subscription)
        elif subscription["cancel_at_period_end"]:
            self.end(subscription)
        else:
            self._renew(subscription)

    def _renew(self, subscription: Content) -> None:
        item = subscription["items"]["data"][0]
        start = item["current_period_end"]
        if subscription["status"] == "trialing":
            subscription["_anchor"] = start
        item["current_period_start"] = start
        item["current_period_end"] = self._after(start, item["price"], subscription["_anchor"])
        if self._pay(self._bill(subscription, item["price"]["unit_amount"])):
            subscription["status"] = "active"
        else:
            subscription.update(status="past_due", _due=start + _TRIES_S[0], _tries=0)
        self.book.tell("customer.subscription.updated", _shown(subscription))

    def _try_again(self, subscription: Content) -> None:
        (invoice, *_) = self.book.all("invoice", status="open", customer=subscription["customer"])
        if self._pay(invoice):
            subscription.update(status="active", _due=None)
            self.book.tell("customer.subscription.updated", _shown(subscription))
            return
        tries = subscription["_tries"] + 1
        if tries == len(_TRIES_S):
            self.end(subscription)
            return
        start = subscription["items"]["data"][0]["current_period_start"]
        subscription.update(_tries=tries, _due=start + _TRIES_S[tries])

    def _after(self, start: int, price: Content, anchor: int | None = None) -> int:
        """Return the same day a month or a year later, or the last one of a shorter month."""
        at = datetime.fromtimestamp(start, UTC)
        day = datetime.fromtimestamp(anchor or start, UTC).day
        months = _MONTHS[price["recurring"]["interval"]]
        month = at.month - 1 + months
        year, month = at.year + month // _YEAR_MONTHS, month % _YEAR_MONTHS + 1
        for last in range(day, _SHORTEST - 1, -1):
            try:
                return int(at.replace(year=year, month=month, day=last).timestamp())
            except ValueError:
                continue
        return int(at.replace(year=year, month=month, day=min(day, _SHORTEST)).timestamp())

    # --- invoices ---------------------------------------------------------------------------------

    def _bill(self, subscription: Content, amount: int) -> Content:
        item = subscription["items"]["data"][0]
        number = len(self.book.all("invoice")) + 1
        invoice = self.book.make(
            "in",
            "invoice",
            {
                "customer": subscription["customer"],
                "number": f"SANDBOX-{number:04}",
                "status": "open",
                "currency": item["price"]["currency"],
                "amount_due": amount,
                "amount_paid": 0,
                "amount_remaining": amount,
                "period_start": item["current_period_start"],
                "period_end": item["current_period_end"],
                "hosted_invoice_url": None,
                "invoice_pdf": None,
                "parent": {
                    "type": "subscription_details",
                    "subscription_details": {"subscription": subscription["id"]},
                },
                "status_transitions": {"finalized_at": self.book.now(), "paid_at": None},
            },
        )
        self.book.tell("invoice.finalized", invoice)
        return invoice

    def _pay(self, invoice: Content) -> bool:
        book, customer = self.book, invoice["customer"]
        works = book.works.get(customer, True)
        if invoice["amount_due"]:
            intent = self._intent(invoice)
            charge = book.make(
                "ch",
                "charge",
                {
                    "amount": invoice["amount_due"],
                    "amount_refunded": 0,
                    "currency": invoice["currency"],
                    "customer": customer,
                    "payment_intent": intent["id"],
                    "status": "succeeded" if works else "failed",
                    "paid": works,
                    "refunded": False,
                    "disputed": False,
                    "receipt_url": None,
                    "failure_code": None if works else "card_declined",
                    "failure_message": None if works else "Your card was declined.",
                    "payment_method_details": {
                        "type": "card",
                        "card": {"brand": "visa", "last4": "4242" if works else "0341"},
                    },
                },
            )
            intent["latest_charge"] = charge["id"]
            intent["status"] = "succeeded" if works else "requires_payment_method"
        if not works and invoice["amount_due"]:
            book.tell("invoice.payment_failed", invoice)
            return False
        invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0)
        invoice["status_transitions"]["paid_at"] = book.now()
        book.tell("invoice.paid", invoice)
        return True

    def _intent(self, invoice: Content) -> Content:
        book = self.book
        for link in book.all("invoice_payment", invoice=invoice["id"]):
            return book.objects[link["payment"]["payment_intent"]]
        intent = book.make(
            "pi",
            "payment_intent",
            {
                "amount": invoice["amount_due"],
                "currency": invoice["currency"],
                "customer": invoice["customer"],
                "status": "processing",
                "latest_charge": None,
            },
        )
        payment = {"type": "payment_intent", "payment_intent": intent["id"]}
        book.make("inpay", "invoice_payment", {"invoice": invoice["id"], "payment": payment})
        return intent


def _shown(subscription: Content) -> Content:
    return {name: value for name, value in subscription.items() if name[0] != "_"}

"""The stand-in for Stripe: pages, delivery over the network, control, and its shapes of refusal."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe

from candela.clock import FixedClock
from sandbox.remote import Remote
from sandbox.stripe.double import Spoiled, StripeDouble
from sandbox.stripe.forms import read_form
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def double() -> Iterator[StripeDouble]:
    with StripeDouble(clock=FixedClock(NOW)) as made:
        yield made


def client_of(double: StripeDouble) -> Any:
    return stripe.StripeClient(double.key, base_addresses={"api": double.url}).v1


def begin(v1: Any) -> tuple[str, str]:
    """Make a customer and a price."""
    v1.products.create({"id": "p", "name": "P"})
    price = v1.prices.create(
        {"product": "p", "unit_amount": 2900, "currency": "usd", "recurring": {"interval": "month"}}
    )
    return v1.customers.create({"email": "a@example.com"}).id, price.id


def checkout(v1: Any, customer: str, price: str) -> str:
    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "http://127.0.0.1/done",
        }
    )
    return str(session.url)


class Receiver(BaseHTTPRequestHandler):
    """Take events; the first one of each is refused, so that it must come again."""

    taken: list[tuple[bytes, str]]
    refused: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        name = json.loads(body)["id"]
        is_new = name not in self.refused
        self.refused.add(name)
        if not is_new:
            self.taken.append((body, self.headers["stripe-signature"]))
        self.send_response(500 if is_new else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_forms_when_brackets_nest_then_read_as_dicts_and_lists() -> None:
    text = urlencode(
        {"a[0][b]": "1", "a[1][b]": "2", "expand[0]": "data.x", "m[k]": "", "plain": "é&="}
    )
    assert read_form(text) == {
        "a": [{"b": "1"}, {"b": "2"}],
        "expand": ["data.x"],
        "m": {"k": ""},
        "plain": "é&=",
    }


def test_page_when_a_person_pays_then_a_subscription_renews_as_time_goes_by(
    double: StripeDouble,
) -> None:
    v1 = client_of(double)
    customer, price = begin(v1)
    url = checkout(v1, customer, price)
    with urlopen(url) as shown:  # noqa: S310 - loopback
        assert "29.00 usd each month" in shown.read().decode()
    request = Request(url, data=b"action=pay", method="POST")  # noqa: S310
    with pytest.raises(Exception, match=r"(404|refused|Connection)"):
        urlopen(request)  # noqa: S310 - it leads to the shop, where nobody listens
    (subscription,) = v1.subscriptions.list({"customer": customer}).data
    item = subscription["items"].data[0]
    assert item.current_period_end == int(NOW.replace(month=4).timestamp())
    told = Remote(double.url).ask("POST", "advance", {"days": 62})
    assert told["happened"] == 2
    (subscription,) = v1.subscriptions.list({"customer": customer}).data
    item = subscription["items"].data[0]
    assert item.current_period_end == int(NOW.replace(month=6).timestamp())
    pages = v1.invoices.list({"customer": customer, "limit": 1})
    assert pages.has_more
    assert [one.amount_paid for one in pages.auto_paging_iter()] == [2900] * 3


def test_events_when_nobody_takes_them_at_once_then_they_come_again_signed(
    double: StripeDouble,
) -> None:
    Receiver.taken, Receiver.refused = [], set()
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/hook"
            double.deliver_to(address, copies=2, delay_s=0.05)
            v1 = client_of(double)
            customer, price = begin(v1)
            double.press(checkout(v1, customer, price), "pay")
            wanted = {event["id"] for event in double.book.events}
            until = time.monotonic() + 20
            while {json.loads(body)["id"] for body, _ in Receiver.taken} != wanted:
                assert time.monotonic() < until
                time.sleep(0.02)
        finally:
            double.deliver_to("http://127.0.0.1:9/")
            server.shutdown()
            thread.join()
    for body, header in Receiver.taken:
        event: Any = stripe.Webhook.construct_event(
            body, header, double.webhook_secret, tolerance=0
        )
        assert event.id in wanted


def test_requests_when_a_key_is_used_again_then_replayed_or_refused(double: StripeDouble) -> None:
    v1 = client_of(double)
    once = {"idempotency_key": "k"}
    made = [v1.customers.create({"email": "a@example.com"}, once).id for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(stripe.IdempotencyError):
        v1.customers.create({"email": "b@example.com"}, once)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Spoiled(429), stripe.RateLimitError, id="429"),
        pytest.param(Spoiled(500), stripe.APIError, id="500"),
        pytest.param(Spoiled(402), stripe.CardError, id="402"),
        pytest.param(Spoiled(0), stripe.APIConnectionError, id="torn"),
    ],
)
def test_requests_when_spoiled_then_the_client_sees_its_own_errors(
    double: StripeDouble, fault: Spoiled, error: type[stripe.StripeError]
) -> None:
    double.faults.append(fault)
    with pytest.raises(error):
        client_of(double).customers.create({"email": "a@example.com"})
    assert double.book.all("customer") == []


def test_requests_when_the_key_or_the_id_is_wrong_then_refused_as_stripe_does(
    double: StripeDouble,
) -> None:
    other = stripe.StripeClient("sk_test_x", base_addresses={"api": double.url})
    with pytest.raises(stripe.AuthenticationError):
        other.v1.customers.retrieve("cus_x")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client_of(double).customers.retrieve("cus_x")
    assert caught.value.code == "resource_missing"

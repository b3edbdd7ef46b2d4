"""S26: what Stripe tells, told wrongly, again and in any order."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.stripe.double import Spoiled
from sandbox.stripe.hooks import signature
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.api.billing.conftest import Shop

AT = int(NOW.timestamp())
ORDERS = 24


def lived_through(shop: Shop) -> dict[str, Any]:
    """Buy, change, be declined, pay, cancel; nothing of it is told. Return what Stripe says."""
    me = shop.buyer()
    first = me.post("/billing/checkout", json={"plan": "basic"}).json()
    shop.stripe.press(first["url"], "pay")
    change = me.post("/billing/checkout", json={"plan": "pro"}).json()
    shop.stripe.press(change["url"], "confirm")
    portal = me.post("/billing/portal").json()["url"]
    shop.stripe.press(portal, "card_bad")
    shop.pass_days(32)
    shop.stripe.press(portal, "card_good")
    shop.pass_days(4)
    shop.stripe.press(portal, "cancel")
    (subscription,) = shop.stripe.book.all("subscription")
    return subscription


def state(shop: Shop) -> dict[str, Any]:
    row = shop.row()
    return {name: row[name] for name in row if name not in {"source_at", "updated_at"}}


def test_events_when_told_in_any_order_and_five_times_then_the_row_is_the_same(shop: Shop) -> None:
    """S26: each event five times in 24 orders: the row is what Stripe says, each id counts once."""
    subscription = lived_through(shop)
    events = shop.stripe.book.events
    assert len(events) > 8
    chance = random.Random(26)
    seen: list[dict[str, Any]] = []
    for _ in range(ORDERS):
        told = [*events] * 5
        chance.shuffle(told)
        with shop.api.database.connect() as connection:
            connection.execute("TRUNCATE billing.events, billing.payments, billing.invoices")
            connection.execute(
                "UPDATE tenancy.subscriptions SET plan = 'free', status = 'active',"
                " stripe_subscription_id = NULL, period_end_at = NULL"
            )
        outcomes = [shop.tell(event).json()["outcome"] for event in told]
        assert outcomes.count("applied") == len(events)
        assert outcomes.count("duplicate") == len(told) - len(events)
        seen.append(state(shop))
        payments = {row["status"] for row in shop.rows("billing.payments")}
        assert payments == {"succeeded"}
    assert all(one == seen[0] for one in seen)
    end = subscription["items"]["data"][0]["current_period_end"]
    assert (seen[0]["plan"], seen[0]["status"]) == ("pro", "cancelled")
    assert int(seen[0]["period_end_at"].timestamp()) == end


def test_events_when_two_come_at_once_then_one_is_applied(shop: Shop) -> None:
    """S26: the same event twice in parallel has one effect."""
    lived_through(shop)
    with ThreadPoolExecutor(2) as threads:
        for event in shop.stripe.book.events[-3:]:
            pair = [threads.submit(shop.tell, event) for _ in range(2)]
            outcomes = sorted(one.result().json()["outcome"] for one in pair)
            assert outcomes == ["applied", "duplicate"]
    changes = [row for row in shop.rows("audit.entries") if row["action"] == "billing.subscription"]
    assert changes[-1]["detail"]["is"]["status"] == "cancelled"
    assert len({str(row["detail"]) for row in changes}) == len(changes)


def test_event_when_its_effect_fails_then_it_is_not_counted_and_is_told_again(shop: Shop) -> None:
    """S26: the id of an event is written in the transaction of its effect."""
    me = shop.buyer()
    page = me.post("/billing/checkout", json={"plan": "basic"}).json()
    shop.stripe.press(page["url"], "pay")
    event = shop.stripe.book.events[-1]
    shop.stripe.faults.append(Spoiled(429, "subscriptions", times=1))
    assert shop.tell(event).status_code == 503
    assert shop.rows("billing.events") == []
    assert shop.row()["plan"] == "free"
    assert shop.tell(event).json()["outcome"] == "applied"
    assert shop.row()["plan"] == "basic"


def test_event_when_it_lies_then_stripe_is_believed_instead(shop: Shop) -> None:
    """S26: an event is a hint; its content never reaches the row."""
    me = shop.buyer()
    shop.buy(me, "basic")
    event = json.loads(json.dumps(shop.stripe.book.events[-1]))
    event["id"] = "evt_lie"
    event["type"] = "customer.subscription.deleted"
    event["data"]["object"]["status"] = "canceled"
    assert shop.tell(event).json()["outcome"] == "applied"
    assert (shop.row()["plan"], shop.row()["status"]) == ("basic", "active")


def headers(body: str, secret: str) -> dict[str, str | None]:
    right = signature(body, secret, AT)
    mac = right.rpartition("=")[2]
    return {
        "missing": None,
        "empty": "",
        "garbage": "v1=,t=",
        "wrong_secret": signature(body, "whsec_other", AT),
        "other_body": signature(body + " ", secret, AT),
        "old": signature(body, secret, AT - 301),
        "future": signature(body, secret, AT + 301),
        "far_future": signature(body, secret, AT + 31_536_000),
        "old_scheme": f"t={AT},v0={mac}",
        "stamp_moved": f"t={AT - 1},v1={mac}",
        "stamp_twice": f"t={AT - 900},t={AT},v1={mac}",
        "no_number": f"t=x,v1={mac}",
        "huge_number": f"t={'9' * 1_000},v1={mac}",
    }


@pytest.mark.parametrize("kind", list(headers("", "")))
def test_signature_when_it_is_not_right_then_refused_and_nothing_is_written(
    shop: Shop, kind: str
) -> None:
    """S26: wrong, missing, old and future signatures are refused."""
    about = {"id": "in_1", "object": "invoice"}
    body = json.dumps(
        {"id": "evt_1", "type": "x", "created": AT, "livemode": False, "data": {"object": about}}
    )
    assert shop.post(body.encode(), signature(body, shop.stripe.webhook_secret, AT)).is_success
    refused = shop.post(body.encode(), headers(body, shop.stripe.webhook_secret)[kind])
    assert (refused.status_code, refused.json()["code"]) == (400, "webhook_refused")
    assert shop.stripe.webhook_secret not in refused.text
    assert "signature" in refused.json()["detail"]
    assert len(shop.rows("billing.events")) == 1


def test_signature_when_one_of_several_is_right_then_taken_raw(shop: Shop) -> None:
    """S26: several v1 of a rolled secret; the bytes are verified as they came."""
    shop.buy(shop.buyer(), "basic")
    event = shop.stripe.book.events[-1] | {"id": "evt_raw"}
    body = json.dumps(event, indent=4) + "\n"
    mac = signature(body, shop.stripe.webhook_secret, AT - 299).rpartition("=")[2]
    told = shop.post(body.encode(), f"t={AT - 299},v1={'0' * 64},v1={mac},v0=x")
    assert told.json() == {"outcome": "applied"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"id": 1}', id="fields_missing"),
        pytest.param(b'{"id":"e","type":"t","created":1e400,"livemode":false}', id="infinite"),
        pytest.param(b"[" * 5_000, id="deep"),
        pytest.param(b"\xff\xfe", id="no_text"),
    ],
)
def test_body_when_signed_and_no_event_then_refused(shop: Shop, body: bytes) -> None:
    text = body.decode("latin-1")
    refused = shop.post(body, signature(text, shop.stripe.webhook_secret, AT))
    assert (refused.status_code, refused.json()["code"]) == (400, "webhook_refused")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        pytest.param({"type": "product.created"}, "not_needed", id="other_kind"),
        pytest.param({"livemode": True}, "other_mode", id="live_event_on_a_test_key"),
        pytest.param(
            {"data": {"object": {"id": "sub_x", "customer": "cus_x"}}}, "unknown_customer",
            id="unknown_customer",
        ),
        pytest.param(
            {"data": {"object": {"id": "dp_x", "payment_intent": "pi_x"}},
             "type": "charge.dispute.created"}, "unknown_customer", id="unknown_payment",
        ),
    ],
)  # fmt: skip
def test_event_when_it_is_none_of_ours_then_taken_once_and_left(
    shop: Shop, change: dict[str, Any], outcome: str
) -> None:
    """S26: events of unknown customers, other kinds and the other mode do nothing."""
    shop.buy(shop.buyer(), "basic")
    before = state(shop)
    event = shop.stripe.book.events[-1] | {"id": "evt_other"} | change
    assert [shop.tell(event).json()["outcome"] for _ in range(2)] == [outcome, "duplicate"]
    assert state(shop) == before


def test_refund_when_it_is_told_then_the_payment_shows_it(shop: Shop) -> None:
    me = shop.buyer()
    shop.buy(me, "basic")
    (intent,) = shop.stripe.book.all("payment_intent")
    charge = shop.stripe.book.objects[intent["latest_charge"]]
    charge.update(amount_refunded=2900, refunded=True)
    shop.stripe.call(lambda: shop.stripe.book.tell("charge.refunded", charge))
    shop.tell_all()
    (payment,) = me.get("/billing/payments").json()["items"]
    assert (payment["status"], payment["refunded"]) == ("refunded", "29")


def test_customer_when_deleted_at_stripe_then_the_plan_expires_and_can_be_bought_anew(
    shop: Shop,
) -> None:
    me = shop.buyer()
    shop.buy(me, "basic")
    customer = shop.stripe.book.all("customer")[0]["id"]
    shop.stripe.call(lambda: shop.stripe.answer("DELETE", f"/v1/customers/{customer}"))
    assert set(shop.tell_all()) == {"applied"}
    assert shop.row()["status"] == "expired"
    shop.buy(me, "pro")
    assert (shop.row()["plan"], shop.row()["status"]) == ("pro", "active")
    assert len(shop.stripe.book.all("customer")) == 2

"""Buying, changing, failing to pay, cancelling: through the real client against the stand-in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.desk.running import start_bot
from candela.plans import PlanLimitReached
from sandbox.stripe.double import Spoiled
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from tests.api.billing.conftest import Shop
    from tests.fixtures.api import Api, Person


def start(person: Person, name: str) -> None:
    with person.desk.session() as session:
        start_bot(session, name, clock=person.desk.clock)


def test_checkout_when_it_is_paid_then_limits_rise_and_a_cancelled_plan_lapses(shop: Shop) -> None:
    me = shop.buyer()
    me.desk.bot("one")
    me.desk.bot("two", instrument="binance:ETH/USDT")
    start(me, "one")
    with pytest.raises(PlanLimitReached):
        start(me, "two")

    asked = me.post("/billing/checkout", json={"plan": "basic"})
    assert asked.status_code == 201
    page = asked.json()
    assert page["purpose"] == "checkout"
    assert me.get("/billing/subscription").json()["plan"] == "free"
    shop.stripe.press(page["url"], "pay")
    assert set(shop.tell_all()) == {"applied"}

    told = me.get("/billing/subscription").json()
    assert (told["plan"], told["status"], told["in_force"]) == ("basic", "active", True)
    assert (told["interval"], told["is_paid"]) == ("month", True)
    assert told["use"]["active_bots"] == 1
    assert told["use"]["active_bots_limit"] == 3
    assert shop.row("billing.checkouts")["state"] == "complete"
    start(me, "two")
    (invoice,) = me.get("/billing/invoices").json()["items"]
    assert (invoice["status"], invoice["due"], invoice["paid"]) == ("paid", "29", "29")
    (payment,) = me.get("/billing/payments").json()["items"]
    assert (payment["status"], payment["amount"], payment["last_four"]) == (
        "succeeded", "29", "4242",
    )  # fmt: skip

    assert me.post("/billing/cancel").json()["status"] == "cancelled"
    assert me.post("/billing/resume").json()["status"] == "active"
    assert me.post("/billing/resume").json()["code"] == "no_subscription"
    told = me.post("/billing/cancel").json()
    assert (told["in_force"], told["cancel_at_period_end"]) == (True, True)
    shop.pass_days(32)
    # Nobody has told yet: the row says by itself that it is over.
    assert me.get("/billing/subscription").json()["in_force"] is False
    shop.tell_all()
    told = me.get("/billing/subscription").json()
    assert (told["plan"], told["status"], told["in_force"]) == ("basic", "expired", False)
    me.desk.bot("three", instrument="binance:SOL/USDT")
    with pytest.raises(PlanLimitReached, match="lapsed"):
        start(me, "three")
    with me.desk.session() as session:
        bots = session.rows("SELECT name, wanted FROM trading.bots ORDER BY name", {})
        told_to_executors = session.rows(
            "SELECT payload FROM live.outbox WHERE payload ? 'plan'", {}
        )
    # What runs goes on, so that its positions are looked after.
    assert [row["wanted"] for row in bots] == ["running", "stopped", "running"]
    assert {row["payload"]["plan"] for row in told_to_executors} == {"basic"}
    assert len(told_to_executors) >= 4

    assert me.post("/billing/free").json()["plan"] == "free"
    # Told late: what ended before the free plan was taken is history.
    late = shop.tell(shop.stripe.book.events[-1] | {"id": "evt_late"})
    assert late.json()["outcome"] == "applied"
    assert me.get("/billing/subscription").json()["in_force"] is True
    actions = {row["action"] for row in shop.rows("audit.entries")}
    assert {
        *("billing.checkout", "billing.subscription", "billing.cancel"),
        *("billing.resume", "billing.free"),
    } <= actions


def test_renewal_when_the_card_is_declined_then_grace_lapse_and_resumption(shop: Shop) -> None:
    me = shop.buyer()
    shop.buy(me, "pro", "year")
    assert shop.row()["period_end_at"] == NOW.replace(year=2027)
    (customer,) = (one["id"] for one in shop.stripe.book.all("customer"))
    shop.stripe.book.works[customer] = False
    shop.pass_days(366)
    shop.tell_all()
    told = me.get("/billing/subscription").json()
    assert (told["status"], told["in_force"]) == ("past_due", True)
    assert shop.row()["period_end_at"] == NOW.replace(year=2027) + timedelta(days=7)
    (failed, _) = me.get("/billing/payments").json()["items"]
    assert (failed["status"], failed["amount"], failed["paid_at"]) == ("failed", "990", None)
    shop.pass_days(6.5)
    assert me.get("/billing/subscription").json()["in_force"] is False
    shop.tell_all()

    # A good card before Stripe gives up: the plan is in force again, and counted as paid.
    shop.stripe.book.works[customer] = True
    shop.pass_days(1)
    shop.tell_all()
    told = me.get("/billing/subscription").json()
    assert (told["status"], told["in_force"]) == ("active", True)
    invoices = me.get("/billing/invoices").json()["items"]
    assert [one["status"] for one in invoices] == ["paid", "paid"]


def test_renewal_when_the_card_is_never_mended_then_the_plan_expires(shop: Shop) -> None:
    me = shop.buyer()
    shop.buy(me, "basic")
    shop.stripe.press(me.post("/billing/portal").json()["url"], "card_bad")
    shop.pass_days(45)
    shop.tell_all()
    told = me.get("/billing/subscription").json()
    assert (told["status"], told["in_force"], told["is_paid"]) == ("expired", False, False)
    # Buying anew is a new subscription, and the old one no longer counts.
    shop.stripe.press(me.post("/billing/portal").json()["url"], "card_good")
    shop.buy(me, "pro")
    assert (shop.row()["plan"], shop.row()["status"]) == ("pro", "active")


def test_checkout_when_a_plan_is_paid_for_then_it_is_changed_and_never_bought_twice(
    shop: Shop,
) -> None:
    me = shop.buyer()
    first = me.post("/billing/checkout", json={"plan": "basic"}).json()
    second = me.post("/billing/checkout", json={"plan": "pro"}).json()
    assert first["url"] != second["url"]
    states = {one["id"]: one["status"] for one in shop.stripe.book.all("checkout.session")}
    assert sorted(states.values()) == ["expired", "open"]
    shop.stripe.press(second["url"], "pay")
    # Paid, though nobody has told yet: Stripe is asked before a second one is sold.
    taken = me.post("/billing/checkout", json={"plan": "pro"})
    assert (taken.status_code, taken.json()["code"]) == (409, "already_subscribed")
    shop.buy(me, "enterprise")
    assert len(shop.stripe.book.all("subscription")) == 1
    assert shop.row()["plan"] == "enterprise"
    assert {one["due"] for one in me.get("/billing/invoices").json()["items"]} == {"99", "200"}


def test_trial_when_somebody_sent_the_buyer_then_it_is_in_force_and_costs_nothing_yet(
    shop: Shop,
) -> None:
    me = shop.buyer()
    with shop.api.database.connect() as connection:
        connection.execute(
            "INSERT INTO identity.referrals (tenant_id, code, referred_by, created_at)"
            " VALUES (%s, 'MINE', 'THEIRS', %s)",
            (me.desk.user.tenant_id, NOW),
        )
    shop.buy(me, "pro")
    told = me.get("/billing/subscription").json()
    assert (told["status"], told["in_force"]) == ("trialing", True)
    assert told["trial_ends_at"] == "2026-03-16T12:00:00Z"
    assert me.get("/billing/payments").json()["items"] == []
    shop.pass_days(15)
    shop.tell_all()
    assert shop.row()["status"] == "active"
    assert len(me.get("/billing/payments").json()["items"]) == 1


def told(shop: Shop, table: str = "mails") -> list[tuple[str, dict[str, Any]]]:
    rows = sorted(shop.rows(f"notify.{table}"), key=lambda one: one["created_at"])
    return [(one["kind"], one["params"]) for one in rows]


def test_notices_when_a_plan_is_bought_unpaid_and_cancelled_then_each_is_told_once(
    shop: Shop,
) -> None:
    me = shop.buyer()
    shop.buy(me, "pro")
    for event in shop.stripe.book.events[:]:
        shop.tell(event | {"id": f"{event['id']}_again"})
    assert told(shop) == told(shop, "notifications") == [("plan_changed", {"plan": "pro"})]
    (customer,) = (one["id"] for one in shop.stripe.book.all("customer"))
    shop.stripe.book.works[customer] = False
    shop.pass_days(31)
    shop.tell_all()
    assert shop.row()["status"] == "past_due"
    assert told(shop)[1:] == [("payment_failed", {"amount": "99", "currency": "usd"})]
    shop.stripe.book.works[customer] = True
    shop.pass_days(3)
    shop.tell_all()
    assert shop.row()["status"] == "active"
    assert len(told(shop)) == 2, "it was in force all the time"
    ends = shop.row()["period_end_at"].isoformat()
    for _ in range(2):
        me.post("/billing/cancel")
        me.post("/billing/resume")
    assert told(shop)[2:] == [("subscription_ends", {"plan": "pro", "ends_at": ends})]
    me.post("/billing/cancel")
    shop.pass_days(40)
    shop.tell_all()
    assert me.post("/billing/free").json()["plan"] == "free"
    assert told(shop)[3:] == [("plan_changed", {"plan": "free"})]
    assert told(shop, "notifications") == told(shop)


def test_checkout_when_its_key_comes_again_then_the_same_page_and_no_other(shop: Shop) -> None:
    me = shop.buyer()
    key = {"idempotency-key": "key-of-the-first-try"}
    first = me.post("/billing/checkout", json={"plan": "basic"}, headers=key)
    again = me.post("/billing/checkout", json={"plan": "basic"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(shop.stripe.book.all("checkout.session")) == 1
    other = me.post("/billing/checkout", json={"plan": "pro"}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"
    shop.stripe.press(first.json()["url"], "pay")
    shop.tell_all()
    cancelled = [me.post("/billing/cancel", headers={"idempotency-key": f"end-{n}-end"})
                 for n in (1, 1)]  # fmt: skip
    assert [one.json()["status"] for one in cancelled] == ["cancelled", "cancelled"]
    resumed = [me.post("/billing/resume", headers={"idempotency-key": "resume-1"})
               for _ in range(2)]  # fmt: skip
    # Without its key the second one would be refused: nothing is cancelled any more.
    assert [one.json()["status"] for one in resumed] == ["active", "active"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        pytest.param(Spoiled(429, times=9), 503, "billing_unavailable", id="too_many"),
        pytest.param(Spoiled(402, "checkout", times=9), 402, "payment_declined", id="declined"),
        pytest.param(Spoiled(401, times=9), 503, "billing_misconfigured", id="key_refused"),
        pytest.param(Spoiled(400, times=9), 502, "billing_refused", id="refused"),
        pytest.param(
            Spoiled(0, "checkout", "POST", executes=True), 201, None, id="answer_dropped_once"
        ),
        pytest.param(Spoiled(500, "customers", "POST", executes=True), 201, None, id="error_once"),
    ],
)
def test_checkout_when_stripe_fails_then_a_problem_or_one_page_all_the_same(
    shop: Shop, fault: Spoiled, status: int, code: str | None
) -> None:
    me = shop.buyer()
    shop.stripe.faults.append(fault)
    answered = me.post("/billing/checkout", json={"plan": "basic"})
    assert (answered.status_code, answered.json().get("code")) == (status, code)
    assert shop.stripe.key not in answered.text
    shop.stripe.faults.clear()
    again = me.post("/billing/checkout", json={"plan": "basic"})
    assert again.status_code == 201
    open_pages = shop.stripe.book.all("checkout.session", status="open")
    assert len(open_pages) == len(shop.stripe.book.all("customer")) == 1


def test_billing_when_no_key_is_set_then_it_says_so_and_plans_are_shown(api: Api) -> None:
    me = api.person(plan="free")
    refused = me.post("/billing/checkout", json={"plan": "basic"})
    assert (refused.status_code, refused.json()["code"]) == (503, "billing_not_configured")
    plans = api.client.get("/api/v1/billing/plans").json()
    assert plans["can_buy"] is False
    assert [(one["plan"], one["price_month"], one["price_year"]) for one in plans["items"]] == [
        ("free", "0", "0"),
        ("basic", "29", "290"),
        ("pro", "99", "990"),
        ("enterprise", "299", "2990"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        pytest.param("checkout", {"plan": "free"}, "plan_not_for_sale", id="free"),
        pytest.param("checkout", {"plan": "gold"}, "invalid_input", id="unknown"),
        pytest.param("checkout", {"plan": "pro", "x": 1}, "invalid_input", id="more_fields"),
        pytest.param("portal", None, "no_subscription", id="portal_of_nobody"),
        pytest.param("cancel", None, "no_subscription", id="cancel_of_nobody"),
    ],
)
def test_billing_when_asked_for_what_cannot_be_then_it_names_it(
    shop: Shop, path: str, body: object, code: str
) -> None:
    answered = shop.buyer().post(f"/billing/{path}", json=body)
    assert answered.status_code in {409, 422}
    assert answered.json()["code"] == code
    assert shop.rows("audit.entries") == []

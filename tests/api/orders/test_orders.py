"""Orders by hand over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.api.bots.making import account_of, faults
from tests.fixtures.desk import NOW, count

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.fixtures.api import Api, Person


def place(person: Person, **fields: Any) -> Response:
    body = {
        "kind": "spot",
        "account_id": account_of(person),
        "symbol": "BTC/USDT",
        "side": "buy",
        "quantity": "0.001",
    }
    options: dict[str, Any] = {}
    if "wait" in fields:
        options["params"] = {"wait": fields.pop("wait")}
    headers = {"idempotency-key": uuid4().hex}
    return person.post("/orders", json=body | fields, headers=headers, **options)


def test_order_waits_for_an_executor_and_tells_what_became_of_it(person: Person) -> None:
    found = place(person, price="50000", wait="0.1")
    assert found.status_code == 202, found.text
    order = found.json()
    assert found.headers["location"] == f"/api/v1/orders/{order['request_id']}"
    assert (order["state"], order["kind"], order["is_final"]) == ("waiting", "limit", False)
    assert (order["quantity"], order["price"], order["fills"]) == ("0.001", "50000", [])
    with person.desk.session() as session:
        session.run(
            "UPDATE trading.order_requests SET state = 'lapsed', reason = 'nobody came',"
            " answered_at = %(at)s WHERE tenant_id = %(tenant)s",
            {"at": NOW + timedelta(minutes=1)},
        )
    path = f"/orders/{order['request_id']}"
    later = person.get(path).json()
    assert (later["state"], later["reason"], later["is_final"]) == ("lapsed", "nobody came", True)
    listed = person.get("/orders", params={"state": "lapsed"}).json()["items"]
    assert [one["request_id"] for one in listed] == [order["request_id"]]
    assert listed[0] == {name: later[name] for name in listed[0]}
    assert person.get("/orders", params={"state": "waiting"}).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"quantity": "0"}, "body.spot.quantity", id="nothing"),
        pytest.param({"quantity": "1e400"}, "body.spot.quantity", id="beyond-numeric"),
        pytest.param({"price": "-1"}, "body.spot.price", id="below-zero"),
        pytest.param({"side": "hold"}, "body.spot.side", id="no-side"),
        pytest.param({"symbol": "NO/PE"}, "body.symbol", id="unknown-symbol"),
        pytest.param({"symbol": "a b"}, "body.symbol", id="no-symbol"),
        pytest.param({"symbol": "a\0b"}, "body.spot.symbol", id="character-nul"),
        pytest.param({"kind": "future"}, "body", id="no-kind"),
        pytest.param({"more": 1}, "body.spot.more", id="unknown-field"),
    ],
)
def test_order_with_unusable_field_is_refused_by_its_name_and_nothing_is_written(
    person: Person, fields: dict[str, Any], field: str
) -> None:
    assert field in faults(place(person, **fields))
    assert count(person.desk.database, "trading.order_requests") == 0


def test_order_that_the_account_cannot_pay_is_a_conflict(person: Person) -> None:
    found = place(person, quantity="1", price="50000")
    assert (found.status_code, found.json()["code"]) == (409, "not_enough")
    sold = place(person, side="sell")
    assert (sold.status_code, sold.json()["code"]) == (409, "not_enough")


def test_entry_by_hand_is_refused_under_a_kill_switch_and_without_the_plan(
    api: Api, person: Person
) -> None:
    person.post("/kill", json={"reason": "news"})
    assert place(person).json()["code"] == "killed"
    person.post("/release")
    with person.desk.database.connect() as connection:
        connection.execute("UPDATE tenancy.subscriptions SET status = 'expired'")
    lapsed = place(person)
    assert (lapsed.status_code, lapsed.json()["code"]) == (403, "plan_limit_reached")
    assert count(api.database, "trading.order_requests") == 0


def test_contract_by_hand_is_answered_honestly(person: Person) -> None:
    body = {
        "kind": "fixed_payout",
        "account_id": account_of(person),
        "symbol": "EUR/USD",
        "direction": "call",
        "stake": "5",
        "expiry_s": 60,
    }
    found = person.post("/orders", json=body, headers={"idempotency-key": uuid4().hex})
    assert (found.status_code, found.json()["code"]) == (409, "payout_orders_not_offered")


def test_foreign_order_and_account_always_answer_as_absent_ones(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    order = place(other).json()["request_id"]
    answers = [person.get(f"/orders/{one}") for one in (order, uuid4())]
    assert [one.status_code for one in answers] == [404, 404]
    assert place(person, account_id=account_of(other)).status_code == 404
    assert person.get("/orders").json()["items"] == []
    listed = person.get("/orders", params={"account_id": account_of(other)}).json()
    assert listed["items"] == []

"""Alerts are made, changed and removed by their owner, and refused where they make no sense."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.desk import count

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

PRICE: dict[str, Any] = {
    "name": "BTC is dear",
    "kind": "price",
    "condition": {"instrument": "binance:BTC/USDT", "direction": "above", "price": "60000.10"},
    "channels": ["inbox"],
}
WINS = {"direction": "below", "ratio": "0.4", "days": 7, "trades": 10}


def test_alert_when_made_changed_and_removed_then_listed_and_each_in_the_log(
    api: Api, person: Person
) -> None:
    made = person.post("/alerts", json=PRICE)
    assert made.status_code == 201, made.text
    assert made.json()["condition"]["price"] == "60000.10"
    path = f"/alerts/{made.json()['alert_id']}"
    api.clock.at += timedelta(seconds=1)
    changed = person.call("PATCH", path, json={"is_active": False, "cooldown_s": 60})
    assert (changed.json()["is_active"], changed.json()["cooldown_s"]) == (False, 60)
    assert [one["name"] for one in person.get("/alerts").json()] == ["BTC is dear"]
    api.clock.at += timedelta(seconds=1)
    assert person.call("DELETE", path).status_code == 204
    assert person.get("/alerts").json() == []
    assert person.call("DELETE", path).status_code == 404
    actions = [entry["action"] for entry in person.get("/audit").json()["items"]]
    assert actions == ["alert.remove", "alert.change", "alert.create"]


def test_alert_when_its_name_is_taken_then_409_also_for_a_change(person: Person) -> None:
    person.post("/alerts", json=PRICE)
    again = person.post("/alerts", json=PRICE)
    assert (again.status_code, again.json()["code"]) == (409, "alert_name_taken")
    other = person.post("/alerts", json=PRICE | {"name": "other"}).json()["alert_id"]
    renamed = person.call("PATCH", f"/alerts/{other}", json={"name": "BTC is dear"})
    assert renamed.json()["code"] == "alert_name_taken"


@pytest.mark.parametrize(
    "wrong",
    [
        {"condition": {}},
        {"condition": {**PRICE["condition"], "days": 3}},
        {"condition": {**PRICE["condition"], "price": "NaN"}},
        {"condition": {**PRICE["condition"], "price": "-1"}},
        {"kind": "loss", "condition": {"amount": "5", "days": 1}},
        {"kind": "win_rate", "condition": WINS},
        {"channels": []},
        {"channels": ["sms"]},
        {"cooldown_s": 59},
        {"name": "a\x00b"},
        {"is_admin": True},
    ],
    ids=[
        "empty", "too-much", "nan", "negative", "loss-of-nobody", "wins-of-nobody", "untold",
        "unknown-channel", "too-often", "nul", "unknown-field",
    ],
)  # fmt: skip
def test_alert_when_it_makes_no_sense_then_422_and_nothing_is_kept(
    api: Api, person: Person, wrong: dict[str, Any]
) -> None:
    answer = person.post("/alerts", json=PRICE | wrong)
    assert answer.status_code == 422, answer.text
    assert answer.json()["faults"]
    assert count(api.database, "trading.alerts") == 0


def test_alert_on_a_bot_when_the_bot_is_another_tenants_then_like_one_that_nobody_has(
    api: Api, person: Person
) -> None:
    """S06: a reference across tenants cannot be written."""
    foreign = api.person("other@example.com").desk.bot()
    body = PRICE | {"kind": "loss", "condition": {"amount": "5", "days": 1}}
    answer = person.post("/alerts", json=body | {"bot_id": str(foreign.bot_id)})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_alert")
    own = person.desk.bot()
    assert person.post("/alerts", json=body | {"bot_id": str(own.bot_id)}).status_code == 201

"""Keys of exchanges: tried from where they trade, refused where unfit, shown by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from sandbox.venue import SandboxVenue
    from tests.api.keys.conftest import Executor
    from tests.fixtures.api import Api, Person

NOW = {"prefer": "wait=0"}


def given(key: str, secret: str, **more: object) -> dict[str, object]:
    return {"label": "main", "venue": "binance", "api_key": key, "secret": secret, **more}


def rows(api: Api, query: str) -> list[tuple[Any, ...]]:
    with api.database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def test_key_when_its_venue_finds_it_fit_then_good_and_it_opens_an_account(
    person: Person, venue: SandboxVenue, executor: Executor, api: Api
) -> None:
    """S22: rights are asked, of a key without addresses its owner is warned, nothing is shown."""
    key, secret = venue.add_account({"USDT": "5000", "BTC": "0.5"})
    with executor(person):
        made = person.post("/keys/exchange", json=given(key, secret))
        assert made.status_code == 201, made.text
        shown = made.json()
        assert (shown["state"], shown["tested"], shown["last_four"]) == ("good", True, key[-4:])
        assert shown["rights"]["can_trade"]
        assert not shown["rights"]["can_withdraw"]
        assert "any address" in shown["warnings"][0]
        opened = person.post(
            "/accounts", json={"mode": "live", "name": "main", "key_id": shown["key_id"]}
        )
        assert opened.status_code == 201, opened.text
        balances = {one["ccy"]: one["total"] for one in opened.json()["balances"]}
        assert balances == {"USDT": "5000", "BTC": "0.5"}
        again = person.post(f"/keys/{shown['key_id']}/test")
        assert (again.status_code, again.json()["accounts"]) == (200, ["main"])
    twice = person.post("/accounts", json={"mode": "live", "name": "x", "key_id": shown["key_id"]})
    assert (twice.status_code, twice.json()["code"]) == (409, "key_taken")
    listed = person.get("/keys/exchange")
    assert [one["label"] for one in listed.json()["items"]] == ["main"]
    assert secret not in made.text + again.text + listed.text
    assert key not in made.text + again.text + listed.text
    assert person.call("DELETE", f"/keys/exchange/{shown['key_id']}").status_code == 409
    uses = rows(api, "SELECT purpose, used_by FROM tenancy.secret_uses")
    assert uses == [("test", "tests"), ("test", "tests")]
    actions = rows(api, "SELECT action FROM audit.entries ORDER BY action")
    assert [row[0] for row in actions] == ["account.open", "key.add", "key.test"]


@pytest.mark.parametrize(
    ("rights", "code"),
    [
        ({"can_withdraw": True}, "key_can_withdraw"),
        ({"can_trade": False}, "key_cannot_trade"),
        (None, "credentials_dead"),
    ],
    ids=["withdraws", "cannot-trade", "unknown"],
)
def test_key_when_unfit_then_refused_with_the_reason_and_destroyed(
    person: Person,
    venue: SandboxVenue,
    executor: Executor,
    api: Api,
    rights: dict[str, bool] | None,
    code: str,
) -> None:
    """S22: a key with the right to withdraw is not kept, nor one that its venue refuses."""
    key, secret = venue.add_account({"USDT": "5000"}, **(rights or {}))  # pyright: ignore[reportArgumentType]
    with executor(person):
        made = person.post("/keys/exchange", json=given(key, secret if rights else "not-" + secret))
    assert (made.status_code, made.json()["state"]) == (201, "refused")
    assert made.json()["reason"].startswith(code)
    for table in ("mails", "notifications"):
        told = rows(api, f"SELECT kind, params ->> 'reason' FROM notify.{table}")
        assert told == [("key_refused", made.json()["reason"])]
    assert rows(api, "SELECT sealed FROM tenancy.secrets") == [(b"",)]
    opened = person.post(
        "/accounts", json={"mode": "live", "name": "main", "key_id": made.json()["key_id"]}
    )
    assert (opened.status_code, opened.json()["code"]) == (409, "key_not_good")
    assert person.call("DELETE", f"/keys/exchange/{made.json()['key_id']}").status_code == 204
    assert person.get(f"/keys/exchange/{made.json()['key_id']}").status_code == 404


def test_key_when_no_executor_is_there_then_checking_until_one_comes(
    person: Person, venue: SandboxVenue, executor: Executor, api: Api
) -> None:
    """A key that nobody has asked about opens nothing; the question waits in its row."""
    key, secret = venue.add_account({"USDT": "5000"}, ip_restricted=True)
    made = person.post("/keys/exchange", json=given(key, secret), headers=NOW)
    assert (made.status_code, made.json()["state"]) == (202, "checking")
    key_id = made.json()["key_id"]
    again = person.post("/keys/exchange", json=given(key, secret, label="x"), headers=NOW)
    assert (again.status_code, again.json()["code"]) == (409, "key_taken")
    opened = person.post("/accounts", json={"mode": "live", "name": "main", "key_id": key_id})
    assert (opened.status_code, opened.json()["code"]) == (409, "key_not_good")
    with executor(person):
        shown = person.post(f"/keys/{key_id}/test").json()
    assert (shown["state"], shown["warnings"]) == ("good", [])


def test_key_when_renewed_then_accounts_change_over_and_the_old_one_is_destroyed(
    person: Person, venue: SandboxVenue, executor: Executor, api: Api
) -> None:
    """A refused successor changes nothing; a good one takes label and accounts over."""
    old, bad, new = (
        venue.add_account({"USDT": "5"}, can_withdraw=one) for one in (False, True, False)
    )
    with executor(person):
        first = person.post("/keys/exchange", json=given(*old)).json()["key_id"]
        body = {"mode": "live", "name": "main", "key_id": first}
        opened = person.post("/accounts", json=body)
        assert opened.status_code == 201, opened.text
        url = f"/keys/exchange/{first}"
        refused = person.call("PUT", url, json={"api_key": bad[0], "secret": bad[1]})
        assert (refused.status_code, refused.json()["state"]) == (200, "refused")
        assert person.get(url).json()["accounts"] == ["main"]
        shown = person.call("PUT", url, json={"api_key": new[0], "secret": new[1]}).json()
    assert (shown["state"], shown["label"], shown["accounts"]) == ("good", "main", ["main"])
    assert person.get(url).status_code == 404
    sealed = rows(api, "SELECT check_state FROM tenancy.secrets WHERE sealed <> '' ")
    assert sealed == [("good",)]


def test_account_when_disconnected_then_its_key_is_destroyed_and_not_while_something_is_held(
    person: Person, venue: SandboxVenue, executor: Executor, api: Api
) -> None:
    """Without the key nobody could look after what is held, so that comes first."""
    key, secret = venue.add_account({"USDT": "5000"})
    with executor(person):
        made = person.post("/keys/exchange", json=given(key, secret)).json()
    body = {"mode": "live", "name": "main", "key_id": made["key_id"]}
    account = person.post("/accounts", json=body).json()["account_id"]
    bot = person.desk.bot("mine", account="main")
    with person.desk.session() as session:
        session.run("UPDATE trading.bots SET wanted = 'running' WHERE tenant_id = %(tenant)s", {})
    refused = person.call("DELETE", f"/accounts/{account}/connection")
    assert (refused.status_code, refused.json()["code"]) == (409, "account_in_use")
    assert "mine" in refused.json()["detail"]
    with person.desk.session() as session:
        session.run("UPDATE trading.bots SET wanted = 'stopped' WHERE tenant_id = %(tenant)s", {})
    shown = person.call("DELETE", f"/accounts/{account}/connection").json()
    assert (shown["state"], shown["key_id"]) == ("blocked", None)
    assert rows(api, "SELECT sealed FROM tenancy.secrets") == [(b"",)]
    listed = person.get("/accounts").json()["items"]
    paper = next(one["account_id"] for one in listed if one["mode"] == "paper")
    assert person.call("DELETE", f"/accounts/{paper}/connection").status_code == 409
    assert person.call("DELETE", f"/accounts/{account}").json()["code"] == "account_in_use"
    assert bot.name == "mine"


def test_keys_of_another_tenant_always_answer_as_absent_ones(person: Person, api: Api) -> None:
    """S22: what is not yours is as if it were not there."""
    made = person.post("/keys/ai", json={"label": "a", "provider": "openai", "api_key": "k" * 20})
    assert (made.status_code, made.json()["state"], made.json()["tested"]) == (
        201,
        "untested",
        False,
    )
    other = api.person("other@example.com")
    for key_id in (made.json()["key_id"], str(uuid4())):
        answers = [
            other.get(f"/keys/exchange/{key_id}"),
            other.post(f"/keys/{key_id}/test"),
            other.call("DELETE", f"/keys/ai/{key_id}"),
            other.post("/accounts", json={"mode": "live", "name": "x", "key_id": key_id}),
        ]
        assert {(one.status_code, one.json()["code"]) for one in answers} == {(404, "unknown_key")}
    assert person.call("DELETE", f"/keys/ai/{made.json()['key_id']}").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"label": "a\0b", "venue": "binance", "api_key": "k", "secret": "s"},
        {"label": "a", "venue": "binance", "api_key": "k\0", "secret": "canary-s"},
        {"label": "a", "venue": "binance", "api_key": "k" * 501, "secret": "canary-s"},
        {"label": "a", "venue": "Bin ance", "api_key": "k", "secret": "canary-s"},
        {"label": "a", "venue": "binance", "api_key": "k", "secret": " "},
        {"label": "a", "venue": "binance", "api_key": "k", "secret": "canary-s", "more": 1},
        {"label": "a", "venue": "binance", "api_key": {"canary-s": 1}, "secret": "canary-s"},
    ],
    ids=["nul-label", "nul-key", "long", "venue", "blank", "more", "shape"],
)
def test_key_when_unusable_then_422_and_no_part_of_it_is_answered(
    person: Person, body: dict[str, object]
) -> None:
    answer = person.post("/keys/exchange", json=body, headers=NOW)
    assert answer.status_code == 422, answer.text
    assert "canary" not in answer.text
    assert person.get("/keys/exchange").json()["items"] == []


def test_key_when_the_plan_is_free_then_refused_before_it_is_sealed(api: Api) -> None:
    free = api.person("free@example.com", plan="free")
    answer = free.post("/keys/exchange", json=given("k" * 20, "s" * 20), headers=NOW)
    assert (answer.status_code, answer.json()["code"]) == (403, "plan_limit_reached")
    assert rows(api, "SELECT count(*) FROM tenancy.secrets") == [(0,)]

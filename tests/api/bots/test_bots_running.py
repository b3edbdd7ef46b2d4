"""Starting and stopping bots over HTTP: limits under races, kill switches, live trading."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from candela.ids import new_id
from tests.api.bots.making import CONFIG, account_of, made, make
from tests.fixtures.api import Person
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.fixtures.api import Api


def wanted(person: Person) -> list[str]:
    return [one["wanted"] for one in person.get("/bots", params={"limit": "200"}).json()["items"]]


def test_s27_fifty_parallel_starts_at_limit_one_always_start_one(api: Api) -> None:
    """S27: a plan's limit holds however many requests come at once."""
    person = api.person(plan="free")
    bots = [
        made(person, f"bot {number}", config={"capital": "10"})["bot_id"] for number in range(50)
    ]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(person.post, [f"/bots/{bot}/start" for bot in bots]))
    codes = sorted(one.status_code for one in answers)
    assert codes == [202] + [403] * 49
    refused = next(one.json() for one in answers if one.status_code == 403)
    assert refused["code"] == "plan_limit_reached"
    assert "limit of the plan free: 1" in refused["detail"]
    assert sorted(wanted(person)) == ["running"] + ["stopped"] * 49


def test_s27_limit_of_capital_is_not_got_around_by_a_change_after_the_making(api: Api) -> None:
    """S27: what a plan allows is asked at the start, whatever was changed in between."""
    person = api.person(plan="free")
    bot_id = made(person)["bot_id"]
    config = {"config": CONFIG | {"capital": "500"}}
    path = f"/bots/{bot_id}"
    assert person.call("PUT", f"{path}/config", json=config, headers={"if-match": '"1"'}).is_success
    for verb in ("start", "restart"):
        found = person.post(f"{path}/{verb}")
        assert (found.status_code, found.json()["code"]) == (403, "plan_limit_reached")
    assert wanted(person) == ["stopped"]


def test_start_and_stop_when_repeated_change_and_audit_once(person: Person) -> None:
    path = f"/bots/{made(person)['bot_id']}"
    first = person.post(f"{path}/start")
    assert (first.status_code, first.json()["wanted"]) == (202, "running")
    assert person.post(f"{path}/start").json()["wanted_at"] == first.json()["wanted_at"]
    assert person.post(f"{path}/restart").status_code == 202
    for _ in range(2):
        stopped = person.post(f"{path}/stop", json={"flatten": True})
        assert (stopped.status_code, stopped.json()["wanted"]) == (202, "stopped")
        assert stopped.json()["flatten_on_stop"]
    with person.desk.session() as session:
        rows = session.rows(
            "SELECT action FROM audit.entries WHERE tenant_id = %(tenant)s AND entity = 'bot'"
            " ORDER BY happened_at, entry_id",
            {},
        )
    assert sorted(row["action"] for row in rows) == [
        "bot.create",
        "bot.restart",
        "bot.start",
        "bot.stop",
    ]


def test_start_under_a_kill_switch_is_refused_until_it_is_released(person: Person) -> None:
    bot_id = made(person)["bot_id"]
    for kill in ("", f"/accounts/{account_of(person)}", f"/bots/{bot_id}"):
        on = person.post(f"{kill}/kill", json={"reason": "news"})
        assert on.status_code == 200, on.text
        assert [one["reason"] for one in person.get("/halts").json()] == ["news"]
        found = person.post(f"/bots/{bot_id}/start")
        assert (found.status_code, found.json()["code"]) == (409, "killed")
        assert "news" in found.json()["detail"]
        assert person.post(f"{kill}/release").json() == {"released": True}
        assert person.post(f"{kill}/release").json() == {"released": False}
    assert person.post(f"/bots/{bot_id}/start").status_code == 202
    assert person.post("/kill", json={"reason": "a\0b"}).status_code == 422


def test_status_is_told_once_to_who_polls_until_something_changes(person: Person) -> None:
    path = f"/bots/{made(person)['bot_id']}"
    first = person.get(f"{path}/status")
    assert first.status_code == 200
    assert (first.json()["words"], first.json()["pnl_total"]) == ("stopped", "0")
    known = {"if-none-match": first.headers["etag"]}
    again = person.get(f"{path}/status", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    person.post(f"{path}/start")
    changed = person.get(f"{path}/status", headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    assert changed.json()["words"].startswith("shall run, and no executor is alive")


def live_bot(person: Person) -> str:
    """Make a bot, and its account one that trades money."""
    bot_id = str(made(person)["bot_id"])
    secret = new_id(NOW)
    with person.desk.database.connect() as connection:
        connection.execute(
            "INSERT INTO identity.credentials (tenant_id, user_id, password_hash,"
            " password_changed_at, tokens_valid_from) VALUES (%s, %s, 'x', %s, %s)",
            (person.desk.user.tenant_id, person.desk.user.user_id, NOW, NOW),
        )
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE trading.accounts SET mode = 'live', secret_id = %s WHERE tenant_id = %s",
            (secret, person.desk.user.tenant_id),
        )
    return bot_id


def verify(person: Person) -> None:
    with person.desk.database.connect() as connection:
        connection.execute(
            "UPDATE identity.credentials SET email_verified_at = %s WHERE user_id = %s",
            (NOW, person.desk.user.user_id),
        )


def go(person: Person, bot_id: str, body: dict[str, Any] | None = None) -> Response:
    return person.post(f"/bots/{bot_id}/start", json=body or {})


def test_live_bot_starts_only_for_a_verified_person_with_a_fresh_factor_and_the_amount(
    api: Api, person: Person
) -> None:
    bot_id = live_bot(person)
    amount = {"confirm_capital": "50"}
    assert go(person, bot_id, amount).json()["code"] == "email_not_verified"
    verify(person)
    for given in ({}, {"confirm_capital": "500"}):
        found = go(person, bot_id, given)
        assert (found.status_code, found.json()["code"]) == (409, "capital_not_confirmed")
    assert "would trade 50 USDT" in found.json()["detail"]
    restarted = person.post(f"/bots/{bot_id}/restart")
    assert restarted.json()["code"] == "capital_not_confirmed"
    user = person.desk.user
    old, _ = api.state.access.issue(
        tenant_id=user.tenant_id,
        user_id=user.user_id,
        session_id=session_of(person),
        role="user",
        second_factor_at=NOW - timedelta(minutes=16),
    )
    stale = Person(person.client, person.desk, old)
    assert go(stale, bot_id, amount).json()["code"] == "second_factor_needed"
    changed = stale.call(
        "PUT", f"/bots/{bot_id}/config", json={"config": CONFIG}, headers={"if-match": "*"}
    )
    assert changed.json()["code"] == "second_factor_needed"
    assert wanted(person) == ["stopped"]
    assert go(person, bot_id, amount).status_code == 202


def session_of(person: Person) -> Any:
    with person.desk.database.connect() as connection:
        row = connection.execute(
            "SELECT session_id FROM identity.sessions WHERE user_id = %s",
            (person.desk.user.user_id,),
        ).fetchone()
    assert row is not None
    return row[0]


def test_account_with_less_than_its_bots_need_starts_no_further_one(person: Person) -> None:
    first, second = (
        made(person, name, config={"capital": "600"})["bot_id"] for name in ("one", "two")
    )
    assert person.post(f"/bots/{first}/start").status_code == 202
    found = person.post(f"/bots/{second}/start")
    assert (found.status_code, found.json()["code"]) == (409, "balance_shared")
    assert make(person, "three", config={"timeframe": "x"}).status_code == 422

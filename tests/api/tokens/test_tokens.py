"""API tokens: what the plan includes, shown once, revoked at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.desk.users import change_plan
from tests.fixtures.api import Person
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from tests.fixtures.api import Api


def made(person: Person, *scopes: str, name: str = "mine", **more: Any) -> Any:
    return person.post("/tokens", json={"name": name, "scopes": list(scopes), **more})


@pytest.mark.parametrize(
    ("plan", "scope", "status"),
    [
        ("free", "read", 403),
        ("basic", "read", 201),
        ("basic", "trade", 403),
        ("pro", "trade", 201),
        ("pro", "admin", 422),
    ],
)
def test_token_beyond_the_plan_or_role_is_refused(
    api: Api, plan: str, scope: str, status: int
) -> None:
    found = made(api.person(plan=plan), scope)
    assert found.status_code == status, found.text
    if status == 403:
        assert found.json()["code"] == "plan_limit_reached"


def test_token_always_does_what_its_scopes_say_and_no_more(api: Api) -> None:
    person = api.person(plan="pro")
    token = made(person, "read").json()
    program = Person(api.client, person.desk, token["token"])
    assert token["token"].startswith("cnd_")
    assert program.get("/users/me").status_code == 200
    for method, path in (("GET", "/tokens"), ("PATCH", "/users/me"), ("POST", "/auth/logout")):
        found = program.call(method, path, json={})
        assert (found.status_code, found.json()["code"]) == (403, "scope_missing")
    listed = person.get("/tokens").json()["items"]
    assert [one["last_four"] for one in listed] == [token["token"][-4:]]
    assert listed[0]["last_used_at"] is not None
    assert token["token"] not in person.get("/tokens").text
    with api.database.connect() as connection:
        row = connection.execute("SELECT t::text FROM identity.api_tokens AS t").fetchone()
    assert row is not None
    assert token["token"] not in row[0]


def test_token_when_revoked_or_over_is_worth_nothing(api: Api, api_clock: FixedClock) -> None:
    person, other = api.person(plan="pro"), api.person("bo@example.com", plan="pro")
    ends = (NOW + timedelta(minutes=5)).isoformat()
    first, second = (
        made(person, "read", name="a").json(),
        made(person, "read", name="b", expires_at=ends).json(),
    )
    assert made(person, "read", name="a").json()["code"] == "token_name_taken"
    programs = [Person(api.client, person.desk, one["token"]) for one in (first, second)]
    assert [one.get("/users/me").status_code for one in programs] == [200, 200]
    assert other.call("DELETE", f"/tokens/{first['token_id']}").status_code == 404
    assert person.call("DELETE", f"/tokens/{first['token_id']}").status_code == 204
    assert person.call("DELETE", f"/tokens/{first['token_id']}").status_code == 404
    assert [one.get("/users/me").status_code for one in programs] == [401, 200]
    api_clock.at = NOW + timedelta(minutes=5)
    assert [one.get("/users/me").status_code for one in programs] == [401, 401]
    past = made(person, "read", name="c", expires_at=(NOW - timedelta(days=1)).isoformat())
    assert past.status_code in {401, 422}


def test_token_when_the_plan_lapses_loses_what_that_included(api: Api) -> None:
    person = api.person(plan="pro")
    token = made(person, "read", "trade").json()["token"]
    with person.desk.session() as session:
        change_plan(session, "free", clock=api.clock)
    program = Person(api.client, person.desk, token)
    assert program.get("/users/me").status_code == 403


def test_token_that_trades_takes_a_fresh_second_factor(api: Api) -> None:
    person = api.person(plan="pro")
    user = person.desk.user
    with api.database.connect() as connection:
        row = connection.execute("SELECT session_id FROM identity.sessions").fetchone()
    assert row is not None
    token, _ = api.state.access.issue(
        tenant_id=user.tenant_id, user_id=user.user_id, session_id=row[0], role="user"
    )
    stale = Person(api.client, person.desk, token)
    assert made(stale, "read", "trade").json()["code"] == "second_factor_needed"
    assert person.get("/tokens").json()["items"] == []
    assert made(stale, "read").status_code == 201

"""Sessions: rotation, reuse, what ends them, and guessing that is slowed down."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.opening import ApiParts, state_opener
from candela.identity.caller import UserRole
from tests.fixtures.api import SIGNING, Api
from tests.fixtures.desk import NOW
from tests.fixtures.logins import PASSWORD, enrolled, get, logged_in, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from candela.clock import FixedClock
    from candela.vault.masterkeys import MasterKeys

_LONG_ENOUGH_S = 20.0


def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come soon; how soon is measured in bench/identity.py."""
    ends = time.monotonic() + _LONG_ENOUGH_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def refreshed(api: Api, token: str) -> Any:
    return post(api, "/auth/refresh", refresh_token=token)


def test_refresh_token_when_used_gives_the_next_and_is_spent(
    api: Api, api_clock: FixedClock
) -> None:
    """S14: rotation; an old token that is shown again ends the whole family."""
    enrolled(api)
    first = logged_in(api)
    api_clock.at = NOW + timedelta(minutes=1)
    second = refreshed(api, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["session_id"] == first["session_id"]
    assert get(api, "/users/me", second["access_token"]).status_code == 200
    api_clock.at = NOW + timedelta(minutes=1, seconds=11)
    reused = refreshed(api, first["refresh_token"])
    assert (reused.status_code, reused.json()["code"]) == (401, "session_over")
    assert refreshed(api, second["refresh_token"]).status_code == 401
    assert get(api, "/users/me", second["access_token"]).status_code == 401


def test_refresh_when_two_ask_at_once_never_forks_the_family(
    api: Api, api_clock: FixedClock
) -> None:
    """S14: both are given the same successor; once that is used, the older token is refused."""
    enrolled(api)
    first = logged_in(api)["refresh_token"]
    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(refreshed, api, first) for _ in range(8)]
        answers = [job.result() for job in jobs]
    assert {one.status_code for one in answers} == {200}
    (second,) = {one.json()["refresh_token"] for one in answers}
    with api.database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM identity.refresh_tokens").fetchone()
    assert row == (2,)
    api_clock.at = NOW + timedelta(seconds=5)
    third = refreshed(api, second)
    assert third.status_code == 200
    late = refreshed(api, first)
    assert (late.status_code, late.json()["code"]) == (409, "refresh_superseded")
    assert refreshed(api, third.json()["refresh_token"]).status_code == 200


def test_session_after_thirty_days_ends_however_often_it_was_kept(
    api: Api, api_clock: FixedClock
) -> None:
    enrolled(api)
    token = logged_in(api)["refresh_token"]
    for day in range(6, 30, 6):
        api_clock.at = NOW + timedelta(days=day)
        token = refreshed(api, token).json()["refresh_token"]
    api_clock.at = NOW + timedelta(days=30)
    assert refreshed(api, token).status_code == 401
    unkept = logged_in(api)["refresh_token"]
    api_clock.at = NOW + timedelta(days=37)
    assert refreshed(api, unkept).status_code == 401


def test_sessions_when_listed_show_own_ones_that_can_be_ended(api: Api) -> None:
    enrolled(api)
    enrolled(api, "bo@example.com")
    here, there, third = (logged_in(api) for _ in range(3))
    foreign = logged_in(api, "bo@example.com")
    listed = get(api, "/auth/sessions", here["access_token"]).json()["items"]
    assert {one["session_id"] for one in listed} == {
        one["session_id"] for one in (here, there, third)
    }
    assert [one["session_id"] for one in listed if one["is_current"]] == [here["session_id"]]
    headers = {"authorization": f"Bearer {here['access_token']}"}
    for wanted, status in ((foreign, 404), (there, 204), (there, 404)):
        path = f"/api/v1/auth/sessions/{wanted['session_id']}"
        assert api.client.delete(path, headers=headers).status_code == status
    assert api.client.delete("/api/v1/auth/sessions", headers=headers).status_code == 204
    for one, status in ((here, 200), (there, 401), (third, 401), (foreign, 200)):
        assert get(api, "/users/me", one["access_token"]).status_code == status
    assert post(api, "/auth/logout", here["access_token"]).status_code == 204
    assert get(api, "/users/me", here["access_token"]).status_code == 401
    assert refreshed(api, here["refresh_token"]).status_code == 401


@pytest.fixture
def other(api: Api, redis_url: str, masters: MasterKeys) -> Iterator[Api]:
    """Give a second process's worth of the same API, asked from another address."""
    parts = ApiParts(
        database=api.database,
        redis_url=redis_url,
        clock=api.clock,
        signing=SIGNING,
        masters=lambda: masters,
        options=api.state.options,
    )
    app = create_app(parts.options, state_opener(parts))
    with TestClient(app, client=("192.0.2.7", 1)) as client:
        yield Api(client, api.database, api.clock)


def test_logout_when_another_process_is_asked_holds_there_too(api: Api, other: Api) -> None:
    """S14: told by Redis at once; its keys are not needed for it."""
    enrolled(api)
    token = logged_in(api)["access_token"]
    assert get(other, "/users/me", token).status_code == 200
    assert post(api, "/auth/logout", token).status_code == 204
    until(lambda: get(other, "/users/me", token).status_code == 401)


def test_revocation_when_redis_is_gone_is_read_from_the_database(api: Api) -> None:
    """S14: whatever Redis lost or never heard, PostgreSQL is the truth, also after a restart."""
    enrolled(api)
    token, shut, again = (logged_in(api)["access_token"] for _ in range(3))
    parts = ApiParts(
        database=api.database,
        redis_url="redis://127.0.0.1:1/0",
        clock=api.clock,
        signing=SIGNING,
        masters=lambda: pytest.fail("nothing is sealed here"),
        options=api.state.options,
    )
    assert post(api, "/auth/logout", again).status_code == 204
    with TestClient(create_app(parts.options, state_opener(parts))) as client:
        deaf = Api(client, api.database, api.clock)
        assert get(deaf, "/users/me", again).status_code == 401
        assert get(deaf, "/users/me", token).status_code == 200
        assert post(api, "/auth/logout", token).status_code == 204
        until(lambda: get(deaf, "/users/me", token).status_code == 401)
        # A login works without Redis too, and guesses are counted.
        login = {"email": "ada@example.com"}
        assert post(deaf, "/auth/login", **login, password=PASSWORD).status_code == 200
        wrong = [post(deaf, "/auth/login", **login, password="x") for _ in range(11)]
        assert [one.status_code for one in wrong] == [401] * 10 + [429]
        with api.database.connect() as connection:
            connection.execute(
                "UPDATE tenancy.users SET is_active = false, updated_at = %s",
                (NOW + timedelta(seconds=1),),
            )
        until(lambda: get(deaf, "/users/me", shut).status_code == 401)
        assert post(api, "/auth/login", **login, password=PASSWORD).status_code == 401


def test_guessing_when_it_goes_on_is_refused_without_locking_the_user_out(
    api: Api, other: Api
) -> None:
    """S18: ten failures of an address for a user, none of which keep another address out."""
    enrolled(api)
    enrolled(api, "bo@example.com")
    login = {"email": "ada@example.com"}
    wrong = [post(api, "/auth/login", **login, password="guess") for _ in range(12)]
    assert [one.status_code for one in wrong] == [401] * 10 + [429] * 2
    assert int(wrong[-1].headers["retry-after"]) > 600
    refused = post(api, "/auth/login", **login, password=PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert logged_in(other)["status"] == "ok"
    assert logged_in(api, "bo@example.com")["status"] == "ok"


@pytest.mark.parametrize(
    ("given", "taken"),
    [("user", "admin"), ("admin", "user")],
    ids=["given", "taken"],
)
def test_role_when_changed_holds_at_the_next_request(
    api: Api, given: UserRole, taken: UserRole
) -> None:
    """S39: whatever the token says, the database is asked what its holder is now."""
    person = api.person(role=given)
    before = person.get("/admin/stats").status_code
    with api.database.connect() as connection:
        connection.execute("UPDATE tenancy.users SET role = %s", (taken,))
    after = person.get("/admin/stats").status_code
    assert (before, after) == ((403, 200) if taken == "admin" else (200, 403))


@pytest.mark.parametrize(
    "body",
    [
        {"role": "superadmin"},
        {"email": "root@example.com"},
        {"name": "Ada", "plan": "enterprise"},
        {"tenant_id": "0199a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"},
        {"zone": "Mars/Olympus"},
        {"name": "a\u0000b"},
        {"language": "xx"},
    ],
    ids=["role", "email", "plan", "tenant", "zone", "nul", "language"],
)
def test_profile_when_more_is_sent_than_is_ones_own_changes_nothing(
    api: Api, body: dict[str, str]
) -> None:
    """S39: nobody raises oneself by the profile."""
    person = api.person()
    before = person.get("/users/me").json()
    assert person.call("PATCH", "/users/me", json=body).status_code == 422
    assert person.get("/users/me").json() == before
    changed = person.call("PATCH", "/users/me", json={"name": "Ada", "zone": "Europe/Madrid"})
    assert changed.json() == before | {"name": "Ada", "zone": "Europe/Madrid"}

"""S18: how often who may ask, over all processes, and also while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.limiting.limits import LIMITS, Limiter, Limits, Rule
from api.limiting.redislink import RedisLink
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from tests.fixtures.api import SIGNING, Api, Person

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys

AWAY = "redis://127.0.0.1:1/0"
FEW = Limits(
    by_plan={
        **LIMITS.by_plan,
        "basic": {"read": Rule("read", 3), "write": Rule("write", 2), "costly": Rule("costly", 1)},
    },
    address=Rule("address", 4),
    login=Rule("login", 2),
)


async def spend(url: str, times: int, rule: Rule) -> list[bool]:
    """Ask at once, through several processes' worth of limiters."""
    links = [RedisLink(url) for _ in range(4)]
    limiters = [Limiter(link) for link in links]
    try:
        asked = [limiters[one % 4].spend("somebody", rule) for one in range(times)]
        return [spent.is_allowed for spent in await asyncio.gather(*asked)]
    finally:
        for link in links:
            await link.close()


def test_limit_when_processes_ask_at_once_then_exactly_so_many_pass(redis_url: str) -> None:
    allowed = asyncio.run(spend(redis_url, 200, Rule("write", 20, 3_600)))
    assert sum(allowed) == 20


def test_limit_when_redis_is_away_then_each_process_holds_the_same_numbers() -> None:
    allowed = asyncio.run(spend(AWAY, 200, Rule("write", 20, 3_600)))
    assert sum(allowed) == 4 * 20


def test_limit_gives_back_as_time_goes_by(redis_url: str) -> None:
    async def ask() -> list[bool]:
        link = RedisLink(redis_url)
        rule = Rule("read", 10, 1)
        try:
            first = [(await Limiter(link).spend("x", rule)).is_allowed for _ in range(11)]
            await asyncio.sleep(0.25)
            return [*first[-1:], (await Limiter(link).spend("x", rule)).is_allowed]
        finally:
            await link.close()

    assert asyncio.run(ask())[-1] is True


@pytest.fixture(params=["shared", "away"])
def narrow(
    request: pytest.FixtureRequest,
    database: Database,
    redis_url: str,
    api_clock: FixedClock,
    masters: MasterKeys,
) -> Iterator[Api]:
    """Give the API with few requests for everybody, with Redis and without."""
    parts = ApiParts(
        database=database,
        redis_url=redis_url if request.param == "shared" else AWAY,
        clock=api_clock,
        signing=SIGNING,
        masters=lambda: masters,
        options=ApiOptions(limits=FEW),
    )
    app = create_app(parts.options, state_opener(parts))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Api(client, database, api_clock)


def test_s18_tenant_beyond_its_plan_is_told_to_wait_and_others_are_not(narrow: Api) -> None:
    person, other = narrow.person(), narrow.person("other@example.com")
    answers = [person.get("/bots") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert [one.headers["ratelimit-remaining"] for one in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["ratelimit-limit"] == "3"
    assert 0 < int(answers[0].headers["ratelimit-reset"]) <= 60
    assert answers[3].json()["code"] == "too_many_requests"
    assert 0 < int(answers[3].headers["retry-after"]) <= 60
    assert other.get("/bots").status_code == 200
    # Of another class, and of nobody: health is asked by machines.
    assert person.post("/events/tickets").status_code in {201, 503}
    assert {narrow.client.get("/health/live").status_code for _ in range(9)} == {200}


def test_s18_what_costs_has_a_budget_of_its_own_and_reads_go_on(narrow: Api) -> None:
    person = narrow.person()
    answers = [person.get("/users/me/export") for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 429]
    assert "class costly" in answers[1].json()["detail"]
    assert 0 < int(answers[1].headers["retry-after"]) <= 60
    assert person.get("/bots").status_code == 200


def test_s18_logins_of_one_address_are_fewer_than_its_other_requests(narrow: Api) -> None:
    body = {"email": "nobody@example.com", "password": "a password of nobody"}
    answers = [narrow.client.post("/api/v1/auth/login", json=body) for _ in range(3)]
    assert [one.status_code for one in answers] == [401, 401, 429]
    assert "class login" in answers[2].json()["detail"]
    assert narrow.client.get("/api/v1/billing/plans").status_code == 200


def test_s18_token_has_half_of_its_tenants_budget_and_its_owner_the_rest(narrow: Api) -> None:
    person = narrow.person()
    # With "basic" a token reads; half of three requests is one.
    made = person.post("/tokens", json={"name": "bot", "scopes": ["read"]})
    assert made.status_code == 201, made.text
    program = Person(person.client, person.desk, made.json()["token"])
    assert [program.get("/bots").status_code for _ in range(3)] == [200, 429, 429]
    # What was refused was not taken from the tenant.
    assert [person.get("/bots").status_code for _ in range(3)] == [200, 200, 429]


def test_s18_tokens_that_are_tried_are_counted_for_their_address(narrow: Api) -> None:
    tried = [
        narrow.client.get("/api/v1/bots", headers={"authorization": f"Bearer guess{number}"})
        for number in range(5)
    ]
    assert [one.status_code for one in tried] == [401, 401, 401, 401, 429]
    # Whoever has a token from the same address goes on.
    assert narrow.person().get("/bots").status_code == 200

"""S30, S31 and S37: what browsers may do, what bodies may be, and what production refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.checking import UnsafeSetting, check_options
from api.limiting.limits import LIMITS
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from tests.fixtures.api import SIGNING, Api

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys
    from tests.fixtures.api import Person

OURS = "https://app.example.com"


@pytest.fixture
def live(
    database: Database, redis_url: str, api_clock: FixedClock, masters: MasterKeys
) -> Iterator[Api]:
    """Give the API as production runs it, with one page that may call it."""
    options = ApiOptions(
        public_url="https://trade.example.com",
        allowed_origins=(OURS,),
        is_production=True,
        limits=LIMITS.times(1_000),
    )
    parts = ApiParts(
        database=database,
        redis_url=redis_url,
        clock=api_clock,
        signing=SIGNING,
        masters=lambda: masters,
        options=options,
    )
    with TestClient(create_app(options, state_opener(parts))) as client:
        yield Api(client, database, api_clock)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com/",
    ],
)
def test_s31_page_of_another_origin_is_allowed_nothing(live: Api, origin: str) -> None:
    for method, headers in (
        ("GET", {"origin": origin}),
        ("OPTIONS", {"origin": origin, "access-control-request-method": "POST"}),
    ):
        answered = live.client.request(method, "/api/v1/bots", headers=headers)
        assert "access-control-allow-origin" not in answered.headers


def test_s31_page_that_is_named_may_call_without_cookies(live: Api) -> None:
    headers = {"origin": OURS, "access-control-request-method": "POST"}
    answered = live.client.options("/api/v1/bots", headers=headers)
    assert answered.headers["access-control-allow-origin"] == OURS
    assert "access-control-allow-credentials" not in answered.headers
    assert "default-src 'none'" in answered.headers["content-security-policy"]


def test_s30_no_cookie_form_or_query_changes_anything(api: Api, person: Person) -> None:
    key = {"idempotency-key": "form-of-a-page"}
    api.client.cookies.set("session", person.token)
    tries: list[dict[str, Any]] = [
        {"json": {}},
        {"data": {"access_token": person.token}},
        {"params": {"access_token": person.token}, "json": {}},
    ]
    for one in tries:
        answered = api.client.post("/api/v1/bots", headers=key, **one)
        assert (answered.status_code, answered.json()["code"]) == (401, "not_authenticated")
        assert "set-cookie" not in answered.headers
    # A form of a page, even with the token: the type of its body is none of ours.
    assert person.post("/bots", data={"name": "x"}).status_code == 422


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/v1/docs", "/metrics"])
def test_s37_production_shows_no_documents_to_play_with_and_no_figures(
    live: Api, path: str
) -> None:
    assert live.client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW"])
def test_s37_odd_methods_are_refused(live: Api, method: str) -> None:
    answered = live.client.request(method, "/api/v1/events/tickets")
    assert (answered.status_code, answered.json()["code"]) == (405, "method_not_allowed")


def test_body_above_a_mebibyte_is_refused_announced_or_not(person: Person) -> None:
    large = b"x" * 1_048_577
    for content in (large, iter([large[:500_000], large[500_000:]])):
        answered = person.post("/bots", content=content)
        assert (answered.status_code, answered.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "options",
    [
        ApiOptions(is_production=True, public_url="http://trade.example.com"),
        ApiOptions(allowed_origins=("*",)),
        ApiOptions(allowed_origins=("null",)),
        ApiOptions(allowed_origins=("https://app.example.com/path",)),
        ApiOptions(
            is_production=True,
            public_url="https://trade.example.com",
            allowed_origins=("http://app.example.com",),
        ),
        ApiOptions(trusted_proxies=("0.0.0.0/0",)),
        ApiOptions(trusted_proxies=("proxy",)),
    ],
    ids=range(7),
)
def test_s37_setting_that_is_not_safe_is_refused_before_anything_listens(
    options: ApiOptions,
) -> None:
    with pytest.raises(UnsafeSetting, match="CANDELA_"):
        check_options(options)


def test_health_tells_what_is_there(api: Api) -> None:
    for path in ("/health/ready", "/api/v1/health/ready"):
        answered = api.client.get(path)
        assert answered.status_code == 200, answered.text
        assert answered.json() == {
            "status": "ready",
            "database": True,
            "schema_current": True,
            "redis": True,
        }
    assert "ratelimit-limit" not in answered.headers


def test_figures_count_requests_by_template_and_name_nobody(api: Api, person: Person) -> None:
    person.get(f"/bots/{person.desk.user.user_id}")
    text = api.state.figures.text()
    wanted = 'requests_total{method="GET",route="/api/v1/bots/{bot_id}",status_class="4xx"} 1'
    assert wanted in text
    assert str(person.desk.user.user_id) not in text
    assert "candela_api_pool_connections{" in text

"""The index of routes: each request meets its own route, or the refusal that it met without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import APIRouter, FastAPI
from starlette.testclient import TestClient

from api.routing import RouteIndex, add_routes

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing/here", 404),
        ("GET", "/api/v1/trades/a/b/c", 404),
        ("DELETE", "/api/v1/trades", 405),
        ("PUT", "/api/v1/bots/one/start", 405),
        ("GET", "/api", 404),
        ("GET", "/", 404),
    ],
)
def test_path_when_no_route_takes_it_then_refused_as_a_problem(
    person: Person, method: str, path: str, status: int
) -> None:
    answer = person.client.request(
        method, path, headers={"authorization": f"Bearer {person.token}"}
    )
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("allow" in answer.headers) == (status == 405)


def test_paths_when_they_begin_alike_then_each_meets_its_own(api: Api, person: Person) -> None:
    assert person.get("/trades.csv").headers["content-type"].startswith("text/csv")
    assert person.get("/trades").json()["items"] == []
    assert person.get("/trades/").status_code == 200  # led to the path without a slash
    assert api.client.get("/health/live").json() == api.client.get("/api/v1/health/live").json()


def test_figures_when_a_route_was_asked_then_told_by_its_template(api: Api, person: Person) -> None:
    person.get("/bots/0196d2f0-0000-7000-8000-000000000000")
    api.client.get("/api/v1/nothing/here")
    told = api.state.figures.text()
    assert 'route="/api/v1/bots/{bot_id}"' in told
    assert "nothing" not in told


def test_index_when_a_route_begins_with_a_parameter_then_it_says_so() -> None:
    app = FastAPI()
    app.get("/api/v1/{anything}")(lambda: None)
    with pytest.raises(ValueError, match="begins with words"):
        RouteIndex(app.router)


def test_routes_when_a_router_holds_another_then_none_is_lost_silently() -> None:
    outer, inner = APIRouter(), APIRouter()
    inner.get("/one")(lambda: None)
    outer.include_router(inner)
    with pytest.raises(TypeError, match="no route of a feature"):
        add_routes(FastAPI(), (outer,))


def test_group_when_routes_overlap_then_the_first_one_answers() -> None:
    def named(name: str) -> str:
        return name.upper()

    app, router = FastAPI(), APIRouter()
    router.get("/bots/all")(lambda: "all")
    router.get("/bots/{name}")(named)
    add_routes(app, (router,), "/api/v1")
    app.router.middleware_stack = RouteIndex(app.router)
    with TestClient(app) as client:
        assert client.get("/api/v1/bots/all").json() == "all"
        assert client.get("/api/v1/bots/some").json() == "SOME"

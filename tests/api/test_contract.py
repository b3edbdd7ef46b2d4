"""The contract as a whole: the document, guards of browsers, what a stranger can learn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema_rs import Draft202012Validator

from api.app import create_app
from api.state import ApiOptions
from tests.api.probing import METHODS

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

GUARDS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def document(api: Api) -> dict[str, Any]:
    app: Any = api.client.app
    found: dict[str, Any] = app.openapi()
    return found


def test_document_always_names_each_operation_once_with_summary_tag_and_problems(api: Api) -> None:
    names: list[str] = []
    for path, methods in document(api)["paths"].items():
        for method, item in methods.items():
            if method not in METHODS:
                continue
            names.append(item["operationId"])
            assert item.get("summary") or item.get("description"), path
            assert item.get("tags"), path
            if item.get("security"):
                assert {"401", "422", "429"} <= set(item["responses"]), f"{method} {path}"
    assert len(names) == len(set(names))
    assert len(names) > 60


def test_document_always_describes_every_operation_and_shows_bodies_that_fit(api: Api) -> None:
    whole = document(api)
    shown = 0
    for path, methods in whole["paths"].items():
        for method, item in methods.items():
            where = f"{method} {path}"
            assert item.get("summary"), where
            assert item.get("description"), where
            assert re.fullmatch(r"[a-z][a-z0-9_]{3,49}", item["operationId"]), where
            answers = item["responses"].items()
            bodies = [("body", item.get("requestBody", {})), *answers]
            for status, body in bodies:
                assert status == "body" or body["description"], f"{where} {status}"
                content = body.get("content", {})
                if status.startswith(("4", "5")) and path != "/api/v1/health/ready":
                    assert list(content) == ["application/problem+json"], f"{where} {status}"
                for kind, media in content.items():
                    for example in examples(media):
                        check = {**media["schema"], "components": whole["components"]}
                        faults = list(Draft202012Validator(check).iter_errors(example))
                        assert not faults, f"{where} {status} {kind}: {faults[0]}"
                        shown += 1
    assert shown > 500


def examples(media: dict[str, Any]) -> list[Any]:
    named = [one["value"] for one in media.get("examples", {}).values()]
    found = [*named, *([media["example"]] if "example" in media else [])]
    assert found, media
    return found


def test_methods_when_a_path_takes_several_then_all_are_named(api: Api) -> None:
    refused = api.client.put("/api/v1/bots")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, POST"
    assert api.client.put("/api/v1/bots/ruin").headers["allow"] == "POST"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b""], ids=["bytes", "half", "nothing"])
def test_body_when_it_cannot_be_read_then_422_names_it(api: Api, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = api.client.post("/api/v1/auth/login", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["field"].startswith("body")


def test_instant_when_it_is_a_number_then_refused(person: Person) -> None:
    """The document promises texts of ISO 8601 alone."""
    for path in ("/logs?until=0.5", "/audit?since=1", "/trades?until=1e3", "/metrics?to=0"):
        assert person.get(path).status_code == 422, path
    assert person.post("/kill", json={"flatten": 0}).status_code == 422


def test_answers_always_carry_guards_for_browsers_and_no_cookie(api: Api, person: Person) -> None:
    """S31, S30: no cookie is ever set, so there is none that another site could make use of."""
    for answer in (
        api.client.get("/api/v1/audit"),
        person.get("/audit"),
        api.client.get("/api/v1/nothing"),
    ):
        assert GUARDS.items() <= dict(answer.headers).items(), answer.headers
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        assert "set-cookie" not in answer.headers
    crossed = api.client.post(
        "/api/v1/alerts",
        data={"name": "x"},
        headers={"origin": "https://evil.example", "cookie": f"token={person.token}"},
    )
    assert crossed.status_code == 401
    assert "access-control-allow-origin" not in crossed.headers


def test_origins_when_not_on_the_list_then_no_right_to_read(api: Api) -> None:
    """S31: null, suffixes and prefixes of what is allowed."""
    for origin in ("null", "http://testserver.evil.example", "http://eviltestserver"):
        answer = api.client.options(
            "/api/v1/audit",
            headers={"origin": origin, "access-control-request-method": "GET"},
        )
        assert "access-control-allow-origin" not in answer.headers, origin


def test_production_always_is_without_pages_for_developers_and_traces() -> None:
    """S37: /docs is off, TRACE is refused."""

    def never() -> Any:
        raise AssertionError

    app = create_app(ApiOptions(is_production=True), never)
    assert app.docs_url is None
    assert app.redoc_url is None
    assert app.debug is False


def test_failures_when_unknown_then_a_request_id_and_no_trace(api: Api, person: Person) -> None:
    """S37: no stack trace, no statement, no path of a file."""
    traced = api.client.request("TRACE", "/api/v1/audit")
    assert traced.status_code in {401, 405}
    with api.database.connect() as connection:
        connection.execute("ALTER TABLE trading.alerts RENAME TO alerts_gone")
    try:
        answer = person.get("/alerts")
    finally:
        with api.database.connect() as connection:
            connection.execute("ALTER TABLE trading.alerts_gone RENAME TO alerts")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert not any(word in answer.text for word in ("alerts_gone", "Traceback", "psycopg", ".py"))

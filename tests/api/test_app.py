"""What holds for every path: problems of one shape, request ids, guarding headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fixtures.api import Api


def test_unknown_path_always_answers_a_problem_with_the_request_id(api: Api) -> None:
    found = api.client.get("/api/v1/nowhere", headers={"x-request-id": "abcdefgh-1"})
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["x-request-id"] == "abcdefgh-1"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["cache-control"] == "no-store"
    problem = found.json()
    assert (problem["status"], problem["code"]) == (404, "no_such_path")
    assert problem["request_id"] == "abcdefgh-1"


def test_document_always_names_the_version_of_its_paths(api: Api) -> None:
    found = api.client.get("/api/v1/openapi.json")
    assert found.status_code == 200
    assert found.json()["info"]["title"] == "Candela"

"""Whatever is sent to whichever route: 4xx with a problem, never 5xx, nothing undocumented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.fuzz import fuzz
from tests.fixtures.servers import redis_client

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

CASES = 500


def test_routes_when_fuzzed_as_nobody_user_and_administrator_then_no_server_error(
    api: Api, person: Person, redis_url: str
) -> None:
    """S36: a shorter form of 10,000 cases."""
    admin = api.person("admin@example.com", role="admin")
    bus: Any = redis_client(redis_url)
    app: Any = api.client.app
    document: dict[str, Any] = app.openapi()
    # They end the session that the other cases go on with.
    for path in [one for one in document["paths"] if one.endswith(("/logout", "/logout-all"))]:
        del document["paths"][path]
    counts, wrong = fuzz(
        api.client,
        document,
        {"nobody": None, "user": person.token, "admin": admin.token},
        CASES,
        before=bus.flushdb,
    )
    assert wrong == [], "\n".join(wrong)
    assert min(counts["nobody"], counts["user"], counts["admin"]) > CASES / 10

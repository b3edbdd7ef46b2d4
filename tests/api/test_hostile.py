"""What an attacker sends: SQL as text, tokens in the wrong place, fields of somebody else."""

from __future__ import annotations

import base64
import copy
import ipaddress
import itertools
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.middleware import address_of
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from tests.api.probing import METHODS, Operation, ids_of, operations, send
from tests.fixtures.api import SIGNING, Api, Person
from tests.fixtures.logins import PASSWORD, enrolled, get, link, logged_in, post
from tests.sql.tenants import add_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.clock import FixedClock
    from candela.vault.masterkeys import MasterKeys

INJECTIONS = (
    "x' OR '1'='1",
    "'; SELECT set_config('candela.tenants', '{bob}', false); --",
    "%' UNION SELECT tenant_id::text FROM trading.bots --",
    "{{7*7}}${{7*7}}%(tenant)s$1\\",
)
# Whoever these belong to is shut out, and the rest of the test with them.
ENDS_ALL = {"DELETE /api/v1/users/me", "POST /api/v1/auth/logout"}


def texts_of(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a body texts stand."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from texts_of(inner, (*place, name))
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[Any]", value)):
            yield from texts_of(inner, (*place, number))
    elif isinstance(value, str):
        yield place


def put(body: Any, place: tuple[Any, ...], text: str) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = text
    return changed


def string_queries(api: Api, operation: Operation) -> list[str]:
    app: Any = api.client.app
    item = app.openapi()["paths"][operation.path][operation.method]
    return [one["name"] for one in item.get("parameters", []) if one["in"] == "query"]


def requests_with(
    operation: Operation, queries: list[str], texts: list[str], ids: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield requests of an operation with a text, of which each has its turn, in each place."""
    turn = itertools.cycle(texts)
    for name in operation.path_parameters:
        yield {"ids": ids | {name: next(turn).replace("/", "")}}
    for name in queries:
        yield {"ids": ids, "query": {**operation.query, name: next(turn)}}
    for place in texts_of(operation.body):
        yield {"ids": ids, "body": put(operation.body, place, next(turn))}


def test_text_when_it_is_sql_in_any_parameter_then_no_failure_and_one_tenant_is_seen(
    api: Api, person: Person
) -> None:
    """S08: every path, query and body text of every route takes one injection after the other."""
    with api.database.connect() as connection:
        bob = add_tenant(connection, "bob")
    theirs = [str(one) for one in (bob.tenant_id, bob.bot_id, bob.account_id, bob.row_id)]
    ids = dict.fromkeys(("strategy", "name", "venue", "symbol"), "x") | dict.fromkeys(
        ids_of(bob), "019ca6b1-dc00-7000-8000-00000000abcd"
    )
    texts = [one.replace("{bob}", str(bob.tenant_id)) for one in INJECTIONS]
    sent, wrong = 0, list[str]()
    for operation in operations(api.client.app):
        if str(operation) in ENDS_ALL:
            continue
        for options in requests_with(operation, string_queries(api, operation), texts, ids):
            answer = send(api, operation, token=person.token, **options)
            sent += 1
            # What was sent may be shown again in a refusal.
            shown = answer.text.replace(texts[1], "").replace(texts[1].replace("/", ""), "")
            if answer.status_code >= 500 or any(one in shown for one in theirs):
                wrong.append(f"{operation} {options}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert sent > 250
    with api.database.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM trading.bots WHERE tenant_id = %s", (bob.tenant_id,)
        ).fetchone()
    assert row == (1,)


def test_tokens_when_one_is_shown_in_the_place_of_another_are_worth_nothing(api: Api) -> None:
    """S16: access, refresh, challenge, link, API token and ticket: each for its own purpose."""
    enrolled(api)
    session = logged_in(api)
    access, refresh = session["access_token"], session["refresh_token"]
    known = api.state.identity.lookups.login("ada@example.com")
    assert known is not None
    challenge, _ = api.state.access.challenge(tenant_id=known.tenant_id, user_id=known.user_id)
    reset = link(api, "ada@example.com", "reset")
    ticket = post(api, "/events/tickets", access).json()["ticket"]
    for token in (refresh, challenge, reset, ticket, f"cnd_{refresh}", f"cnd_{ticket}"):
        assert get(api, "/users/me", token).status_code == 401, token
        assert get(api, "/admin/stats", token).status_code == 401, token
    for token in (access, challenge, reset, ticket):
        assert post(api, "/auth/refresh", refresh_token=token).status_code in {401, 422}, token
    for token in (access, refresh, reset):
        found = post(api, "/auth/2fa", challenge=token, code="000000")
        assert (found.status_code, found.json()["code"]) == (401, "not_authenticated"), token
    for token in (access, refresh, challenge, ticket):
        assert post(api, "/auth/email/verify", token=token).status_code == 422
        body = {"token": token, "password": "another few words"}
        assert post(api, "/auth/password/reset", **body).status_code == 422
    assert post(api, "/auth/email/verify", token=reset).status_code == 422
    assert get(api, "/users/me", access).status_code == 200


def test_login_when_it_carries_a_session_then_another_one_is_opened(api: Api) -> None:
    """S14: no session is taken over from who asks, by header, cookie, query or field."""
    enrolled(api)
    planted = logged_in(api)
    body = {"email": "ada@example.com", "password": PASSWORD}
    named = {"session_id": planted["session_id"], "refresh_token": planted["refresh_token"]}
    api.client.cookies.set("session_id", planted["session_id"])
    found = api.client.post(
        "/api/v1/auth/login",
        json=body,
        params=named,
        headers={"authorization": f"Bearer {planted['access_token']}"},
    ).json()
    assert found["session_id"] != planted["session_id"]
    assert found["refresh_token"] != planted["refresh_token"]
    assert post(api, "/auth/login", **body, **named).status_code == 422


def test_second_factor_when_it_was_not_shown_is_not_gained_by_refreshing_or_by_a_token(
    api: Api, api_clock: FixedClock
) -> None:
    """S14, S16: what a session has not shown, neither its successors nor its programs have."""
    person = api.person("pro@example.com", plan="pro")
    enrolled(api)
    plain = logged_in(api)
    renewed = post(api, "/auth/refresh", refresh_token=plain["refresh_token"]).json()
    key = {"label": "k", "venue": "binance", "api_key": "a" * 64, "api_secret": "b" * 64}
    for token in (plain["access_token"], renewed["access_token"]):
        found = post(api, "/keys/exchange", token, **key)
        assert (found.status_code, found.json()["code"]) == (403, "second_factor_needed")
    made = person.post("/tokens", json={"name": "robot", "scopes": ["read", "trade"]}).json()
    for path, body in (
        ("/keys/exchange", key),
        ("/tokens", {"name": "more", "scopes": ["read"]}),
        ("/auth/password/change", {"password": PASSWORD, "new_password": "another few words"}),
        ("/auth/2fa/setup", {"password": PASSWORD}),
        ("/auth/2fa/refresh", {"code": "000000"}),
        ("/auth/logout", {}),
    ):
        found = post(api, path, made["token"], **body)
        assert (found.status_code, found.json()["code"]) == (403, "scope_missing"), path
    api_clock.at = api_clock.at.replace(minute=14)
    assert person.post("/keys/exchange", json={}).status_code == 422
    api_clock.at = api_clock.at.replace(minute=15)
    assert person.post("/keys/exchange", json={}).status_code == 401


def test_body_always_takes_the_fields_of_its_schema_and_no_other(  # noqa: C901 - a rule each
    api: Api,
) -> None:
    """S39: no route takes a role, a plan or a tenant that its schema does not name."""
    app: Any = api.client.app
    document = app.openapi()
    schemas = document["components"]["schemas"]
    loose: list[str] = []
    seen: set[str] = set()

    def look(schema: Any, where: str) -> None:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                look(schemas[name], name)
            return
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            loose.append(where)
        for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
            look(part, where)
        for name, part in schema.get("properties", {}).items():
            look(part, f"{where}.{name}")
        if isinstance(schema.get("items"), dict):
            look(schema["items"], f"{where}[]")

    for path, methods in document["paths"].items():
        for method, item in methods.items():
            content: Any = (
                item.get("requestBody", {}).get("content", {}) if method in METHODS else {}
            )
            for media in cast("dict[str, Any]", content).values():
                look(media["schema"], f"{method} {path}")
    assert len(seen) > 15
    # Stripe signs what it sends, and adds to it as it likes.
    assert [one for one in loose if "stripe" not in one] == []


@pytest.mark.parametrize(
    "given",
    ["a\r\nset-cookie: x=1", "short", "x" * 65, "<script>", "0199a1b2%0d%0ax: y", "é" * 9],
    ids=["crlf", "short", "long", "markup", "escaped", "latin"],
)
def test_request_id_when_it_could_be_more_than_an_id_is_replaced(api: Api, given: str) -> None:
    """S24: nothing that is sent comes back as a header, or as a line of a log."""
    answer = api.client.get(
        "/api/v1/health/live", headers=[(b"x-request-id", given.encode("latin-1"))]
    )
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32
    assert "set-cookie" not in answer.headers


def test_cursor_when_it_was_written_by_somebody_else_never_fails_or_shows_more(
    api: Api, person: Person
) -> None:
    """S08, S36: a cursor says where to go on, and never for whom."""
    with api.database.connect() as connection:
        bob = add_tenant(connection, "bob")
    content: list[Any] = [
        ["2026-03-02T12:00:00+00:00", str(bob.row_id)],
        ["9999-12-31T23:59:59+00:00", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        ["0001-01-01T00:00:00+14:00", str(bob.row_id)],
        ["2026-03-02T12:00:00", "' OR 1=1 --"],
        {"tenant_id": str(bob.tenant_id)},
        [1e308, None],
        [[[]]],
        9**300,
    ]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in content]
    texts += ["[" * 400, "%00", "\x00", "ÿ", "=" * 8, "A" * 499]
    for operation in operations(api.client.app):
        if operation.method != "get" or "cursor" not in string_queries(api, operation):
            continue
        if operation.path_parameters or operation.is_admins:
            continue
        for text in texts:
            query = {**operation.query, "cursor": text}
            answer = send(api, operation, token=person.token, ids={}, query=query)
            assert answer.status_code in {200, 404, 422}, f"{operation} {text}: {answer.text}"
            for theirs in (bob.bot_id, bob.account_id, bob.tenant_id):
                assert str(theirs) not in answer.text.replace(text, ""), f"{operation} {text}"


def test_address_when_a_proxy_adds_a_line_of_its_own_is_the_one_that_the_proxy_saw(
    api: Api, redis_url: str, masters: MasterKeys
) -> None:
    """S18: an address that was made up in a line of its own is not counted as the caller's."""
    trusted = (ipaddress.ip_network("10.0.0.0/8"),)
    assert address_of("10.0.0.1", "6.6.6.6, 192.0.2.9", trusted) == "192.0.2.9"
    parts = ApiParts(
        database=api.database,
        redis_url=redis_url,
        clock=api.clock,
        signing=SIGNING,
        masters=lambda: masters,
        options=ApiOptions(trusted_proxies=("10.0.0.0/8",), limits=api.state.options.limits),
    )
    enrolled(api)
    app = create_app(parts.options, state_opener(parts))
    with TestClient(app, client=("10.0.0.1", 1)) as client:
        lines = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"192.0.2.9")]
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert client.post("/api/v1/auth/login", json=body, headers=lines).status_code == 200
    with api.database.connect() as connection:
        row = connection.execute("SELECT host(address) FROM identity.sessions").fetchone()
    assert row == ("192.0.2.9",)


def test_path_when_a_name_in_it_is_webhooks_then_its_caller_is_counted_all_the_same(
    api: Api,
) -> None:
    """S18: no name that a caller chooses leads to the budget of somebody else."""
    person = api.person("pro@example.com", plan="pro")
    limit = person.get("/strategies/ma_cross").headers["ratelimit-limit"]
    assert person.get("/strategies/webhooks").headers["ratelimit-limit"] == limit


def test_login_when_its_address_is_none_then_no_other_guess_is_counted(api: Api) -> None:
    """S18: codes and passwords of a session are counted by names that no address can have."""
    for name in ("code:019ca6b1-dc00-7000-8000-00000000abcd", "password:x", "nobody"):
        found = post(api, "/auth/login", email=name, password="x")
        assert (found.status_code, found.json()["faults"][0]["field"]) == (422, "body.email")


def test_login_when_refused_is_logged_with_its_place_and_without_its_address(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """S18, S23: who reads the log sees guessing, and neither whom it is for nor what was tried."""
    enrolled(api)
    caplog.clear()
    for email in ("ada@example.com", "nobody@example.com"):
        assert post(api, "/auth/login", email=email, password="guess-7").status_code == 401
    lines = [one for one in caplog.records if one.name == "api.sessions.service"]
    assert [one.getMessage() for one in lines] == ["a login was refused"] * 2
    assert {one.__dict__["from_address"] for one in lines} == {"testclient"}
    written = " ".join(str(one.__dict__) for one in lines)
    assert not any(word in written for word in ("ada@", "nobody@", "guess-7"))

"""Every path of the document against callers who may not: nobody, the wrong one, the lower one."""

from __future__ import annotations

import copy
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.identity.access import ACCESS_LIFE, API_TOKEN_PREFIX
from candela.identity.links import hash_of
from candela.ids import new_id
from tests.api.probing import (
    Operation,
    ids_of,
    operations,
    places_of_ids,
    same_but_for_ids,
    send,
)
from tests.fixtures.desk import NOW
from tests.fixtures.servers import redis_client
from tests.sql.tenants import Tenant, add_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.api import Api, Person

# Whoever calls these has no token yet, or proves itself otherwise.
PUBLIC = {
    "GET /api/v1/health/live",
    "GET /api/v1/health/ready",
    "GET /api/v1/billing/plans",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/email/verify",
    "POST /api/v1/auth/email/resend",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/2fa",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/password/forgot",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/webhooks/stripe",
    # The same under the names of older clients.
    "POST /api/auth/register",
    "POST /api/v1/auth/forgot-password",
    "POST /api/v1/auth/verify-email",
    "POST /api/v1/billing/webhook/stripe",
}
# What changes nothing: a ticket opens what may be read, a question needs a body.
READS = {
    "POST /api/v1/events/tickets",
    "POST /api/v1/strategies/{name}/validate",
    "POST /api/v1/bots/ruin",
}
# Ids that are public names, the same for all tenants.
SHARED = {"strategy", "strategy_id", "venue", "symbol", "instrument", "model_id", "plan", "name"}
ABSENT = "019ca6b1-dc00-7000-8000-00000000abcd"


@pytest.fixture
def bob(api: Api) -> Tenant:
    """Write another tenant with a row in every table."""
    with api.database.connect() as connection:
        made = add_tenant(connection, "bob")
        connection.execute(
            "UPDATE identity.sessions SET expires_at = %s WHERE tenant_id = %s",
            (NOW + timedelta(days=7), made.tenant_id),
        )
    return made


@pytest.fixture
def fresh(redis_url: str) -> Callable[[], None]:
    """Forget how much was asked for, so that no limit answers in the place of a wall."""
    client: Any = redis_client(redis_url)

    def forget() -> None:
        client.flushdb()

    return forget


def private(api: Api) -> list[Operation]:
    return [one for one in operations(api.client.app) if one.needs_login]


def token_of(api: Api, tenant: Tenant) -> str:
    token, _ = api.state.access.issue(
        tenant_id=tenant.tenant_id,
        user_id=tenant.row_id,
        session_id=tenant.row_id,
        role="user",
        second_factor_at=NOW,
    )
    return token


def scoped_token(api: Api, person: Person, *scopes: str) -> str:
    """Store an API token with some scopes."""
    token = API_TOKEN_PREFIX + secrets.token_urlsafe(32)
    user = person.desk.user
    with api.database.connect() as connection:
        connection.execute(
            "INSERT INTO identity.api_tokens (tenant_id, token_id, user_id, name, token_hash,"
            " last_four, scopes, created_at) VALUES (%s, %s, %s, %s, %s, 'abcd', %s, %s)",
            (user.tenant_id, new_id(NOW), user.user_id, "-".join(scopes), hash_of(token),
             list(scopes), NOW),
        )  # fmt: skip
    return token


def test_paths_when_called_without_a_good_token_then_401_but_for_those_named_here(
    api: Api, person: Person, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """S01: no token, a forged one, one that has ended."""
    open_paths = {str(one) for one in operations(api.client.app) if not one.needs_login}
    assert open_paths <= PUBLIC, "a new path without login must be named in PUBLIC"
    head, payload, _ = person.token.split(".")
    forged = f"{head}.{payload}.{'A' * 43}"
    api.clock.at += ACCESS_LIFE + timedelta(seconds=1)
    ids = dict.fromkeys(SHARED, "x") | ids_of(bob)
    for operation in private(api):
        for token in (None, "x", forged, person.token):
            fresh()
            answer = send(api, operation, token=token, ids=ids)
            assert answer.status_code == 401, f"{operation}: {answer.status_code} {answer.text}"
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("plan", ["active", "expired"])
def test_ids_when_of_another_tenant_then_answered_like_ids_that_nobody_has(
    api: Api, person: Person, bob: Tenant, fresh: Callable[[], None], plan: str
) -> None:
    """S01: 404 with the same body; ids in paths, of every route that has any; also once lapsed."""
    with api.database.connect() as connection:
        connection.execute(
            "UPDATE tenancy.subscriptions SET status = %s WHERE tenant_id = %s",
            (plan, person.desk.user.tenant_id),
        )
    theirs = ids_of(bob)
    probed = 0
    for operation in private(api):
        wanted = set(operation.path_parameters) - SHARED
        if not wanted or operation.is_admins:
            continue
        unknown = wanted - set(theirs)
        assert not unknown, f"{operation}: add {unknown} to ids_of and a row to add_tenant"
        fresh()
        foreign = send(api, operation, token=person.token, ids=theirs | dict.fromkeys(SHARED, "x"))
        nobodys = dict.fromkeys((*theirs, *SHARED), ABSENT) | dict.fromkeys(SHARED, "x")
        absent = send(api, operation, token=person.token, ids=nobodys)
        said = f"{operation}: {foreign.status_code} {foreign.text} / {absent.text}"
        assert foreign.status_code in {403, 404}, said
        assert same_but_for_ids(foreign, absent, theirs, ABSENT), said
        probed += 1
    assert probed >= 5


def test_ids_when_asked_for_by_their_owner_then_there(
    api: Api, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """Otherwise the test above would prove nothing: the ids are real ones."""
    token, theirs = token_of(api, bob), ids_of(bob)
    missing: list[str] = []
    for operation in private(api):
        wanted = set(operation.path_parameters) - SHARED
        if not wanted or operation.method != "get" or operation.is_admins:
            continue
        fresh()
        answer = send(api, operation, token=token, ids=theirs | dict.fromkeys(SHARED, "x"))
        # A backtest that waits is there, and has no report yet.
        if answer.status_code in {401, 403, 404} and "no_report" not in answer.text:
            missing.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    assert missing == []


def test_ids_in_bodies_and_queries_when_of_another_tenant_then_answered_like_absent_ones(
    api: Api, person: Person, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """S01: the same for ids that are not in the path."""
    theirs = ids_of(bob)
    for operation in private(api):
        if operation.path_parameters or operation.is_admins or operation.body is None:
            continue
        for place in places_of_ids(operation.body):
            if place[-1] not in theirs:
                continue
            answers: list[Any] = []
            for value in (str(theirs[place[-1]]), ABSENT):
                body = copy.deepcopy(operation.body)
                inner = body
                for part in place[:-1]:
                    inner = inner[part]
                inner[place[-1]] = value
                fresh()
                answers.append(send(api, operation, token=person.token, ids={}, body=body))
            said = f"{operation} {place}: {answers[0].text} / {answers[1].text}"
            assert answers[0].status_code >= 400, said
            assert same_but_for_ids(answers[0], answers[1], theirs, ABSENT), said


def test_ids_in_queries_when_of_another_tenant_then_answered_like_absent_ones(
    api: Api, person: Person, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """S01: filters by bot, account or user: the same answer, and nothing of the other tenant."""
    known = {"bot": bob.bot_id, "account": bob.account_id} | ids_of(bob)
    app: Any = api.client.app
    probed = 0
    for operation in private(api):
        item = app.openapi()["paths"][operation.path][operation.method]
        names = [one["name"] for one in item.get("parameters", []) if one["in"] == "query"]
        if operation.is_admins or operation.path_parameters:
            continue
        for name in known.keys() & names:
            answers: list[Any] = []
            for value in (str(known[name]), ABSENT):
                fresh()
                query = {**operation.query, name: value}
                answers.append(send(api, operation, token=person.token, ids={}, query=query))
            said = f"{operation} {name}: {answers[0].text} / {answers[1].text}"
            assert same_but_for_ids(answers[0], answers[1], known, ABSENT), said
            assert answers[0].status_code < 500, said
            probed += 1
    assert probed >= 10


def test_paths_of_administrators_when_a_user_calls_them_then_403(
    api: Api, person: Person, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """S01: the lower role, in a session and with a token that says it is an administrator's."""
    token = scoped_token(api, person, "read", "trade", "admin")
    administrators = [one for one in private(api) if one.is_admins]
    assert len(administrators) >= 9
    for operation in administrators:
        for held in (person.token, token):
            fresh()
            answer = send(api, operation, token=held, ids=ids_of(bob))
            assert answer.status_code in {401, 403}, f"{operation}: {answer.text}"


def test_paths_that_change_when_the_token_may_only_read_then_403(
    api: Api, bob: Tenant, fresh: Callable[[], None]
) -> None:
    """S01: the lower scope; S39: a token of an administrator without the scope is none."""
    reader = api.person("reader@example.com", plan="enterprise", role="superadmin")
    token = scoped_token(api, reader, "read")
    assert api.client.get("/api/v1/audit", headers={"authorization": f"Bearer {token}"}).is_success
    ids = dict.fromkeys(SHARED, "x") | ids_of(bob)
    for operation in private(api):
        if (operation.method == "get" and not operation.is_admins) or str(operation) in READS:
            continue
        fresh()
        answer = send(api, operation, token=token, ids=ids)
        assert answer.status_code == 403, f"{operation}: {answer.status_code} {answer.text}"

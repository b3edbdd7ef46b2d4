"""S28: one effect for one Idempotency-Key, whatever comes again and however often at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.fixtures.api import Api, Person

KEY = "0199a1b2-3c4d-7e5f"


def open_account(person: Person, name: str, key: str | None = KEY) -> Response:
    body = {"name": name, "mode": "paper", "venue": "binance", "opening_balance": "1000"}
    headers = {} if key is None else {"idempotency-key": key}
    return person.post("/accounts", json=body, headers=headers)


def rows(api: Api, query: str) -> list[tuple[Any, ...]]:
    with api.database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def test_s28_request_that_comes_again_gets_the_first_answer_and_has_one_effect(
    api: Api, person: Person
) -> None:
    first = open_account(person, "second")
    again = open_account(person, "second")
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert rows(api, "SELECT count(*) FROM trading.accounts WHERE name = 'second'") == [(1,)]


def test_s28_key_with_another_body_is_refused_and_has_no_effect(api: Api, person: Person) -> None:
    open_account(person, "second")
    other = open_account(person, "third")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert rows(api, "SELECT count(*) FROM trading.accounts WHERE name = 'third'") == [(0,)]


def test_s28_requests_at_the_same_moment_have_one_effect(api: Api, person: Person) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [
            one.result() for one in [pool.submit(open_account, person, "second") for _ in range(8)]
        ]
    assert {one.status_code for one in answers} == {201}
    assert all(one.json() == answers[0].json() for one in answers)
    assert sum("idempotency-replayed" in one.headers for one in answers) == 7
    assert rows(api, "SELECT count(*) FROM trading.accounts WHERE name = 'second'") == [(1,)]


def test_s28_failure_leaves_the_key_free(api: Api, person: Person) -> None:
    assert open_account(person, "paper").status_code == 409
    assert rows(api, "SELECT count(*) FROM tenancy.request_keys") == [(0,)]
    assert open_account(person, "second").status_code == 201


def test_s28_key_of_another_tenant_is_another_key(api: Api, person: Person) -> None:
    other = api.person("other@example.com")
    mine, theirs = open_account(person, "second"), open_account(other, "second")
    assert theirs.status_code == 201
    assert mine.json() != theirs.json()
    assert "idempotency-replayed" not in theirs.headers


def test_s28_key_after_a_day_is_new_and_older_ones_are_forgotten(api: Api, person: Person) -> None:
    open_account(person, "second")
    api.clock.at += timedelta(hours=25)
    token, _ = api.state.access.issue(
        tenant_id=person.desk.user.tenant_id,
        user_id=person.desk.user.user_id,
        session_id=person.desk.user.user_id,
        role="user",
        second_factor_at=api.clock.now(),
    )
    person.token = token
    assert open_account(person, "third", "another-key").status_code == 201
    assert len(rows(api, "SELECT 1 FROM tenancy.request_keys")) == 1


def test_s28_table_tells_neither_the_key_nor_what_was_sent(api: Api, person: Person) -> None:
    open_account(person, "second")
    ((kept,),) = rows(api, "SELECT (k.key_hash, k.body_digest, k.route)::text FROM"
                      " tenancy.request_keys AS k")  # fmt: skip
    assert KEY not in kept
    assert KEY.encode().hex() not in kept


@pytest.mark.parametrize("key", ["short", "x" * 201, "with space", "nul\x7f00000"], ids=range(4))
def test_s28_key_that_cannot_be_one_is_refused(person: Person, key: str) -> None:
    answered = open_account(person, "second", key)
    assert answered.status_code == 422
    assert answered.json()["faults"][0]["field"] == "header.Idempotency-Key"


def test_s28_order_without_a_key_is_refused(person: Person) -> None:
    body = {
        "kind": "spot",
        "account_id": str(person.desk.user.user_id),
        "symbol": "BTC/USDT",
        "side": "buy",
        "quantity": "0.001",
    }
    answered = person.post("/orders", json=body)
    assert (answered.status_code, answered.json()["code"]) == (428, "idempotency_key_required")


def test_s28_start_of_a_bot_that_comes_again_starts_it_once(api: Api, person: Person) -> None:
    bot = person.desk.bot()
    for expected in (None, "true"):
        answered = person.post(
            f"/bots/{bot.bot_id}/start", headers={"idempotency-key": "start-it-once"}
        )
        assert answered.status_code == 202, answered.text
        assert answered.headers.get("idempotency-replayed") == expected
    assert len(rows(api, "SELECT 1 FROM trading.bots WHERE wanted = 'running'")) == 1

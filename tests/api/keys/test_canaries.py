"""A key that was entered is found nowhere but sealed, and opens in its own row alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import redis

from candela.clock import FixedClock
from candela.desk.secrets import open_secret
from candela.desk.session import tenant_session
from candela.vault.envelope import SealBroken
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys
    from sandbox.venue import SandboxVenue
    from tests.api.keys.conftest import Executor
    from tests.fixtures.api import Api, Person


def everything_stored(database: Database) -> str:
    """Return all rows of all tables as text, with the server's own login."""
    found: list[str] = []
    with database.connect() as connection:
        tables = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c"
            " INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall()
            found += [str(row[0]) for row in rows]
    return "\n".join(found)


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what this side logged, and not the venue, which runs in this process too."""
    return [one for one in caplog.records if not one.name.startswith("sandbox")]


def everything_in_redis(url: str) -> bytes:
    """Return names and contents of all keys."""
    with redis.Redis.from_url(url) as bus:  # pyright: ignore[reportUnknownMemberType]
        return b"\n".join(
            bytes(name) + (bus.dump(name) or b"")  # pyright: ignore[reportUnknownArgumentType]
            for name in bus.scan_iter()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        )


def test_key_when_entered_tried_and_refused_then_found_in_no_row_log_answer_or_redis(
    person: Person,
    venue: SandboxVenue,
    executor: Executor,
    api: Api,
    redis_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S21: canaries in every part of a key; 0 hits, also as bytes, also where it was refused."""
    good, bad = (venue.add_account({"USDT": "5"}, can_withdraw=one) for one in (False, True))
    canaries = [*good, *bad, "canary-password-4711-of-the-broker", "canary-adviser-key-0815"]
    answers: list[str] = []
    with caplog.at_level(logging.DEBUG), executor(person):
        for label, (key, secret) in (("good", good), ("bad", bad)):
            body = {"label": label, "venue": "binance", "api_key": key, "secret": secret}
            headers = {"idempotency-key": f"one-{label}-request"}
            answers += [
                person.post("/keys/exchange", json=body, headers=headers).text for _ in range(2)
            ]
            answers.append(person.post("/keys/exchange", json=body | {"mode": "dead"}).text)
        login = {"label": "b", "broker": "quotex", "login": "me", "password": canaries[4]}
        answers.append(person.post("/keys/broker", json=login).text)
        adviser = {"label": "c", "provider": "openai", "api_key": canaries[5]}
        answers.append(person.post("/keys/ai", json=adviser).text)
        answers.append(person.post("/keys/ai", json=adviser | {"provider": 7}).text)
    logged = "\n".join(
        f"{one.getMessage()} {one.exc_text} {one.__dict__}" for one in caplog.records
    )
    stored, bus = everything_stored(api.database), everything_in_redis(redis_url)
    assert "quotex" in stored
    for canary in canaries:
        assert canary not in stored
        assert canary.encode().hex() not in stored
        assert canary.encode() not in bus
        assert [line for line in logged if canary in line] == []
        assert all(canary not in answer for answer in answers)


@pytest.mark.parametrize(
    "change",
    [
        "sealed = (SELECT sealed FROM tenancy.secrets WHERE label = 'two')",
        "purpose = 'broker'",
        "sealed = substr(sealed, 1, length(sealed) - 1)",
        "sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)",
    ],
    ids=["row", "column", "truncated", "bit"],
)
def test_secret_when_its_row_was_changed_then_it_does_not_open(
    person: Person, database: Database, masters: MasterKeys, change: str
) -> None:
    """S19: moved to another row or column, cut or changed, it opens nowhere."""
    ids = [
        person.post("/keys/ai", json={"label": one, "provider": "openai", "api_key": one}).json()
        for one in ("one", "two")
    ]
    tenant, key = person.desk.user.tenant_id, UUID(ids[0]["key_id"])
    clock = FixedClock(NOW)
    with tenant_session(database, tenant) as session:
        opened = open_secret(session, masters, key, why="test", used_by="me", clock=clock)
    assert opened["api_key"].reveal() == "one"
    with database.connect() as connection:
        query = f"UPDATE tenancy.secrets SET {change} WHERE label = 'one'"
        connection.execute(query.encode())
    with tenant_session(database, tenant) as session, pytest.raises(SealBroken):
        open_secret(session, masters, key, why="test", used_by="me", clock=clock)

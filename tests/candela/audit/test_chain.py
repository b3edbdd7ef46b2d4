"""The audit log names the first row that was changed, deleted, reordered or put in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from candela.audit.erasing import blank_entries, blank_erased
from candela.audit.record import Actor, record
from candela.audit.sealing import Head, seal
from candela.audit.verifying import verify
from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.session import tenant_session
from candela.desk.users import create_user
from candela.ids import new_id
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.users import User

ANN = Actor(name="ann", address="203.0.113.9", user_agent="Firefox/1 \u2603", request_id="r-1")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def users(database: Database, clock: FixedClock) -> list[User]:
    """Make two tenants."""
    return [create_user(database, f"{name}@example.com", clock=clock) for name in ("ann", "bob")]


def write(database: Database, user: User, clock: FixedClock, count: int = 1) -> list[UUID]:
    """Write entries, one transaction each, a second apart."""
    made: list[UUID] = []
    for number in range(count):
        with tenant_session(database, user.tenant_id) as session:
            detail = {"n": number, "limit": "0.10", "text": "a\u00e9\n"}
            made.append(
                record(session, ANN, "bot.start", "bot", number, clock=clock, detail=detail)
            )
        advance(clock, timedelta(seconds=1))
    return made


@pytest.fixture
def sealed(database: Database, users: list[User], clock: FixedClock) -> list[UUID]:
    """Write and seal ten entries of two tenants, in turns."""
    made = [one for _ in range(5) for user in users for one in write(database, user, clock)]
    assert turn_is(database, clock, 10)
    return made


def advance(clock: FixedClock, by: timedelta) -> None:
    clock.at += by


def turn_is(database: Database, clock: FixedClock, count: int) -> bool:
    return seal(database, clock, batch=3)[0] == count


def tamper(database: Database, statement: str, *values: object) -> None:
    """Change what is stored as somebody who owns the whole server can."""
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), values).rowcount > 0


def test_chain_when_nobody_touched_it_then_proved_and_sealing_again_adds_nothing(
    database: Database, sealed: list[UUID], users: list[User], clock: FixedClock
) -> None:
    proof = verify(database, clock)
    assert (proof.head.n, proof.fault) == (len(sealed), None)
    assert turn_is(database, clock, 0)
    assert seal(database, clock)[1] == proof.head
    write(database, users[1], clock, 2)
    assert turn_is(database, clock, 2)
    assert verify(database, clock, known=[proof.head]).head.n == len(sealed) + 2
    with database.connect(Role.PIPELINES) as connection:
        assert connection.execute("SELECT max(n) FROM audit.heads").fetchone() == (12,)
        kept = connection.execute("SELECT n, fault FROM audit.verifications ORDER BY n")
        assert kept.fetchall() == [(10, None), (12, None)]


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'mallory'",
        "address = NULL",
        "user_agent = 'x'",
        "detail = detail || '{\"n\": 7}'",
        "action = 'bot.stop'",
        "entity_id = '77'",
        "happened_at = happened_at + interval '1 microsecond'",
        "actor_id = tenant_id",
        "request_id = NULL",
        "salt = '\\x00112233445566778899aabbccddeeff'",
    ],
)
def test_entry_when_changed_then_named(
    database: Database, sealed: list[UUID], clock: FixedClock, change: str
) -> None:
    tamper(database, f"UPDATE audit.entries SET {change} WHERE entry_id = %s", sealed[4])
    proof = verify(database, clock)
    assert proof.fault is not None
    assert (proof.head.n, proof.fault.kind) == (4, "changed")
    assert (proof.fault.n, proof.fault.entry_id) == (5, sealed[4])
    assert str(sealed[4]) in proof.fault.said


def test_entry_when_deleted_with_or_without_its_link_then_named(
    database: Database, sealed: list[UUID], clock: FixedClock
) -> None:
    tamper(database, "DELETE FROM audit.entries WHERE entry_id = %s", sealed[6])
    fault = verify(database, clock).fault
    assert fault is not None
    assert (fault.kind, fault.n, fault.entry_id) == ("deleted", 7, sealed[6])
    tamper(database, "DELETE FROM audit.links WHERE entry_id = %s", sealed[6])
    fault = verify(database, clock).fault
    assert fault is not None
    assert (fault.kind, fault.n) == ("deleted", 7)


def test_links_when_exchanged_then_named(
    database: Database, sealed: list[UUID], clock: FixedClock
) -> None:
    for old, new in ((3, 1_000), (4, 3), (1_000, 4)):
        tamper(database, "UPDATE audit.links SET n = %s WHERE n = %s", new, old)
    fault = verify(database, clock).fault
    assert fault is not None
    assert (fault.kind, fault.n, fault.entry_id) == ("reordered", 3, sealed[3])


def test_entry_when_put_in_later_then_named_whether_it_was_sealed_or_not(
    database: Database, users: list[User], clock: FixedClock
) -> None:
    write(database, users[0], clock)
    advance(clock, timedelta(hours=5))
    write(database, users[0], clock)
    assert turn_is(database, clock, 2)
    old = FixedClock(NOW + timedelta(hours=2))
    (late,) = write(database, users[1], old)
    assert turn_is(database, clock, 0), "the sealer takes nothing that old"
    fault = verify(database, clock).fault
    assert fault is not None
    assert (fault.kind, fault.entry_id) == ("inserted", late)


def test_chain_when_cut_or_written_anew_then_told_by_its_heads(
    database: Database, sealed: list[UUID], clock: FixedClock
) -> None:
    kept = verify(database, clock).head
    tamper(database, "DELETE FROM audit.links WHERE n > 8")
    tamper(database, "DELETE FROM audit.entries WHERE entry_id = ANY(%s)", sealed[8:])
    fault = verify(database, clock).fault
    assert fault is not None
    assert (fault.kind, fault.n) == ("cut", 9)
    tamper(database, "DELETE FROM audit.heads WHERE n > 8")
    fault = verify(database, clock, known=[kept]).fault
    assert fault is not None
    assert fault.kind == "cut"
    fault = verify(database, clock, known=[Head(5, bytes(32))]).fault
    assert fault is not None
    assert (fault.kind, fault.n) == ("rewritten", 5)


def test_sealers_when_they_meet_then_one_chain_without_holes(
    database: Database, users: list[User], clock: FixedClock
) -> None:
    write(database, users[0], clock, 30)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(seal, database, clock, batch=4) for _ in range(4)]
    assert sum(run.result()[0] for run in runs) == 30
    proof = verify(database, clock)
    assert (proof.head.n, proof.fault) == (30, None)


def test_entry_when_its_transaction_ends_after_newer_ones_were_sealed_then_sealed_next(
    database: Database, users: list[User], clock: FixedClock
) -> None:
    with tenant_session(database, users[0].tenant_id) as session:
        record(session, ANN, "bot.start", "bot", 1, clock=clock)
        advance(clock, timedelta(minutes=10))
        write(database, users[1], clock)
        assert turn_is(database, clock, 1)
    assert turn_is(database, clock, 1)
    assert verify(database, clock).fault is None


def test_entries_when_the_tenant_is_erased_then_blank_and_still_proved(
    database: Database, sealed: list[UUID], users: list[User], clock: FixedClock
) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed"),
        tenant_session(database, users[0].tenant_id) as session,
    ):
        blank_entries(session)
    with tenant_session(database, users[0].tenant_id) as session:
        session.run(
            "UPDATE tenancy.tenants SET closed_at = %(at)s WHERE tenant_id = %(tenant)s",
            {"at": NOW},
        )
        assert blank_entries(session) == len(sealed) / 2
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT count(*) FROM audit.entries WHERE actor = 'ann' AND address IS NOT NULL"
        ).fetchone()
    assert rows == (len(sealed) / 2,), "the other tenant's are as they were"
    proof = verify(database, clock)
    assert (proof.head.n, proof.fault) == (len(sealed), None)


def test_entries_when_the_night_finds_a_tenant_erased_then_blank_and_still_proved(
    database: Database, sealed: list[UUID], users: list[User], clock: FixedClock
) -> None:
    assert blank_erased(database) == 0
    with database.connect() as connection:
        connection.execute(
            "UPDATE tenancy.tenants SET closed_at = %s, erased_at = %s WHERE tenant_id = %s",
            (NOW, NOW, users[0].tenant_id),
        )
    assert (blank_erased(database), blank_erased(database)) == (len(sealed) / 2, 0)
    assert verify(database, clock).fault is None


@pytest.mark.parametrize("role", list(Role))
def test_roles_always_can_change_no_entry_link_or_head(
    database: Database, sealed: list[UUID], users: list[User], role: Role
) -> None:
    statements = (
        "UPDATE audit.entries SET action = 'x'",
        "UPDATE audit.entries SET actor = 'x', salt = '\\x00112233445566778899aabbccddeeff'",
        "DELETE FROM audit.entries",
        "UPDATE audit.links SET n = n + 100",
        "DELETE FROM audit.links",
        "DELETE FROM audit.heads",
        "TRUNCATE audit.links",
    )
    del sealed
    with database.connect(role, autocommit=True) as connection:
        mine = ",".join(str(user.tenant_id) for user in users)
        connection.execute("SELECT set_config('candela.tenants', %s, false)", (mine,))
        for statement in statements:
            if role is Role.OWNER and ("heads" in statement or "TRUNCATE" in statement):
                continue  # who may alter tables may empty them; the heads kept elsewhere tell
            try:
                touched = connection.execute(statement.encode()).rowcount
            except psycopg.errors.InsufficientPrivilege:
                touched = 0
            assert touched == 0, statement


def test_link_when_written_by_an_application_then_refused(
    database: Database, users: list[User]
) -> None:
    with (
        tenant_session(database, users[0].tenant_id) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.run(
            "INSERT INTO audit.links (n, tenant_id, entry_id, digest, hash)"
            " VALUES (1, %(tenant)s, %(id)s, %(x)s, %(x)s)",
            {"id": new_id(NOW), "x": bytes(32)},
        )

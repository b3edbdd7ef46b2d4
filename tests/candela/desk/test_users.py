"""Tenants and users: made whole or not at all, found by address, blind to each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from candela.db.connect import Role
from candela.desk.bots import UnknownBot, bot_named
from candela.desk.session import tenant_session
from candela.desk.users import (
    BadEmail,
    EmailTaken,
    UnknownUser,
    all_users,
    change_plan,
    create_user,
    find_user,
    subscription_of,
)
from candela.errors import CandelaError
from candela.ids import shard_of
from candela.plans import UnknownPlan
from candela.risk.hours import UnknownZone
from tests.fixtures.desk import Desk

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from candela.db.connect import Database


def test_create_when_new_then_tenant_directory_user_and_plan_are_there(
    database: Database, clock: FixedClock
) -> None:
    made = create_user(database, " Me@Example.com ", clock=clock, zone="Europe/Madrid")
    assert made.email == "me@example.com"
    assert find_user(database, "ME@example.com") == made
    with database.connect(Role.EXECUTOR) as connection:
        row = connection.execute("SELECT tenant_id, shard FROM tenancy.directory").fetchone()
    assert row == (made.tenant_id, shard_of(made.tenant_id))


def test_create_when_fifty_take_one_address_at_once_then_one_has_it(
    database: Database, clock: FixedClock
) -> None:
    def attempt(_: int) -> str:
        try:
            create_user(database, "me@example.com", clock=clock)
        except EmailTaken:
            return "taken"
        return "made"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(16)))
    assert results.count("made") == 1
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM tenancy.tenants").fetchone()
    assert row == (1,)


@pytest.mark.parametrize(
    ("email", "fields", "error"),
    [
        ("me", {}, BadEmail),
        ("a b@example.com", {}, BadEmail),
        ("me@example.com", {"plan": "gold"}, UnknownPlan),
        ("me@example.com", {"zone": "Mars/Base"}, UnknownZone),
    ],
)
def test_create_when_wrong_then_nothing_is_written(
    database: Database,
    clock: FixedClock,
    email: str,
    fields: dict[str, str],
    error: type[CandelaError],
) -> None:
    with pytest.raises(error):
        create_user(database, email, clock=clock, **fields)
    assert all_users(database) == []


def test_find_when_nobody_then_unknown(database: Database) -> None:
    with pytest.raises(UnknownUser):
        find_user(database, "who@example.com")


def test_all_users_when_several_then_each_with_its_own_plan(
    database: Database, clock: FixedClock
) -> None:
    for name, plan in (("a", "free"), ("b", "pro"), ("c", "enterprise")):
        create_user(database, f"{name}@example.com", clock=clock, plan=plan)
    assert [one.plan for one in all_users(database)] == ["free", "pro", "enterprise"]


def test_change_plan_when_twice_then_the_last_is_in_force(desk: Desk) -> None:
    for plan in ("pro", "free"):
        with desk.session() as session:
            change_plan(session, plan, clock=desk.clock)
    with desk.session() as session:
        assert subscription_of(session).plan == "free"


def test_session_when_of_another_tenant_then_sees_and_writes_nothing(
    desk: Desk, clock: FixedClock
) -> None:
    desk.bot("mine")
    other = create_user(desk.database, "other@example.com", clock=clock)
    with tenant_session(desk.database, other.tenant_id) as session:
        with pytest.raises(UnknownBot) as caught:
            bot_named(session, "mine")
        assert "mine" not in (caught.value.hint or "")
        assert session.run("UPDATE trading.bots SET wanted = 'running'", {}) == 0


def test_session_when_it_fails_then_nothing_of_it_is_kept(desk: Desk) -> None:
    def half() -> None:
        with desk.session() as session:
            change_plan(session, "pro", clock=desk.clock)
            change_plan(session, "gold", clock=desk.clock)

    with pytest.raises(UnknownPlan):
        half()
    with desk.session() as session:
        assert subscription_of(session).plan == "basic"

"""Administrators look and act; whom it concerns can read that they did."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from candela.clock import FixedClock
from candela.notify.mails import queue_mail
from tests.fixtures.desk import count

if TYPE_CHECKING:
    from tests.fixtures.api import Api, Person

REASON = {"reason": "orders at a dead price feed"}


@pytest.fixture
def admin(api: Api) -> Person:
    return api.person("admin@example.com", role="admin")


@pytest.fixture
def superadmin(api: Api) -> Person:
    return api.person("root@example.com", role="superadmin")


def log_of(person: Person) -> list[dict[str, object]]:
    items: list[dict[str, object]] = person.get("/audit").json()["items"]
    return items


def test_user_when_looked_at_then_reads_so_in_the_own_log(admin: Person, person: Person) -> None:
    user_id = person.desk.user.user_id
    got = admin.get(f"/admin/users/{user_id}")
    assert got.status_code == 200
    assert (got.json()["email"], got.json()["plan"]) == ("me@example.com", "basic")
    (entry,) = log_of(person)
    assert entry["action"] == "admin.view_user"
    assert entry["actor"] == f"admin:{admin.desk.user.user_id}"


def test_users_when_listed_then_all_tenants_in_pages_and_noted_with_the_admin(
    api: Api, admin: Person, person: Person
) -> None:
    api.person("third@example.com")
    first = admin.get("/admin/users?limit=2").json()
    rest = admin.get(f"/admin/users?limit=2&cursor={first['next_cursor']}").json()
    emails = {item["email"] for item in first["items"] + rest["items"]}
    assert emails == {"me@example.com", "third@example.com", "admin@example.com"}
    found = admin.get("/admin/users?search=THIRD").json()["items"]
    assert [item["email"] for item in found] == ["third@example.com"]
    assert {entry["action"] for entry in log_of(admin)} == {"admin.list_users"}
    assert log_of(person) == []


def test_bot_when_stopped_by_force_then_its_owner_is_told_why_and_by_whom(
    admin: Person, person: Person
) -> None:
    bot = person.desk.bot()
    person.desk.bot("two")
    with person.desk.session() as session:
        session.run(
            "UPDATE trading.bots SET wanted = 'running', state = 'running'"
            " WHERE tenant_id = %(tenant)s",
            {},
        )
    listed = admin.get("/admin/bots?state=running").json()["items"]
    assert {item["bot_id"] for item in listed} > {str(bot.bot_id)}
    assert "config" not in listed[0]
    got = admin.post(f"/admin/bots/{bot.bot_id}/stop", json=REASON | {"flatten": True})
    assert got.status_code == 200, got.text
    assert got.json()["wanted"] == "stopped"
    with person.desk.session() as session:
        rows = session.rows(
            "SELECT name, wanted, flatten_on_stop FROM trading.bots"
            " WHERE tenant_id = %(tenant)s ORDER BY name",
            {},
        )
        mails = session.rows("SELECT kind, params FROM notify.mails WHERE tenant_id=%(tenant)s", {})
    assert [(row["name"], row["wanted"]) for row in rows] == [
        ("one", "stopped"),
        ("two", "running"),
    ]
    assert rows[0]["flatten_on_stop"] is True
    assert mails == [
        {"kind": "bot_halted", "params": {"bot": "one", "reason": "orders at a dead price feed"}}
    ]
    (entry,) = log_of(person)
    assert entry["action"] == "bot.force_stop"
    assert entry["detail"] == {"name": "one", "flatten": True, **REASON}


def test_user_when_disabled_then_out_and_when_enabled_then_back_by_a_new_login(
    api: Api, admin: Person, person: Person
) -> None:
    """S39: what an administrator changes holds at the next request."""
    path = f"/admin/users/{person.desk.user.user_id}"
    assert admin.post(f"{path}/disable", json=REASON).json()["is_active"] is False
    with api.database.connect() as connection:
        ended = connection.execute(
            "SELECT ended_reason FROM identity.sessions WHERE user_id = %s",
            (person.desk.user.user_id,),
        ).fetchall()
    assert ended == [("disabled",)]
    assert admin.post(f"{path}/enable", json=REASON).json()["is_active"] is True
    own = admin.post(f"/admin/users/{admin.desk.user.user_id}/disable", json=REASON)
    assert (own.status_code, own.json()["code"]) == (409, "own_account")


def test_role_when_changed_then_by_superadmins_alone_and_never_the_last_one(
    admin: Person, superadmin: Person, person: Person
) -> None:
    """S39: no elevation by administrators, and somebody is always left."""
    path = f"/admin/users/{person.desk.user.user_id}"
    for one in (admin, person):
        answer = one.call("PATCH", path, json={"role": "superadmin"})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    shut = admin.post(f"/admin/users/{superadmin.desk.user.user_id}/disable", json=REASON)
    assert shut.status_code == 403
    last = superadmin.call(
        "PATCH", f"/admin/users/{superadmin.desk.user.user_id}", json={"role": "user"}
    )
    assert (last.status_code, last.json()["code"]) == (409, "last_superadmin")
    assert (
        superadmin.call("PATCH", path, json={"role": "superadmin"}).json()["role"] == "superadmin"
    )
    down = superadmin.call(
        "PATCH", f"/admin/users/{superadmin.desk.user.user_id}", json={"role": "user"}
    )
    assert down.json()["role"] == "user"
    assert superadmin.get("/admin/stats").status_code in {401, 403}


def test_stats_when_asked_for_then_counted_over_all_tenants(admin: Person, person: Person) -> None:
    person.desk.bot()
    with person.desk.session() as session:
        session.run("UPDATE trading.bots SET state = 'running' WHERE tenant_id = %(tenant)s", {})
    stats = admin.get("/admin/stats").json()
    assert (stats["users"], stats["active_bots"]) == (2, {"paper": 1})
    assert stats["users_by_plan"] == {"basic": 2}
    assert stats["trades_of_day"] == 0
    assert (stats["mrr"], stats["webhooks_failed"], stats["mails_stuck"]) == (None, 0, 0)
    desk = person.desk
    late = desk.clock.now() - timedelta(minutes=16)
    with desk.database.connect() as connection:
        for day, plan, usd in ((1, "pro", 500), (2, "pro", 99), (2, "basic", "29.50")):
            connection.execute(
                "INSERT INTO billing.mrr_daily VALUES (make_date(2026, 3, %s), %s, 1, %s, now())",
                (day, plan, usd),
            )
        for event, outcome in (("evt_1", "applied"), ("evt_2", "unknown_customer")):
            connection.execute(
                "INSERT INTO billing.events VALUES (%s, 'k', 'o', null, %s, %s, %s)",
                (event, late, outcome, late),
            )
    with desk.session() as session:
        for at in (late, desk.clock.now()):
            kind, user = "password_changed", desk.user.user_id
            queue_mail(session, kind, user_id=user, clock=FixedClock(at))
    stats = admin.get("/admin/stats").json()
    assert (stats["mrr"], stats["webhooks_failed"], stats["mails_stuck"]) == ("128.5", 1, 1)


def test_log_of_the_platform_when_read_for_one_tenant_then_that_tenant_reads_so(
    admin: Person, person: Person
) -> None:
    admin.get(f"/admin/users/{person.desk.user.user_id}")
    tenant = person.desk.user.tenant_id
    items = admin.get(f"/admin/audit?tenant_id={tenant}").json()["items"]
    assert [(item["action"], item["tenant_id"]) for item in items] == [
        ("admin.view_user", str(tenant))
    ]
    assert {entry["action"] for entry in log_of(person)} == {"admin.view_audit", "admin.view_user"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/users/{id}"),
        ("PATCH", "/admin/users/{id}"),
        ("POST", "/admin/users/{id}/disable"),
        ("POST", "/admin/bots/{id}/stop"),
        ("GET", "/admin/bots?user_id={id}"),
    ],
)
def test_ids_when_nobody_has_them_then_404_and_nothing_is_written(
    api: Api, superadmin: Person, method: str, path: str
) -> None:
    body = {"role": "user"} if method == "PATCH" else REASON
    options = {} if method == "GET" else {"json": body}
    answer = superadmin.call(method, path.format(id=uuid4()), **options)
    assert answer.status_code == 404
    assert count(api.database, "audit.entries") == 0

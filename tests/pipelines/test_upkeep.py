"""What is too old is removed each night, and nothing that is still needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
import pytest

from candela.clock import FixedClock
from candela.db.connect import Role
from candela.ids import new_id
from candela.notify.telling import tell_tenant
from pipelines.defs.upkeep.assets import old_rows
from tests.fixtures.desk import NOW, clock, count, desk

if TYPE_CHECKING:
    from candela.db.connect import Database
    from pipelines.resources import Platform
    from tests.fixtures.desk import Desk

__all__ = ["clock", "desk"]

_SESSION = """
INSERT INTO identity.sessions
    (tenant_id, session_id, user_id, created_at, seen_at, expires_at, ended_at, ended_reason)
VALUES (%(tenant)s, %(id)s, %(user)s, %(at)s, %(at)s, %(expires)s, %(ended)s,
    CASE WHEN %(ended)s::timestamptz IS NULL THEN NULL ELSE 'logout' END)
"""
_REFRESH = """
INSERT INTO identity.refresh_tokens (tenant_id, token_hash, session_id, issued_at, expires_at)
VALUES (%(tenant)s, %(hash)s, %(id)s, %(at)s, %(expires)s)
"""
_LINK = """
INSERT INTO identity.links (tenant_id, token_hash, user_id, purpose, made_at, expires_at)
VALUES (%(tenant)s, %(hash)s, %(user)s, 'reset', %(at)s, %(expires)s)
"""
_KEY = """
INSERT INTO tenancy.request_keys
    (tenant_id, user_id, key_hash, route, body_digest, status, created_at)
VALUES (%(tenant)s, %(user)s, %(hash)s, 'POST /bots', %(hash)s, 201, %(at)s)
"""
_LOG = """
INSERT INTO trading.bot_logs (tenant_id, bot_id, log_id, logged_at, level, event, message)
SELECT tenant_id, bot_id, %(id)s, %(at)s, 'info', 'state', 'm' FROM trading.bots
WHERE tenant_id = %(tenant)s
"""
TABLES = (
    *("tenancy.request_keys", "identity.links", "identity.refresh_tokens", "identity.sessions"),
    *("notify.mails", "notify.notifications", "trading.bot_logs"),
)


def fill(desk: Desk, days: float, *, is_live: bool = False) -> None:
    """Write a row of each kind that became useless so many days ago; a session that goes on."""
    at = NOW - timedelta(days=days)
    values: dict[str, Any] = {
        "id": new_id(NOW),
        "user": desk.user.user_id,
        "at": at,
        "hash": new_id(NOW).bytes * 2,
        "expires": NOW + timedelta(days=7) if is_live else at,
        "ended": None if is_live else at,
    }
    with desk.session() as session:
        for statement in (_SESSION, _REFRESH, _LINK, _KEY, _LOG):
            session.run(statement, values)
        tell_tenant(session, "plan_changed", clock=FixedClock(at), plan="free")
        if not is_live:
            sent = "UPDATE notify.mails SET sent_at = %(at)s WHERE created_at = %(at)s"
            session.run(sent, values)


def tidy(platform: Platform, instance: dg.DagsterInstance) -> dict[str, Any]:
    platform = replace(platform, clock=FixedClock(NOW))
    done = dg.materialize([old_rows], resources={"platform": platform}, instance=instance)
    (made,) = done.asset_materializations_for_node("old_rows")
    return {name: value.value for name, value in made.metadata.items()}


def test_old_rows_when_the_night_comes_then_only_what_nobody_needs_is_gone(
    desk: Desk, platform: Platform, instance: dg.DagsterInstance
) -> None:
    desk.bot()
    fill(desk, 91)
    fill(desk, 1)
    # A session that was opened long ago and goes on; a mail that was never sent.
    fill(desk, 91, is_live=True)
    removed = tidy(platform, instance)
    assert removed == {
        "request_keys": 2,
        "links": 1,
        "refresh_tokens": 1,
        "sessions": 1,
        "mails": 1,
        "notifications": 2,
        "bot_logs": 2,
        "removed": 10,
    }
    left = {table: desk.count(table) for table in TABLES}
    assert left == dict(zip(TABLES, (1, 2, 2, 2, 2, 1, 1), strict=True))
    assert tidy(platform, instance)["removed"] == 0


@pytest.mark.parametrize(
    "column",
    [
        "identity.refresh_tokens.token_hash",
        "identity.links.token_hash",
        "identity.sessions.address",
        "tenancy.request_keys.answer",
        "notify.mails.address",
        "notify.mails.params",
        "identity.credentials.password_hash",
    ],
)
def test_upkeep_when_it_would_read_more_than_ages_then_refused(
    database: Database, column: str
) -> None:
    table, _, name = column.rpartition(".")
    with (
        database.connect(Role.PIPELINES) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT {name} FROM {table}".encode())
    assert count(database, table) == 0

"""The logins that deploy/ makes on a fresh server can do their work and nothing above it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from candela.db.connect import Database, DatabaseRefused, Role
from candela.db.migrate import migrate
from candela.embedded import open_places
from candela.embedded.installation import find_installation
from candela.settings import Settings
from tests.architecture.tree import ROOT

PASSWORD = "c3" * 32
PSQL = find_installation(None).bin_dir
SCRIPT = ROOT / "deploy" / "postgres" / "10-prepare-logins.sh"


def prepare(
    server: Database, folder: Path, password: str = PASSWORD
) -> subprocess.CompletedProcess[str]:
    """Run the script as the database's image does, against a server of the test's own."""
    (folder / "password").write_text(password, encoding="utf-8")
    parts = urlsplit(server.url())
    place = parse_qs(parts.query)
    return subprocess.run(
        ["sh", SCRIPT],
        env={
            "PATH": f"{PSQL}:{os.environ['PATH']}",
            "PGHOST": place["host"][0],
            "PGPORT": place["port"][0],
            "POSTGRES_USER": parts.username or "",
            "POSTGRES_DB": "candela",
            "PIPELINES_PASSWORD_FILE": str(folder / "password"),
            "LIVE_PASSWORD_FILE": str(folder / "password"),
            "WEB_PASSWORD_FILE": str(folder / "password"),
            "LOGINS_FILE": str(SCRIPT.with_name("logins.psql")),
        },
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture
def fresh(state_dir: Path) -> Database:
    """Give a server with an empty database and none of the roles, as an image starts out."""
    chosen = {"state_dir": state_dir, "redis_url": "redis://127.0.0.1:1/0"}
    embedded = open_places(Settings.model_validate(chosen)).database
    with embedded.sibling("postgres").connect(autocommit=True) as connection:
        for name in ("candela", "candela_dagster"):
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
        for role in Role:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        connection.execute("CREATE DATABASE candela")
    # Like an outside server: the login takes a role with SET ROLE.
    return Database(embedded.admin_url)


def login(
    server: Database,
    database: str = "candela",
    password: str = PASSWORD,
    user: str = "candela_pipelines",
) -> Database:
    place = parse_qs(urlsplit(server.url()).query)
    return Database(
        SecretStr(
            make_conninfo(
                host="127.0.0.1",
                port=place["port"][0],
                user=user,
                password=password,
                dbname=database,
            )
        )
    )


def test_logins_after_a_migration_can_work_and_no_more(fresh: Database, tmp_path: Path) -> None:
    done = prepare(fresh, tmp_path)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    migrate(fresh)

    runtime = login(fresh)
    with runtime.connect(Role.PIPELINES) as connection:
        connection.execute("INSERT INTO market.venues (venue, kind) VALUES ('x', 'file')")
    with runtime.connect(Role.ANALYST) as connection:
        assert connection.execute("SELECT venue FROM market.venues").fetchall() == [("x",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM market.venues")
    with login(fresh, "candela_dagster").connect() as connection:
        connection.execute("CREATE TABLE runs (id integer)")

    with pytest.raises(DatabaseRefused):
        runtime.connect(Role.OWNER)
    with (
        runtime.connect() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DROP TABLE market.candles")
    with pytest.raises(DatabaseRefused):
        login(fresh, password="c4" * 32).connect()


def test_login_of_executors_after_a_migration_acts_for_tenants_and_pipelines_does_not(
    fresh: Database, tmp_path: Path
) -> None:
    assert prepare(fresh, tmp_path).returncode == 0
    migrate(fresh)
    live = login(fresh, user="candela_live")
    with live.connect(Role.EXECUTOR) as connection:
        assert connection.execute("SELECT count(*) FROM tenancy.directory").fetchone() == (0,)
        connection.execute("UPDATE live.shards SET owner = 'x' WHERE shard = 0")
    with live.connect(Role.PIPELINES) as connection:
        connection.execute("INSERT INTO market.venues (venue, kind) VALUES ('x', 'exchange')")
    with pytest.raises(DatabaseRefused):
        login(fresh).connect(Role.EXECUTOR)
    with (
        login(fresh).connect(Role.PIPELINES) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT * FROM tenancy.secrets")


def test_logins_with_a_short_password_are_never_made(fresh: Database, tmp_path: Path) -> None:
    done = prepare(fresh, tmp_path, password="hunter2")
    assert done.returncode == 78
    with fresh.connect() as connection:
        made = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'candela%'"
        ).fetchall()
    assert made == []

"""Connections: the rights of each role, the settings of the session, errors without secrets."""

from __future__ import annotations

import copy
import pickle
import socket
from typing import TYPE_CHECKING

import polars as pl
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from candela.db.connect import Database, DatabaseRefused, DatabaseUnreachable, Role
from candela.embedded import open_places, tcp_url
from candela.errors import ConfigError

if TYPE_CHECKING:
    from candela.settings import Settings

CANARY = "canary-7f3a9c"


@pytest.fixture(scope="module")
def embedded(server_settings: Settings) -> Database:
    """Give the run's embedded server, where the roles log in."""
    return open_places(server_settings).database


@pytest.fixture(scope="module")
def external(embedded: Database) -> Database:
    """Give the same server as a foreign one: one login that takes the roles."""
    return Database(embedded.admin_url)


@pytest.fixture(scope="module")
def over_tcp(embedded: Database, server_settings: Settings) -> str:
    """Give a URL with host, port and password, as a deployment has it."""
    url = tcp_url(server_settings.state_dir, Role.APP)
    assert url is not None
    return url


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", ["embedded", "external"])
def test_connect_when_a_role_is_asked_then_the_session_has_its_rights_only(
    request: pytest.FixtureRequest, kind: str, role: Role
) -> None:
    database: Database = request.getfixturevalue(kind)
    with database.connect(role) as connection:
        row = connection.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (role, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE ROLE somebody")


@pytest.mark.parametrize("role", Role)
def test_connect_when_embedded_then_the_role_cannot_become_another(
    embedded: Database, role: Role
) -> None:
    with embedded.connect(role) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (role,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE postgres")


def test_connect_when_a_role_has_its_own_url_then_that_is_used(
    external: Database, over_tcp: str
) -> None:
    database = Database(external.admin_url, role_urls=((Role.APP, SecretStr(over_tcp)),))
    with database.connect(Role.APP) as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("candela_app",)
    with database.connect(Role.ANALYST) as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("postgres",)


def test_connect_when_opened_then_the_session_is_in_utc_with_limits(embedded: Database) -> None:
    with embedded.connect(Role.PIPELINES) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchall()[0][0]
            for name in ("timezone", "lock_timeout", "statement_timeout", "enable_bitmapscan")
        }
    assert shown == {
        "timezone": "UTC",
        "lock_timeout": "30s",
        "statement_timeout": "15min",
        "enable_bitmapscan": "off",
    }


def test_connect_when_autocommit_is_asked_then_nothing_waits_for_a_commit(
    embedded: Database,
) -> None:
    with embedded.connect(autocommit=True) as connection:
        assert connection.autocommit
    with embedded.connect() as connection:
        assert not connection.autocommit


def test_url_when_given_to_adbc_then_role_and_zone_hold_there_too(
    embedded: Database, external: Database
) -> None:
    for database in (embedded, external):
        frame = pl.read_database_uri(
            "SELECT current_user::text AS who, current_setting('timezone') AS zone",
            database.url(Role.ANALYST),
            engine="adbc",
        )
        assert frame.rows() == [("candela_analyst", "UTC")]


def test_url_when_the_login_has_odd_characters_then_they_arrive_whole() -> None:
    given = {
        "user": "o'neil @home",
        "password": "p@ss/w:rd?#%&=+ ü",
        "host": "db.example",
        "port": "6543",
        "dbname": "candela /ü?",
        "sslmode": "verify-full",
        "options": "-csearch_path=market",
    }
    words = " ".join(
        f"{key}='{value.replace(chr(39), chr(92) + chr(39))}'" for key, value in given.items()
    )
    database = Database(SecretStr(words))
    read = conninfo_to_dict(database.url(Role.APP))
    assert {key: value for key, value in read.items() if key != "options"} == {
        key: value for key, value in given.items() if key != "options"
    }
    assert str(read["options"]).startswith("-csearch_path=market -crole=candela_app ")


def test_url_when_several_hosts_are_named_then_all_are_kept() -> None:
    database = Database(SecretStr("postgresql://u@a:1,b:2/d?target_session_attrs=read-write"))
    read = conninfo_to_dict(database.url())
    assert (read["host"], read["port"]) == ("a,b", "1,2")


def test_sibling_when_asked_then_only_the_database_differs(embedded: Database) -> None:
    sibling = embedded.sibling("candela_dagster")
    assert sibling.name == "candela_dagster"
    assert sibling.sibling(embedded.name) == embedded
    with sibling.connect(Role.PIPELINES) as connection:
        row = connection.execute("SELECT current_database(), current_user").fetchone()
    assert row == ("candela_dagster", "candela_pipelines")


def test_database_when_pickled_or_copied_then_it_is_the_same(embedded: Database) -> None:
    assert pickle.loads(pickle.dumps(embedded)) == embedded  # noqa: S301 - our own bytes
    assert copy.deepcopy(embedded) == embedded


def test_database_when_shown_then_the_password_is_not() -> None:
    database = Database(
        SecretStr(f"postgresql://u:{CANARY}@h/d"),
        role_urls=((Role.APP, SecretStr(f"postgresql://a:{CANARY}@h/d")),),
    )
    assert CANARY not in f"{database!r}{database}{database.address}"
    assert database.address == "u@h:5432/d"


def test_connect_when_nothing_listens_then_the_error_names_the_place() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it
        port = taken.getsockname()[1]
        database = Database(SecretStr(f"postgresql://u:{CANARY}@127.0.0.1:{port}/d"))
        with pytest.raises(DatabaseUnreachable, match=f"127.0.0.1:{port}") as caught:
            database.connect()
    assert caught.value.retryable
    _assert_hidden(caught.value)


def test_connect_when_the_password_is_wrong_then_the_error_says_so_without_it(
    over_tcp: str,
) -> None:
    parts = conninfo_to_dict(over_tcp) | {"password": CANARY}
    words = " ".join(f"{key}={value}" for key, value in parts.items())
    with pytest.raises(DatabaseRefused, match="password authentication failed") as caught:
        Database(SecretStr(words)).connect()
    _assert_hidden(caught.value)


def test_connect_when_the_password_is_missing_then_the_error_says_so(over_tcp: str) -> None:
    parts = conninfo_to_dict(over_tcp)
    del parts["password"]
    words = " ".join(f"{key}={value}" for key, value in parts.items())
    with pytest.raises(DatabaseRefused, match="no password supplied"):
        Database(SecretStr(words)).connect()


def test_connect_when_the_login_may_not_take_the_role_then_the_error_says_so(
    over_tcp: str,
) -> None:
    with pytest.raises(DatabaseRefused, match="candela_owner") as caught:
        Database(SecretStr(over_tcp)).connect(Role.OWNER)
    assert "GRANT" in str(caught.value)


def test_connect_when_the_database_is_missing_then_the_error_names_it(embedded: Database) -> None:
    with pytest.raises(DatabaseRefused, match="no_such_place") as caught:
        embedded.sibling("no_such_place").connect()
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://u:{CANARY}@h:port/d",
        f"postgresql://u:{CANARY}@h/d?nonsense={CANARY}",
        f"http://u:{CANARY}@h/d",
        f"{CANARY}",
    ],
)
def test_connect_when_the_url_is_none_then_the_error_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(SecretStr(text)).connect()
    _assert_hidden(caught.value)


def _assert_hidden(error: ConfigError) -> None:
    """No word of the error, nor of the errors it came from, holds the password."""
    shown: BaseException | None = error
    while shown is not None:
        assert CANARY not in f"{shown!r}{shown}"
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)

"""The places of the data: where they are, who may reach them, what is said of them."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from pydantic import SecretStr

from candela.db.connect import Database, DatabaseRefused, Role
from candela.embedded import open_places, server_status, stop_servers, tcp_url, were_stopped
from candela.embedded.folder import StateFolder, StateFolderUnusable
from candela.embedded.installation import find_installation
from candela.errors import ConfigError
from candela.settings import Settings
from tests.fixtures.servers import TOP, state_folder
from tests.fixtures.state import (
    OPEN,
    assert_row_is_kept,
    client,
    embedded_settings,
    keep_a_row,
    pids,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """Give a state folder with running servers, for tests that change nothing."""
    with state_folder() as path:
        open_places(embedded_settings(path))
        yield path


def test_open_when_again_then_nothing_starts_and_the_places_are_the_same(running: Path) -> None:
    first = open_places(embedded_settings(running))
    before = pids(running)
    assert open_places(embedded_settings(running)) == first
    assert pids(running) == before
    assert set(before) == {"postgresql", "valkey"}


def test_stop_when_started_again_then_data_sockets_and_passwords_are_kept(
    state_dir: Path,
) -> None:
    places = open_places(embedded_settings(state_dir))
    keep_a_row(places)
    url = tcp_url(state_dir, Role.ANALYST)
    assert not were_stopped(embedded_settings(state_dir))
    assert stop_servers(state_dir) == ["valkey", "postgresql"]
    assert were_stopped(embedded_settings(state_dir))
    assert stop_servers(state_dir) == []
    assert not any(status.is_running for status in server_status(state_dir))
    again = open_places(embedded_settings(state_dir))
    assert_row_is_kept(again)
    assert again == places
    assert tcp_url(state_dir, Role.ANALYST) == url


def test_stop_when_there_is_no_state_then_nothing_happens(state_dir: Path) -> None:
    assert stop_servers(state_dir) == []
    assert not state_dir.exists()


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "ключ-日本-é",
        'it\'s $HOME; `x` "q" \\ %41 #1, @2=3',
        "/".join(["long" * 15] * 4),
    ],
)
def test_open_when_the_path_is_odd_then_all_clients_connect(state_dir: Path, name: str) -> None:
    odd = state_dir / name
    try:
        places = open_places(embedded_settings(odd))
        keep_a_row(places)
        stop_servers(odd)
        places = open_places(embedded_settings(odd))
        assert_row_is_kept(places)
        record = StateFolder(odd).record()
        assert record is not None
        assert record.sockets.startswith(f"{TOP}/candela-")
    finally:
        stop_servers(odd)
    assert not Path(record.sockets).exists()


def test_status_when_running_then_it_says_where_and_since_when(running: Path) -> None:
    open_places(embedded_settings(running))
    postgresql, valkey = server_status(running)
    assert postgresql.version is not None
    assert int(postgresql.version.split(".")[0]) >= 16
    assert postgresql.has_timescaledb == find_installation(None).has_timescaledb
    assert postgresql.data_bytes > 10_000_000
    assert valkey.version is not None
    for status in (postgresql, valkey):
        assert status.is_running
        assert status.pid is not None
        assert psutil.pid_exists(status.pid)
        assert status.uptime_s is not None
        assert 0 <= status.uptime_s < 3600
        assert str(running) in str(status.address)


def test_status_when_nothing_runs_then_nothing_is_made(state_dir: Path) -> None:
    assert [status.is_running for status in server_status(state_dir)] == [False, False]
    assert not state_dir.exists()


def test_dagster_url_when_used_then_it_is_the_other_database_as_pipelines(
    running: Path,
) -> None:
    import sqlalchemy

    places = open_places(embedded_settings(running))
    engine = sqlalchemy.create_engine(places.dagster_url)
    with engine.connect() as connection:
        row = connection.execute(sqlalchemy.text("SELECT current_database(), current_user")).one()
    engine.dispose()
    assert tuple(row) == ("candela_dagster", "candela_pipelines")
    assert engine.driver == "psycopg2"


@pytest.mark.parametrize("role", [Role.OWNER, Role.APP, Role.ANALYST])
def test_dagster_database_when_another_role_asks_then_it_is_refused(
    running: Path, role: Role
) -> None:
    places = open_places(embedded_settings(running))
    with pytest.raises(DatabaseRefused, match="CONNECT"):
        places.database.sibling("candela_dagster").connect(role)


def test_passwords_when_made_then_no_log_message_or_other_user_sees_them(
    running: Path,
) -> None:
    places = open_places(embedded_settings(running))
    passwords = StateFolder(running).passwords(tuple(Role))
    assert len(set(passwords.values())) == len(Role)
    logs = "".join(path.read_text() for path in (running / "logs").iterdir())
    shown = repr(places) + str(server_status(running)) + logs + places.dagster_url
    assert not [role for role, password in passwords.items() if password in shown]
    for path in running.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path
    assert stat.S_IMODE((running / "passwords.json").stat().st_mode) == 0o600


def test_tcp_when_the_superuser_asks_then_he_is_refused(running: Path) -> None:
    open_places(embedded_settings(running))
    url = tcp_url(running, Role.APP)
    assert url is not None
    with Database(SecretStr(url)).connect() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("candela_app",)
    with pytest.raises(ConfigError, match="pg_hba"):
        Database(SecretStr(url.replace("candela_app:", "postgres:"))).connect()


def test_open_when_its_port_was_taken_then_the_socket_serves_on(state_dir: Path) -> None:
    keep_a_row(open_places(embedded_settings(state_dir)))
    record = StateFolder(state_dir).record()
    assert record is not None
    stop_servers(state_dir)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", record.port))
        other.listen()
        assert_row_is_kept(open_places(embedded_settings(state_dir)))
        assert tcp_url(state_dir, Role.APP) is None
    stop_servers(state_dir)
    open_places(embedded_settings(state_dir))
    assert tcp_url(state_dir, Role.APP) is not None


def test_open_when_the_folder_cannot_be_made_then_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderUnusable, match="file/state"):
        open_places(embedded_settings(tmp_path / "file" / "state"))


def test_open_when_the_installation_is_none_then_the_error_names_it(
    state_dir: Path, tmp_path: Path
) -> None:
    settings = embedded_settings(state_dir).model_copy(update={"postgres_bin_dir": tmp_path})
    with pytest.raises(ConfigError, match="CANDELA_POSTGRES_BIN_DIR"):
        open_places(settings)


def test_open_when_the_data_is_of_another_version_then_the_error_names_both(
    state_dir: Path,
) -> None:
    open_places(embedded_settings(state_dir))
    stop_servers(state_dir)
    (state_dir / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigError, match="made by PostgreSQL 16"):
        open_places(embedded_settings(state_dir))


def test_open_when_only_valkey_is_wanted_then_no_postgresql_starts(state_dir: Path) -> None:
    settings = Settings(
        state_dir=state_dir,
        database_url=SecretStr("postgresql://u:p@db.example/candela"),
        redis_url=None,
    )
    places = open_places(settings)
    assert not places.is_embedded
    assert places.dagster_url == "postgresql+psycopg2://u:p@db.example/candela_dagster"
    assert [status.is_running for status in server_status(state_dir)] == [False, True]


@needs_root
def test_open_when_the_user_is_an_ordinary_one_then_no_other_user_is_needed(
    running: Path, state_dir: Path
) -> None:
    somebody = pwd.getpwnam("nobody")
    if not _can_run(somebody, find_installation(None).bin_dir / "postgres"):
        pytest.skip("the installation lies where other users cannot go")
    os.chown(state_dir.parent, somebody.pw_uid, somebody.pw_gid)
    # The interpreter itself may lie where only root can go: load everything, then become nobody.
    code = (
        OPEN
        + "import os\nos.setgroups([])\nos.setgid(int(sys.argv[3]))\nos.setuid(int(sys.argv[2]))\n"
        + "sys.argv[1] = sys.argv[4]\n"
        + OPEN
    )
    process = client(code, running, somebody.pw_uid, somebody.pw_gid, state_dir)
    said, failed = process.communicate(timeout=120)
    assert process.returncode == 0, failed
    assert len(said.splitlines()) == 2
    owners = {path.lstat().st_uid for path in state_dir.rglob("*")}
    assert owners == {somebody.pw_uid}
    stop_servers(state_dir)
    with pytest.raises(StateFolderUnusable, match="belongs to user id"):
        open_places(embedded_settings(state_dir))


def _can_run(somebody: pwd.struct_passwd, program: Path) -> bool:
    done = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(program)],
        user=somebody.pw_uid,
        group=somebody.pw_gid,
        extra_groups=[],
        check=False,
    )
    return done.returncode == 0


@needs_root
def test_folders_when_root_runs_then_they_stay_closed_to_other_users(running: Path) -> None:
    open_places(embedded_settings(running))
    record = StateFolder(running).record()
    assert record is not None
    somebody = pwd.getpwnam("nobody")
    for path in (running.parent, running, running / "postgres", record.sockets):
        assert stat.S_IMODE(Path(path).stat().st_mode) & 0o007 == 0
        done = subprocess.run(
            ["/bin/ls", str(path)],
            user=somebody.pw_uid,
            group=somebody.pw_gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        assert done.returncode != 0

"""The embedded servers: started once, shared, and whole again after any kill."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from pydantic import SecretStr

from candela.db.connect import Database, Role
from candela.embedded import Places, open_places, server_status, stop_servers, tcp_url
from candela.embedded.folder import StateFolder, StateFolderUnusable
from candela.embedded.postgres import find_installation
from candela.embedded.process import alive
from candela.errors import ConfigError
from candela.settings import Settings
from tests.fixtures.servers import TOP, redis_client, state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPEN = """
import sys
from pathlib import Path
from candela.embedded import open_places
from candela.settings import Settings
places = open_places(Settings(state_dir=Path(sys.argv[1])))
with places.database.connect() as connection:
    row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
print(row[0], flush=True)
"""
STAY = OPEN + "import time\ntime.sleep(600)\n"
WAIT_S = 60.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


def _settings(state_dir: Path) -> Settings:
    return Settings(state_dir=state_dir, database_url=None, redis_url=None)


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """Give a state folder with running servers, for tests that change nothing."""
    with state_folder() as path:
        open_places(_settings(path))
        yield path


def _client(
    code: str, *arguments: object, start_new_session: bool = False
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
    )


def _wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)


def _pids(state_dir: Path) -> dict[str, int]:
    found = {status.server: status.pid for status in server_status(state_dir)}
    return {name: pid for name, pid in found.items() if pid is not None}


def _keep_a_row(places: Places) -> None:
    with places.database.connect(Role.OWNER) as connection:
        connection.execute("CREATE SCHEMA kept")
        connection.execute("CREATE TABLE kept.rows AS SELECT 42 AS answer")
    with redis_client(places.redis_url) as client:
        client.set("kept", "42")


def _assert_row_is_kept(places: Places) -> None:
    with places.database.connect(Role.OWNER) as connection:
        assert connection.execute("SELECT answer FROM kept.rows").fetchall() == [(42,)]
    with redis_client(places.redis_url) as client:
        assert client.get("kept") == b"42"


def test_open_when_ten_processes_start_at_once_then_they_share_one_server(
    state_dir: Path,
) -> None:
    clients = [_client(OPEN, state_dir) for _ in range(10)]
    outcomes = [client.communicate(timeout=120) for client in clients]
    assert [client.returncode for client in clients] == [0] * 10, outcomes
    assert len({said for said, _ in outcomes}) == 1
    mains = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if str(state_dir / "postgres" / "data") in (process.info["cmdline"] or [])
    ]
    assert len(mains) == 1


def test_open_when_again_then_nothing_starts_and_the_places_are_the_same(running: Path) -> None:
    first = open_places(_settings(running))
    before = _pids(running)
    assert open_places(_settings(running)) == first
    assert _pids(running) == before
    assert set(before) == {"postgresql", "valkey"}


def test_servers_when_the_client_that_started_them_ends_then_they_stay(state_dir: Path) -> None:
    client = _client(OPEN, state_dir)
    said, _ = client.communicate(timeout=120)
    with open_places(_settings(state_dir)).database.connect() as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    assert row == (said.strip(),)


def test_servers_when_the_client_is_killed_then_they_stay(running: Path) -> None:
    client = _client(STAY, running)
    assert client.stdout is not None
    said = client.stdout.readline()
    before = _pids(running)
    client.kill()
    client.communicate()
    assert said
    assert _pids(running) == before


def test_servers_when_the_terminal_is_interrupted_then_they_stay(running: Path) -> None:
    client = _client(STAY, running, start_new_session=True)
    assert client.stdout is not None
    client.stdout.readline()
    before = _pids(running)
    for way in (signal.SIGINT, signal.SIGHUP):
        os.killpg(client.pid, way)
    client.communicate()
    assert len(before) == 2
    assert _pids(running) == before
    assert all(os.getsid(pid) != client.pid for pid in before.values())


def test_open_when_the_servers_were_killed_then_they_recover_with_their_data(
    state_dir: Path,
) -> None:
    _keep_a_row(open_places(_settings(state_dir)))
    killed = _pids(state_dir)
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    _assert_row_is_kept(open_places(_settings(state_dir)))
    assert not set(killed.values()) & set(_pids(state_dir).values())


def test_open_when_a_killed_server_left_a_busy_child_then_it_recovers(state_dir: Path) -> None:
    places = open_places(_settings(state_dir))
    _keep_a_row(places)
    with places.database.connect() as busy:
        child = busy.info.backend_pid
        query = threading.Thread(target=_run_until_cut, args=(busy,))
        query.start()
        _wait_for(lambda: psutil.Process(child).cpu_times().user > 0.2)
        os.kill(_pids(state_dir)["postgresql"], signal.SIGKILL)
        _assert_row_is_kept(open_places(_settings(state_dir)))
        query.join(WAIT_S)
    assert not alive(child)


def _run_until_cut(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")


def test_open_when_the_pid_file_names_another_program_then_it_starts(state_dir: Path) -> None:
    _keep_a_row(open_places(_settings(state_dir)))
    pid_file = state_dir / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    stop_servers(state_dir)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    _assert_row_is_kept(open_places(_settings(state_dir)))


def test_open_when_the_sockets_were_cleaned_away_then_it_makes_them_again(
    state_dir: Path,
) -> None:
    places = open_places(_settings(state_dir))
    _keep_a_row(places)
    record = StateFolder(state_dir).record()
    assert record is not None
    shutil.rmtree(record.sockets)
    _assert_row_is_kept(open_places(_settings(state_dir)))


@pytest.mark.parametrize("marker", ["postgres/data.draft-*", "postgres/data/PG_VERSION"])
@pytest.mark.parametrize("with_children", [False, True])
def test_open_when_the_first_start_was_killed_then_the_next_one_is_whole(
    state_dir: Path, marker: str, *, with_children: bool
) -> None:
    client = _client(OPEN, state_dir)
    _wait_for(lambda: any(state_dir.glob(marker)))
    doomed = psutil.Process(client.pid).children(recursive=True) if with_children else []
    client.kill()
    for process in doomed:
        process.kill()
    client.communicate()
    _keep_a_row(open_places(_settings(state_dir)))
    stop_servers(state_dir)
    _assert_row_is_kept(open_places(_settings(state_dir)))


def test_open_when_first_starts_are_killed_at_any_moment_then_the_last_one_is_whole(
    state_dir: Path,
) -> None:
    for pause in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        client = _client(OPEN, state_dir)
        time.sleep(pause)
        client.kill()
        client.communicate()
    _keep_a_row(open_places(_settings(state_dir)))
    stop_servers(state_dir)
    places = open_places(_settings(state_dir))
    _assert_row_is_kept(places)
    with places.database.sibling("candela_dagster").connect(Role.PIPELINES) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not list((state_dir / "postgres").glob("data.draft-*"))


def test_stop_when_started_again_then_data_sockets_and_passwords_are_kept(
    state_dir: Path,
) -> None:
    places = open_places(_settings(state_dir))
    _keep_a_row(places)
    url = tcp_url(state_dir, Role.ANALYST)
    assert stop_servers(state_dir) == ["valkey", "postgresql"]
    assert stop_servers(state_dir) == []
    assert not any(status.is_running for status in server_status(state_dir))
    again = open_places(_settings(state_dir))
    _assert_row_is_kept(again)
    assert again == places
    assert tcp_url(state_dir, Role.ANALYST) == url


def test_stop_when_there_is_no_state_then_nothing_happens(state_dir: Path) -> None:
    assert stop_servers(state_dir) == []
    assert not state_dir.exists()


def test_stop_and_open_when_mixed_then_the_last_word_holds(state_dir: Path) -> None:
    open_places(_settings(state_dir))
    with ThreadPoolExecutor(4) as pool:
        outcomes = [
            pool.submit(stop_servers, state_dir)
            if number % 2
            else pool.submit(open_places, _settings(state_dir))
            for number in range(8)
        ]
    for outcome in outcomes:
        outcome.result()
    _keep_a_row(open_places(_settings(state_dir)))


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
        places = open_places(_settings(odd))
        _keep_a_row(places)
        stop_servers(odd)
        places = open_places(_settings(odd))
        _assert_row_is_kept(places)
        record = StateFolder(odd).record()
        assert record is not None
        assert record.sockets.startswith(f"{TOP}/candela-")
    finally:
        stop_servers(odd)
    assert not Path(record.sockets).exists()


def test_status_when_running_then_it_says_where_and_since_when(running: Path) -> None:
    open_places(_settings(running))
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

    places = open_places(_settings(running))
    engine = sqlalchemy.create_engine(places.dagster_url)
    with engine.connect() as connection:
        row = connection.execute(sqlalchemy.text("SELECT current_database(), current_user")).one()
    engine.dispose()
    assert tuple(row) == ("candela_dagster", "candela_pipelines")
    assert engine.driver == "psycopg2"


def test_passwords_when_made_then_no_log_message_or_other_user_sees_them(
    running: Path,
) -> None:
    places = open_places(_settings(running))
    passwords = StateFolder(running).passwords(tuple(Role))
    assert len(set(passwords.values())) == 4
    logs = "".join(path.read_text() for path in (running / "logs").iterdir())
    shown = repr(places) + str(server_status(running)) + logs + places.dagster_url
    assert not [role for role, password in passwords.items() if password in shown]
    for path in running.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path
    assert stat.S_IMODE((running / "passwords.json").stat().st_mode) == 0o600


def test_tcp_when_the_superuser_asks_then_he_is_refused(running: Path) -> None:
    open_places(_settings(running))
    url = tcp_url(running, Role.APP)
    assert url is not None
    with Database(SecretStr(url)).connect() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("candela_app",)
    with pytest.raises(ConfigError, match="pg_hba"):
        Database(SecretStr(url.replace("candela_app:", "postgres:"))).connect()


def test_open_when_the_folder_cannot_be_made_then_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderUnusable, match="file/state"):
        open_places(_settings(tmp_path / "file" / "state"))


def test_open_when_the_installation_is_none_then_the_error_names_it(
    state_dir: Path, tmp_path: Path
) -> None:
    settings = _settings(state_dir).model_copy(update={"postgres_bin_dir": tmp_path})
    with pytest.raises(ConfigError, match="CANDELA_POSTGRES_BIN_DIR"):
        open_places(settings)


def test_open_when_the_data_is_of_another_version_then_the_error_names_both(
    state_dir: Path,
) -> None:
    open_places(_settings(state_dir))
    stop_servers(state_dir)
    (state_dir / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigError, match="made by PostgreSQL 16"):
        open_places(_settings(state_dir))


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
    client = _client(code, running, somebody.pw_uid, somebody.pw_gid, state_dir)
    said, failed = client.communicate(timeout=120)
    assert client.returncode == 0, failed
    assert len(said.splitlines()) == 2
    owners = {path.lstat().st_uid for path in state_dir.rglob("*")}
    assert owners == {somebody.pw_uid}
    stop_servers(state_dir)
    with pytest.raises(StateFolderUnusable, match="belongs to user id"):
        open_places(_settings(state_dir))


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
    open_places(_settings(running))
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

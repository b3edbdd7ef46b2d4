"""The embedded servers survive their clients and come back whole after any kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from candela.db.connect import Role
from candela.embedded import open_places, stop_servers
from candela.embedded.account import server_account
from candela.embedded.folder import StateFolder
from candela.embedded.process import alive
from tests.fixtures.state import (
    OPEN,
    STAY,
    WAIT_S,
    assert_row_is_kept,
    client,
    embedded_settings,
    keep_a_row,
    pids,
    wait_for,
)


def test_servers_when_the_client_that_started_them_ends_then_they_stay(state_dir: Path) -> None:
    process = client(OPEN, state_dir)
    said, _ = process.communicate(timeout=120)
    with open_places(embedded_settings(state_dir)).database.connect() as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    assert row == (said.strip(),)


def test_servers_when_the_client_is_killed_then_they_stay(state_dir: Path) -> None:
    process = client(STAY, state_dir)
    assert process.stdout is not None
    said = process.stdout.readline()
    before = pids(state_dir)
    process.kill()
    process.communicate()
    assert said
    assert pids(state_dir) == before


def test_servers_when_the_terminal_is_interrupted_then_they_stay(state_dir: Path) -> None:
    process = client(STAY, state_dir, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    before = pids(state_dir)
    for way in (signal.SIGINT, signal.SIGHUP):
        os.killpg(process.pid, way)
    process.communicate()
    assert len(before) == 2
    assert pids(state_dir) == before
    assert all(os.getsid(pid) != process.pid for pid in before.values())


def test_open_when_the_servers_were_killed_then_they_recover_with_their_data(
    state_dir: Path,
) -> None:
    keep_a_row(open_places(embedded_settings(state_dir)))
    killed = pids(state_dir)
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    assert_row_is_kept(open_places(embedded_settings(state_dir)))
    assert not set(killed.values()) & set(pids(state_dir).values())


def test_open_when_a_killed_server_left_a_busy_child_then_it_recovers(state_dir: Path) -> None:
    places = open_places(embedded_settings(state_dir))
    keep_a_row(places)
    with places.database.connect() as busy:
        child = busy.info.backend_pid
        query = threading.Thread(target=_run_until_cut, args=(busy,))
        query.start()
        wait_for(lambda: psutil.Process(child).cpu_times().user > 0.2)
        os.kill(pids(state_dir)["postgresql"], signal.SIGKILL)
        assert_row_is_kept(open_places(embedded_settings(state_dir)))
        query.join(WAIT_S)
    assert not alive(child)


def _run_until_cut(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")


def test_open_when_the_pid_file_names_another_program_then_it_starts(state_dir: Path) -> None:
    keep_a_row(open_places(embedded_settings(state_dir)))
    pid_file = state_dir / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    stop_servers(state_dir)
    # Of the servers' own user: PostgreSQL takes only such a process for another server.
    with subprocess.Popen(["/bin/sleep", "600"], **server_account().spawn) as other:
        try:
            pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
            assert_row_is_kept(open_places(embedded_settings(state_dir)))
        finally:
            other.kill()


def test_open_when_the_sockets_were_cleaned_away_then_it_makes_them_again(
    state_dir: Path,
) -> None:
    places = open_places(embedded_settings(state_dir))
    keep_a_row(places)
    record = StateFolder(state_dir).record()
    assert record is not None
    shutil.rmtree(record.sockets)
    assert_row_is_kept(open_places(embedded_settings(state_dir)))


@pytest.mark.parametrize("marker", ["postgres/data.draft-*", "postgres/data/PG_VERSION"])
@pytest.mark.parametrize("with_children", [False, True])
def test_open_when_the_first_start_was_killed_then_the_next_one_is_whole(
    state_dir: Path, marker: str, *, with_children: bool
) -> None:
    process = client(OPEN, state_dir)
    wait_for(lambda: any(state_dir.glob(marker)))
    doomed = psutil.Process(process.pid).children(recursive=True) if with_children else []
    process.kill()
    for child in doomed:
        child.kill()
    process.communicate()
    keep_a_row(open_places(embedded_settings(state_dir)))
    stop_servers(state_dir)
    assert_row_is_kept(open_places(embedded_settings(state_dir)))


def test_open_when_first_starts_are_killed_at_any_moment_then_the_last_one_is_whole(
    state_dir: Path,
) -> None:
    for pause in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        process = client(OPEN, state_dir)
        time.sleep(pause)
        process.kill()
        process.communicate()
    keep_a_row(open_places(embedded_settings(state_dir)))
    stop_servers(state_dir)
    places = open_places(embedded_settings(state_dir))
    assert_row_is_kept(places)
    with places.database.sibling("candela_dagster").connect(Role.PIPELINES) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not list((state_dir / "postgres").glob("data.draft-*"))


def test_stop_and_open_when_mixed_then_the_last_word_holds(state_dir: Path) -> None:
    open_places(embedded_settings(state_dir))
    with ThreadPoolExecutor(4) as pool:
        outcomes = [
            pool.submit(stop_servers, state_dir)
            if number % 2
            else pool.submit(open_places, embedded_settings(state_dir))
            for number in range(8)
        ]
    for outcome in outcomes:
        outcome.result()
    keep_a_row(open_places(embedded_settings(state_dir)))


def test_open_when_ten_processes_start_at_once_then_they_share_one_server(
    state_dir: Path,
) -> None:
    processes = [client(OPEN, state_dir) for _ in range(10)]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, outcomes
    assert len({said for said, _ in outcomes}) == 1
    mains = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if str(state_dir / "postgres" / "data") in (process.info["cmdline"] or [])
    ]
    assert len(mains) == 1

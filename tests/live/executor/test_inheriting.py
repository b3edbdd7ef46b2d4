"""Taking over from executors of this host whose processes are gone, and from no others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from candela.db.connect import Role
from live.executor.inheriting import host_name, inherit, inherit_dead
from live.leases.table import Executor, LeaseTable
from live.store.pool import ConnectionPool

if TYPE_CHECKING:
    from collections.abc import Generator

    from candela.db.connect import Database


@pytest.fixture
def stranger() -> Generator[subprocess.Popen[bytes]]:
    """Give a living process that is none of ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def given(database: Database, name: str, host: str, pid: int, began: str = "0 seconds") -> None:
    """Write an executor that holds one part."""
    with database.connect(Role.EXECUTOR) as connection:
        connection.execute(
            "INSERT INTO live.executors (executor, host, pid, started_at, seen_at)"
            " VALUES (%s, %s, %s, now() - %s::interval, now())",
            (name, host, pid, began),
        )
        connection.execute(
            "UPDATE live.shards SET owner = %s, epoch = epoch + 1,"
            " expires_at = now() + interval '1 hour' WHERE kind = 'trade' AND shard = 5",
            (name,),
        )


def owner(database: Database) -> str | None:
    with database.connect(Role.EXECUTOR) as connection:
        row = connection.execute(
            "SELECT owner FROM live.shards WHERE kind = 'trade' AND shard = 5"
        ).fetchone()
    assert row is not None
    return row[0]


def is_counted(database: Database, name: str) -> bool:
    with database.connect(Role.EXECUTOR) as connection:
        row = connection.execute(
            "SELECT stopped_at IS NULL FROM live.executors WHERE executor = %s", (name,)
        ).fetchone()
    assert row is not None
    return bool(row[0])


def test_executor_when_its_process_is_gone_then_its_parts_are_free(database: Database) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    given(database, "dead", host_name(), process.pid)

    assert inherit_dead(database, host_name()) == 1

    assert owner(database) is None
    assert not is_counted(database, "dead")


def test_executor_when_its_process_was_killed_and_not_waited_for_then_its_parts_are_free(
    database: Database,
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    given(database, "dead", host_name(), process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert inherit_dead(database, host_name()) == 1

    process.communicate()


def test_executor_when_its_process_lives_then_it_keeps_its_parts(
    database: Database, stranger: subprocess.Popen[bytes]
) -> None:
    given(database, "living", host_name(), stranger.pid)

    assert inherit_dead(database, host_name()) == 0

    assert owner(database) == "living"
    assert is_counted(database, "living")


def test_executor_when_another_process_has_its_number_then_its_parts_are_free(
    database: Database, stranger: subprocess.Popen[bytes]
) -> None:
    assert psutil.pid_exists(stranger.pid)
    given(database, "dead", host_name(), stranger.pid, began="1 hour")

    assert inherit_dead(database, host_name()) == 1


def test_executor_when_it_has_the_number_of_this_process_then_its_parts_are_free(
    database: Database,
) -> None:
    given(database, "dead", host_name(), os.getpid())

    assert inherit_dead(database, host_name()) == 1


def test_executor_when_it_is_of_another_host_then_nothing_is_known_of_its_process(
    database: Database,
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    given(database, "elsewhere", "another/0", process.pid)

    assert inherit_dead(database, host_name()) == 0

    assert owner(database) == "elsewhere"


def test_executor_when_it_was_taken_for_dead_and_beats_then_it_counts_again(
    database: Database,
) -> None:
    async def story() -> None:
        pool = ConnectionPool(database, size=1, name="test")
        table = LeaseTable(pool, Executor("silent", host_name(), 1), ("signals",), 15.0)
        await table.round({}, {}, is_leaving=False)
        inherit(database, "silent")
        assert not is_counted(database, "silent")
        await table.round({}, {}, is_leaving=False)
        assert is_counted(database, "silent")
        await table.round({}, {}, is_leaving=True)
        await pool.close()

    asyncio.run(story())
    assert not is_counted(database, "silent")

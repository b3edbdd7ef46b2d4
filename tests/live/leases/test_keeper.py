"""Leases over a real database: shares, takeover, stalls, and the fence against a late owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from live.leases.keeper import LeaseKeeper
from live.leases.table import Executor
from live.store.commits import commit
from live.store.pool import ConnectionPool, DatabaseLost
from live.store.port import Lease, LeaseLost
from tests.live.store.databases import postgres_scene
from tests.live.store.worlds import NOW, commit_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from candela.db.connect import Database

TERM_S = 1.2
MARGIN_S = 0.2
SIGNALS = 8


class Process:
    """An executor that does nothing but keep leases of signals, and counts what it is told."""

    def __init__(self, database: Database, name: str, term_s: float = TERM_S) -> None:
        self.pool = ConnectionPool(database, size=1)
        self.gained: list[Lease] = []
        self.lost: list[Lease] = []
        self.drained: list[Lease] = []
        self.keeper = LeaseKeeper(
            self.pool,
            Executor(name, "here", 1),
            kinds=("signals",),
            term_s=term_s,
            margin_s=MARGIN_S,
            on_gained=self._gain,
            on_lost=lambda _, lease: self.lost.append(lease),
            drain=self._drain,
            figures=lambda: {"bots": len(name)},
        )
        self.on_gained: Callable[[], object] = list[object]
        self.task = asyncio.create_task(self.keeper.run())

    def _gain(self, _: str, lease: Lease) -> None:
        self.gained.append(lease)
        self.on_gained()

    async def _drain(self, _: str, lease: Lease) -> None:
        await asyncio.sleep(0)
        self.drained.append(lease)

    def count(self) -> int:
        """Return how many parts it holds."""
        return len(self.keeper.held("signals"))

    async def kill(self) -> None:
        """End it without a word to the database."""
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.pool.close()

    async def stop(self) -> None:
        """End it in good order."""
        self.keeper.stop()
        await self.task
        await self.pool.close()


@asynccontextmanager
async def processes(database: Database, *names: str) -> AsyncGenerator[list[Process]]:
    """Start executors and kill those that are left at the end."""
    started = [Process(database, name) for name in names]
    try:
        yield started
    finally:
        for process in started:
            await process.kill()


async def reached(condition: Callable[[], bool]) -> None:
    """Wait until something holds; the test's own time limit is the only one."""
    while not condition():  # noqa: ASYNC110 - conditions of several processes have no event
        await asyncio.sleep(0.01)


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """Ask as the server's own login."""
    with database.connect(autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_keeper_when_another_joins_and_leaves_then_both_hold_their_share(
    database: Database,
) -> None:
    async def story() -> None:
        async with processes(database, "first") as (first,):
            await reached(lambda: first.count() == SIGNALS)
            assert {lease.epoch for lease in first.gained} == {1}
            second = Process(database, "second")
            await reached(lambda: (first.count(), second.count()) == (4, 4))
            # Given up only after the work under it has ended, and with another epoch then.
            assert first.lost == first.drained
            assert {lease.epoch for lease in second.gained} == {2}
            await second.stop()
            assert second.count() == 0
            await reached(lambda: first.count() == SIGNALS)
            await first.stop()

    asyncio.run(story())
    assert rows(database, "SELECT DISTINCT owner FROM live.shards WHERE kind = 'signals'") == [
        (None,)
    ]
    seen = rows(database, "SELECT executor, stopped_at > seen_at - interval '1 s', figures"
                " FROM live.executors ORDER BY executor")  # fmt: skip
    assert seen == [("first", True, {"bots": 5}), ("second", True, {"bots": 6})]


def test_keeper_when_an_owner_is_killed_then_others_take_over_with_a_higher_epoch(
    database: Database,
) -> None:
    async def story() -> None:
        async with processes(database, "a", "b", "c") as started:
            await reached(lambda: sorted(one.count() for one in started) == [2, 3, 3])
            victim = started[0]
            held = [victim.keeper.lease("signals", n) for n in victim.keeper.held("signals")]
            await victim.kill()
            await reached(lambda: [one.count() for one in started[1:]] == [4, 4])
            for lease in held:
                later = [one.epoch for other in started[1:] for one in other.gained
                         if one.shard == lease.shard]  # fmt: skip
                assert max(later) > lease.epoch

    asyncio.run(story())


def test_keeper_when_the_database_is_silent_then_it_lets_go_before_anybody_else_takes_over(
    database: Database,
) -> None:
    async def story() -> None:
        async with processes(database, "first") as (first,):
            await reached(lambda: first.count() == SIGNALS)
            # Its only connection is busy: the next round waits as on a link that was cut.
            async with first.pool.transaction():
                second = Process(database, "second")
                when: list[int] = []
                second.on_gained = lambda: when.append(len(first.lost))
                await reached(lambda: second.count() == SIGNALS and first.task.done())
            assert set(when) == {SIGNALS}, "all were let go of before the first was taken"
            with pytest.raises(DatabaseLost):
                await first.task
            with pytest.raises(LeaseLost):
                first.keeper.lease("signals", 0)
            await second.kill()

    asyncio.run(story())


def test_lease_when_the_loop_stood_still_beyond_the_term_then_refused_without_a_timer(
    database: Database,
) -> None:
    async def story() -> None:
        async with processes(database, "first") as (first,):
            await reached(lambda: first.count() == SIGNALS)
            assert first.keeper.lease("signals", 0).epoch == 1
            # No task of the loop runs meanwhile, nor before the question.
            threading.Event().wait(TERM_S)
            with pytest.raises(LeaseLost):
                first.keeper.lease("signals", 0)
            assert first.count() == 0
            # It comes back by itself, under a new epoch.
            await reached(lambda: first.count() == SIGNALS)
            assert first.keeper.lease("signals", 0).epoch == 2

    asyncio.run(story())


def test_lease_when_taken_over_then_what_the_late_owner_writes_is_refused(
    database: Database,
) -> None:
    async def story() -> None:
        async with postgres_scene(database) as scene:
            pool = ConnectionPool(database)
            owner, other = (
                LeaseKeeper(
                    ConnectionPool(database, size=1),
                    Executor(name, "here", 1),
                    kinds=("trade",),
                    term_s=TERM_S,
                    margin_s=MARGIN_S,
                )
                for name in ("owner", "other")
            )
            await scene.world.take_over()
            with database.connect(autocommit=True) as admin:
                admin.execute("UPDATE live.shards SET owner = NULL")
            first = asyncio.create_task(owner.run())
            await reached(lambda: scene.lease.shard in owner.held("trade"))
            late = owner.lease("trade", scene.lease.shard)
            (placed,) = await commit(pool, late, [commit_of(scene.intent("first"))])
            assert placed.kind == "committed"
            first.cancel()
            second = asyncio.create_task(other.run())
            await reached(lambda: scene.lease.shard in other.held("trade"))
            with pytest.raises(LeaseLost):
                await commit(pool, late, [commit_of(scene.intent("second"))])
            now = other.lease("trade", scene.lease.shard)
            (placed,) = await commit(pool, now, [commit_of(scene.intent("third"))])
            assert placed.kind == "committed"
            assert set(await scene.world.intent_states(scene.account.tenant_id)) == {
                "first",
                "third",
            }
            second.cancel()
            await asyncio.wait({first, second})
            for keeper in (owner, other):
                await keeper._table._pool.close()
            await pool.close()

    asyncio.run(story())


def test_lease_when_its_time_is_over_then_refused_though_nobody_has_taken_it(
    database: Database,
) -> None:
    async def story() -> None:
        async with postgres_scene(database) as scene:
            with database.connect(autocommit=True) as admin:
                admin.execute("UPDATE live.shards SET expires_at = clock_timestamp()")
            with pytest.raises(LeaseLost):
                await scene.store.commit(scene.lease, [commit_of(scene.intent())])
            stranger = Lease(scene.lease.shard + 1, scene.lease.epoch, scene.lease.owner)
            with pytest.raises(LeaseLost, match="is of part"):
                await scene.store.commit(stranger, [commit_of(scene.intent())])
            assert (await scene.store.load(scene.account)).intents == ()
            assert scene.intent().created_at == NOW

    asyncio.run(story())


_FROZEN = """
import asyncio, sys
from pydantic import SecretStr
from candela.db.connect import Database
from live.leases.keeper import LeaseKeeper
from live.leases.table import Executor
from live.store.pool import ConnectionPool
from live.store.port import LeaseLost

async def main():
    database = Database(SecretStr(sys.argv[1]), roles_log_in=sys.argv[2] == "True")
    keeper = LeaseKeeper(ConnectionPool(database, size=1), Executor("frozen", "here", 2),
                         kinds=("signals",), term_s=1.2, margin_s=0.2)
    running = asyncio.create_task(keeper.run())
    while len(keeper.held("signals")) < 8:
        await asyncio.sleep(0.01)
    print("holds", flush=True)
    sys.stdin.readline()
    # The first thing after a freeze, before any timer of the loop.
    try:
        keeper.lease("signals", 0)
        print("still mine", flush=True)
    except LeaseLost:
        print("lost", flush=True)
    running.cancel()

asyncio.run(main())
"""


def test_keeper_when_the_process_is_frozen_beyond_its_term_then_it_wakes_up_without_leases(
    database: Database,
) -> None:
    url = database.admin_url.get_secret_value()
    process = subprocess.Popen(
        [sys.executable, "-c", _FROZEN, url, str(database.roles_log_in)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "holds\n"
        os.kill(process.pid, signal.SIGSTOP)

        async def take_over() -> None:
            async with processes(database, "second") as (second,):
                await reached(lambda: second.count() == SIGNALS)
                assert {lease.epoch for lease in second.gained} == {2}

        asyncio.run(take_over())
        process.stdin.write("\n")
        process.stdin.flush()
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "lost\n"
    finally:
        process.kill()
        process.communicate()


def test_pool_when_the_server_ends_the_connection_then_the_database_is_lost(
    database: Database,
) -> None:
    async def story() -> None:
        pool = ConnectionPool(database)

        async def ended_by_the_server() -> None:
            async with pool.transaction() as connection:
                ending = ("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
                with database.connect(autocommit=True) as admin:
                    admin.execute(*ending)
                await connection.execute("SELECT 1")

        with pytest.raises(DatabaseLost):
            await ended_by_the_server()
        # The pool itself goes on: whoever may still want to read opens another connection.
        async with pool.transaction() as connection:
            answer = await (await connection.execute("SELECT 1")).fetchone()
        assert answer == (1,)
        await pool.close()
        with pytest.raises(DatabaseLost):
            await ended_by_the_server()

    asyncio.run(story())
    assert issubclass(DatabaseLost, Exception)
    assert not issubclass(DatabaseLost, psycopg.Error)

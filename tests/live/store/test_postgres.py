"""What only the store in PostgreSQL has: waiting kill switches, lines of logs, a lost database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from candela.ids import new_id
from live.store.pool import ConnectionPool, DatabaseLost
from live.store.port import Placed
from live.store.postgres import PostgresStore
from live.store.rows import AccountNotFound
from tests.live.store.databases import postgres_scene
from tests.live.store.worlds import NOW, Scene, commit_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from candela.db.connect import Database

_HALT = (
    "INSERT INTO trading.halts (halt_id, scope, reason, halted_by)"
    " VALUES (%s, 'platform', 'enough', 'tests')"
)


def played(database: Database, story: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a story over PostgreSQL."""

    async def whole() -> None:
        async with postgres_scene(database) as scene:
            await story(scene)

    asyncio.run(whole())


def test_commit_when_a_halt_is_being_written_then_it_waits_and_sees_it(database: Database) -> None:
    async def story(scene: Scene) -> None:
        async with await psycopg.AsyncConnection.connect(database.url()) as operator:
            await operator.execute(_HALT, (new_id(NOW),))
            committing = asyncio.create_task(
                scene.store.commit(scene.lease, [commit_of(scene.intent())])
            )
            done, _ = await asyncio.wait({committing}, timeout=0.2)
            assert not done, "an entry that began before the halt is over would come after it"
            await operator.commit()
            assert await committing == (Placed("refused", "halt", "enough"),)

    played(database, story)


def test_log_when_closed_then_every_line_is_written(database: Database) -> None:
    async def story(scene: Scene) -> None:
        store = PostgresStore(ConnectionPool(database))
        for number in range(1_500):
            await store.log(
                scene.account.tenant_id, scene.bot_id, "info", "signal", str(number), None, NOW
            )
            if number == 700:
                await asyncio.sleep(0)
        await store.log(
            scene.account.tenant_id, scene.bot_id, "error", "order", "x", {"price": 1}, NOW
        )
        await store.close()

    played(database, story)
    with database.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT message), max(data->>'price') FROM trading.bot_logs"
        ).fetchone()
    assert found == (1_501, 1_501, "1")


def test_close_when_lines_cannot_be_written_then_it_says_so(database: Database) -> None:
    async def story(scene: Scene) -> None:
        pool = ConnectionPool(database)
        store = PostgresStore(pool)
        line = (scene.account.tenant_id, scene.bot_id, "info", "signal", "one", None, NOW)
        await store.log(*line)
        await pool.close()
        with pytest.raises(DatabaseLost):
            await store.close()

    played(database, story)


def test_load_when_the_account_is_another_tenants_then_not_found(database: Database) -> None:
    async def story(scene: Scene) -> None:
        other = await scene.world.add_tenant()
        stolen = replace(scene.account, account_id=other.account_id)
        with pytest.raises(AccountNotFound, match=str(other.account_id)):
            await scene.store.load(stolen)

    played(database, story)

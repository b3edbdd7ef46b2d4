"""The journal keeps every line, without secrets, and tells those who watch."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from candela.bus import journal_key
from candela.clock import FixedClock
from live.journal.journal import Journal
from live.store.postgres import PostgresStore
from tests.fixtures.servers import redis_client
from tests.live.executor.worlds import NOW, People

if TYPE_CHECKING:
    from candela.db.connect import Database

WORDS = "the venue said apiKey=AKIA1234567890 is bad"


def test_note_when_flushed_is_stored_and_told_without_secrets(
    database: Database, redis_url: str
) -> None:
    clock = FixedClock(NOW)
    people = People(database, clock)
    user = people.user()
    bot = people.bot(user, people.paper(user))

    async def run() -> None:
        store = PostgresStore.over(database)
        journal = Journal(store, redis_url, clock)
        data = {"price": Decimal("1.50"), "note": "password=hunter2hunter2"}
        journal.note(user.tenant_id, bot, "blocked", WORDS, level="warning", data=data)
        journal.note(user.tenant_id, None, "intent", "by hand: no bot, no line")
        await journal.close()
        await store.close()

    asyncio.run(run())

    rows = people.rows(user, "SELECT bot_id, level, event, message, data FROM trading.bot_logs")
    assert len(rows) == 1
    assert (rows[0]["bot_id"], rows[0]["level"], rows[0]["event"]) == (bot, "warning", "blocked")
    assert rows[0]["data"]["price"] == "1.50"
    told = redis_client(redis_url).xrange(journal_key(user.tenant_id))
    everything = f"{rows}{told}"
    assert "AKIA1234567890" not in everything
    assert "hunter2hunter2" not in everything
    assert len(told) == 1  # pyright: ignore[reportArgumentType]


def test_note_when_redis_is_gone_is_stored_all_the_same(database: Database) -> None:
    clock = FixedClock(NOW)
    people = People(database, clock)
    user = people.user()
    bot = people.bot(user, people.paper(user))

    async def run() -> None:
        store = PostgresStore.over(database)
        journal = Journal(store, "redis://127.0.0.1:1/0", clock)
        journal.note(user.tenant_id, bot, "state", "running")
        await journal.close()
        await store.close()

    asyncio.run(run())

    assert len(people.rows(user, "SELECT FROM trading.bot_logs")) == 1


def test_note_when_lines_come_as_a_flood_then_the_least_of_them_are_dropped(
    database: Database,
) -> None:
    async def run() -> tuple[int, int]:
        store = PostgresStore.over(database)
        journal = Journal(store, None, FixedClock(NOW))
        for _ in range(20_005):
            journal.note(UUID(int=1), UUID(int=2), "signal", "x")
        journal.note(UUID(int=1), UUID(int=2), "blocked", "kept", level="error")
        dropped, kept = journal.dropped, len(journal._waiting)
        journal._waiting.clear()
        await store.close()
        return dropped, kept

    assert asyncio.run(run()) == (5, 20_001)

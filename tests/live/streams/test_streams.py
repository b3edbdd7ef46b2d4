"""Streams carry each committed event to each reader, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from candela.bus import stream_keys
from candela.db.connect import Role
from candela.embedded import open_places
from candela.settings import Settings
from live.streams.events import OutboxEvent
from live.streams.opening import open_redis
from live.streams.outbox import Position, append_sync
from live.streams.trimming import trim
from tests.live.streams.bench_of_streams import desk, reading

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database


def test_events_when_published_then_each_group_gets_all_in_order(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[list[int], list[int], int]:
        async with (
            desk(database, redis_url) as writer,
            reading(database, redis_url, "one") as one,
            reading(database, redis_url, "two") as two,
        ):
            for _ in range(20):
                assert await writer.tell(5)
            return await one.until(100), await two.until(100), one.consumer.jumps

    one, two, jumps = asyncio.run(run())
    assert one == two == list(range(100))
    assert jumps == 0


def test_event_when_its_transaction_is_undone_then_nobody_hears(
    database: Database, redis_url: str
) -> None:
    async def run() -> list[int]:
        async with desk(database, redis_url) as writer, reading(database, redis_url) as reader:
            with database.connect(Role.PIPELINES) as connection:
                append_sync(connection.cursor(), [OutboxEvent("bars", "x", {"number": -1})])
                connection.rollback()
            await writer.tell(1)
            return await reader.until(1)

    assert asyncio.run(run()) == [0]


def test_events_when_never_published_then_the_sweep_publishes_them(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[int, int, list[int]]:
        async with desk(database, redis_url) as writer, reading(database, redis_url) as reader:
            await writer.write(3)
            swept = await writer.publisher.sweep(older_than_s=0)
            return swept, await writer.publisher.sweep(older_than_s=0), await reader.until(3)

    assert asyncio.run(run()) == (3, 0, [0, 1, 2])


def test_events_when_redis_is_flushed_in_mid_run_then_none_is_lost_or_doubled(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[list[int], list[bytes]]:
        client = open_redis(redis_url)
        async with desk(database, redis_url) as writer, reading(database, redis_url) as reader:
            for round_ in range(30):
                await writer.tell(10)
                if round_ % 7 == 3:
                    await client.flushdb()
            found = await reader.until(300)
            # The group was flushed as well: the reader makes it anew and reads the stream again.
            await client.flushdb()
            await writer.tell(1)
            await reader.until(301)
            groups = [one["name"] for one in await client.xinfo_groups(stream_keys("bars").entries)]
        await client.aclose()
        return found, groups

    found, groups = asyncio.run(run())
    assert sorted(found) == list(range(301))
    assert groups == [b"one"]


def test_events_when_entries_vanish_unread_then_the_jump_is_seen_and_the_outbox_read(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[list[int], int]:
        client = open_redis(redis_url)
        async with desk(database, redis_url) as writer, reading(database, redis_url) as reader:
            await writer.tell(1)
            await reader.until(1)
            hidden = await writer.write(3)
            await client.incrby(stream_keys("bars").count, len(hidden))
            await writer.tell(1)
            found = await reader.until(5, within_s=5)
        await client.aclose()
        return found, reader.consumer.jumps

    found, jumps = asyncio.run(run())
    assert (sorted(found), jumps) == (list(range(5)), 1)


def test_events_when_there_is_no_redis_then_the_outbox_is_polled(database: Database) -> None:
    async def run() -> tuple[bool, list[int]]:
        async with desk(database, None) as writer, reading(database, None) as reader:
            is_published = await writer.tell(10)
            return is_published, await reader.until(10)

    assert asyncio.run(run()) == (False, list(range(10)))


def test_events_when_valkey_is_killed_and_comes_back_then_none_is_lost(
    database: Database, state_dir: Path
) -> None:
    settings_ = Settings(state_dir=state_dir, database_url=SecretStr("postgresql:///unused"))
    url = open_places(settings_).redis_url

    async def kill() -> None:
        client = open_redis(url)
        number = cast("dict[str, Any]", await client.info("server"))["process_id"]
        await client.aclose()
        os.kill(number, signal.SIGKILL)

    async def run() -> list[int]:
        async with desk(database, url) as writer, reading(database, url) as reader:
            for _ in range(10):
                await writer.tell(10)
            await kill()
            for _ in range(10):
                await writer.tell(10)
            await reader.until(200)
            assert not writer.publisher.is_connected
            await asyncio.to_thread(open_places, settings_)
            while not await writer.publisher.sweep(older_than_s=0):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await writer.tell(10)
            return await reader.until(210)

    assert sorted(asyncio.run(run())) == list(range(210))


def test_reader_when_started_again_then_it_gets_what_it_did_not_acknowledge(
    database: Database, redis_url: str
) -> None:
    async def run() -> tuple[list[int], list[int]]:
        async with desk(database, redis_url) as writer:
            async with reading(database, redis_url) as first:
                await writer.tell(2)
                await first.until(2)
            await writer.tell(3)
            after = (await writer.write(1))[0].seq
            async with reading(database, redis_url) as second:
                everything = list(await second.until(6))
            async with reading(database, redis_url, "late", after=after) as third:
                await writer.tell(1)
                return everything, await third.until(1)

    # The last minute comes again, and what an earlier number excludes does not.
    assert asyncio.run(run()) == ([0, 1, 2, 3, 4, 5], [6])


def test_trim_when_a_group_is_slow_then_its_entries_stay_and_a_forgotten_group_goes(
    database: Database, redis_url: str
) -> None:
    entries = stream_keys("bars").entries

    async def run() -> tuple[int, int, int, list[bytes]]:
        client = open_redis(redis_url)
        async with desk(database, redis_url) as writer:
            await client.xgroup_create(entries, "slow", id="0", mkstream=True)
            await client.xgroup_create(entries, "gone", id="0")
            await writer.tell(10)
            got = await client.xreadgroup("slow", "slow", {entries: ">"}, count=6)
            ids = [entry_id for entry_id, _ in got[0][1]]
            await client.xack(entries, "slow", *ids[:4])
            now_ms = int((await client.time())[0]) * 1_000
            first = await trim(client, "bars", now_ms)
            length = await client.xlen(entries)
            await client.xack(entries, "slow", *ids[4:])
            second = await trim(client, "bars", now_ms)
            groups = [one["name"] for one in await client.xinfo_groups(entries)]
        await client.aclose()
        return first, length, second, groups

    # What "slow" has read last stays as well: from there it goes on.
    assert asyncio.run(run()) == (4, 6, 1, [b"slow"])


def test_tidy_when_events_are_a_day_old_then_they_are_forgotten(
    database: Database, redis_url: str
) -> None:
    async def run() -> list[tuple[int]]:
        async with desk(database, redis_url) as writer:
            await writer.tell(3)
            with database.connect(autocommit=True) as connection:
                connection.execute(
                    "UPDATE live.outbox SET created_at = created_at - interval '25 h' WHERE seq < 3"
                )
            await writer.publisher.tidy()
            async with writer.link.use() as link:
                return await (await link.execute("SELECT seq FROM live.outbox")).fetchall()

    assert asyncio.run(run()) == [(3,)]


@settings(max_examples=12, deadline=None)
@given(
    # Nothing is drawn in the run: it would be broken off with its connections open.
    lags=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    page=st.integers(1, 3),
    seed=st.integers(0, 1_000),
)
def test_position_when_transactions_commit_in_any_order_then_each_event_comes_once(
    worker_database: Database, lags: list[int], page: int, seed: int
) -> None:
    """Numbers are given out at the insert and seen at the commit: a later commit may be lower."""
    with worker_database.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE live.outbox")

    async def run() -> list[int]:
        found: list[int] = []
        order = random.Random(seed)
        position = Position(["bars"], 0)
        reader = await psycopg.AsyncConnection.connect(
            worker_database.url(Role.EXECUTOR), autocommit=True
        )
        open_: list[tuple[int, psycopg.Connection]] = []
        for number, lag in enumerate(lags):
            writer = worker_database.connect(Role.EXECUTOR)
            append_sync(writer.cursor(), [OutboxEvent("bars", "k", {"number": number})])
            open_.append((number + lag, writer))
            due = [one for one in open_ if one[0] <= number]
            open_ = [one for one in open_ if one[0] > number]
            order.shuffle(due)
            for _, one in due:
                one.commit()
                one.close()
            if number % page == 0:
                found += [one.payload["number"] for one in await position.missed(reader)]
        for _, one in open_:
            one.commit()
            one.close()
        found += [one.payload["number"] for one in await position.missed(reader)]
        await reader.close()
        return found

    assert sorted(asyncio.run(run())) == list(range(len(lags)))


def test_outbox_when_a_stream_is_unknown_then_it_is_refused(database: Database) -> None:
    with (
        database.connect(Role.EXECUTOR) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        append_sync(connection.cursor(), [OutboxEvent(cast("Any", "rumours"), "x", {})])

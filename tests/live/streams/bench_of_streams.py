"""What tests of the streams share: events written and published, and a reader that collects."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candela.clock import SystemClock
from candela.db.connect import Role
from live.streams.consumer import Consumer
from live.streams.events import OutboxEvent
from live.streams.link import DatabaseLink
from live.streams.outbox import append
from live.streams.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from candela.db.connect import Database
    from live.streams.events import StreamEvent

__all__ = ["Desk", "desk", "reading"]


@dataclass
class Desk:
    """A writer of events with its publisher."""

    database: Database
    link: DatabaseLink
    publisher: Publisher
    written: int = 0

    async def write(self, count: int) -> tuple[StreamEvent, ...]:
        """Commit events of stream bars, numbered on, without publishing them."""
        events = [
            OutboxEvent("bars", f"bar {number}", {"number": number})
            for number in range(self.written, self.written + count)
        ]
        self.written += count
        async with self.link.use() as connection, connection.transaction():
            return await append(connection.cursor(), events)

    async def tell(self, count: int) -> bool:
        """Commit and publish."""
        return await self.publisher.publish(await self.write(count))


@asynccontextmanager
async def desk(database: Database, redis_url: str | None) -> AsyncGenerator[Desk]:
    """Open a writer as an executor."""
    link = DatabaseLink(database, Role.EXECUTOR, "test")
    publisher = Publisher(link, redis_url, SystemClock())
    try:
        yield Desk(database, link, publisher)
    finally:
        await publisher.close()
        await link.close()


class Reader:
    """Collects what a consumer delivers."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.numbers: list[int] = []

    async def run(self) -> None:
        """Read until cancelled."""
        async for batch in self.consumer.batches():
            self.numbers += [one.payload["number"] for one in batch]

    async def until(self, count: int, within_s: float = 30.0) -> list[int]:
        """Wait until so many came, or give up; return all that came."""
        deadline = asyncio.get_running_loop().time() + within_s
        while len(self.numbers) < count and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return self.numbers


@asynccontextmanager
async def reading(
    database: Database,
    redis_url: str | None,
    group: str = "one",
    *,
    streams: Sequence[str] = ("bars",),
    after: int | None = None,
) -> AsyncGenerator[Reader]:
    """Read in a task of its own, joined before the block begins."""
    reader = Reader(Consumer(database, redis_url, streams, group, after=after))
    task = asyncio.create_task(reader.run())
    try:
        while redis_url is not None and not reader.consumer.is_joined and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield reader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await reader.consumer.close()

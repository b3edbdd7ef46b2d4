"""Accounts that an executor was about to open when it had to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from candela.clock import FixedClock
from tests.live.executor.worlds import NOW, People, Prices, World

if TYPE_CHECKING:
    from candela.db.connect import Database


def test_account_when_the_executor_ends_while_it_is_opened_then_its_broker_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    people.bot(user, people.paper(user))
    lease = people.lease(user)
    closed: list[str] = []

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        opening: asyncio.Task[Any] | None = None
        usual = world.venues.open

        async def opened(*args: Any) -> Any:
            broker = await usual(*args)
            end = broker.close

            async def close() -> None:
                closed.append(broker.venue)
                await end()

            monkeypatch.setattr(broker, "close", close)
            assert opening is not None
            asyncio.get_running_loop().call_soon(opening.cancel)
            return broker

        monkeypatch.setattr(world.venues, "open", opened)
        opening = asyncio.create_task(world.crew.open_shards([lease.shard]))
        with pytest.raises(asyncio.CancelledError):
            await opening
        await world.close()

    asyncio.run(run())

    assert closed == ["binance"]

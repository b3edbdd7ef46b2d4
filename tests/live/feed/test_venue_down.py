"""While a venue is down its bars are stale, and once it is back they are stored all the same."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from candela.db.connect import Role
from tests.fixtures.exchange.faults import Fault
from tests.fixtures.exchange.plugin import exchange, venue_client
from tests.live.feed.bench_of_feeds import ONE, following, on_seconds, serve

if TYPE_CHECKING:
    from candela.db.connect import Database
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]


def test_feed_when_the_venue_is_down_then_bars_are_stale_and_later_ones_whole(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)

    async def run() -> tuple[list[tuple[datetime, str]], bool]:
        async with following(database, redis_url, venue_client, [on_seconds()]) as followed:
            await followed.until(lambda told: len(told) >= 2)
            exchange.script(Fault("error", times=1_000_000))
            await followed.until(lambda told: "stale" in {status for _, status in told})
            was_down = all(one.is_down for one in followed.feed.venues.values())
            exchange.clear()
            told = await followed.until(lambda told: told[-1][1] == "ok")
            return told, was_down

    told, was_down = asyncio.run(run())
    assert was_down
    assert told[-1][1] == "ok"
    times = [at for at, _ in told]
    assert times == [times[0] + ONE * number for number in range(len(told))]
    with database.connect(Role.EXECUTOR, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM market.candles WHERE time BETWEEN %s AND %s",
            (times[0], times[-1]),
        ).fetchone()
    # What was told as stale is stored all the same, for those who come later.
    assert rows == (len(told),)

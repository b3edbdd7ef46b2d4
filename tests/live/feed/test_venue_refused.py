"""A symbol that the venue does not have costs its own bots their bars, and nobody else's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from candela.db.connect import Role
from candela.market.instrument import Instrument
from tests.fixtures.exchange.plugin import exchange, venue_client
from tests.live.feed.bench_of_feeds import SECOND, following, on_seconds, serve
from tests.live.signals.bench_of_signals import definition_of

if TYPE_CHECKING:
    from candela.db.connect import Database
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]


def test_feed_when_the_venue_lacks_one_symbol_then_only_that_one_has_missing_bars(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)
    delisted = definition_of("dca", instrument=Instrument("binance", "LUNA/USDT"), timeframe=SECOND)

    async def run() -> tuple[set[tuple[str, str]], bool]:
        wanted = [on_seconds(), delisted]
        async with following(database, redis_url, venue_client, wanted) as followed:
            await followed.until(lambda told: {"ok", "missing"} <= {one for _, one in told})
            with database.connect(Role.EXECUTOR, autocommit=True) as connection:
                rows = connection.execute(
                    "SELECT DISTINCT payload ->> 'instrument', payload ->> 'status'"
                    " FROM live.outbox WHERE stream = 'bars'"
                ).fetchall()
            is_down = any(one.is_down for one in followed.feed.venues.values())
            return {(instrument, status) for instrument, status in rows}, is_down

    found, is_down = asyncio.run(run())
    assert found == {("binance:BTC/USDT", "ok"), ("binance:LUNA/USDT", "missing")}
    assert not is_down

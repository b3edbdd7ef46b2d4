"""Bars of a venue are told once each, whatever it has, and stored as it gives them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from candela.db.connect import Role
from tests.fixtures.exchange.plugin import exchange, venue_client
from tests.live.feed.bench_of_feeds import ONE, SYMBOL, following, on_seconds, serve

if TYPE_CHECKING:
    from candela.db.connect import Database
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]


def test_feed_when_the_venue_answers_then_each_bar_is_told_once_and_stored(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)

    async def run() -> list[tuple[datetime, str]]:
        async with following(database, redis_url, venue_client, [on_seconds()]) as followed:
            return await followed.until(lambda told: len(told) >= 5)

    told = asyncio.run(run())
    times = [at for at, _ in told]
    assert times == [times[0] + ONE * number for number in range(len(told))]
    assert {status for _, status in told} == {"ok"}
    with database.connect(Role.EXECUTOR, autocommit=True) as connection:
        stored = connection.execute("SELECT time, close FROM market.candles ORDER BY time")
        rows = [(at.astimezone(UTC), close) for at, close in stored.fetchall()]
    truth = dict(exchange.ledger.series[SYMBOL].select("time", "close").iter_rows())
    # The warm-up before the first bar that was told is there, without a hole.
    assert len(rows) > 256
    assert all(later[0] - one[0] == ONE for one, later in pairwise(rows))
    assert all(truth[at] == close for at, close in rows)


def test_feed_when_many_definitions_share_a_series_then_the_venue_is_asked_as_for_one(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)
    many = [on_seconds(every=number + 1) for number in range(40)]

    async def run() -> tuple[int, list[tuple[datetime, str]]]:
        async with following(database, redis_url, venue_client, many) as followed:
            told = await followed.until(lambda told: len(told) >= 4)
            series = [one for venue in followed.feed.venues.values() for one in venue.series]
            return len(series), told

    series, told = asyncio.run(run())
    assert series == 1
    assert len({at for at, _ in told}) == len(told)
    # One page of warm-up, and one a look for the bars: nothing that grows with the definitions.
    assert len(exchange.pages()) <= 4 + 3 * len(told)


def test_feed_when_candles_are_absent_or_broken_then_bars_are_missing_or_quarantined(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)

    async def run() -> tuple[dict[datetime, str], datetime, datetime]:
        async with following(database, redis_url, venue_client, [on_seconds()]) as followed:
            last = (await followed.until(lambda told: len(told) >= 1))[-1][0]
            # Candles that the exchange does not have yet, by its clock.
            hole, bad = last + 4 * ONE, last + 6 * ONE
            exchange.ledger.cut(SYMBOL, hole, hole + ONE)
            exchange.ledger.revise(SYMBOL, bad, high=1.0)
            told = await followed.until(lambda told: told[-1][0] > bad + ONE)
            return dict(told), hole, bad

    told, hole, bad = asyncio.run(run())
    assert {at: status for at, status in told.items() if status != "ok"} == {
        hole: "missing",
        bad: "quarantined",
    }
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        gaps = connection.execute("SELECT from_at FROM market.gaps ORDER BY from_at").fetchall()
        refused = connection.execute("SELECT DISTINCT time FROM market.quarantine").fetchall()
    assert {at for (at,) in gaps} >= {hole}
    assert [at for (at,) in refused] == [bad]


def test_feed_when_bots_stop_then_the_venue_is_left_alone(
    database: Database, redis_url: str, exchange: ExchangeDouble, venue_client: MakeClient
) -> None:
    serve(exchange)

    async def run() -> tuple[int, int]:
        async with following(database, redis_url, venue_client, [on_seconds()]) as followed:
            await followed.until(lambda told: len(told) >= 1)
            before = len(followed.feed.venues)
            with database.connect(autocommit=True) as connection:
                connection.execute("UPDATE trading.bots SET wanted = 'stopped'")
            await followed.feed.refresh()
            return before, len(followed.feed.venues)

    assert asyncio.run(run()) == (1, 0)

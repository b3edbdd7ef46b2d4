"""The request weight of a figure is what the venue told the shared budget."""

from __future__ import annotations

import asyncio

from candela.venues.budget import RequestBudget
from candela.venues.limits import MAIN_POOL
from live.metrics.weights import Weights


def test_read_when_a_venue_told_what_is_used_then_the_figure_says_so(redis_url: str) -> None:
    async def run() -> dict[str, float]:
        budget = RequestBudget("binance", redis_url)
        await budget.acquire(MAIN_POOL, budget.limit(MAIN_POOL, 50.0), 1.0, 5.0)
        await budget.observe(MAIN_POOL, 123.0, 30.0)
        weights = Weights(redis_url, lambda: ["binance", "kraken"])
        await weights.read()
        await weights.close()
        await budget.close()
        return weights.used

    assert asyncio.run(run()) == {"binance": 123.0}


def test_read_when_redis_is_gone_then_nothing_is_known() -> None:
    async def run() -> dict[str, float]:
        weights = Weights("redis://127.0.0.1:1/0", lambda: ["binance"])
        await weights.read()
        await weights.close()
        return weights.used

    assert asyncio.run(run()) == {}

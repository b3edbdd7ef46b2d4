"""The product's own venue client against the sandbox, as a user of the gateway has it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from candela.clock import SystemClock
from candela.market.timeframe import Timeframe
from candela.venues.budget import RequestBudget
from candela.venues.client import VenueClient
from sandbox.venue import SandboxVenue
from tests.fixtures.candles import sample
from tests.sandbox.harness import START, SYMBOL


def test_product_client_through_the_gateway_reads_symbols_and_candles() -> None:
    with (
        SandboxVenue(start=START, speed=60, listed=5) as venue,
        VenueClient(
            "binance",
            budget=RequestBudget("binance", None),
            clock=SystemClock(),
            gateway=venue.gateway,
        ) as client,
    ):
        listed = {one.symbol for one in client.symbols()}
        since = START - timedelta(minutes=10)
        page = client.candles(SYMBOL, Timeframe.parse("1m"), since, START, 5)
    assert listed == {SYMBOL, *(f"GEN{number:04d}/USDT" for number in range(1, 6))}
    closes = page.frame["close"].to_list()
    source = sample("BTC-BUSD_1m_2022-12-13").filter(pl.col("time") >= since)
    assert closes == source["close"].head(5).to_list()

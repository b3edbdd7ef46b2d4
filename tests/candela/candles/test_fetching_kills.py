"""A fetch killed at any moment: no gap, nothing twice, at most one page asked for again."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.db.connect import Role
from candela.market.instrument import Instrument
from tests.fixtures.exchange.fetch_worker import Job, start
from tests.fixtures.exchange.ledger import generated, utc
from tests.fixtures.exchange.plugin import exchange
from tests.fixtures.exchange.server import ServerTime

if TYPE_CHECKING:
    from candela.db.connect import Database
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange"]

START = utc("2026-01-01")
BTC = Instrument("binance", "BTC/USDT")
KILLS = 50


def stored(database: Database) -> pl.DataFrame:
    with database.connect(Role.PIPELINES) as connection:
        rows = connection.execute(
            "SELECT time, open, high, low, close, volume FROM market.candles ORDER BY time"
        ).fetchall()
    schema = {"time": pl.Datetime("ms", "UTC")} | dict.fromkeys(
        ("open", "high", "low", "close", "volume"), pl.Float64()
    )
    return pl.DataFrame(rows, schema=schema, orient="row")


def progress(database: Database) -> tuple[datetime, int]:
    """Return the cursor and how many candles are stored; the start where there is no cursor."""
    with database.connect(Role.PIPELINES) as connection:
        row = connection.execute(
            "SELECT coalesce((SELECT max(next_at) FROM market.fetch_cursors), %s),"
            " (SELECT count(*) FROM market.candles)",
            (START,),
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def asked_at(exchange: ExchangeDouble, since: int) -> list[datetime]:
    return [
        utc("1970-01-01") + timedelta(milliseconds=int(one.query["startTime"]))
        for one in exchange.pages()[since:]
    ]


def settle(exchange: ExchangeDouble) -> None:
    """Wait until no request of a killed process is left at the exchange."""
    quiet = 0
    while quiet < 5:
        quiet = 0 if exchange.under_way else quiet + 1
        time.sleep(0.01)


@pytest.mark.slow
def test_fetch_killed_fifty_times_leaves_no_gap_no_duplicate_and_refetches_one_page_at_most(
    database: Database, redis_url: str, exchange: ExchangeDouble
) -> None:
    minutes = 150_000
    exchange.ledger.add("BTC/USDT", generated(START, minutes))
    exchange.time = ServerTime(START + timedelta(minutes=minutes + 5))
    exchange.delay_s = 0.02
    until = START + timedelta(minutes=minutes)
    job = Job(database, redis_url, exchange.port, exchange.authority, BTC, START, until)
    chance = random.Random(20_261_122)
    # The first process waits for the imports, which is no moment of a fetch.
    warm = start(replace(job, until=START + timedelta(minutes=10)))
    warm.join(60)
    assert warm.exitcode == 0
    kills = refetched = 0
    while kills < KILLS:
        pages_before = len(exchange.pages())
        process = start(job)
        # A moment counts from the first page asked for, so that each kill hits the fetch itself.
        deadline = time.monotonic() + 30
        while len(exchange.pages()) == pages_before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.25)
        assert process.is_alive(), "the fetch ended before it could be killed"
        process.kill()
        process.join(10)
        settle(exchange)
        kills += 1
        at, rows = progress(database)
        assert rows == (at - START) / timedelta(minutes=1), f"kill {kills}: half a page"
        # A fetch that goes on begins two candles before what is stored, to see late changes.
        edge = at - timedelta(minutes=2)
        unstored = [asked for asked in asked_at(exchange, pages_before) if asked >= edge]
        assert len(unstored) <= 1, f"kill {kills}: {unstored} asked for, {at} stored"
        refetched += len(unstored)
    assert progress(database)[0] < until
    last = start(job)
    last.join(120)
    assert last.exitcode == 0
    assert stored(database).equals(exchange.ledger.series["BTC/USDT"])
    assert all(one.status == 200 for one in exchange.log)
    assert refetched <= kills


def test_fetch_killed_after_a_hole_has_it_recorded_by_the_next_that_goes_on(
    database: Database, redis_url: str, exchange: ExchangeDouble
) -> None:
    minutes = 20_000
    exchange.ledger.add("BTC/USDT", generated(START, minutes))
    hole = (START + timedelta(minutes=500), START + timedelta(minutes=620))
    exchange.ledger.cut("BTC/USDT", *hole)
    exchange.time = ServerTime(START + timedelta(minutes=minutes + 5))
    exchange.delay_s = 0.05
    until = START + timedelta(minutes=minutes)
    job = Job(database, redis_url, exchange.port, exchange.authority, BTC, START, until)
    process = start(job)
    deadline = time.monotonic() + 30
    while progress(database)[1] < 5_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join(10)
    settle(exchange)
    assert hole[1] < progress(database)[0] < until
    last = start(job)
    last.join(60)
    assert last.exitcode == 0
    with database.connect(Role.ANALYST) as connection:
        gaps = connection.execute("SELECT from_at, to_at FROM market.gaps").fetchall()
    assert gaps == [hole]

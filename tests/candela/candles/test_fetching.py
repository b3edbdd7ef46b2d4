"""Fetching: whole, once, in order, resumable, and holes known for what they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.fetching import FetchProgress
from candela.candles.spans import BadSpan
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.market.candle import Flag
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.quality.judge import judge
from candela.venues.errors import TimeframeNotOffered, UnknownSymbol, UnknownVenue
from tests.fixtures.exchange.faults import Fault
from tests.fixtures.exchange.harness import (
    BTC,
    MINUTE,
    START,
    Harness,
    exchange,
    harness,
    stored,
    venue_client,
)
from tests.fixtures.exchange.ledger import generated
from tests.fixtures.exchange.server import ServerTime

if TYPE_CHECKING:
    from candela.db.connect import Database
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "harness", "venue_client"]

DAY = timedelta(days=1)
BITFINEX = Instrument("bitfinex", "BTC/USD")


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


@pytest.fixture
def ledger(exchange: ExchangeDouble) -> pl.DataFrame:
    """3,500 minutes at both venues; the exchange's clock is some hours later."""
    truth = generated(START, 3_500)
    exchange.ledger.add(BTC.symbol, truth)
    exchange.ledger.add(BITFINEX.symbol, truth)
    exchange.time = ServerTime(START + minutes(4_000))
    return exchange.ledger.series[BTC.symbol]


@pytest.mark.parametrize("instrument", [BTC, BITFINEX], ids=str)
def test_fetch_of_a_span_stores_the_ledger_exactly(
    harness: Harness, ledger: pl.DataFrame, instrument: Instrument
) -> None:
    report = harness.fetch(until=START + minutes(3_200), instrument=instrument)
    assert stored(harness.connection, instrument).equals(ledger.head(3_200))
    assert (report.rows, report.new, report.refused) == (3_200, 3_200, 0)
    assert report.done_to == report.until == START + minutes(3_200)
    kinds = harness.rows("SELECT DISTINCT kind FROM market.batches")
    assert kinds == [("fetch",)]


def test_fetch_again_when_all_is_answered_asks_for_nothing(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    harness.fetch(until=START + minutes(2_000))
    asked = len(exchange.pages())
    report = harness.fetch(until=START + minutes(2_000))
    assert (report.pages, report.rows, report.requests) == (0, 0, 0)
    assert report.done_to == START + minutes(2_000)
    assert len(exchange.pages()) == asked


def test_fetch_of_an_overlapping_span_asks_only_for_what_is_missing(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    harness.fetch(START + minutes(1_000), START + minutes(2_000))
    exchange.log.clear()
    report = harness.fetch(START, START + minutes(3_000))
    assert stored(harness.connection).equals(ledger.head(3_000))
    assert report.new == 2_000
    # What lies between is answered already, but for the two candles that are read again.
    assert report.rows <= 2_000 + 2


def test_fetch_of_a_revised_candle_when_asked_again_keeps_its_predecessor(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    harness.fetch(until=START + minutes(500))
    exchange.ledger.revise(BTC.symbol, START + minutes(100), volume=12_345.0)
    assert harness.fetch(until=START + minutes(500)).changed == 0
    report = harness.fetch(until=START + minutes(500), again=True)
    assert (report.changed, report.new) == (1, 0)
    assert stored(harness.connection)["volume"][100] == 12_345.0
    assert harness.rows("SELECT volume FROM market.candle_revisions") == [(ledger["volume"][100],)]


def test_fetch_of_a_late_change_at_the_edge_is_seen_by_the_next_fetch(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    harness.fetch(until=START + minutes(500))
    exchange.ledger.revise(BTC.symbol, START + minutes(499), volume=777.0)
    report = harness.fetch(until=START + minutes(600))
    assert (report.changed, report.new) == (1, 100)
    assert stored(harness.connection)["volume"][499] == 777.0


@pytest.mark.parametrize("skew_s", [-60.0, 0.0, 60.0])
@pytest.mark.parametrize("symbol", [BTC, BITFINEX], ids=str)
def test_fetch_up_to_the_present_never_stores_the_open_candle(
    harness: Harness, exchange: ExchangeDouble, symbol: Instrument, skew_s: float
) -> None:
    exchange.ledger.add(symbol.symbol, generated(START, 3_000))
    exchange.time = ServerTime(START + timedelta(minutes=1_500, seconds=30), stands=True)
    exchange.time.skew_s = skew_s
    report = harness.fetch(instrument=symbol)
    assert report.refused == 0
    closed = exchange.ledger.closed(symbol.symbol, 60, exchange.time.now() - timedelta(seconds=2))
    assert stored(harness.connection, symbol).equals(closed)
    assert closed.height == 1_500 + skew_s / 60


def test_fetch_just_after_the_minute_waits_for_late_trades(
    harness: Harness, exchange: ExchangeDouble
) -> None:
    exchange.ledger.add(BTC.symbol, generated(START, 3_000))
    exchange.time = ServerTime(START + timedelta(minutes=100, seconds=1), stands=True)
    assert harness.fetch().rows == 99
    exchange.time = ServerTime(START + timedelta(minutes=100, seconds=4), stands=True)
    harness.client = None
    assert harness.fetch().new == 1


def test_fetch_when_the_venues_clock_is_set_back_between_stores_no_open_candle(
    harness: Harness, exchange: ExchangeDouble
) -> None:
    exchange.ledger.add(BTC.symbol, generated(START, 3_000))
    exchange.time = ServerTime(START + minutes(1_500), stands=True)
    harness.client = harness.make()
    harness.client.server_now()
    exchange.time.skew_s = -60.0
    harness.fetch()
    closed = exchange.ledger.closed(BTC.symbol, 60, exchange.time.now())
    rows = stored(harness.connection)
    assert rows.height >= closed.height - 1
    assert rows.equals(closed.head(rows.height))


@pytest.mark.parametrize("instrument", [BTC, BITFINEX], ids=str)
def test_fetch_over_a_hole_of_days_knows_that_the_venue_has_nothing(
    harness: Harness, exchange: ExchangeDouble, instrument: Instrument
) -> None:
    exchange.ledger.add(instrument.symbol, generated(START, 10_000))
    exchange.ledger.cut(instrument.symbol, START + minutes(1_000), START + minutes(8_000))
    exchange.time = ServerTime(START + timedelta(minutes=10_000, seconds=5))
    report = harness.fetch(instrument=instrument)
    assert stored(harness.connection, instrument).equals(exchange.ledger.series[instrument.symbol])
    assert report.withheld == []
    assert harness.rows("SELECT from_at, to_at, candles_missing, reason FROM market.gaps") == [
        (START + minutes(1_000), START + minutes(8_000), 7_000, "no_trades")
    ]
    assert len(exchange.pages()) <= 14


@pytest.mark.parametrize("instrument", [BTC, BITFINEX], ids=str)
def test_fetch_from_before_the_listing_begins_with_the_first_candle(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble, instrument: Instrument
) -> None:
    report = harness.fetch(START - DAY * 900, START + minutes(500), instrument=instrument)
    assert stored(harness.connection, instrument).equals(ledger.head(500))
    assert report.withheld == []
    assert len(exchange.pages()) <= 12
    assert harness.fetch(START - DAY * 900, START, instrument=instrument).pages == 0


def test_fetch_of_a_span_without_any_candle_ends_and_is_known(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.time = ServerTime(START + DAY * 400)
    report = harness.fetch(START + DAY * 10, START + DAY * 300)
    assert (report.rows, report.done_to) == (0, START + DAY * 300)
    assert len(exchange.pages()) <= 10
    assert harness.rows("SELECT rows_read FROM market.batches") == [(0,)]


def test_fetch_of_what_the_venue_keeps_no_more_claims_no_knowledge(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.ledger.add("ETH/USDT", generated(START, 7_200))
    exchange.ledger.keeps["ETH/USDT"] = 720
    exchange.time = ServerTime(START + timedelta(minutes=7_200, seconds=5))
    ether = Instrument("binance", "ETH/USDT")
    report = harness.fetch(instrument=ether)
    assert report.withheld == [(START, START + minutes(7_200 - 720))]
    assert stored(harness.connection, ether).height == 720
    assert harness.rows("SELECT min(from_at) FROM market.batches") == [
        (START + minutes(7_200 - 720),)
    ]


def test_fetch_of_rows_newest_first_and_repeated_stores_each_once(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.ledger.newest_first = True
    exchange.ledger.overlap = 3
    report = harness.fetch(until=START + minutes(3_200))
    assert stored(harness.connection).equals(ledger.head(3_200))
    assert (report.refused, report.flagged) == (0, 0)


def test_fetch_of_a_row_that_stays_unreadable_quarantines_it_and_stores_the_rest(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.script(Fault("garbled", path="klines", times=2))
    report = harness.fetch(until=START + minutes(500))
    assert (report.refused, report.rows, dict(report.checks)) == (1, 499, {"null": 1})
    rows = harness.rows(
        "SELECT instrument, row_number, check_name, column_name, time FROM market.quarantine"
    )
    number = 510 // 2 + 1
    at = START + minutes(number - 1)
    assert rows == [("binance:BTC/USDT", number, "null", "high", at)]


def test_fetch_of_spikes_beside_page_edges_flags_what_the_whole_would(
    harness: Harness, exchange: ExchangeDouble
) -> None:
    exchange.ledger.add(BTC.symbol, generated(START, 3_500))
    truth = exchange.ledger.series[BTC.symbol]
    for number in (968, 969, 970, 971, 999, 1_000, 1_001, 1_939, 1_941):
        # Far enough to be seen from both sides, not from one.
        high = truth["high"][number] * 1.15
        exchange.ledger.revise(BTC.symbol, START + minutes(number), high=high)
    exchange.time = ServerTime(START + minutes(3_600))
    harness.fetch(until=START + minutes(3_500))
    whole = judge(exchange.ledger.series[BTC.symbol], MINUTE, SystemClock().now())
    expected = whole.accepted.filter(pl.col("flags") != 0)["time"].to_list()
    flagged = harness.rows("SELECT time FROM market.candles WHERE flags = 1 ORDER BY 1")
    assert Flag.SPIKE == 1
    assert len(expected) == 9
    assert [at for (at,) in flagged] == expected


def test_fetch_twice_at_once_stores_each_candle_once(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble, database: Database
) -> None:
    exchange.delay_s = 0.01

    def other() -> int:
        with database.connect(Role.PIPELINES, autocommit=True) as connection:
            report = Harness(connection, harness.make).fetch(until=START + minutes(3_200))
            return report.pages

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(other)
        harness.fetch(until=START + minutes(3_200))
        assert running.result(60) > 0
    assert stored(harness.connection).equals(ledger.head(3_200))
    assert harness.rows("SELECT count(*) FROM market.candle_revisions") == [(0,)]
    assert harness.rows("SELECT sum(rows_new) FROM market.batches") == [(3_200,)]


def test_fetch_stopped_between_pages_goes_on_where_it_was(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    seen: list[FetchProgress] = []
    report = harness.fetch(
        until=START + minutes(3_200), progress=seen.append, should_stop=lambda: len(seen) >= 2
    )
    assert report.is_stopped
    assert (report.pages, report.done_to) == (2, seen[-1].at)
    assert 0 < seen[0].share < seen[1].share < 1
    exchange.log.clear()
    report = harness.fetch(until=START + minutes(3_200))
    assert not report.is_stopped
    assert stored(harness.connection).equals(ledger.head(3_200))
    assert len(exchange.pages()) == 2


def test_fetch_of_other_timeframes_is_a_series_of_its_own(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    hour = Timeframe.parse("1h")
    harness.fetch(until=START + minutes(600))
    harness.fetch(until=START + minutes(600), timeframe=hour)
    truth = exchange.ledger.closed(BTC.symbol, 3_600, START + minutes(600))
    assert stored(harness.connection, seconds=3_600).equals(truth)
    assert stored(harness.connection).height == 600


def test_fetch_of_an_unknown_symbol_names_near_ones_and_stores_nothing(
    harness: Harness, ledger: pl.DataFrame
) -> None:
    with pytest.raises(UnknownSymbol, match="Did you mean BTC/USDT"):
        harness.fetch(instrument=Instrument("binance", "BTC/USDTT"))
    assert harness.rows("SELECT count(*) FROM market.instruments") == [(0,)]


def test_fetch_of_a_timeframe_that_the_venue_lacks_lists_what_it_has(
    harness: Harness, ledger: pl.DataFrame
) -> None:
    with pytest.raises(TimeframeNotOffered, match="It has 1s, 1m, 3m, 5m"):
        harness.fetch(timeframe=Timeframe.parse("7m"))


def test_fetch_from_an_unknown_venue_names_near_ones(
    harness: Harness, ledger: pl.DataFrame
) -> None:
    with pytest.raises(UnknownVenue, match="Did you mean binance"):
        harness.fetch(instrument=Instrument("binanse", "BTC/USDT"))


def test_fetch_of_a_span_that_ends_before_it_begins_is_refused(harness: Harness) -> None:
    with pytest.raises(BadSpan, match="since before --until"):
        harness.fetch(START, START - DAY)

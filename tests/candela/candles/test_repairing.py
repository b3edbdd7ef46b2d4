"""Repair of recorded gaps: what the venue says of each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.store import CandleStore
from candela.clock import SystemClock
from tests.fixtures.candles import batch
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
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "harness", "venue_client"]

FROM, TO = START + timedelta(minutes=300), START + timedelta(minutes=700)


@pytest.fixture
def holed(harness: Harness, exchange: ExchangeDouble) -> pl.DataFrame:
    """1,000 minutes at the venue; a file brought them without 400 in the middle."""
    from candela.candles.gaps import record_gaps
    from candela.candles.series import Series

    exchange.ledger.add(BTC.symbol, generated(START, 1_000))
    exchange.time = ServerTime(START + timedelta(minutes=1_100))
    truth = exchange.ledger.series[BTC.symbol]
    frame = truth.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))).with_columns(
        flags=pl.lit(0, pl.Int32)
    )
    store = CandleStore(harness.connection, SystemClock())
    for part in (frame.filter(pl.col("time") < FROM), frame.filter(pl.col("time") >= TO)):
        store.write(batch(part, instrument=BTC))
    series = Series(BTC, store.ensure_instrument(BTC), MINUTE)
    record_gaps(
        harness.connection,
        series,
        START,
        START + timedelta(minutes=1_000),
        now=SystemClock().now(),
    )
    return truth


def test_repair_of_a_gap_that_the_venue_can_fill_fills_it(
    harness: Harness, holed: pl.DataFrame
) -> None:
    (answer,) = harness.repair()
    assert (answer.from_at, answer.to_at, answer.reason) == (FROM, TO, "not_fetched")
    assert (answer.outcome, answer.found) == ("filled", 400)
    assert stored(harness.connection).equals(holed)
    assert harness.rows("SELECT count(*) FROM market.gaps") == [(0,)]
    assert harness.rows("SELECT kind FROM market.batches ORDER BY batch_id DESC LIMIT 1") == [
        ("repair",)
    ]
    assert harness.repair() == []


def test_repair_of_a_gap_that_the_venue_fills_in_part_leaves_the_rest_with_its_reason(
    harness: Harness, holed: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.ledger.cut(BTC.symbol, FROM + timedelta(minutes=100), TO)
    (answer,) = harness.repair()
    assert (answer.outcome, answer.found) == ("partly", 100)
    assert harness.rows("SELECT from_at, to_at, reason FROM market.gaps") == [
        (FROM + timedelta(minutes=100), TO, "no_trades")
    ]


def test_repair_of_a_gap_that_the_venue_lacks_makes_it_known_and_asks_no_more(
    harness: Harness, holed: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.ledger.cut(BTC.symbol, FROM, TO)
    (answer,) = harness.repair()
    assert (answer.outcome, answer.found) == ("none", 0)
    assert harness.rows("SELECT reason FROM market.gaps") == [("no_trades",)]
    assert harness.repair() == []


def test_repair_of_what_the_venue_withholds_is_tried_so_often_and_no_more(
    harness: Harness, holed: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.ledger.keeps[BTC.symbol] = 200
    outcomes = [answer.outcome for _ in range(5) for answer in harness.repair(attempts=3)]
    assert outcomes == ["withheld"] * 3
    assert harness.rows("SELECT reason, repair_attempts FROM market.gaps") == [("not_fetched", 3)]


def test_repair_when_the_venue_is_down_does_not_count_as_a_try(
    harness: Harness, holed: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.script(Fault("html", path="klines", times=99))
    (answer,) = harness.repair()
    assert answer.outcome == "unreachable"
    assert "HTTP 503" in str(answer.error)
    assert harness.rows("SELECT repair_attempts FROM market.gaps") == [(0,)]
    exchange.clear()
    assert [one.outcome for one in harness.repair()] == ["filled"]


def test_repair_that_is_stopped_gives_the_answers_so_far(
    harness: Harness, holed: pl.DataFrame
) -> None:
    assert harness.repair(should_stop=lambda: True) == []
    assert harness.rows("SELECT count(*) FROM market.gaps") == [(1,)]

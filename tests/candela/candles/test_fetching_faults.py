"""Faults of a venue: repeated, slowed or reported, and nothing stored wrong."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.errors import CandelaError
from candela.market.instrument import Instrument
from candela.venues.errors import (
    BudgetExhausted,
    UnknownSymbol,
    VenueAnswerInvalid,
    VenueRefused,
    VenueThrottled,
    VenueUnavailable,
)
from tests.fixtures.exchange.faults import KINDS, Fault, RandomFaults
from tests.fixtures.exchange.harness import (
    BTC,
    START,
    Harness,
    exchange,
    harness,
    stored,
    venue_client,
)
from tests.fixtures.exchange.ledger import generated
from tests.fixtures.exchange.plugin import FAST
from tests.fixtures.exchange.server import ServerTime

if TYPE_CHECKING:
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "harness", "venue_client"]

BITFINEX = Instrument("bitfinex", "BTC/USD")
UNTIL = START + timedelta(minutes=3_200)
PATH = "klines|candles"


def error(status: int, body: str) -> Fault:
    return Fault("error", path=PATH, status=status, body=body)


ANYWHERE = {
    **{kind: Fault(kind, path=PATH) for kind in KINDS},
    **{
        f"status_{status}": Fault("html", path=PATH, status=status)
        for status in (500, 502, 504, 520)
    },
    "shape_object": error(200, '{"result":"ok"}'),
    "shape_text": error(200, '"please wait"'),
    "shape_rows": error(200, "[1,2,3]"),
    "shape_nothing": error(200, ""),
}
OF_BINANCE = {
    code: error(400, f'{{"code":{code},"msg":"as documented"}}')
    for code in ("-1000", "-1001", "-1003", "-1006", "-1007", "-1008", "-1021")
}
OF_BITFINEX = {
    "11010": error(500, '["error",11010,"ratelimit: error"]'),
    "20060": error(500, '["error",20060,"maintenance"]'),
}
CASES = [
    *((BTC, name, fault) for name, fault in (ANYWHERE | OF_BINANCE).items()),
    *((BITFINEX, name, fault) for name, fault in (ANYWHERE | OF_BITFINEX).items()),
]


@pytest.fixture
def ledger(exchange: ExchangeDouble) -> pl.DataFrame:
    """3,500 minutes at both venues."""
    truth = generated(START, 3_500)
    exchange.ledger.add(BTC.symbol, truth)
    exchange.ledger.add(BITFINEX.symbol, truth)
    exchange.time = ServerTime(START + timedelta(minutes=4_000))
    return exchange.ledger.series[BTC.symbol]


@pytest.mark.parametrize(
    ("instrument", "fault"),
    [(instrument, fault) for instrument, _, fault in CASES],
    ids=[f"{instrument.venue}-{name}" for instrument, name, _ in CASES],
)
def test_fetch_when_one_answer_fails_stores_the_ledger_exactly(
    harness: Harness,
    ledger: pl.DataFrame,
    exchange: ExchangeDouble,
    instrument: Instrument,
    fault: Fault,
) -> None:
    harness.client = harness.make(instrument.venue, timeout_s=0.3)
    skip = 1 if instrument == BTC else 0
    exchange.script(replace(fault, skip=skip, retry_after_s=0.1, seconds=2.0))
    harness.fetch(until=UNTIL, instrument=instrument)
    assert exchange.faults.script[0].times == 0, "the fault never happened"
    assert stored(harness.connection, instrument).equals(ledger.head(3_200))
    assert harness.rows("SELECT count(*) FROM market.candle_revisions") == [(0,)]
    assert harness.rows("SELECT count(*) FROM market.quarantine") == [(0,)]
    assert harness.rows("SELECT count(*) FROM market.gaps") == [(0,)]


@pytest.mark.parametrize("seed", range(3))
def test_fetch_in_a_storm_of_faults_stores_the_ledger_exactly(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble, seed: int
) -> None:
    policy = replace(FAST, attempts=30)
    harness.client = harness.make(timeout_s=0.3, policy=policy)
    kinds = tuple(kind for kind in KINDS if kind not in {"empty", "garbled"})
    exchange.faults.chance = RandomFaults(seed, 0.5, kinds, seconds=1.0, retry_after_s=0.02)
    exchange.ledger.add(BTC.symbol, generated(START, 12_000))
    exchange.time = ServerTime(START + timedelta(minutes=12_500))
    report = harness.fetch(until=START + timedelta(minutes=12_000))
    assert stored(harness.connection).equals(exchange.ledger.series[BTC.symbol])
    assert report.refused == 0
    assert sum(one.fault is not None for one in exchange.log) >= 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("html", path=PATH, skip=2, times=99), VenueUnavailable),
        (Fault("reset_before", path=PATH, skip=2, times=99), VenueUnavailable),
        (Fault("hang", path=PATH, skip=2, times=99, seconds=3), VenueUnavailable),
        (Fault("drip", path=PATH, skip=2, times=99, seconds=3), VenueUnavailable),
        (Fault("cut", path=PATH, skip=2, times=99), VenueAnswerInvalid),
        (Fault("slow", path=PATH, skip=2, times=99, retry_after_s=0.01), VenueThrottled),
        (Fault("ban", path=PATH, skip=2, times=99, retry_after_s=900), BudgetExhausted),
        (
            Fault("error", path=PATH, skip=2, times=99, status=400, body='{"code":-1100}'),
            VenueRefused,
        ),
        (Fault("html", path=PATH, skip=2, times=99, status=451), VenueRefused),
    ],
    ids=lambda value: f"{value.kind}_{value.status}" if isinstance(value, Fault) else "",
)
def test_fetch_when_a_fault_lasts_gives_up_keeps_whole_pages_and_goes_on_later(
    harness: Harness,
    ledger: pl.DataFrame,
    exchange: ExchangeDouble,
    fault: Fault,
    error: type[CandelaError],
) -> None:
    harness.client = harness.make(timeout_s=0.2, budget_wait_s=5)
    exchange.script(replace(fault))
    with pytest.raises(error) as caught:
        harness.fetch(until=UNTIL)
    assert "http" not in caught.value.message.replace("HTTP", "")
    assert caught.value.hint
    kept = stored(harness.connection)
    assert 0 < kept.height < 3_200
    assert kept.equals(ledger.head(kept.height))
    assert len(exchange.pages()) <= 2 + 2 * 6
    exchange.clear()
    harness.client = None
    harness.fetch(until=UNTIL)
    assert stored(harness.connection).equals(ledger.head(3_200))


def test_fetch_when_the_symbol_is_delisted_meanwhile_says_so(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    harness.client = harness.make()
    harness.client.symbols()
    del exchange.ledger.series[BTC.symbol]
    with pytest.raises(UnknownSymbol, match="code -1121"):
        harness.fetch(until=UNTIL)
    assert len(exchange.pages()) == 1, "a refusal is not repeated"
    assert stored(harness.connection).height == 0


def test_fetch_when_told_to_wait_asks_nothing_before_the_time_is_over(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.script(Fault("slow", path=PATH, skip=1, retry_after_s=0.5))
    report = harness.fetch(until=UNTIL)
    assert report.waited_s >= 0.5
    assert report.retries == 1


@pytest.mark.parametrize("kind", ["hang", "drip", "ban"])
def test_fetch_when_stopped_while_it_waits_ends_at_once(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble, kind: str
) -> None:
    harness.client = harness.make(timeout_s=60, budget_wait_s=600)
    exchange.script(Fault(kind, path=PATH, skip=1, times=99, seconds=60, retry_after_s=500))
    started = time.monotonic()

    def should_stop() -> bool:
        return any(one.fault for one in exchange.log) and time.monotonic() - started > 0.5

    report = harness.fetch(until=UNTIL, should_stop=should_stop)
    assert report.is_stopped
    # Far from the minute that the fault would take: no measure of speed.
    assert time.monotonic() - started < 30
    kept = stored(harness.connection)
    assert kept.equals(ledger.head(kept.height))
    exchange.clear()
    harness.client = None
    assert not harness.fetch(until=UNTIL).is_stopped
    assert stored(harness.connection).equals(ledger.head(3_200))


def test_fetch_when_an_empty_answer_is_repeated_does_not_claim_that_nothing_was_traded(
    harness: Harness, ledger: pl.DataFrame, exchange: ExchangeDouble
) -> None:
    exchange.script(Fault("empty", path=PATH, skip=1, times=2))
    report = harness.fetch(until=UNTIL)
    ((start, end),) = report.withheld
    kept = stored(harness.connection)
    truth = ledger.head(3_200)
    assert kept.equals(truth.filter((pl.col("time") < start) | (pl.col("time") >= end)))
    assert harness.rows("SELECT reason FROM market.gaps") == [("not_fetched",)]
    answers = harness.repair()
    assert [(one.outcome, one.reason) for one in answers] == [("filled", "not_fetched")]
    assert stored(harness.connection).equals(truth)
    assert harness.rows("SELECT count(*) FROM market.gaps") == [(0,)]

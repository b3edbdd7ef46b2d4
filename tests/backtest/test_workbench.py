"""Runs on stored candles: gaps, spans, cache, revisions, the ledger."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtest.data import NoCandles, NoFunding, TooManyGaps
from backtest.gaps import count_gaps
from backtest.result import Result
from backtest.spec import BadSpec
from backtest.workbench import Workbench
from candela.candles.series import NoSuchInstrument, NoSuchSeries
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from tests.fixtures.candles import BTC, HOUR, batch, made_up, without

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED: dict[str, Any] = {"strategy": "ma_cross", "instruments": [str(BTC)], "timeframe": "1h"}


def store(database: Database, frame: pl.DataFrame, at: datetime = NOW) -> None:
    with closing(database.connect(Role.PIPELINES)) as connection:
        CandleStore(connection, FixedClock(at)).write(batch(frame, timeframe=HOUR))


@pytest.fixture
def hours(database: Database) -> pl.DataFrame:
    frame = made_up(2_000, timeframe=HOUR, seed=5)
    store(database, frame)
    return frame


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Workbench:
    return Workbench(database, clock=FixedClock(NOW), cache=tmp_path / "bars")


def test_workbench_when_run_twice_then_it_is_one_trial_and_the_second_reads_the_cache(
    bench: Workbench, hours: pl.DataFrame, tmp_path: Path
) -> None:
    first = bench.backtest(**ASKED)
    kept = list((tmp_path / "bars").glob("*.bars"))
    second = bench.backtest(**ASKED)
    assert isinstance(first, Result)
    assert len(kept) == 1
    assert first.manifest == second.manifest
    assert first.trades_digest == second.trades_digest
    assert first.metrics["bars"] == hours.height
    assert len(bench.ledger.runs()) == 1
    plain = Workbench(bench.database, clock=FixedClock(NOW)).backtest(**ASKED)
    assert plain.manifest == first.manifest


def test_workbench_when_candles_were_revised_then_a_kept_run_runs_again_to_the_byte(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    first = bench.backtest(**ASKED)
    revised = hours[500:600].with_columns(pl.col("close", "high") * 1.5)
    store(bench.database, revised, NOW + timedelta(hours=1))
    now = bench.backtest(**ASKED)
    assert now.manifest["data_digest"] != first.manifest["data_digest"]
    assert now.trades_digest != first.trades_digest
    again = bench.again(first.manifest["id"][:12])
    assert again.trades_digest == first.trades_digest
    assert again.manifest["data_digest"] == first.manifest["data_digest"]


def test_workbench_when_a_cached_file_is_cut_short_then_candles_are_read_anew(
    bench: Workbench, hours: pl.DataFrame, tmp_path: Path
) -> None:
    first = bench.backtest(**ASKED)
    (kept,) = (tmp_path / "bars").glob("*.bars")
    kept.write_bytes(kept.read_bytes()[:-100])
    assert bench.backtest(**ASKED).trades_digest == first.trades_digest
    kept.write_bytes(b"")
    assert bench.backtest(**ASKED).trades_digest == first.trades_digest


def test_workbench_when_the_span_is_empty_then_the_stored_one_is_named(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    with pytest.raises(NoCandles, match="no 1h candles") as caught:
        bench.backtest(**ASKED, since="2030-01-01")
    assert "2024-01-01" in str(caught.value)
    assert bench.ledger.runs() == []


def test_workbench_when_the_timeframe_is_finer_than_stored_then_it_says_what_is(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    with pytest.raises(NoSuchSeries, match="1h"):
        bench.backtest(ASKED | {"timeframe": "1m"})
    with pytest.raises(NoSuchInstrument, match="BTC/EUR"):
        bench.backtest(ASKED | {"instruments": ["bitvavo:BTC/EURO"]})


def test_workbench_when_too_much_is_absent_then_share_and_limit_are_named(
    bench: Workbench, database: Database
) -> None:
    store(database, without(made_up(1_000, timeframe=HOUR), range(100, 400)))
    with pytest.raises(TooManyGaps, match=r"300 of 1,000 candles .* 30\.0% .* 20\.0%"):
        bench.backtest(**ASKED)
    allowed = bench.backtest(**ASKED, gap_limit=0.5)
    assert allowed.manifest["gaps"] == {"missing": 300, "expected": 1_000, "share": 0.3}


def test_workbench_when_funding_is_asked_for_and_absent_then_it_says_so(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    with pytest.raises(NoFunding, match="No funding rates"):
        bench.backtest(**ASKED, costs={"funding": True})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cash": -5}, "cash=-5"),
        ({"costs": {"taker_fee_bps": -1}}, "taker_fee_bps=-1"),
        ({"instruments": []}, "instruments"),
        ({"unheard": 1}, "unheard"),
        ({"instruments": [str(BTC), str(BTC)]}, "named twice"),
    ],
)
def test_workbench_when_a_value_cannot_be_then_it_is_named(
    bench: Workbench, change: dict[str, object], words: str
) -> None:
    with pytest.raises(BadSpec, match=words):
        bench.backtest(ASKED | change)


def test_workbench_when_several_instruments_then_they_share_the_cash(
    bench: Workbench, hours: pl.DataFrame, database: Database
) -> None:
    other = Instrument("bitvavo", "ETH/EUR")
    with closing(database.connect(Role.PIPELINES)) as connection:
        CandleStore(connection, FixedClock(NOW)).write(
            batch(
                without(made_up(2_000, timeframe=HOUR, seed=9), [7]),
                instrument=other,
                timeframe=HOUR,
            )
        )
    found = bench.backtest(ASKED | {"instruments": [str(BTC), str(other)]})
    assert found.manifest["kind"] == "portfolio"
    assert set(found.trades["instrument"]) == {0, 1}
    assert bench.ledger.runs()[0].run_id == found.manifest["id"]


def test_gaps_when_a_market_is_shut_then_its_weekend_is_none() -> None:
    friday = datetime(2024, 1, 5, 21, tzinfo=UTC)
    sunday = datetime(2024, 1, 7, 22, tzinfo=UTC)
    time = np.array([int(at.timestamp()) * 1_000_000 for at in (friday, sunday)], dtype=np.int64)
    hour = Timeframe.parse("1h")
    assert count_gaps(time, hour, Instrument.parse("dukascopy:EUR/USD")).missing == 0
    assert count_gaps(time, hour, Instrument.parse("kraken:BTC/EUR")).missing == 48

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
from backtest.ledger.refusals import RunNotReproduced
from backtest.manifest import engine_sources, versions
from backtest.result import Result
from backtest.spec import BadSpec
from backtest.sweep.spec import SweepSpec
from backtest.walkforward.spec import WalkForwardSpec
from backtest.workbench import Workbench
from candela.candles.series import NoSuchInstrument, NoSuchSeries
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from tests.fixtures.candles import BTC, HOUR, MINUTE, batch, made_up, without

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED: dict[str, Any] = {"strategy": "ma_cross", "instruments": [str(BTC)], "timeframe": "1h"}


ETH = Instrument("bitvavo", "ETH/EUR")
LATER = NOW + timedelta(hours=1)
READS_ANOTHER = """
from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals


class Follow(Parameters):
    slow: int = parameter(20, "bars", ge=2, le=200)
    whom: str = parameter("bitvavo:ETH/EUR", "followed")


@strategy(
    name="follow",
    parameters=Follow,
    warm_up=lambda p: p.slow + 5,
    reads=lambda p: (p.whom,),
)
def follow(bars: Bars, parameters: Follow) -> Signals:
    \"""Follow another instrument over its mean.\"""
    close = bars.other(parameters.whom).close
    mean = sma(close, parameters.slow)
    return Signals(long_entries=close > mean, long_exits=close < mean)
"""


def store(
    database: Database,
    frame: pl.DataFrame,
    at: datetime = NOW,
    *,
    instrument: Instrument = BTC,
    timeframe: Timeframe = HOUR,
) -> None:
    with closing(database.connect(Role.PIPELINES)) as connection:
        CandleStore(connection, FixedClock(at)).write(
            batch(frame, instrument=instrument, timeframe=timeframe)
        )


def settle(database: Database, rate: float, first: datetime, count: int = 100) -> None:
    """Store a funding rate every eight hours, in the place of what is there."""
    with closing(database.connect(Role.PIPELINES)) as connection, connection.transaction():
        connection.cursor().executemany(
            "INSERT INTO market.funding_rates"
            " (instrument_id, time, funding_rate, source, source_digest, known_at)"
            " SELECT i.instrument_id, %s, %s, 'made.csv', 'sha256:0', %s"
            " FROM market.instruments AS i WHERE i.symbol = 'BTC/EUR'"
            " ON CONFLICT (instrument_id, time)"
            " DO UPDATE SET funding_rate = excluded.funding_rate",
            [(first + timedelta(hours=8 * number), rate, NOW) for number in range(count)],
        )


@pytest.fixture
def following(bench: Workbench, hours: pl.DataFrame, tmp_path: Path) -> Workbench:
    """A workbench with a strategy that reads ETH/EUR, of which there are hours."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "follow.py").write_text(READS_ANOTHER)
    store(bench.database, made_up(2_000, timeframe=HOUR, seed=6), instrument=ETH)
    return Workbench(
        bench.database, clock=bench.clock, strategies=tmp_path / "own", cache=tmp_path / "bars"
    )


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
    assert allowed.manifest["gaps"] == {
        "missing": 300,
        "expected": 1_000,
        "share": 0.3,
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-02-11T15:00:00Z",
    }


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
    store(database, without(made_up(2_000, timeframe=HOUR, seed=9), [7]), instrument=ETH)
    found = bench.backtest(ASKED | {"instruments": [str(BTC), str(ETH)]})
    assert found.manifest["kind"] == "portfolio"
    assert set(found.trades["instrument"]) == {0, 1}
    assert bench.ledger.runs()[0].run_id == found.manifest["id"]


def test_workbench_when_funding_rates_change_then_the_run_is_another_and_again_says_so(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    asked = ASKED | {"costs": {"funding": True}}
    settle(bench.database, 0.0001, hours["time"][0])
    plain, first = bench.backtest(ASKED), bench.backtest(asked)
    assert plain.manifest["funding_digest"] is None
    assert first.manifest["funding_digest"] is not None
    settle(bench.database, 0.5, hours["time"][-1] + timedelta(hours=1))
    assert bench.backtest(asked).manifest == first.manifest, "settled after the last bar"
    settle(bench.database, 0.01, hours["time"][0])
    second = bench.backtest(asked)
    assert second.manifest["id"] != first.manifest["id"]
    assert second.metrics["funding"] != first.metrics["funding"]
    keys = {line.run_id: line.trial_key for line in bench.ledger.runs()}
    assert len(set(keys.values())) == 3
    with pytest.raises(RunNotReproduced, match="funding rates have changed since"):
        bench.again(first.manifest["id"])
    assert bench.backtest(ASKED).manifest == plain.manifest


def test_sweep_when_funding_rates_change_then_no_kept_point_is_used(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    base = ASKED | {"costs": {"funding": True}}
    axes = [{"name": "fast", "values": [5, 10]}]
    spec = SweepSpec.model_validate({"base": base, "axes": axes})
    settle(bench.database, 0.0001, hours["time"][0])
    first = bench.sweep(spec)
    assert bench.sweep(spec).computed == 0
    settle(bench.database, 0.01, hours["time"][0])
    second = bench.sweep(spec)
    assert (second.sweep_id != first.sweep_id, second.computed) == (True, 2)
    assert second.frame["total_return"].to_list() != first.frame["total_return"].to_list()


def test_workbench_when_minutes_are_revised_then_the_run_is_another_and_the_old_runs_again(
    bench: Workbench,
) -> None:
    minutes = made_up(60 * 400, seed=3)
    prices = [
        *(pl.col("open").first(), pl.col("high").max(), pl.col("low").min()),
        *(pl.col("close").last(), pl.col("volume").sum(), pl.col("flags").first()),
    ]
    rolled = minutes.group_by_dynamic("time", every="1h").agg(prices).select(minutes.columns)
    store(bench.database, rolled)
    store(bench.database, minutes, timeframe=MINUTE)
    asked = ASKED | {
        "execution": {"intrabar": "minutes"},
        "protection": {"stop_loss": 0.002, "take_profit": 0.002},
    }
    first = bench.backtest(asked)
    turned = [pl.col(name).reverse().over(pl.col("time").dt.truncate("1h"))
              for name in ("open", "high", "low", "close")]  # fmt: skip
    store(bench.database, minutes.with_columns(turned), LATER, timeframe=MINUTE)
    second = bench.backtest(asked)
    assert second.trades_digest != first.trades_digest
    assert second.manifest["finer_digest"] != first.manifest["finer_digest"]
    assert second.manifest["as_of"] == LATER.isoformat().replace("+00:00", "Z")
    for run in (first, second):
        again = bench.again(run.manifest["id"])
        assert again.trades_digest == run.trades_digest
        assert again.manifest["finer_digest"] == run.manifest["finer_digest"]


def test_workbench_when_another_instrument_is_read_then_it_is_not_traded_and_runs_again(
    following: Workbench,
) -> None:
    first = following.backtest(ASKED | {"strategy": "follow"})
    assert first.manifest["kind"] == "backtest"
    assert (first.manifest["instruments"], first.manifest["reads"]) == ([str(BTC)], [str(ETH)])
    again = following.again(first.manifest["id"])
    assert (again.manifest["kind"], again.trades_digest) == ("backtest", first.trades_digest)
    store(following.database, made_up(2_000, timeframe=HOUR, seed=7), LATER, instrument=ETH)
    revised = following.backtest(ASKED | {"strategy": "follow"})
    assert revised.manifest["data_digest"] != first.manifest["data_digest"]


def test_workbench_when_companions_differ_then_their_trials_are_of_one_family(
    following: Workbench,
) -> None:
    for number in range(3):
        other = Instrument("bitvavo", f"X{number}/EUR")
        store(following.database, made_up(2_000, timeframe=HOUR, seed=20 + number),
              instrument=other)  # fmt: skip
        following.backtest(ASKED | {"strategy": "follow", "parameters": {"whom": str(other)}})
    (family,) = {line.family for line in following.ledger.runs()}
    assert family.instruments == (str(BTC),)
    assert following.ledger.trial_count(family) == 3


def test_workbench_when_a_member_of_a_portfolio_is_read_too_then_it_stands_beside_itself(
    following: Workbench,
) -> None:
    both = [str(BTC), str(ETH)]
    sizing = {"kind": "fixed_value", "value": 500}
    asked = ASKED | {"strategy": "follow", "instruments": both, "sizing": sizing}
    found = following.backtest(asked)
    assert (found.manifest["instruments"], found.manifest["reads"]) == (both, [])
    assert set(found.trades["instrument"]) == {0, 1}


def test_walk_forward_when_what_is_read_besides_is_revised_then_trainings_run_anew(
    following: Workbench,
) -> None:
    sweep = {
        "base": ASKED | {"strategy": "follow"},
        "axes": [{"name": "slow", "values": [5, 10, 20, 40]}],
    }
    spec = WalkForwardSpec.model_validate({"sweep": sweep, "train": "800", "test": "300"})
    first = following.walk_forward(spec)
    store(following.database, made_up(2_000, timeframe=HOUR, seed=77), LATER, instrument=ETH)
    kept, fresh = following.walk_forward(spec), following.walk_forward(spec, record=False)
    assert first is not None
    assert kept is not None
    assert fresh is not None
    before = {window.sweep_id for window in first.windows}
    assert before.isdisjoint(window.sweep_id for window in kept.windows)
    assert [one.in_sample for one in kept.windows] == [one.in_sample for one in fresh.windows]
    assert kept.result.trades_digest == fresh.result.trades_digest


def test_workbench_when_a_series_became_known_within_a_second_then_the_run_knows_the_later(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    half = NOW + timedelta(seconds=0.5)
    store(bench.database, made_up(2_000, timeframe=HOUR, seed=6), half, instrument=ETH)
    found = bench.backtest(ASKED | {"instruments": [str(BTC), str(ETH)]})
    assert found.manifest["as_of"] == half.isoformat().replace("+00:00", "Z")
    assert bench.again(found.manifest["id"]).trades_digest == found.trades_digest


def test_workbench_when_bytes_of_a_cached_file_turned_then_candles_are_read_anew(
    bench: Workbench, hours: pl.DataFrame, tmp_path: Path
) -> None:
    first = bench.backtest(**ASKED)
    (kept,) = (tmp_path / "bars").glob("*.bars")
    whole = kept.read_bytes()
    for place in (len(whole) - 20_000, whole.index(b"{") + 1):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        found = bench.backtest(**ASKED)
        assert isinstance(found, Result)
        assert found.bars.digest == found.manifest["data_digest"] == first.manifest["data_digest"]
        assert kept.read_bytes() == whole, "the file is written anew"


def test_workbench_when_the_edges_of_the_span_hold_nothing_then_the_manifest_names_what_there_is(
    bench: Workbench, hours: pl.DataFrame
) -> None:
    gaps = bench.backtest(**ASKED, since="2020-01-01", until="2025-01-01").manifest["gaps"]
    assert (gaps["first"], gaps["share"]) == ("2024-01-01T00:00:00Z", 0.0)
    assert gaps["last"] == "2024-03-24T07:00:00Z"


def test_engine_when_it_is_named_then_all_that_makes_figures_counts() -> None:
    files = set(engine_sources())
    assert files >= {
        *("candela/bits.py", "candela/compiled.py", "candela/fills/loop.py", "strategies/bars.py"),
        *("candela/market/candle.py", "candela/metrics/figures.py", "candela/payout/simulate.py"),
        *("backtest/run.py", "backtest/data.py", "backtest/portfolio.py", "backtest/payout.py"),
        *("backtest/sweep/evaluate.py", "backtest/sweep/windows.py"),
        "backtest/walkforward/run.py",
    }
    assert "backtest/report/render.py" not in files
    assert "polars" in versions()


def test_gaps_when_a_market_is_shut_then_its_weekend_is_none() -> None:
    friday = datetime(2024, 1, 5, 21, tzinfo=UTC)
    sunday = datetime(2024, 1, 7, 22, tzinfo=UTC)
    time = np.array([int(at.timestamp()) * 1_000_000 for at in (friday, sunday)], dtype=np.int64)
    hour = Timeframe.parse("1h")
    assert count_gaps(time, hour, Instrument.parse("dukascopy:EUR/USD")).missing == 0
    assert count_gaps(time, hour, Instrument.parse("kraken:BTC/EUR")).missing == 48

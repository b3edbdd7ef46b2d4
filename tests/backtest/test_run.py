"""One run: figures, curves, manifest, digest; and what cannot be run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtest.ledger.identity import trial_base
from backtest.manifest import identity
from backtest.run import backtest, is_quick_for
from backtest.spec import BadSpec, Protection
from candela.fills.full import FinerBars, Funding
from candela.fills.model import Costs, Execution, FillModel, VenueRules
from candela.fills.quick import is_quick
from candela.fills.records import Reason
from candela.metrics.curves import sums_of
from candela.metrics.figures import METRICS
from strategies.alignment import beside
from strategies.bars import BadBars, Bars
from strategies.definition import Parameters, StrategyFailed, strategy
from strategies.ma_cross import ma_cross
from strategies.signals import BadSignals, Signals
from tests.fixtures.candles import SHARED, sample

MODEL = FillModel(costs=Costs(taker_fee_bps=10, slippage_bps=2))
CASH = 10_000.0


@pytest.fixture(scope="module")
def bars() -> Bars:
    return Bars.from_frame(sample("BTC-EUR_1h"), "1h", "bitvavo:BTC/EUR")


def test_backtest_when_run_then_curves_and_figures_are_of_one_account(bars: Bars) -> None:
    result = backtest(ma_cross, bars, {"short": True}, cash=CASH, model=MODEL)
    assert tuple(result.metrics) == METRICS
    assert result.equity[-1] == pytest.approx(result.metrics["final_equity"], rel=1e-12)
    assert CASH + result.trades["pnl"].sum() == pytest.approx(result.equity[-1], rel=1e-9)
    sums = sums_of(result.equity, CASH, result.position)
    for name in ("sum_r", "sum_r2", "max_drawdown", "exposed", "longest_drawdown"):
        assert result.sums[name][0] == pytest.approx(sums[name][0], rel=1e-9), name
    assert result.metrics["fees"] == pytest.approx(result.fills["fee"].sum(), rel=1e-9)
    assert result.metrics["orders"] == len(result.fills)
    assert result.metrics["benchmark_return"] == pytest.approx(result.benchmark[-1] / CASH - 1)


def test_backtest_when_bars_are_cut_then_what_happened_before_is_the_same(bars: Bars) -> None:
    whole = backtest(ma_cross, bars, cash=CASH, model=MODEL)
    cut = backtest(ma_cross, bars[:9_000], cash=CASH, model=MODEL)
    count = int((whole.trades["exit_bar"] < 9_000).sum() - (whole.trades["exit_bar"] < 0).sum())
    assert count > 10
    assert np.array_equal(whole.trades[:count], cut.trades[:count])
    assert np.allclose(whole.equity[:9_000], cut.equity, rtol=1e-12)


def test_manifest_when_only_funding_finer_or_what_is_read_differs_then_its_id_differs(
    bars: Bars,
) -> None:
    some = bars[:200]
    pays = FillModel(costs=Costs(funding=True))
    looks = FillModel(execution=Execution(intrabar="minutes"))
    inside = FinerBars(some.time, some.open, some.high, some.low, some.close)
    higher = inside._replace(high=some.high * 1.1)

    def manifests(which: FillModel, **series: Any) -> dict[str, Any]:
        return backtest(ma_cross, some, model=which, **series).manifest

    low, high = (Funding(some.time[8::8], np.full(24, rate)) for rate in (0.0001, 0.0002))
    first, second = (manifests(pays, funding=rates) for rates in (low, high))
    assert first["funding_digest"] != second["funding_digest"]
    assert len({first["id"], second["id"]}) == 2
    assert trial_base(first) != trial_base(second)
    first, second = (manifests(looks, finer=minutes) for minutes in (inside, higher))
    assert first["finer_digest"] != second["finer_digest"]
    assert trial_base(first) != trial_base(second)
    assert manifests(MODEL, funding=low, finer=inside) == manifests(MODEL), "what is not used"
    twice = [beside(some, {"bitvavo:ETH/EUR": other}) for other in (some, bars[1:201])]
    first, second = (backtest(ma_cross, one).manifest for one in twice)
    assert first["instruments"] == ["bitvavo:BTC/EUR"]
    assert first["reads"] == ["bitvavo:ETH/EUR"]
    assert trial_base(first) != trial_base(second)


def test_quick_when_a_sale_would_fetch_nothing_then_the_full_simulator_decides() -> None:
    assert is_quick(FillModel(costs=Costs(slippage_bps=9_999)))
    assert not is_quick(FillModel(costs=Costs(slippage_bps=10_000)))
    assert not is_quick(FillModel(costs=Costs(slippage_bps=6_000, spread_bps=8_000)))


@pytest.mark.parametrize("price", [float("inf"), float("nan"), 0.0, -1.0])
def test_bars_when_a_price_is_no_positive_number_then_the_candle_is_named(price: float) -> None:
    frame = sample("BTC-EUR_1h")[:10].with_columns(
        close=pl.when(pl.int_range(pl.len()) == 3).then(price).otherwise("close")
    )
    with pytest.raises(BadBars, match=r"Bar 3 at .* has close"):
        Bars.from_frame(frame, "1h")


def test_manifest_when_written_then_its_id_is_its_hash_and_any_change_changes_it(
    bars: Bars,
) -> None:
    first = backtest(ma_cross, bars, cash=CASH, model=MODEL)
    again = backtest(ma_cross, bars, cash=CASH, model=MODEL)
    assert first.manifest == again.manifest
    assert first.manifest["id"] == identity(first.manifest)
    json.dumps(first.manifest, allow_nan=False)
    others = [
        backtest(ma_cross, bars, {"fast": 21}, cash=CASH, model=MODEL),
        backtest(ma_cross, bars, cash=CASH + 1, model=MODEL),
        backtest(ma_cross, bars, cash=CASH),
        backtest(ma_cross, bars[1:], cash=CASH, model=MODEL),
        backtest(ma_cross, bars, cash=CASH, model=MODEL, protection=Protection(stop_loss=0.5)),
        backtest(ma_cross, bars, cash=CASH, model=MODEL, seed=1),
    ]
    ids = {first.manifest["id"], *(one.manifest["id"] for one in others)}
    assert len(ids) == len(others) + 1


def test_trades_digest_when_trades_are_equal_then_it_is_equal_and_else_not(bars: Bars) -> None:
    first = backtest(ma_cross, bars, cash=CASH, model=MODEL)
    assert first.trades_digest == backtest(ma_cross, bars, cash=CASH, model=MODEL).trades_digest
    later = Bars(
        time=bars.time + 3_600_000_000,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        timeframe=bars.timeframe,
    )
    assert first.trades_digest != backtest(ma_cross, later, cash=CASH, model=MODEL).trades_digest


def test_trades_frame_when_a_trade_is_open_then_it_has_no_exit(bars: Bars) -> None:
    result = backtest(ma_cross, bars, cash=CASH, model=MODEL)
    frame = result.trades_frame()
    still = [bool(one) for one in result.trades["reason"] == Reason.STILL_OPEN]
    assert frame["exit_at"].is_null().to_list() == still
    assert frame["entry_at"][0].tzinfo is not None
    assert frame.height == result.metrics["trades"]


def test_summary_when_made_then_it_is_json_with_null_for_what_is_undefined(bars: Bars) -> None:
    result = backtest(ma_cross, bars[:50], cash=CASH, model=MODEL)
    assert len(result.trades) == 0
    text = json.dumps(result.summary(), allow_nan=False)
    assert json.loads(text)["metrics"]["sharpe"] is None


@pytest.mark.parametrize(
    ("model", "protection"),
    [
        (FillModel(rules=VenueRules(lot=0.01)), Protection()),
        (FillModel(costs=Costs(impact_bps=5)), Protection()),
        (FillModel(rules=VenueRules(leverage=3)), Protection()),
        (FillModel(), Protection(trailing_stop=0.05)),
    ],
)
def test_is_quick_when_a_bar_between_events_matters_then_not(
    bars: Bars, model: FillModel, protection: Protection
) -> None:
    signals = ma_cross.signals(bars, ma_cross.with_values())
    assert is_quick_for(signals, FillModel(), Protection(stop_loss=0.1))
    assert not is_quick_for(signals, model, protection)
    backtest(ma_cross, bars, cash=CASH, model=model, protection=protection)


def test_backtest_when_stops_are_given_then_they_take_the_place_of_the_strategys(
    bars: Bars,
) -> None:
    result = backtest(ma_cross, bars, cash=CASH, model=MODEL, protection=Protection(stop_loss=0.01))
    assert (result.trades["reason"] == Reason.STOP).sum() > 50
    stopped = result.trades[result.trades["reason"] == Reason.STOP]
    assert (stopped["return_ratio"] < 0).all()


@pytest.mark.parametrize("cash", [0.0, -1.0, float("nan"), float("inf")])
def test_backtest_when_there_is_no_cash_then_it_says_so(bars: Bars, cash: float) -> None:
    with pytest.raises(BadSpec, match="cash"):
        backtest(ma_cross, bars, cash=cash)


def test_backtest_when_there_are_no_bars_then_it_says_so(bars: Bars) -> None:
    with pytest.raises(BadSpec, match="no bars"):
        backtest(ma_cross, bars[:0], cash=CASH)


def test_backtest_when_a_strategy_goes_wrong_then_the_error_names_line_or_bar(bars: Bars) -> None:
    @strategy(name="broken", parameters=Parameters, warm_up=lambda _: 1)
    def broken(bars: Bars, _: Parameters) -> Signals:
        message = "undefined"
        raise NameError(message)

    with pytest.raises(StrategyFailed, match=r"broken raised NameError in line \d+ of test_run"):
        backtest(broken, bars, cash=CASH)

    @strategy(name="absurd", parameters=Parameters, warm_up=lambda _: 1)
    def absurd(bars: Bars, _: Parameters) -> Signals:
        stops = np.full(len(bars), 0.02)
        stops[17] = -0.1
        return Signals(long_entries=bars.close > bars.open, stop_loss=stops)

    with pytest.raises(BadSignals, match=r"stop_loss is -0\.1 at bar 17"):
        backtest(absurd, bars, cash=CASH)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_backtest_when_on_real_minutes_then_it_gives_what_other_engines_give() -> None:
    import polars as pl

    frame = pl.read_parquet(SHARED / "candles" / "BTC-USD_1m.parquet").tail(50_000)
    bars = Bars.from_frame(frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))), "1m")
    result = backtest(
        ma_cross, bars, cash=100_000.0, model=FillModel(costs=Costs(taker_fee_bps=10))
    )
    # 721 orders and this equity: a loop in C, vectorbt, backtrader and backtesting.py alike.
    assert result.metrics["orders"] == 721
    assert result.metrics["final_equity"] == pytest.approx(48_571.28928, abs=1e-5)
    assert result.metrics["max_drawdown"] == pytest.approx(0.5319273166, abs=1e-9)
    at_close = FillModel(costs=Costs(taker_fee_bps=10), execution=Execution(fill="close"))
    closes = backtest(ma_cross, bars, cash=100_000.0, model=at_close)
    assert closes.metrics["final_equity"] == pytest.approx(48_457.96405, abs=1e-4)

"""Many points at once give what each gives alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from backtest.run import backtest
from backtest.spec import Protection
from backtest.sweep.evaluate import evaluate
from candela.fills.model import Costs, FillModel, Sizing
from candela.market.timeframe import Timeframe
from strategies.bars import Bars
from strategies.conditions import crossed_below
from strategies.definition import BadParameters, Parameters, parameter, strategy
from strategies.indicators import rsi
from strategies.ma_cross import ma_cross
from strategies.signals import Signals
from tests.fixtures.candles import sample

MODEL = FillModel(costs=Costs(taker_fee_bps=10))
CASH = 10_000.0


class Dip(Parameters):
    """A window, and a stop of the strategy's own."""

    window: int = parameter(14, "Bars.", ge=2, le=50)
    stop_loss: float = parameter(0.02, "Ratio.", ge=0.001, le=0.5)


@strategy(name="dip", parameters=Dip, warm_up=lambda _: 500)
def dip(bars: Bars, parameters: Dip) -> Signals:
    """Buy a dip, leave by a stop or a target."""
    return Signals(
        long_entries=crossed_below(rsi(bars.close, parameters.window), 30.0),
        stop_loss=parameters.stop_loss,
        take_profit=0.04,
    )


@pytest.fixture(scope="module")
def bars() -> Bars:
    return Bars.from_frame(sample("BTC-EUR_1h").head(4_000), "1h", "bitvavo:BTC/EUR")


def test_evaluate_when_points_differ_then_each_is_as_its_own_backtest(bars: Bars) -> None:
    points = [
        {"fast": fast, "slow": slow, "kind": kind}
        for kind in ("simple", "exponential")
        for fast in (5, 20)
        for slow in (21, 30, 77)
    ]
    found = evaluate(ma_cross, bars, points, model=MODEL, cash=CASH)
    assert found.done.all()
    for row, point in enumerate(points):
        alone = backtest(ma_cross, bars, point, cash=CASH, model=MODEL)
        assert found.sums["final"][row] == pytest.approx(alone.metrics["final_equity"], rel=1e-12)
        assert found.sums["orders"][row] == alone.metrics["orders"]
        for name in ("sum_r", "sum_r2", "sum_down2", "max_drawdown"):
            assert found.sums[name][row] == pytest.approx(alone.sums[name][0], rel=1e-9), name
        assert found.sums["longest_drawdown"][row] == alone.metrics["longest_drawdown_bars"]
        assert found.trade_sums["wins"][row] == sum(
            (alone.trades["pnl"] > 0) & (alone.trades["exit_bar"] >= 0)
        )
    assert len(np.unique(found.sums["final"])) == len(points)


def test_evaluate_when_only_stops_differ_then_the_strategy_decides_once(bars: Bars) -> None:
    calls: list[int] = []

    @strategy(name="counted", parameters=Dip, warm_up=lambda _: 500)
    def counted(bars: Bars, parameters: Dip) -> Signals:
        calls.append(parameters.window)
        return Signals(long_entries=crossed_below(rsi(bars.close, parameters.window), 30.0))

    points = [{"window": 14, "take_profit": target} for target in (0.01, 0.02, 0.04, 0.08, None)]
    found = evaluate(counted, bars, points, model=MODEL, cash=CASH)
    assert calls == [14]
    for row, point in enumerate(points):
        protection = Protection(take_profit=point["take_profit"])
        alone = backtest(
            counted, bars, {"window": 14}, cash=CASH, model=MODEL, protection=protection
        )
        assert found.sums["final"][row] == pytest.approx(alone.metrics["final_equity"], rel=1e-12)


def test_evaluate_when_a_stop_is_the_strategys_own_then_it_is_its_parameter(bars: Bars) -> None:
    points = [{"window": 14, "stop_loss": stop} for stop in (0.01, 0.05)]
    found = evaluate(dip, bars, points, model=MODEL, cash=CASH)
    for row, point in enumerate(points):
        alone = backtest(dip, bars, point, cash=CASH, model=MODEL)
        assert found.sums["final"][row] == pytest.approx(alone.metrics["final_equity"], rel=1e-12)
    assert found.sums["final"][0] != found.sums["final"][1]


def test_evaluate_when_the_model_needs_every_bar_then_the_full_simulator_runs(bars: Bars) -> None:
    model = MODEL.model_copy(update={"sizing": Sizing(kind="kelly", value=0.5, window=10)})
    points: list[dict[str, Any]] = [{"fast": 5, "slow": 30}, {"fast": 10, "slow": 30}]
    found = evaluate(ma_cross, bars, points, model=model, cash=CASH)
    for row, point in enumerate(points):
        alone = backtest(ma_cross, bars, point, cash=CASH, model=model)
        assert found.sums["final"][row] == alone.metrics["final_equity"]


def test_evaluate_when_returns_only_are_asked_for_then_final_equity_is_the_same(bars: Bars) -> None:
    points = [{"fast": 5, "slow": slow} for slow in range(10, 40)]
    whole = evaluate(ma_cross, bars, points, model=MODEL, cash=CASH)
    quick = evaluate(ma_cross, bars, points, model=MODEL, cash=CASH, detail="returns")
    assert np.array_equal(whole.sums["final"], quick.sums["final"])
    assert np.array_equal(whole.sums["orders"], quick.sums["orders"])


def test_evaluate_when_told_to_stop_then_what_is_done_is_marked(bars: Bars) -> None:
    seen: list[int] = []
    points = [{"fast": 5, "slow": slow} for slow in range(10, 40)]
    found = evaluate(
        ma_cross,
        bars,
        points,
        model=MODEL,
        cash=CASH,
        progress=seen.append,
        should_stop=lambda: len(seen) >= 7,
    )
    assert found.done.sum() == 7
    assert (found.sums["bars"][found.done] == len(bars)).all()
    assert (found.sums["bars"][~found.done] == 0).all()


def test_evaluate_when_a_point_is_out_of_bounds_then_it_is_named(bars: Bars) -> None:
    with pytest.raises(BadParameters, match="fast=50 is not below slow=20"):
        evaluate(ma_cross, bars, [{"fast": 50, "slow": 20}], model=MODEL, cash=CASH)


def test_evaluate_when_many_points_share_windows_then_each_mean_is_computed_once(
    bars: Bars,
) -> None:
    fresh = bars[0 : len(bars)]
    points = [{"fast": fast, "slow": slow} for fast in range(2, 12) for slow in range(20, 40)]
    evaluate(ma_cross, fresh, points, model=MODEL, cash=CASH)
    assert fresh.memory.computed == 10 + 20 + 1  # the means, and the running sums of the closes


@pytest.mark.parametrize("factor", [10.0, 1e4, 1e5])
def test_evaluate_when_one_tick_is_bad_then_figures_are_those_of_the_backtest(
    factor: float,
) -> None:
    random = np.random.default_rng(3)
    moves = random.normal(0, 1e-4, 3_000).cumsum()
    prices = np.array([round(100 * math.exp(move), 6) for move in moves])
    prices[10] *= factor
    spiked = Bars(
        time=np.arange(3_000) * 3_600_000_000,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=np.ones(3_000),
        timeframe=Timeframe.parse("1h"),
    )
    point = {"fast": 20, "slow": 200}
    found = evaluate(ma_cross, spiked, [point], model=MODEL, cash=CASH)
    alone = backtest(ma_cross, spiked, point, cash=CASH, model=MODEL)
    for name in ("sum_r", "sum_r2", "sum_down2"):
        assert found.sums[name][0] == pytest.approx(alone.sums[name][0], rel=1e-9, abs=0), name


def test_evaluate_when_moves_are_usual_then_taken_from_running_sums(bars: Bars) -> None:
    fresh = bars[0 : len(bars)]
    evaluate(ma_cross, fresh, [{"fast": 5, "slow": 20}], model=MODEL, cash=CASH)
    assert getattr(fresh.kept["returns"], "shape", None) == (3, len(bars))

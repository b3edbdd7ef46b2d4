"""Figures from sums: examples by hand, edge cases, and one against many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.fills.records import TRADE
from candela.metrics.curves import sums_of
from candela.metrics.figures import (
    CURVE_METRICS,
    METRICS,
    TRADE_METRICS,
    BadSums,
    figures,
    vector_figures,
)
from candela.metrics.sums import EQUITY_SUMS
from candela.metrics.trades import TRADE_SUMS, sums_of_trades

Sums = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]

YEAR_S = 365 * 86_400
HOUR = 3_600.0
NO_TRADE = sums_of_trades(np.zeros(0, TRADE))


def of(
    equity: list[float], trade_sums: Sums = NO_TRADE, *, span_s: float | None = None
) -> dict[str, float | int]:
    curve = np.array(equity, dtype=np.float64)
    return figures(
        sums_of(curve, 100.0),
        trade_sums,
        bars_per_year=8_760,
        span_s=len(equity) * HOUR if span_s is None else span_s,
        timeframe_s=HOUR,
    )


def undefined(result: dict[str, float | int]) -> set[str]:
    return {name for name, value in result.items() if math.isnan(value)}


def test_figures_of_a_result_are_plain_numbers_in_order() -> None:
    result = of([110.0, 99.0])
    assert tuple(result) == METRICS
    assert {type(value) for value in result.values()} == {float, int}
    counts = {name for name, value in result.items() if type(value) is int}
    assert counts == {
        "longest_drawdown_bars", "trades", "closed_trades", "open_trades", "orders",
        "rejected_orders", "longest_win_streak", "longest_loss_streak", "bars",
    }  # fmt: skip


def test_figures_of_two_bars_equal_those_worked_by_hand() -> None:
    result = of([110.0, 99.0], span_s=YEAR_S / 2)  # returns +10 % and -10 %
    assert result["total_return"] == pytest.approx(-0.01)
    assert result["cagr"] == pytest.approx(0.99**2 - 1)
    assert result["volatility"] == pytest.approx(math.sqrt(0.02) * math.sqrt(8_760))
    assert result["sharpe"] == pytest.approx(0.0, abs=1e-9)
    assert result["max_drawdown"] == pytest.approx(0.1)
    assert result["calmar"] == pytest.approx((0.99**2 - 1) / 0.1)
    assert (result["longest_drawdown_bars"], result["longest_drawdown_s"]) == (1, 3_600.0)


def test_figures_of_one_rise_and_two_falls_equal_those_worked_by_hand() -> None:
    result = of([150.0, 120.0, 96.0])  # returns 0.5, -0.2, -0.2; mean 1/30
    mean, away = 1 / 30, (14 / 30, -7 / 30, -7 / 30)
    deviation = math.sqrt(sum(one**2 for one in away) / 2)
    variance = sum(one**2 for one in away) / 3
    assert result["volatility"] == pytest.approx(deviation * math.sqrt(8_760))
    assert result["sharpe"] == pytest.approx(mean / deviation * math.sqrt(8_760))
    assert result["sortino"] == pytest.approx(mean / math.sqrt(0.08 / 3) * math.sqrt(8_760))
    assert result["skewness"] == pytest.approx(sum(one**3 for one in away) / 3 / variance**1.5)
    assert result["kurtosis"] == pytest.approx(sum(one**4 for one in away) / 3 / variance**2)


def test_figures_of_costs_and_exposure_come_from_the_sums() -> None:
    sums = sums_of(np.array([101.0, 102.0, 103.0, 104.0]), 100.0, np.array([0.0, 1.0, 1.0, 1.0]))
    sums["traded"], sums["fees"], sums["slippage"], sums["funding"] = 500.0, 1.5, 0.5, -0.25
    sums["orders"], sums["rejected"] = 3, 2
    result = figures(
        sums, NO_TRADE, bars_per_year=365, span_s=YEAR_S / 2, timeframe_s=1.0, benchmark_return=0.5
    )
    assert result["exposure"] == 0.75
    assert result["turnover"] == pytest.approx(10.0)
    assert (result["fees"], result["slippage"], result["funding"]) == (1.5, 0.5, -0.25)
    assert (result["orders"], result["rejected_orders"]) == (3, 2)
    assert (result["benchmark_return"], result["bars_per_year"]) == (0.5, 365.0)


def test_figures_of_trades_equal_those_worked_by_hand() -> None:
    sums = np.zeros(1, TRADE_SUMS)
    sums[0] = (4, 1, 2, 1, 12.0, 3.0, 0.12, -0.03, 0.08, 0.07, -0.03, 2, 1)
    result = of([101.0], sums)
    assert [result[name] for name in TRADE_METRICS] == pytest.approx(
        [5, 4, 1, 0.5, 4.0, 2.25, 0.02, 0.06, -0.03, 0.07, -0.03, 2, 1]
    )


def test_figures_without_trade_leave_those_of_trades_undefined() -> None:
    result = of([101.0, 102.0, 101.5])
    assert undefined(result) & {*TRADE_METRICS} == {
        "win_rate", "profit_factor", "expectancy", "expectancy_ratio", "average_win",
        "average_loss", "best_trade", "worst_trade",
    }  # fmt: skip
    assert result["trades"] == 0


def test_figures_of_sums_left_at_nothing_show_no_best_and_no_worst_trade() -> None:
    result = of([101.0], np.zeros(1, TRADE_SUMS))
    assert {"best_trade", "worst_trade"} < undefined(result)


def test_figures_too_large_for_a_number_are_undefined_and_not_infinite() -> None:
    sums = np.zeros(1, TRADE_SUMS)
    sums["closed"], sums["gained"], sums["lost"] = 2, 1e300, 1e-300
    assert math.isnan(of([101.0], sums)["profit_factor"])


def test_figures_without_losing_trade_leave_profit_factor_undefined() -> None:
    records = np.zeros(2, TRADE)
    records["pnl"], records["return_ratio"] = 5.0, 0.05
    result = of([101.0], sums_of_trades(records))
    assert (result["win_rate"], result["best_trade"]) == (1.0, 0.05)
    assert undefined(result) & {*TRADE_METRICS} == {"profit_factor", "average_loss"}


def test_figures_without_winning_trade_have_a_profit_factor_of_nothing() -> None:
    records = np.zeros(2, TRADE)
    records["pnl"], records["return_ratio"] = -5.0, -0.05
    result = of([101.0], sums_of_trades(records))
    assert (result["profit_factor"], result["win_rate"]) == (0.0, 0.0)
    assert result["worst_trade"] == -0.05


def test_figures_of_no_bar_are_the_initial_equity_and_counts() -> None:
    result = of([])
    assert (result["final_equity"], result["total_return"], result["bars"]) == (100.0, 0.0, 0)
    assert {"cagr", "volatility", "sharpe", "sortino", "calmar", "skewness"} < undefined(result)


def test_figures_of_one_bar_have_returns_and_no_deviation() -> None:
    result = of([101.0])
    assert result["total_return"] == pytest.approx(0.01)
    assert result["cagr"] > 1
    curve = undefined(result) - {*TRADE_METRICS}
    assert curve == {
        "volatility", "sharpe", "sortino", "calmar", "exposure", "benchmark_return", "skewness",
        "kurtosis",
    }  # fmt: skip


def test_figures_of_flat_curve_have_no_volatility_and_no_ratio() -> None:
    result = of([100.0] * 50)
    assert (result["total_return"], result["cagr"], result["volatility"]) == (0.0, 0.0, 0.0)
    assert {"sharpe", "sortino", "calmar", "skewness", "kurtosis"} < undefined(result)


@pytest.mark.parametrize("rate", [1e-3, 1e-6, -1e-4])
def test_figures_of_equal_returns_have_no_volatility_made_of_rounding(rate: float) -> None:
    result = of((100 * (1 + rate) ** np.arange(1, 5_001)).tolist())
    assert result["volatility"] == 0.0
    assert {"sharpe", "skewness", "kurtosis"} < undefined(result)


def test_figures_of_curve_without_fall_have_sharpe_and_no_sortino() -> None:
    result = of([101.0, 103.0, 104.0])
    assert result["sharpe"] > 0
    assert {"sortino", "calmar"} < undefined(result)


def test_figures_of_curve_reaching_nothing_lose_everything_a_year() -> None:
    result = of([50.0, 0.0, 0.0])
    assert (result["total_return"], result["cagr"], result["max_drawdown"]) == (-1.0, -1.0, 1.0)
    assert result["calmar"] == -1.0


@pytest.mark.parametrize("span_s", [0.0, 60.0])
def test_figures_of_growth_too_fast_for_a_number_leave_it_undefined(span_s: float) -> None:
    result = of([200.0, 150.0], span_s=span_s)
    assert {"cagr", "calmar"} < undefined(result)
    assert result["total_return"] == 0.5


def test_figures_of_sums_without_higher_moments_leave_only_those_undefined() -> None:
    sums = sums_of(np.array([101.0, 99.0, 102.0]), 100.0)
    sums["sum_r3"] = sums["sum_r4"] = np.nan
    result = figures(sums, NO_TRADE, bars_per_year=365, span_s=YEAR_S, timeframe_s=86_400)
    assert {"skewness", "kurtosis"} < undefined(result)
    assert not {"sharpe", "volatility", "sortino"} & undefined(result)


def test_figures_of_many_results_are_refused_where_one_is_meant() -> None:
    with pytest.raises(BadSums, match=r"one result, not of \(2,\)"):
        figures(
            np.zeros(2, EQUITY_SUMS),
            np.zeros(2, TRADE_SUMS),
            bars_per_year=1,
            span_s=1,
            timeframe_s=1,
        )


@pytest.mark.parametrize(
    ("equity", "trades"),
    [
        (np.zeros(2, EQUITY_SUMS), np.zeros(3, TRADE_SUMS)),
        (np.zeros(2, TRADE_SUMS), np.zeros(2, EQUITY_SUMS)),
        (np.zeros((2, 2), EQUITY_SUMS), np.zeros((2, 2), TRADE_SUMS)),
    ],
)
def test_sums_that_do_not_fit_are_refused_saying_so(equity: Sums, trades: Sums) -> None:
    with pytest.raises(BadSums, match="Sums"):
        vector_figures(equity, trades, bars_per_year=1, span_s=1, timeframe_s=1)


def compounded(returns: list[float]) -> Floats:
    return np.multiply(100, np.cumprod([1 + one for one in returns]), dtype=np.float64)


RETURNS = st.lists(st.integers(-90, 100).map(lambda value: value / 100), max_size=30)
PNLS = st.lists(st.integers(-50, 50), max_size=20)


@given(st.lists(st.tuples(RETURNS, PNLS), min_size=1, max_size=6), st.floats(0, 1e9))
def test_vector_figures_of_any_results_equal_those_of_each(
    results: list[tuple[list[float], list[int]]], span_s: float
) -> None:
    curves: list[Sums] = []
    closed: list[Sums] = []
    for returns, pnls in results:
        curves.append(sums_of(compounded(returns), 100.0))
        records = np.zeros(len(pnls), TRADE)
        records["pnl"], records["return_ratio"] = pnls, np.array(pnls) / 100
        closed.append(sums_of_trades(records))
    asked: Any = {"bars_per_year": 8_760.0, "span_s": span_s, "timeframe_s": 60.0}
    many = vector_figures(np.concatenate(curves), np.concatenate(closed), **asked)
    few = vector_figures(np.concatenate(curves), **asked)
    assert tuple(many) == METRICS
    assert tuple(few) == CURVE_METRICS
    for row, (curve, trades) in enumerate(zip(curves, closed, strict=True)):
        result = figures(curve, trades, **asked)
        np.testing.assert_equal({name: many[name][row].item() for name in METRICS}, result)
        np.testing.assert_equal(
            {name: few[name][row].item() for name in CURVE_METRICS},
            {name: result[name] for name in CURVE_METRICS},
        )
        assert not any(math.isinf(value) for value in result.values())
        assert 0 <= result["max_drawdown"] <= 1


@given(RETURNS.filter(lambda returns: len(returns) > 1), st.integers(-10, 10))
def test_figures_of_any_curve_in_another_currency_stay_the_same(
    returns: list[float], power: int
) -> None:
    curve, factor = compounded(returns), 2.0**power
    amounts = {"initial_equity", "final_equity"}
    plain, scaled = (
        figures(
            sums_of(curve * by, 100.0 * by),
            NO_TRADE,
            bars_per_year=365,
            span_s=86_400 * len(returns),
            timeframe_s=86_400,
        )
        for by in (1.0, factor)
    )
    assert {name: scaled[name] for name in amounts} == {
        name: plain[name] * factor for name in amounts
    }
    for name in {*METRICS} - amounts:
        np.testing.assert_equal(scaled[name], plain[name])

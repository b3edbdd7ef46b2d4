"""vectorbt's simulator and ours do the same wherever vectorbt can express the case."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtest.engine import compare, inexpressible, portfolio_of_orders
from backtest.result import Result
from backtest.run import backtest
from backtest.spec import Protection
from candela.fills.model import Costs, Execution, FillModel, Sizing
from strategies.conditions import crossed_below
from strategies.indicators import rsi
from strategies.ma_cross import ma_cross
from strategies.registry import shipped
from tests.backtest.quick_cases import Case, deciding, quick_cases
from tests.backtest.real_bars import hours, minutes, needs_minutes

FEES = Costs(taker_fee_bps=10)
COSTS = Costs(taker_fee_bps=10, slippage_bps=5, spread_bps=2)
FILLS: tuple[Literal["next_open", "close"], ...] = ("next_open", "close")
# Limit orders, legs, or stops that meet signals: these run in vectorbt in part or not at all.
BEYOND = {"grid", "dca", "donchian_breakout"}
SHIPPED = [one for one in shipped() if one.kind == "spot"]


def model(fill: Literal["next_open", "close"] = "next_open", **parts: Any) -> FillModel:
    return FillModel(execution=Execution(fill=fill, entry_bar_stops=False), **parts)


def assert_agrees(result: Result, **options: Any) -> None:
    comparison = compare(result, **options)
    assert comparison.inexpressible == ()
    assert comparison.differences == ()
    assert comparison.equity_max_relative <= 1e-9
    assert comparison.agrees
    assert comparison.orders == comparison.their_orders == len(result.fills) > 0


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("strategy", SHIPPED, ids=lambda one: one.name)
def test_shipped_strategy_in_vectorbt_makes_the_same_orders_and_equity(
    strategy: Any, fill: Literal["next_open", "close"]
) -> None:
    result = backtest(strategy, hours(6_000), model=model(fill, costs=COSTS))
    if inexpressible(result):
        assert strategy.name in BEYOND
        own = portfolio_of_orders(result)
        np.testing.assert_allclose(own.value().to_numpy(), result.equity, rtol=1e-9)
    else:
        assert_agrees(result)


@needs_minutes
@pytest.mark.parametrize("strategy", SHIPPED, ids=lambda one: one.name)
def test_shipped_strategy_on_minutes_makes_the_same_orders_and_equity(strategy: Any) -> None:
    result = backtest(strategy, minutes(50_000), model=model(costs=FEES))
    if strategy.name in BEYOND:
        assert inexpressible(result)
    else:
        assert_agrees(result)


def test_shipped_breakout_with_stops_and_close_fills_makes_the_same_orders() -> None:
    breakout = next(one for one in SHIPPED if one.name == "donchian_breakout")
    assert_agrees(backtest(breakout, hours(6_000, "ETH-EUR_1h"), model=model("close", costs=FEES)))


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("fraction", 1.0), ("fraction", 0.4), ("fixed_value", 3e3), ("fixed_value", 1e6),
        ("fixed_units", 0.1), ("fixed_units", 50.0), ("volatility_target", 0.3),
    ],
)  # fmt: skip
def test_any_sizing_in_vectorbt_makes_the_same_orders_and_equity(
    *, fill: Literal["next_open", "close"], short: bool, kind: Any, value: float
) -> None:
    sizing = Sizing(kind=kind, value=value)
    result = backtest(
        ma_cross, hours(6_000), {"short": short}, model=model(fill, costs=COSTS, sizing=sizing)
    )
    reasons = inexpressible(result)
    if short and (value == 0.4 or kind == "volatility_target"):
        assert len(reasons) == 1
        assert reasons[0].startswith("vectorbt cannot reverse into a share of cash")
    else:
        assert_agrees(result)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    ("levels", "costs"),
    [
        ({"stop_loss": 0.02}, COSTS),
        ({"take_profit": 0.03}, COSTS),
        ({"stop_loss": 0.02, "take_profit": 0.04}, FEES),
        ({"trailing_stop": 0.03}, COSTS),
    ],
)
def test_stops_and_targets_in_vectorbt_fill_at_the_same_prices(
    side: str, fill: Literal["next_open", "close"], levels: dict[str, float], costs: Costs
) -> None:
    bars = hours(6_000)
    falls = crossed_below(rsi(bars.close, 14), 30.0)
    leaves = deciding(**{f"{side}_entries": falls})
    result = backtest(leaves, bars, protection=Protection(**levels), model=model(fill, costs=costs))
    assert set(result.trades["reason"]) - {5} <= {1, 2, 3}
    reasons = inexpressible(result)
    if fill == "next_open" and "trailing_stop" in levels:
        assert reasons == (
            "vectorbt's trailing stop does not see the best price of the bar of entry",
        )
    elif reasons:  # an entry decided on the bar of a stop
        assert fill == "close"
        assert reasons[0].startswith("vectorbt does not enter at the close of a bar in which")
    else:
        assert_agrees(result)


def test_stops_and_sizes_of_each_bar_in_vectorbt_are_read_at_the_same_decision() -> None:
    random = np.random.default_rng(5)
    bars = hours(3_000)
    decided = deciding(
        long_entries=random.random(len(bars)) < 0.02,
        stop_loss=random.choice([0.01, 0.03, np.nan], len(bars)),
        take_profit=random.choice([0.01, 0.03], len(bars)),
        size=random.choice([0.2, 0.9, np.nan], len(bars)),
    )
    result = backtest(decided, bars, model=model(costs=FEES))
    assert len(set(result.fills["units"] * result.fills["price"] // 1_000)) > 2
    assert_agrees(result)


def test_short_entry_beside_a_contradicting_long_side_in_vectorbt_costs_the_same() -> None:
    row = np.arange(400) % 40
    decided = deciding(
        long_entries=row == 10, long_exits=row == 10, short_entries=row == 10, short_exits=row == 20
    )
    asked = model(costs=COSTS, sizing=Sizing(kind="fixed_value", value=1e3))
    assert_agrees(backtest(decided, hours(400), model=asked))


def test_parts_of_a_long_position_in_vectorbt_are_closed_alike() -> None:
    random = np.random.default_rng(6)
    bars = hours(2_000)
    decided = deciding(
        long_entries=random.random(len(bars)) < 0.02,
        long_exits=random.random(len(bars)) < 0.03,
        exit_fraction=random.choice([0.5, 0.25, 1.0], len(bars)),
    )
    result = backtest(decided, bars, model=model(costs=COSTS, sizing=Sizing(value=0.5)))
    assert len(result.fills) > 2 * len(result.trades)
    assert_agrees(result)


def test_sizes_by_risk_in_vectorbt_lose_the_same_at_the_stop() -> None:
    falls = crossed_below(rsi(hours(6_000).close, 14), 30.0)
    decided = deciding(long_entries=falls, stop_loss=0.02, take_profit=0.04)
    sizing = Sizing(kind="risk", value=0.01)
    assert_agrees(backtest(decided, hours(6_000), model=model(costs=FEES, sizing=sizing)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(quick_cases())
def test_any_quick_case_that_vectorbt_can_express_agrees(case: Case) -> None:
    result = result_of(case)
    comparison = compare(result)
    assert comparison.agrees != bool(comparison.inexpressible)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(quick_cases(), st.sampled_from([0.01, 0.05, 0.3]))
def test_any_trailing_stop_that_vectorbt_can_express_agrees(case: Case, ratio: float) -> None:
    comparison = compare(result_of(case, trailing_stop=ratio))
    assert comparison.agrees != bool(comparison.inexpressible)


def result_of(case: Case, **numbers: float) -> Result:
    levels = {"stop_loss": case.stop, "take_profit": case.target, **numbers}
    one, two, three, four = case.masks.values()
    decided = deciding(
        long_entries=one, long_exits=two, short_entries=three, short_exits=four,
        **{name: value for name, value in levels.items() if not np.isnan(value)},
    )  # fmt: skip
    return backtest(decided, case.bars, cash=1_000.0, model=case.model)

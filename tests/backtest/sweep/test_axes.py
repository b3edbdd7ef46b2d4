"""Axes: what is written, which values it means, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from backtest.spec import BadSpec
from backtest.sweep.axes import BadAxis, axes_of, parse_axis
from strategies.definition import Parameters, parameter, strategy
from strategies.ma_cross import ma_cross
from strategies.signals import Signals
from tests.backtest.sweep.making import spec


class Thresholds(Parameters):
    level: float = parameter(0.5, "Level.", ge=0.0, le=1.0, step=0.25)
    stop_loss: float = parameter(0.1, "A stop of its own.", ge=0.01, le=0.5)


@strategy(name="thresholds", parameters=Thresholds, warm_up=lambda _: 0)
def thresholds(_bars: object, _parameters: Thresholds) -> Signals:
    """Do nothing."""
    return Signals()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=5:20:5", (5, 10, 15, 20)),
        ("fast=5:22:5", (5, 10, 15, 20)),
        ("fast=5:8", (5, 6, 7, 8)),
        ("fast=20,5,10,5", (5, 10, 20)),
        ("fast=20", (20,)),
        ("fast=10:1000:log3", (10, 100, 1000)),
        ("kind=simple,exponential", ("simple", "exponential")),
        ("kind", ("simple", "exponential")),
        ("short", (False, True)),
        ("stop_loss=0.1:0.3:0.1", (0.1, 0.2, 0.3)),
        ("take_profit=0.01:1:log3", (0.01, 0.1, 1.0)),
    ],
)
def test_axis_when_written_then_holds_these_values(text: str, values: tuple[object, ...]) -> None:
    assert parse_axis(ma_cross, text).values == values


def test_axis_when_the_strategy_says_its_step_then_its_name_alone_will_do() -> None:
    assert parse_axis(thresholds, "level").values == (0.0, 0.25, 0.5, 0.75, 1.0)


def test_axis_when_a_stop_is_a_parameter_then_its_bounds_are_those_of_the_strategy() -> None:
    assert parse_axis(thresholds, "stop_loss=0.4,0.5").values == (0.4, 0.5)
    with pytest.raises(BadAxis, match=r"stop_loss=0\.6"):
        parse_axis(thresholds, "stop_loss=0.6")


def test_axes_when_given_as_values_then_numpy_and_ranges_are_taken() -> None:
    axes = axes_of(
        ma_cross, {"fast": np.arange(5, 16, 5), "slow": range(20, 41, 20), "kind": "simple"}
    )
    assert [axis.values for axis in axes] == [(5, 10, 15), (20, 40), ("simple",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fats=5", "no parameter 'fats'"),
        ("fast=1", "fast=1 cannot be"),
        ("fast=9999", "less than or equal to 5000"),
        ("fast=5.5", "fast=5.5 cannot be"),
        ("fast=a:b", "'a' is no number"),
        ("fast=5:nan:1", "'nan' is no number"),
        ("fast=20:5:5", "runs backwards"),
        ("fast=5:20:0", "no step above 0"),
        ("fast=5:20:-1", "no step above 0"),
        ("fast=5:20:5:5", "no range"),
        ("fast=5,,10", "empty value"),
        ("fast=", "empty value"),
        ("fast=0:10:log5", "equal ratios"),
        ("fast", "does not say which values"),
        ("kind=median", "kind=median cannot be"),
        ("stop_loss=0:1:0.5", "stop_loss=0 cannot be"),
        ("stop_loss=0.1:0.2", "no step above 0"),
        ("trailing_stop=0.1", "no parameter 'trailing_stop'"),
        ("stop_loss=0.000001:0.9:0.000001", "the most"),
    ],
)
def test_axis_when_it_cannot_be_then_says_the_value_and_what_to_do(text: str, said: str) -> None:
    with pytest.raises(BadAxis, match=said) as refused:
        parse_axis(ma_cross, text)
    assert refused.value.hint


def test_axes_when_one_is_given_twice_then_refused() -> None:
    with pytest.raises(BadAxis, match="fast is given twice"):
        axes_of(ma_cross, ["fast=5", "fast=10"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": "luck"}, "objective 'luck'"),
        ({"objective": "kurtosis"}, "objective 'kurtosis'"),
        ({"method": "random"}, "needs a number of trials"),
        ({"method": "grid", "trials": 5}, "every point"),
        ({"method": "guess"}, "method"),
    ],
)
def test_sweep_when_it_contradicts_itself_then_says_why(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(BadSpec, match=said):
        spec("fast=5,10", **options)


def test_sweep_when_a_parameter_is_fixed_and_an_axis_then_refused() -> None:
    from backtest.sweep.spec import sweep_spec
    from tests.backtest.sweep.making import BASE

    with pytest.raises(BadSpec, match="fast is both fixed and an axis"):
        sweep_spec(ma_cross, {**BASE, "parameters": {"fast": 5}}, ["fast=5,10"])


def test_identity_when_only_the_objective_of_a_grid_differs_then_it_is_the_same_sweep() -> None:
    one, other = spec(), spec(objective="total_return")
    assert one.identity("s", "d") == other.identity("s", "d")
    assert one.identity("s", "d") != one.identity("s", "e")
    assert one.identity("s", "d") != spec("fast=5:25:5").identity("s", "d")
    learned = [spec(method="optuna", trials=5, objective=name) for name in ("sharpe", "cagr")]
    assert learned[0].identity("s", "d") != learned[1].identity("s", "d")

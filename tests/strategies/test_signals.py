"""Signals that decide nothing sensible are refused with the field, the bar and the value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.conditions import BadCondition, Events
from strategies.definition import (
    BadParameters,
    Parameters,
    StrategyFailed,
    parameter,
    strategy,
)
from strategies.sample import sample_bars
from strategies.signals import BadSignals, Signals


def at(row: int, value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = np.full(5, 0.5)
    numbers[row] = value
    return numbers


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stop_loss": 0.0}, "stop_loss is 0.0 at bar 0"),
        ({"stop_loss": at(3, 1.0)}, "stop_loss is 1.0 at bar 3"),
        ({"trailing_stop": at(2, -0.1)}, "trailing_stop is -0.1 at bar 2"),
        ({"take_profit": at(4, np.inf)}, "take_profit is inf at bar 4"),
        ({"exit_fraction": at(1, 1.5)}, "exit_fraction is 1.5 at bar 1"),
        ({"size": at(1, 0.0)}, "size is 0.0 at bar 1"),
        ({"limit_price": at(1, -5.0)}, "limit_price is -5.0 at bar 1"),
        ({"size": np.zeros(4)}, r"size has the shape \(4,\) for 5 bars"),
        ({"size": np.array(["a"] * 5)}, "size holds <U1"),
        ({"stop_loss": [0.5] * 5}, "stop_loss is a list"),
        ({"take_profit": (0.5,)}, "take_profit is a tuple"),
        ({"legs": 0}, "legs is 0"),
        ({"expiry": 0}, "expiry is 0"),
        ({"panes": {"mean": np.zeros(4)}}, "mean has the shape"),
    ],
)
def test_signals_when_numbers_make_no_sense_then_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSignals, match=said):
        Signals(**fields).check(5)


@pytest.mark.parametrize("name", ["long_entries", "short_exits", "calls"])
def test_signals_when_a_condition_is_none_then_refused_by_name(name: str) -> None:
    for wrong in (np.ones(5), np.ones(4, dtype=np.bool_), Events(np.array([0]), 6)):
        with pytest.raises(BadCondition, match=name):
            Signals(**{name: wrong}).check(5)  # pyright: ignore[reportArgumentType]


def test_signals_when_numbers_are_unknown_then_allowed() -> None:
    Signals(stop_loss=at(2, np.nan), limit_price=at(0, np.nan), take_profit=3.0).check(5)


def test_columns_when_listed_then_only_what_was_given_one_value_for_each_bar() -> None:
    signals = Signals(long_entries=Events(np.array([1, 3]), 5), stop_loss=0.1)
    columns = signals.columns(5)
    assert list(columns) == ["long_entries", "stop_loss"]
    assert columns["long_entries"].tolist() == [False, True, False, True, False]
    assert columns["stop_loss"].tolist() == [0.1] * 5
    assert signals.rows("long_entries", 5).tolist() == [1, 3]
    assert signals.rows("calls", 5).tolist() == []


class Divided(Parameters):
    by: int = parameter(1, "Divisor.", ge=0, le=9)


def made(result: object) -> Any:
    def rule(bars: Bars, parameters: Divided) -> Signals:
        """Divide."""
        assert 1 // parameters.by
        return result  # pyright: ignore[reportReturnType]

    return strategy(name="rule", parameters=Divided, warm_up=lambda _parameters: 0)(rule)


def test_strategy_when_it_raises_then_error_names_line_and_cause() -> None:
    rule = made(Signals())
    with pytest.raises(StrategyFailed, match=r"rule raised ZeroDivisionError in line \d+ of"):
        rule.signals(sample_bars()[:50], rule.with_values({"by": 0}))


def test_strategy_when_it_returns_no_signals_then_refused() -> None:
    rule = made(None)
    with pytest.raises(StrategyFailed, match="returned NoneType, not Signals"):
        rule.signals(sample_bars()[:50], rule.with_values())


def test_parameters_when_out_of_bounds_or_unknown_then_all_are_named() -> None:
    with pytest.raises(BadParameters, match=r"by=10: .* has no parameter too") as raised:
        made(None).with_values({"by": 10, "too": 1})
    assert "by (0 to 9)" in str(raised.value.hint)

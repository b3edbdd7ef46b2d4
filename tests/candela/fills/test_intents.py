"""Bad intents, bars and cash are refused by one error that names what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candela.errors import StrategyError
from candela.fills.full import FinerBars, Funding, NoSimulation, simulate
from candela.fills.intents import BadIntents, Intents
from candela.fills.model import FillModel
from tests.candela.fills.made import at, hours, model_of, run

FLAT = hours(100, 100, 100, 100)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stop_loss": np.array([0.1, 0.1, -0.2, 0.1])}, "stop_loss is -0.2 at bar 2"),
        ({"stop_loss": 0.0}, "stop_loss is 0.0 for all bars"),
        ({"size": np.array([1.0, -1.0, 1.0, 1.0])}, "size is -1.0 at bar 1"),
        ({"take_profit": np.array([1.0, 1.0, 1.0, np.inf])}, "take_profit is inf at bar 3"),
        ({"exit_fraction": np.array([1.5, 1.0, 1.0, 1.0])}, "exit_fraction is 1.5 at bar 0"),
        ({"limit_price": np.zeros(4)}, "limit_price is 0.0 at bar 0"),
        ({"trailing_stop": np.full(3, 0.1)}, r"trailing_stop has the shape \(3,\) for 4 bars"),
        ({"size": "much"}, "size does not hold numbers"),
        ({"legs": 0}, "0 legs"),
        ({"long_entry": np.zeros(5, np.bool_)}, r"long_entry has the shape \(5,\) for 4 bars"),
        ({"short_exit": np.zeros(4)}, "short_exit holds float64, not conditions"),
    ],
)
def test_intents_that_cannot_be_used_are_refused_by_name(given: dict[str, Any], words: str) -> None:
    wanted: dict[str, Any] = {"long_entry": at(4, 0), **given}
    with pytest.raises(BadIntents, match=words):
        simulate(FLAT, Intents(**wanted), FillModel(), 1000.0)


@pytest.mark.parametrize("cash", [0.0, -1.0, float("nan"), float("inf")])
def test_cash_that_nothing_can_be_bought_with_is_refused(cash: float) -> None:
    with pytest.raises(NoSimulation, match="in cash"):
        run(FLAT, cash=cash)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_price_that_nothing_can_fill_at_is_refused_with_its_bar(value: float) -> None:
    bars = hours(100, 100, 100)
    bars.low[1] = value
    with pytest.raises(NoSimulation, match="low of bar 1"):
        run(bars)


def test_simulation_of_no_bars_is_refused() -> None:
    with pytest.raises(NoSimulation, match="no bars"):
        run(FLAT.head(0))


def test_finer_bars_that_are_not_given_are_refused() -> None:
    with pytest.raises(NoSimulation, match="there are none"):
        run(FLAT, model=model_of({"intrabar": "minutes"}))


def test_funding_rate_that_is_no_number_is_refused() -> None:
    model = model_of(costs={"funding": True})
    with pytest.raises(NoSimulation, match="settlement 1 is nan"):
        run(FLAT, model=model, funding=Funding(np.array([1, 2]), np.array([0.1, np.nan])))
    with pytest.raises(NoSimulation, match="do not fit"):
        run(FLAT, model=model, funding=Funding(np.array([2, 1]), np.array([0.1, 0.1])))


def test_errors_of_a_simulation_are_errors_of_the_strategy() -> None:
    assert issubclass(BadIntents, StrategyError)
    assert issubclass(NoSimulation, StrategyError)
    assert BadIntents.code != NoSimulation.code


def test_one_bar_alone_is_simulated() -> None:
    simulation = run(hours(100), model=model_of({"fill": "close"}), long_entry=(0,))
    assert simulation.equity.tolist() == [1000.0]
    empty = FinerBars(np.zeros(0, np.int64), *(np.zeros(0),) * 4)
    assert len(run(hours(100), model=model_of({"intrabar": "minutes"}), finer=empty).fills) == 0


def test_book_grows_beyond_its_first_room() -> None:
    rows = 6000
    entries = np.arange(rows) % 2 == 0
    bars = hours(*[100.0] * rows)
    model = model_of(sizing={"kind": "fixed_units", "value": 1.0})
    simulation = simulate(bars, Intents(entries, ~entries), model, 1000.0)
    assert len(simulation.fills) == rows - 1
    assert simulation.fills["bar"].tolist() == list(range(1, rows))
    assert simulation.trades["entry_bar"].tolist() == list(range(1, rows, 2))

"""How large an entry is, by examples by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candela.fills.full import NoSimulation
from tests.candela.fills.made import hours, model_of, run

FLAT = hours(*[100.0] * 8)


def units_of(sizing: dict[str, Any], **numbers: Any) -> float:
    simulation = run(FLAT, model=model_of(sizing=sizing), long_entry=(0,), numbers=numbers)
    return float(simulation.fills["units"][0])


@pytest.mark.parametrize(
    ("sizing", "units"),
    [
        ({"kind": "fraction", "value": 0.5}, 5.0),
        ({"kind": "fraction", "value": 3.0}, 10.0),
        ({"kind": "fixed_value", "value": 250.0}, 2.5),
        ({"kind": "fixed_units", "value": 4.0}, 4.0),
        ({"kind": "martingale", "value": 300.0}, 3.0),
    ],
)
def test_size_of_each_kind_is_what_it_says(sizing: dict[str, Any], units: float) -> None:
    assert units_of(sizing) == units


def test_fraction_includes_the_fee_and_fixed_value_does_not() -> None:
    for sizing, units in (
        ({"value": 0.5}, 500 / 101),
        ({"kind": "fixed_value", "value": 500.0}, 5),
    ):
        model = model_of(costs={"taker_fee_bps": 100}, sizing=sizing)
        simulation = run(FLAT, model=model, long_entry=(0,))
        assert simulation.fills["units"][0] == pytest.approx(units)


def test_size_of_a_bar_takes_the_place_of_the_models_value() -> None:
    size = np.full(8, 0.25)
    assert units_of({"kind": "fraction", "value": 0.5}, size=size) == 2.5
    size[0] = np.nan
    assert units_of({"kind": "fraction", "value": 0.5}, size=size) == 5.0


def test_entry_of_size_zero_is_rejected_and_counted() -> None:
    simulation = run(FLAT, long_entry=(0,), numbers={"size": 0.0})
    assert (len(simulation.fills), simulation.sums["rejected"][0]) == (0, 1)


@pytest.mark.parametrize(
    ("numbers", "units"),
    [
        ({"stop_loss": 0.04}, 5.0),
        ({"trailing_stop": 0.05}, 4.0),
        ({"stop_loss": 0.04, "trailing_stop": 0.05}, 5.0),
        ({"stop_loss": 0.01}, 10.0),  # 20 units would risk it, all cash buys 10
    ],
)
def test_risk_loses_its_share_at_the_nearer_stop(numbers: dict[str, float], units: float) -> None:
    assert units_of({"kind": "risk", "value": 0.02}, **numbers) == pytest.approx(units)


def test_risk_without_a_stop_is_refused_and_names_the_bar() -> None:
    model = model_of(sizing={"kind": "risk", "value": 0.02})
    stops = np.full(8, 0.1)
    stops[3] = np.nan
    with pytest.raises(NoSimulation, match="bar 3"):
        run(FLAT, model=model, long_entry=(1, 3), numbers={"stop_loss": stops})


def test_computed_sizes_are_capped_and_stated_ones_are_not() -> None:
    for sizing, units in (
        ({"kind": "risk", "value": 0.02, "cap": 0.3}, 3.0),
        ({"kind": "fraction", "value": 0.8, "cap": 0.3}, 8.0),
    ):
        assert units_of(sizing, stop_loss=0.01) == pytest.approx(units)


def test_volatility_target_scales_by_the_volatility_of_closes() -> None:
    closes = [100.0, 102.0, 99.0, 101.0, 101.0, 101.0]
    returns = np.diff(closes[:4]) / np.array(closes[:3])
    annual = returns.std(ddof=1) * np.sqrt(100)
    model = model_of(sizing={"kind": "volatility_target", "value": 0.1, "window": 3})
    simulation = run(hours(*closes), model=model, long_entry=(3,), bars_per_year=100)
    assert simulation.fills["units"][0] == pytest.approx(0.1 / annual * 1000 / 101)
    default = run(hours(*closes), model=model, long_entry=(3,))
    scale = np.sqrt(365.25 * 24 / 100)
    assert default.fills["units"][0] == pytest.approx(0.1 / annual / scale * 1000 / 101)


def test_volatility_target_without_enough_returns_rejects_the_entry() -> None:
    model = model_of(sizing={"kind": "volatility_target", "value": 0.1, "window": 3})
    simulation = run(FLAT, model=model, long_entry=(2,), bars_per_year=100)
    assert (len(simulation.fills), simulation.sums["rejected"][0]) == (0, 1)
    # Without movement: the cap.
    assert run(FLAT, model=model, long_entry=(3,)).fills["units"][0] == 10.0


def test_martingale_raises_the_stake_after_losses_and_starts_again() -> None:
    model = model_of(sizing={"kind": "martingale", "value": 100.0, "factor": 2.0, "steps": 3})
    prices = [100, 100, 99, 100, 99, 100, 99, 100, 101, 100, 99, 99]
    entries, exits = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)
    simulation = run(hours(*prices), model=model, cash=10_000, long_entry=entries, long_exit=exits)
    # Lost, lost, lost (the third stake was the last of the ladder), won, lost.
    lost_or_won = np.sign(simulation.trades["pnl"]).tolist()
    assert lost_or_won == [-1, -1, -1, 1, -1]
    stakes = simulation.trades["units"] * simulation.trades["entry_price"]
    assert stakes == pytest.approx([100, 200, 400, 100, 100])


def test_kelly_stakes_the_share_of_its_last_trades() -> None:
    model = model_of(sizing={"kind": "kelly", "value": 0.5, "window": 3, "cap": 0.8})
    prices = [100, 100, 110, 100, 105, 100, 95, 100, 100, 100]
    simulation = run(hours(*prices), model=model, long_entry=(0, 2, 4, 6), long_exit=(1, 3, 5, 7))
    # +10 %, +5 %, -5 %: W = 2/3, R = 7.5/5, k = 2/3 - (1/3)/1.5; before, k is the cap.
    equity = simulation.equity[simulation.trades["entry_bar"] - 1]
    stakes = simulation.trades["units"] * simulation.trades["entry_price"] / equity
    share = 2 / 3 - (1 / 3) / 1.5
    assert stakes == pytest.approx([0.4, 0.4, 0.4, 0.5 * share])


def test_kelly_without_an_edge_stakes_nothing() -> None:
    model = model_of(sizing={"kind": "kelly", "value": 1.0, "window": 2})
    prices = [100, 100, 95, 100, 95, 100, 100]
    simulation = run(hours(*prices), model=model, long_entry=(0, 2, 4), long_exit=(1, 3))
    assert len(simulation.trades) == 2
    assert simulation.sums["rejected"][0] == 1

"""Prices, fees, funding and the venue's rules, by examples by hand."""

from __future__ import annotations

import numpy as np
import pytest

from candela.fills.full import Funding, NoSimulation, funding_of_bars
from candela.fills.prices import rounded_down, rounded_up
from candela.fills.records import Reason
from candela.fills.state import packed_terms
from tests.candela.fills.made import HOUR_US, HourBars, fills_of, hours, model_of, run

ONE = {"kind": "fixed_units", "value": 1.0}
FLAT = hours(100, 100, 100, 100)


def test_market_order_pays_slippage_and_half_the_spread() -> None:
    model = model_of(costs={"slippage_bps": 30, "spread_bps": 40}, sizing=ONE)
    simulation = run(FLAT, model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["price"] == pytest.approx([100.5, 99.5])
    assert simulation.fills["slippage"] == pytest.approx([0.5, 0.5])
    assert simulation.trades["slippage"] == pytest.approx([1.0])


def test_impact_grows_with_the_share_of_the_volume() -> None:
    model = model_of(costs={"impact_bps": 100}, sizing={"kind": "fixed_units", "value": 4.0})
    bars = hours(100, 100, 100, 100, volume=8.0)
    simulation = run(bars, model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["price"] == pytest.approx([100.5, 99.5])  # half the volume: 0.5 %


@pytest.mark.parametrize("volume", [0.0, np.nan, 1.0])
def test_impact_never_exceeds_that_of_the_whole_volume(volume: float) -> None:
    model = model_of(costs={"impact_bps": 100}, sizing={"kind": "fixed_units", "value": 4.0})
    bars = hours(100, 100, 100, 100, volume=volume)
    simulation = run(bars, model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["price"] == pytest.approx([101.0, 99.0])


def test_impact_on_an_entry_of_all_cash_leaves_no_debt() -> None:
    model = model_of(costs={"impact_bps": 500, "taker_fee_bps": 10})
    simulation = run(hours(100, 100, 100, volume=20.0), model=model, long_entry=(0,))
    spent = simulation.fills["units"] * simulation.fills["price"] + simulation.fills["fee"]
    assert spent[0] == pytest.approx(1000.0)


def test_resting_orders_pay_the_maker_and_no_slippage() -> None:
    model = model_of(
        costs={"slippage_bps": 50, "taker_fee_bps": 20, "maker_fee_bps": 5}, sizing=ONE
    )
    bars = hours(100, (100, 100, 95, 100), (100, 120, 100, 110))
    numbers = {"limit_price": 96.0, "take_profit": 0.25}
    simulation = run(bars, model=model, long_entry=(0,), numbers=numbers)
    assert fills_of(simulation) == [
        (1, 1, int(Reason.LIMIT), 1.0, 96.0),
        (2, -1, int(Reason.TARGET), 1.0, 120.0),
    ]
    assert simulation.fills["fee"] == pytest.approx([0.048, 0.06])
    assert simulation.fills["slippage"].tolist() == [0, 0]


def test_stop_pays_the_taker_and_slippage() -> None:
    model = model_of(costs={"slippage_bps": 100, "taker_fee_bps": 20, "maker_fee_bps": 0})
    bars = hours(100, 100, (100, 100, 80, 90))
    simulation = run(bars, model=model, long_entry=(0,), numbers={"stop_loss": 0.1})
    stop = simulation.fills[1]
    assert stop["price"] == pytest.approx(101 * 0.9 * 0.99)
    assert stop["fee"] == pytest.approx(stop["units"] * stop["price"] * 0.002)


def test_prices_are_rounded_to_the_tick_against_the_trader() -> None:
    model = model_of(costs={"slippage_bps": 1}, rules={"tick": 0.5}, sizing=ONE)
    simulation = run(FLAT, model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["price"].tolist() == [100.5, 99.5]


def test_limits_rest_on_the_tick_away_from_the_market() -> None:
    model = model_of(rules={"tick": 0.5}, sizing=ONE)
    bars = hours(100, (100, 110, 90, 100))
    long = run(bars, model=model, long_entry=(0,), numbers={"limit_price": 95.4})
    short = run(bars, model=model, short_entry=(0,), numbers={"limit_price": 104.6})
    assert (long.fills["price"][0], short.fills["price"][0]) == (95.0, 105.0)


@pytest.mark.parametrize(
    ("value", "step", "down", "up"),
    [
        (100.1, 0.1, 100.1, 100.1),
        (100.14, 0.1, 100.1, 100.2),
        (0.3, 0.1, 0.3, 0.3),
        (1.1 * 3, 0.1, 3.3, 3.3),
        (7.0, 2.5, 5.0, 7.5),
        (7.5, 2.5, 7.5, 7.5),
        (123_456_789.01, 0.01, 123_456_789.01, 123_456_789.01),
        (5.3, 0.0, 5.3, 5.3),
    ],
)
def test_grid_keeps_what_is_on_it_to_the_last_bit(
    value: float, step: float, down: float, up: float
) -> None:
    terms = packed_terms(model_of(rules={"tick": step}))[0]
    inverse = float(terms["ticks_per_quote"])
    assert rounded_down(value, step, inverse) == down
    assert rounded_up(value, step, inverse) == up


def test_units_are_rounded_down_to_the_lot() -> None:
    model = model_of(rules={"lot": 3.0})
    simulation = run(FLAT, model=model, long_entry=(0,), long_exit=(1, 2))
    assert simulation.fills["units"].tolist() == [9.0, 9.0]


def test_partial_exit_below_a_lot_sells_nothing() -> None:
    model = model_of(rules={"lot": 3.0})
    numbers = {"exit_fraction": np.array([0.2, 0.2, 0.5, 0.2])}
    simulation = run(FLAT, model=model, long_entry=(0,), long_exit=(1, 2), numbers=numbers)
    assert simulation.fills["units"].tolist() == [9.0, 3.0]
    assert simulation.sums["rejected"][0] == 0


def test_entry_below_the_minimum_is_rejected_and_counted() -> None:
    model = model_of(rules={"minimum_notional": 100.01}, sizing=ONE)
    simulation = run(FLAT, model=model, long_entry=(0,))
    assert (len(simulation.fills), simulation.sums["rejected"][0]) == (0, 1)
    model = model_of(rules={"minimum_notional": 100.0}, sizing=ONE)
    assert len(run(FLAT, model=model, long_entry=(0,)).fills) == 1


def test_exit_below_the_minimum_is_never_rejected() -> None:
    model = model_of(rules={"minimum_notional": 100.0}, sizing=ONE)
    simulation = run(hours(100, 100, 1, 1), model=model, long_entry=(0,), long_exit=(1,))
    assert len(simulation.fills) == 2


@pytest.mark.parametrize(("volume", "units"), [(20.0, 5.0), (0.0, None), (np.nan, None)])
def test_entry_takes_its_share_of_the_volume_at_most(volume: float, units: float | None) -> None:
    model = model_of(costs={"volume_share_limit": 0.25})
    simulation = run(hours(100, 100, volume=volume), model=model, long_entry=(0,))
    if units is None:
        assert (len(simulation.fills), simulation.sums["rejected"][0]) == (0, 1)
    else:
        assert simulation.fills["units"].tolist() == [units]


def test_exit_is_not_capped_by_the_volume() -> None:
    bars = hours(100, 100, 100)
    thin = HourBars(bars.open, bars.high, bars.low, bars.close, np.array([40.0, 40.0, 0.1]))
    model = model_of(costs={"volume_share_limit": 0.25})
    simulation = run(thin, model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["units"].tolist() == [10.0, 10.0]


def test_leverage_bounds_the_value_of_positions() -> None:
    model = model_of(
        costs={"taker_fee_bps": 100},
        rules={"leverage": 3},
        sizing={"kind": "fixed_units", "value": 99.0},
    )
    simulation = run(FLAT, model=model, long_entry=(0,))
    assert simulation.fills["units"][0] == pytest.approx(3000 / 101)


def test_leg_finds_only_the_buying_power_that_is_left() -> None:
    model = model_of(sizing={"kind": "fixed_value", "value": 700.0})
    simulation = run(FLAT, model=model, legs=3, long_entry=(0, 1, 2))
    assert simulation.fills["units"].tolist() == [7.0, 3.0]
    assert simulation.sums["rejected"][0] == 1


PERPETUAL = model_of(costs={"funding": True}, sizing=ONE)


def test_funding_is_paid_on_what_was_held_before_the_bar() -> None:
    settlements = Funding(np.array([1, 2, 3]) * HOUR_US, np.array([0.5, 0.01, -0.02]))
    bars = hours(100, 100, (110, 120, 90, 100), (120, 120, 120, 120))
    long = run(bars, model=PERPETUAL, long_entry=(0,), funding=settlements)
    # Entered at the open of bar 1: its settlement finds nothing. Then 110 * 0.01, -120 * 0.02.
    assert long.trades["funding"][0] == pytest.approx(-1.1 + 2.4)
    assert long.equity[-1] == pytest.approx(1000 + 20 + 1.3)
    short = run(bars, model=PERPETUAL, short_entry=(0,), funding=settlements)
    assert short.trades["funding"][0] == pytest.approx(1.1 - 2.4)
    assert short.sums["funding"][0] == pytest.approx(-1.3)


def test_funding_on_the_bar_of_an_exit_at_its_open_is_still_paid() -> None:
    settlements = Funding(np.array([2 * HOUR_US + 5]), np.array([0.01]))
    simulation = run(FLAT, model=PERPETUAL, long_entry=(0,), long_exit=(1,), funding=settlements)
    assert simulation.trades["funding"][0] == pytest.approx(-1.0)


def test_funding_in_a_hole_of_the_series_is_paid_at_the_bar_after() -> None:
    time = np.array([0, 1, 5, 6]) * HOUR_US
    times = np.array([-1, 0, 2 * HOUR_US - 1, 2 * HOUR_US, 4 * HOUR_US, 6 * HOUR_US, 8 * HOUR_US])
    rates = funding_of_bars(time, Funding(times, np.array([1.0, 2, 4, 8, 16, 32, 64])))
    assert rates.tolist() == [2, 4, 24, 32]


def test_funding_without_rates_is_refused() -> None:
    with pytest.raises(NoSimulation, match="no funding rates"):
        run(FLAT, model=PERPETUAL, long_entry=(0,))


def test_fees_are_taken_on_both_sides_and_out_of_the_result() -> None:
    model = model_of(costs={"taker_fee_bps": 100}, sizing=ONE)
    simulation = run(hours(100, 100, 110, 110), model=model, long_entry=(0,), long_exit=(1,))
    assert simulation.fills["fee"] == pytest.approx([1.0, 1.1])
    assert simulation.trades["pnl"] == pytest.approx([7.9])
    assert simulation.trades["return_ratio"] == pytest.approx([0.079])
    assert simulation.sums["fees"][0] == pytest.approx(2.1)
    assert simulation.sums["traded"][0] == pytest.approx(210)
    assert simulation.sums["exposed"][0] == 1

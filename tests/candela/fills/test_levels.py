"""Stops, targets, trailing stops and liquidation inside a bar, by examples by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candela.fills.full import FinerBars
from candela.fills.records import Reason
from tests.candela.fills.made import HOUR_US, fills_of, hours, model_of, run

STOP, TARGET, TRAILING = int(Reason.STOP), int(Reason.TARGET), int(Reason.TRAILING)
SIGNAL, LIMIT, LIQUIDATION = int(Reason.SIGNAL), int(Reason.LIMIT), int(Reason.LIQUIDATION)
BOTH = {"stop_loss": 0.1, "take_profit": 0.1}
TICKS = model_of(rules={"tick": 0.01})
FIXED = model_of(rules={"tick": 0.01}, sizing={"kind": "fixed_units", "value": 1.0})


def last_fill(simulation: object) -> tuple[int, int, int, float]:
    bar, side, reason, _, price = fills_of(simulation)[-1]  # pyright: ignore[reportArgumentType]
    return bar, side, reason, price


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        pytest.param((95, 99, 90, 98), (2, -1, STOP, 90.0), id="touched"),
        pytest.param((95, 99, 90.01, 98), (1, 1, SIGNAL, 100.0), id="not_touched"),
        pytest.param((85, 99, 80, 98), (2, -1, STOP, 85.0), id="gap_fills_at_the_open"),
        pytest.param((100, 120, 80, 100), (2, -1, STOP, 90.0), id="stop_before_target"),
        pytest.param((100, 110, 95, 100), (2, -1, TARGET, 110.0), id="target_touched"),
        pytest.param((115, 120, 95, 100), (2, -1, TARGET, 115.0), id="gap_to_target_at_the_open"),
        pytest.param((115, 120, 80, 100), (2, -1, TARGET, 115.0), id="open_before_the_stop"),
    ],
)
def test_long_with_stop_and_target_meets_a_bar(
    bar: tuple[float, float, float, float], expected: tuple[int, int, int, float]
) -> None:
    simulation = run(hours(100, 100, bar), model=TICKS, long_entry=(0,), numbers=BOTH)
    assert last_fill(simulation) == expected


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        pytest.param((100, 110, 95, 100), (2, 1, STOP, 110.0), id="touched"),
        pytest.param((115, 120, 80, 100), (2, 1, STOP, 115.0), id="gap_fills_at_the_open"),
        pytest.param((100, 120, 80, 100), (2, 1, STOP, 110.0), id="stop_before_target"),
        pytest.param((95, 100, 90, 100), (2, 1, TARGET, 90.0), id="target_touched"),
        pytest.param((85, 120, 80, 100), (2, 1, TARGET, 85.0), id="open_before_the_stop"),
    ],
)
def test_short_with_stop_and_target_meets_a_bar(
    bar: tuple[float, float, float, float], expected: tuple[int, int, int, float]
) -> None:
    simulation = run(hours(100, 100, bar), model=FIXED, short_entry=(0,), numbers=BOTH)
    assert last_fill(simulation) == expected


def test_level_on_an_integer_tick_is_that_tick() -> None:
    # 100 * 1.1 is 110.00000000000001, which a high of 110 touches only as a tick.
    bars = hours(100, 100, (100, 110, 95, 100))
    assert len(run(bars, long_entry=(0,), numbers=BOTH).fills) == 1
    assert len(run(bars, model=TICKS, long_entry=(0,), numbers=BOTH).fills) == 2


def test_pending_exit_at_a_gap_through_the_stop_is_the_stop() -> None:
    simulation = run(hours(100, 100, 80), long_entry=(0,), long_exit=(1,), numbers=BOTH)
    assert last_fill(simulation) == (2, -1, STOP, 80.0)


def test_pending_exit_at_a_gap_to_the_target_is_the_signal() -> None:
    simulation = run(hours(100, 100, 120), long_entry=(0,), long_exit=(1,), numbers=BOTH)
    assert last_fill(simulation) == (2, -1, SIGNAL, 120.0)


@pytest.mark.parametrize(("on_entry_bar", "fills"), [(True, 2), (False, 1)])
def test_stop_on_the_bar_of_entry_follows_the_switch(on_entry_bar: bool, fills: int) -> None:  # noqa: FBT001
    model = model_of({"entry_bar_stops": on_entry_bar}, rules={"tick": 0.01})
    bars = hours(100, (100, 101, 85, 100), 100)
    assert len(run(bars, model=model, long_entry=(0,), numbers=BOTH).fills) == fills


def test_target_on_the_bar_of_entry_follows_the_switch() -> None:
    bars = hours(100, (100, 115, 99, 100), 100)
    assert last_fill(run(bars, model=TICKS, long_entry=(0,), numbers=BOTH)) == (
        1,
        -1,
        TARGET,
        110.0,
    )
    model = model_of({"entry_bar_stops": False})
    assert len(run(bars, model=model, long_entry=(0,), numbers=BOTH).fills) == 1


def test_stop_after_an_entry_at_the_close_starts_with_the_next_bar() -> None:
    model = model_of({"fill": "close"})
    bars = hours((100, 120, 80, 100), (100, 101, 89, 95))
    simulation = run(bars, model=model, long_entry=(0,), numbers=BOTH)
    assert last_fill(simulation) == (1, -1, STOP, 90.0)


def test_levels_count_from_the_fill_price_after_slippage() -> None:
    model = model_of(costs={"slippage_bps": 100})
    simulation = run(hours(100, 100, 80), model=model, long_entry=(0,), numbers={"stop_loss": 0.1})
    assert simulation.trades["entry_price"][0] == 101.0
    # The level is 90.9; the gap fills at the open of 80, sold 1 % lower.
    assert last_fill(simulation)[3] == pytest.approx(79.2)
    inside = run(
        hours(100, 100, (95, 95, 90.9, 92)),
        model=model,
        long_entry=(0,),
        numbers={"stop_loss": 0.1},
    )
    assert last_fill(inside)[3] == pytest.approx(90.9 * 0.99)


@pytest.mark.parametrize(("side", "price"), [("long_entry", 98.0), ("short_entry", 102.0)])
def test_stop_nearer_than_the_slippage_fills_at_the_open(side: str, price: float) -> None:
    # Bought at 102 with a stop at 100.98, which the open of 100 has passed already.
    model = model_of(costs={"slippage_bps": 200}, sizing={"kind": "fixed_units", "value": 1.0})
    numbers = {"stop_loss": 0.01}
    wanted: dict[str, Any] = {side: (0,)}
    simulation = run(hours(100, 100, 100), model=model, numbers=numbers, **wanted)
    assert last_fill(simulation) == (1, -1 if side == "long_entry" else 1, STOP, price)


def test_trailing_stop_follows_a_high_only_after_its_bar() -> None:
    # The bar that makes the high of 120 also falls to 105, 12.5 % under it: not yet a stop.
    bars = hours(100, 100, (100, 120, 105, 118), (118, 119, 107, 110))
    simulation = run(bars, long_entry=(0,), numbers={"trailing_stop": 0.1})
    assert last_fill(simulation) == (3, -1, TRAILING, 108.0)


def test_trailing_stop_of_a_short_follows_the_low() -> None:
    bars = hours(100, 100, (100, 100, 80, 82), (82, 90, 81, 85))
    simulation = run(bars, model=FIXED, short_entry=(0,), numbers={"trailing_stop": 0.1})
    assert last_fill(simulation) == (3, 1, TRAILING, 88.0)


@pytest.mark.parametrize(
    ("stop", "trailing", "reason"),
    [(0.05, 0.1, STOP), (0.1, 0.05, TRAILING), (0.1, 0.1, STOP)],
)
def test_nearer_of_stop_and_trailing_counts_and_a_tie_is_the_stop(
    stop: float, trailing: float, reason: int
) -> None:
    numbers = {"stop_loss": stop, "trailing_stop": trailing}
    simulation = run(hours(100, 100, (99, 99, 50, 50)), long_entry=(0,), numbers=numbers)
    assert last_fill(simulation)[2] == reason


def test_leg_moves_the_levels_with_the_mean_price() -> None:
    bars = hours(100, 100, 80, (80, 80, 72.1, 75), (75, 75, 72, 75))
    # Mean of 100 and 80 is 90: a stop of 20 % lies at 72, no longer at 80.
    numbers = {"stop_loss": np.array([0.25, 0.01, np.nan, np.nan, np.nan])}
    simulation = run(bars, model=FIXED, legs=2, long_entry=(0, 1), numbers=numbers)
    assert len(simulation.fills) == 2
    assert simulation.trades["entry_price"][0] == 90.0
    deeper = hours(100, 100, 80, (80, 80, 67.5, 75), 75)
    stopped = run(deeper, model=FIXED, legs=2, long_entry=(0, 1), numbers=numbers)
    assert last_fill(stopped) == (3, -1, STOP, 67.5)


def test_stop_of_a_limit_entry_on_its_bar_counts_by_the_low() -> None:
    bars = hours(100, (100, 130, 80, 100))
    numbers = {**BOTH, "limit_price": 95.0}
    simulation = run(bars, long_entry=(0,), numbers=numbers)
    assert last_fill(simulation) == (1, -1, STOP, 85.5)


@pytest.mark.parametrize(("close", "fills"), [(104.4, 1), (104.5, 2)])
def test_target_of_a_limit_entry_on_its_bar_counts_by_the_close(close: float, fills: int) -> None:
    # Whether the high of 130 came after the fill at 95 nobody knows; the close did.
    bars = hours(100, (100, 130, 94, close))
    numbers = {**BOTH, "limit_price": 95.0}
    assert len(run(bars, model=TICKS, long_entry=(0,), numbers=numbers).fills) == fills


def test_best_price_of_a_limit_entry_starts_with_the_close_of_its_bar() -> None:
    bars = hours(100, (100, 130, 94, 100), (100, 100, 91, 95))
    numbers = {"trailing_stop": 0.1, "limit_price": 95.0}
    assert len(run(bars, long_entry=(0,), numbers=numbers).fills) == 1  # not 10 % under 130


@pytest.mark.parametrize(("limit", "legs"), [(95.0, 2), (90.0, 1), (85.0, 1)])
def test_limit_leg_fills_only_if_nearer_than_the_stop(limit: float, legs: int) -> None:
    bars = hours(100, 100, (100, 100, 80, 90))
    limits = np.array([np.nan, limit, np.nan])
    numbers = {"stop_loss": 0.1, "limit_price": limits}
    simulation = run(bars, model=FIXED, legs=2, long_entry=(0, 1), numbers=numbers)
    assert simulation.trades["legs"][0] == legs
    level = 97.5 * 0.9 if legs == 2 else 90.0
    assert last_fill(simulation) == (2, -1, STOP, level)


@pytest.mark.parametrize(("limit", "reason"), [(105.0, int(Reason.REVERSAL)), (110.0, TARGET)])
def test_limit_reversal_fills_only_if_nearer_than_the_target(limit: float, reason: int) -> None:
    bars = hours(100, 100, (100, 111, 99, 104))
    limits = np.array([np.nan, limit, np.nan])
    numbers = {"take_profit": np.array([0.1, np.nan, np.nan]), "limit_price": limits}
    simulation = run(bars, model=FIXED, long_entry=(0,), short_entry=(1,), numbers=numbers)
    assert last_fill(simulation)[2:] == (reason, limit)


def test_short_is_liquidated_where_its_equity_is_gone() -> None:
    # 10 sold at 100 leave 2000 in cash, which buy them back at 200 and not a cent higher.
    simulation = run(hours(100, 100, (150, 250, 150, 160), 160), short_entry=(0,))
    assert last_fill(simulation) == (2, 1, LIQUIDATION, 200.0)
    assert simulation.equity.tolist() == [1000, 1000, 0, 0]


def test_gap_beyond_liquidation_leaves_zero_and_the_venue_the_rest() -> None:
    simulation = run(hours(100, 100, 300, 300), short_entry=(0, 2))
    assert last_fill(simulation) == (2, 1, LIQUIDATION, 300.0)
    assert simulation.equity.tolist() == [1000, 1000, 0, 0]
    assert simulation.trades["pnl"].tolist() == [-1000.0]
    assert simulation.sums["rejected"][0] == 1  # nothing left to enter with


def test_leveraged_long_is_liquidated_at_its_maintenance() -> None:
    model = model_of(
        rules={"leverage": 5, "maintenance_ratio": 0.05}, sizing={"value": 5.0, "cap": 5.0}
    )
    simulation = run(hours(100, 100, (95, 95, 80, 90)), model=model, long_entry=(0,))
    # 50 units, 4000 owed: equity is 5 % of the value at 4000 / (50 * 0.95).
    level = 4000 / 47.5
    assert last_fill(simulation) == (2, -1, LIQUIDATION, pytest.approx(level))
    assert simulation.equity[-1] == pytest.approx(0.05 * 50 * level)


def test_stop_before_liquidation_is_the_one_that_counts() -> None:
    numbers = {"stop_loss": 0.5}
    simulation = run(hours(100, 100, (150, 250, 150, 160)), short_entry=(0,), numbers=numbers)
    assert last_fill(simulation) == (2, 1, STOP, 150.0)


def test_long_paid_in_full_is_never_liquidated() -> None:
    simulation = run(hours(100, 100, (1, 1, 0.0001, 0.5)), long_entry=(0,))
    assert len(simulation.fills) == 1


MINUTES = model_of({"intrabar": "minutes"}, rules={"tick": 0.01})


def halves(*rows: tuple[float, float, float, float]) -> FinerBars:
    table = np.array(rows, np.float64)
    open_, high, low, close = (np.ascontiguousarray(column) for column in table.T)
    return FinerBars(np.arange(len(rows)) * (HOUR_US // 2), open_, high, low, close)


QUIET = (100.0, 100.0, 100.0, 100.0)


def test_finer_bars_decide_which_of_stop_and_target_came_first() -> None:
    bars = hours(100, 100, (100, 115, 85, 100))
    finer = halves(*[QUIET] * 4, (100, 115, 99, 99), (99, 100, 85, 100))
    simulation = run(bars, model=MINUTES, long_entry=(0,), numbers=BOTH, finer=finer)
    assert last_fill(simulation) == (2, -1, TARGET, 110.0)
    assert last_fill(run(bars, long_entry=(0,), numbers=BOTH)) == (2, -1, STOP, 90.0)


def test_gap_between_finer_bars_fills_at_the_finer_open() -> None:
    bars = hours(100, 100, (100, 100, 80, 88))
    finer = halves(*[QUIET] * 4, (100, 100, 95, 96), (86, 88, 80, 88))
    simulation = run(bars, model=MINUTES, long_entry=(0,), numbers=BOTH, finer=finer)
    assert last_fill(simulation) == (2, -1, STOP, 86.0)


def test_trailing_stop_moves_from_finer_bar_to_finer_bar() -> None:
    numbers = {"trailing_stop": 0.1}
    bars = hours(100, 100, (100, 120, 100, 118))
    finer = halves(*[QUIET] * 4, (100, 120, 100, 119), (119, 119, 105, 118))
    simulation = run(bars, model=MINUTES, long_entry=(0,), numbers=numbers, finer=finer)
    assert last_fill(simulation) == (2, -1, TRAILING, 108.0)


@pytest.mark.parametrize("low", [86.0, 84.0])
def test_finer_bars_that_do_not_cover_the_bar_are_not_believed(low: float) -> None:
    bars = hours(100, 100, (100, 115, 85, 100))
    finer = halves(*[QUIET] * 4, (100, 115, 99, 99), (99, 100, low, 100))
    simulation = run(bars, model=MINUTES, long_entry=(0,), numbers=BOTH, finer=finer)
    assert last_fill(simulation) == (2, -1, STOP, 90.0)


def test_bar_without_finer_bars_decides_by_itself() -> None:
    bars = hours(100, 100, (100, 115, 85, 100))
    simulation = run(bars, model=MINUTES, long_entry=(0,), numbers=BOTH, finer=halves(*[QUIET] * 4))
    assert last_fill(simulation) == (2, -1, STOP, 90.0)

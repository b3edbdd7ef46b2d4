"""What a decision on a closed bar asks for (docs/concepts/fills.md, 1), by examples by hand."""

from __future__ import annotations

import numpy as np
import pytest

from candela.fills.records import Reason
from tests.candela.fills.made import fills_of, hours, model_of, run

UP = hours(10, 20, 40, 50, 80)
SIGNAL, REVERSAL, LIMIT = int(Reason.SIGNAL), int(Reason.REVERSAL), int(Reason.LIMIT)


def test_entry_at_next_open_fills_one_bar_later() -> None:
    assert fills_of(run(UP, long_entry=(0,), long_exit=(2,))) == [
        (1, 1, SIGNAL, 50.0, 20.0),
        (3, -1, SIGNAL, 50.0, 50.0),
    ]


def test_entry_at_close_fills_on_its_own_bar() -> None:
    model = model_of({"fill": "close"})
    assert fills_of(run(UP, model=model, long_entry=(0,), long_exit=(2,))) == [
        (0, 1, SIGNAL, 100.0, 10.0),
        (2, -1, SIGNAL, 100.0, 40.0),
    ]


def test_entry_on_the_last_bar_is_never_filled() -> None:
    assert fills_of(run(UP, long_entry=(4,))) == []
    assert run(UP, long_entry=(4,)).sums["rejected"][0] == 0


def test_entry_while_holding_the_same_side_does_nothing() -> None:
    assert len(fills_of(run(UP, long_entry=(0, 1, 2)))) == 1


def test_entry_and_exit_on_one_bar_are_both_ignored() -> None:
    assert fills_of(run(UP, long_entry=(0,), long_exit=(0,))) == []
    held = run(UP, long_entry=(0, 2), long_exit=(2,))
    assert len(held.fills) == 1


def test_entries_of_both_sides_on_one_bar_are_both_ignored() -> None:
    assert fills_of(run(UP, long_entry=(0,), short_entry=(0,))) == []


def test_exit_beside_two_contrary_entries_still_counts() -> None:
    fills = fills_of(run(UP, long_entry=(0,), short_entry=(2,), long_exit=(2,), short_exit=(2,)))
    # Short entry and exit cancel each other; the exit of the long is left.
    assert fills[1][:3] == (3, -1, SIGNAL)


def test_exit_while_flat_does_nothing() -> None:
    assert fills_of(run(UP, long_exit=(0, 1), short_exit=(2,))) == []


def test_opposite_entry_while_holding_reverses_in_one_fill() -> None:
    simulation = run(hours(10, 20, 20, 10, 10), long_entry=(0,), short_entry=(2,))
    # 50 bought at 20; at 10 they are worth 500, and 50 are sold short for as much.
    assert fills_of(simulation) == [(1, 1, SIGNAL, 50.0, 20.0), (3, -1, REVERSAL, 100.0, 10.0)]
    assert simulation.position.tolist() == [0, 50, 50, -50, -50]
    assert simulation.trades["reason"].tolist() == [REVERSAL, int(Reason.STILL_OPEN)]
    assert simulation.trades["pnl"].tolist() == [-500.0, 0.0]


def test_reversal_whose_new_half_is_rejected_only_closes() -> None:
    model = model_of(rules={"minimum_notional": 600.0})
    simulation = run(hours(10, 20, 20, 10, 10), model=model, long_entry=(0,), short_entry=(2,))
    assert fills_of(simulation)[1] == (3, -1, REVERSAL, 50.0, 10.0)
    assert simulation.sums["rejected"][0] == 1


def test_reversal_takes_precedence_over_the_exit_of_its_bar() -> None:
    fills = fills_of(run(UP, long_entry=(0,), short_entry=(2,), long_exit=(2,)))
    assert fills[1][2] == REVERSAL


def test_leg_is_added_while_there_are_fewer() -> None:
    model = model_of(sizing={"kind": "fixed_units", "value": 2.0})
    simulation = run(UP, model=model, legs=2, long_entry=(0, 1, 2))
    assert fills_of(simulation) == [(1, 1, SIGNAL, 2.0, 20.0), (2, 1, SIGNAL, 2.0, 40.0)]
    trade = simulation.trades[0]
    assert (trade["legs"], trade["units"], trade["entry_price"]) == (2, 4.0, 30.0)


def test_leg_after_a_partial_exit_finds_no_freed_place() -> None:
    model = model_of(sizing={"kind": "fixed_units", "value": 2.0})
    simulation = run(
        UP, model=model, legs=1, long_entry=(0, 2), long_exit=(1,), numbers={"exit_fraction": 0.5}
    )
    assert fills_of(simulation) == [(1, 1, SIGNAL, 2.0, 20.0), (2, -1, SIGNAL, 1.0, 40.0)]


def test_partial_exit_keeps_the_trade_open() -> None:
    simulation = run(UP, long_entry=(0,), long_exit=(1, 2), numbers={"exit_fraction": 0.5})
    assert simulation.position.tolist() == [0, 50, 25, 12.5, 12.5]
    trade = simulation.trades[0]
    # 25 at 40, 12.5 at 50, and 12.5 still open at 80.
    assert trade["exit_price"] == pytest.approx((25 * 40 + 12.5 * 50 + 12.5 * 80) / 50)
    assert (trade["exit_bar"], trade["reason"]) == (-1, int(Reason.STILL_OPEN))
    assert trade["pnl"] == pytest.approx(25 * 20 + 12.5 * 30 + 12.5 * 60)


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_limit_entry_rests_for_the_next_bar_only(fill: str) -> None:
    bars = hours(10, (10, 11, 9, 10), (10, 11, 7, 10))
    model = model_of({"fill": fill})
    missed = run(bars, model=model, long_entry=(0,), numbers={"limit_price": 8.0})
    assert fills_of(missed) == []
    assert missed.sums["rejected"][0] == 0
    filled = run(bars, model=model, long_entry=(1,), numbers={"limit_price": 8.0})
    assert fills_of(filled) == [(2, 1, LIMIT, 125.0, 8.0)]


def test_limit_entry_touched_to_the_tick_is_filled() -> None:
    bars = hours(10, (10, 11, 9, 10))
    assert len(run(bars, long_entry=(0,), numbers={"limit_price": 9.0}).fills) == 1
    assert len(run(bars, short_entry=(0,), numbers={"limit_price": 11.0}).fills) == 1
    assert len(run(bars, long_entry=(0,), numbers={"limit_price": 8.999}).fills) == 0


def test_limit_entry_beyond_the_open_fills_at_the_open() -> None:
    bars = hours(10, (8, 11, 7, 10))
    assert fills_of(run(bars, long_entry=(0,), numbers={"limit_price": 9.0}))[0][4] == 8.0


def test_leg_whose_position_is_stopped_at_the_open_is_dropped() -> None:
    model = model_of(sizing={"kind": "fixed_units", "value": 1.0})
    simulation = run(
        hours(10, 10, 5), model=model, legs=2, long_entry=(0, 1), numbers={"stop_loss": 0.1}
    )
    assert [fill[:3] for fill in fills_of(simulation)] == [
        (1, 1, SIGNAL),
        (2, -1, int(Reason.STOP)),
    ]


def test_reversal_whose_position_is_stopped_at_the_open_is_dropped() -> None:
    simulation = run(
        hours(10, 10, 5), long_entry=(0,), short_entry=(1,), numbers={"stop_loss": 0.1}
    )
    assert simulation.position.tolist() == [0, 100, 0]


def test_partial_exit_that_would_leave_dust_closes_everything() -> None:
    fraction = np.array([1.0, 0.99, 0.95, 1.0, 1.0])
    simulation = run(UP, long_entry=(0,), long_exit=(1, 2), numbers={"exit_fraction": fraction})
    # Of 50 units 0.5 are left, and then 0.025: less than a thousandth.
    assert [fill[3] for fill in fills_of(simulation)] == [50.0, 49.5, 0.5]
    assert simulation.trades["exit_bar"][0] == 3

"""The quick simulator does what the full one does, on random bars, events and models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.fills.curves import curve_of_trades, fills_of_trades
from candela.fills.model import FillModel
from candela.fills.quick import Decisions, simulate_quick
from candela.fills.records import Reason
from candela.metrics.trades import sums_of_trades
from strategies.bars import Bars
from tests.backtest.quick_cases import CASH, NAMES, Case, bars_of, quick_cases

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(MANY, max_examples=100)


def assert_same_numbers(ours: Any, theirs: Any, name: str) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)


def assert_same_records(ours: npt.NDArray[np.void], theirs: npt.NDArray[np.void]) -> None:
    """Whole numbers exactly, the others to nine digits; small differences of large sums fewer."""
    assert len(ours) == len(theirs)
    for name in theirs.dtype.names or ():
        if theirs.dtype[name].kind == "i":
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        else:
            assert_same_numbers(ours[name], theirs[name], name)


def test_gap_through_stop_and_cash_of_a_short_leaves_nothing_owed() -> None:
    open_ = np.array([10.0, 10.0, 30.0, 30.0])
    close = np.array([10.0, 10.0, 30.0, 30.0])
    case = short_at_the_first_bar(bars_of(open_, open_, close, close), stop=0.1)
    for trades in (case.quick().trades, case.full().trades):
        assert trades["reason"].tolist() == [Reason.STOP]
        assert trades["pnl"].tolist() == [-CASH]


def test_fills_of_an_entry_stopped_in_its_own_bar_come_in_order() -> None:
    open_ = np.array([10.0, 10.0, 10.0])
    case = short_at_the_first_bar(bars_of(open_, open_ + 2.0, open_, open_), stop=0.1)
    fills = fills_of_trades(case.quick().trades, 0.0, 0.0, 0.0)
    assert fills["bar"].tolist() == [1, 1]
    assert fills["side"].tolist() == [-1, 1]
    assert_same_records(fills, case.full().fills)


def short_at_the_first_bar(bars: Bars, stop: float) -> Case:
    never = np.zeros(len(bars), np.bool_)
    first = np.arange(len(bars)) == 0
    masks = {name: first if name == "short_entry" else never for name in NAMES}
    return Case("by hand", bars, masks, FillModel(), stop, np.nan)


@MANY
@given(quick_cases())
def test_trades_of_any_quick_case_equal_those_of_the_full_simulation(case: Case) -> None:
    quick, full = case.quick(), case.full()
    assert_same_records(quick.trades, full.trades)
    assert_same_records(quick.trade_sums, sums_of_trades(full.trades))


@MANY
@given(quick_cases())
def test_sums_of_any_quick_case_equal_those_of_the_full_curve(case: Case) -> None:
    assert_same_records(case.quick().sums, case.full().sums)


@SOME
@given(quick_cases())
def test_curves_of_any_quick_case_equal_those_of_the_full_simulation(case: Case) -> None:
    quick, full = case.quick(), case.full()
    costs = case.model.costs
    equity, position = np.empty(len(case.bars)), np.empty(len(case.bars))
    taker, slippage = costs.taker_fee_bps / 1e4, (costs.slippage_bps + costs.spread_bps / 2) / 1e4
    curve_of_trades(quick.trades, case.bars.close, CASH, taker, equity, position)
    assert_same_numbers(equity, full.equity, "equity")
    assert_same_numbers(position, full.position, "position")
    fills = fills_of_trades(quick.trades, taker, costs.maker_bps / 1e4, slippage)
    assert_same_records(fills, full.fills)


@SOME
@given(quick_cases())
def test_sums_of_a_sweep_equal_those_of_a_run(case: Case) -> None:
    everything = case.quick()
    sweep = case.quick("sweep", with_trades=False)
    returns = case.quick("returns", with_trades=False)
    for name in ("sum_r3", "sum_r4"):
        assert np.isnan(sweep.sums[name]).all()
        sweep.sums[name] = everything.sums[name]
    assert_same_records(sweep.sums, everything.sums)
    assert_same_records(sweep.trade_sums, everything.trade_sums)
    for name in ("final", "orders", "rejected", "fees", "slippage", "traded"):
        assert_same_numbers(returns.sums[name], everything.sums[name], name)


@SOME
@given(quick_cases(), st.lists(st.sampled_from([np.nan, 0.01, 0.04, 0.3]), min_size=4, max_size=4))
def test_accounts_of_one_walk_equal_accounts_alone(case: Case, levels: list[float]) -> None:
    one, two, three, four = (np.flatnonzero(case.masks[name]) for name in NAMES)
    stops, targets = np.array(levels), np.array(levels[::-1])
    decisions = Decisions(one, two, three, four, stops, targets)
    many = simulate_quick(case.bars, decisions, case.model, CASH, with_trades=True)
    for number in range(4):
        alone = replace(case, stop=stops[number], target=targets[number]).quick()
        assert many.sums[number].tobytes() == alone.sums[0].tobytes()
        assert many.trade_sums[number].tobytes() == alone.trade_sums[0].tobytes()
        if number == 3:
            assert many.trades.tobytes() == alone.trades.tobytes()

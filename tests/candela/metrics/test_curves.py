"""Sums, returns, drawdown and spans under water of equity curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from candela.metrics.curves import BadEquity, drawdown_of, returns_of, sums_of, underwater_of

Floats = npt.NDArray[np.float64]

CURVE = np.array([101.0, 99.0, 99.0, 103.0, 103.0, 102.0])

# Tenths of a cent are far below what any test here looks at, and far above rounding.
CURVES = arrays.arrays(
    np.float64, st.integers(1, 60), elements=st.integers(1, 10**6).map(lambda value: value / 10)
)


def one(equity: Floats, initial: float = 100.0, position: Floats | None = None) -> dict[str, float]:
    sums = sums_of(equity, initial, position)
    assert sums.shape == (1,)
    return dict(zip(sums.dtype.names or (), sums.item(), strict=True))


def test_returns_of_curve_count_the_first_bar_against_initial_equity() -> None:
    expected = [0.01, 99 / 101 - 1, 0.0, 103 / 99 - 1, 0.0, 102 / 103 - 1]
    assert returns_of(CURVE, 100.0) == pytest.approx(expected, abs=1e-15)


def test_sums_of_curve_equal_plain_sums_of_its_returns() -> None:
    sums, returns = one(CURVE), returns_of(CURVE, 100.0)
    assert (sums["bars"], sums["initial"], sums["final"]) == (6, 100.0, 102.0)
    for power, name in enumerate(["sum_r", "sum_r2", "sum_r3", "sum_r4"], start=1):
        assert sums[name] == pytest.approx((returns**power).sum(), rel=1e-12)
    assert sums["sum_down2"] == pytest.approx((np.minimum(returns, 0) ** 2).sum(), rel=1e-12)


def test_sums_of_curve_hold_depth_and_length_of_drawdown() -> None:
    sums = one(CURVE)
    assert sums["max_drawdown"] == pytest.approx(2 / 101)
    assert sums["longest_drawdown"] == 2


def test_drawdown_of_curve_below_its_start_counts_initial_equity_as_peak() -> None:
    falling = np.array([90.0, 95.0, 99.0])
    assert drawdown_of(falling, 100.0) == pytest.approx([0.1, 0.05, 0.01])
    assert one(falling)["max_drawdown"] == pytest.approx(0.1)
    assert one(falling)["longest_drawdown"] == 3


def test_drawdown_of_equity_resting_on_its_peak_is_none() -> None:
    assert one(np.array([100.0, 100.0, 110.0, 110.0]))["longest_drawdown"] == 0
    assert underwater_of(np.array([100.0, 110.0, 110.0]), 100.0).size == 0


def test_underwater_of_curve_lists_every_span_in_order() -> None:
    spans = underwater_of(CURVE, 100.0)
    assert spans[["start", "trough", "recovery", "bars"]].tolist() == [(1, 1, 3, 2), (5, 5, -1, 1)]
    assert spans["depth"] == pytest.approx([2 / 101, 1 / 103])


def test_exposure_of_position_counts_bars_held_and_is_unknown_without() -> None:
    position = np.array([0.0, 1.0, -2.0, 0.0, 0.0, 1e-9])
    assert one(CURVE, position=position)["exposed"] == 3
    assert one(CURVE)["exposed"] == -1


def test_sums_of_no_bar_leave_the_initial_equity() -> None:
    sums = one(np.empty(0))
    assert (sums["bars"], sums["final"], sums["max_drawdown"]) == (0, 100.0, 0.0)


def test_curve_reaching_nothing_returns_nothing_afterwards() -> None:
    ruined = np.array([50.0, 0.0, 0.0, 10.0])
    assert returns_of(ruined, 100.0).tolist() == [-0.5, -1.0, 0.0, 0.0]
    assert one(ruined)["max_drawdown"] == 1.0
    assert one(ruined)["sum_r"] == -1.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01])
@pytest.mark.parametrize("bar", [0, 3, 5])
def test_curve_with_bad_value_is_refused_naming_the_bar(value: float, bar: int) -> None:
    bad = CURVE.copy()
    bad[bar] = value
    for read in (sums_of, returns_of, drawdown_of, underwater_of):
        with pytest.raises(BadEquity, match=rf"Equity is {value} at bar {bar},"):
            read(bad, 100.0)


@pytest.mark.parametrize("initial", [0.0, -5.0, np.nan, np.inf])
def test_curve_with_bad_initial_equity_is_refused_naming_it(initial: float) -> None:
    for read in (sums_of, returns_of, drawdown_of, underwater_of):
        with pytest.raises(BadEquity, match=rf"initial equity is {initial},"):
            read(CURVE, initial)


def test_sums_of_positions_of_other_length_are_refused_naming_both() -> None:
    with pytest.raises(BadEquity, match="5 positions for 6 bars"):
        sums_of(CURVE, 100.0, CURVE[:5])


def test_sums_of_slice_whole_numbers_or_read_only_equal_those_of_floats() -> None:
    wide = np.repeat(CURVE, 2)[::2]
    frozen = CURVE.copy()
    frozen.flags.writeable = False
    whole: Any = CURVE.astype(np.int64)
    for same in (wide, whole, frozen):
        assert one(same) == one(CURVE)


@given(CURVES, st.integers(1, 10**6))
def test_sums_of_any_curve_agree_with_its_drawdown_and_spans(equity: Floats, initial: int) -> None:
    sums = one(equity, float(initial))
    drawdown = drawdown_of(equity, float(initial))
    spans = underwater_of(equity, float(initial))
    assert ((drawdown >= 0) & (drawdown <= 1)).all()
    assert sums["max_drawdown"] == pytest.approx(drawdown.max(), rel=1e-12)
    assert sums["longest_drawdown"] == max(spans["bars"], default=0)
    assert spans["bars"].sum() == (drawdown > 0).sum()
    for span in spans:
        stop = span["start"] + span["bars"]
        assert span["recovery"] == (stop if stop < equity.size else -1)
        assert span["depth"] == pytest.approx(drawdown[span["start"] : stop].max(), rel=1e-12)
        assert span["depth"] == pytest.approx(drawdown[span["trough"]], rel=1e-12)


@given(CURVES, st.data())
def test_sums_of_any_split_add_up_to_those_of_the_whole(
    equity: Floats, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, equity.size))
    before, after = one(equity[:at]), one(equity[at:], float(equity[at - 1]))
    whole = one(equity)
    for name in ("bars", "sum_r", "sum_r2", "sum_r3", "sum_r4", "sum_down2"):
        assert before[name] + after[name] == pytest.approx(whole[name], rel=1e-9, abs=1e-9)
    assert after["final"] == whole["final"]
    assert max(before["max_drawdown"], after["max_drawdown"]) <= whole["max_drawdown"] + 1e-12
    assert max(before["longest_drawdown"], after["longest_drawdown"]) <= whole["longest_drawdown"]


@given(CURVES, st.integers(-20, 20))
def test_sums_of_any_curve_in_another_currency_stay_the_same(equity: Floats, power: int) -> None:
    # Powers of two scale without rounding, so nothing but the amounts may change.
    factor = 2.0**power
    scaled, plain = one(equity * factor, 100.0 * factor), one(equity)
    assert scaled.pop("initial") == plain.pop("initial") * factor
    assert scaled.pop("final") == plain.pop("final") * factor
    assert scaled == plain

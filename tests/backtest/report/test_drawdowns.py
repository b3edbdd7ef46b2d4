"""Drawdowns are those that a walk over the equity finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.report.drawdowns import Drawdown, under_water, worst_drawdowns

CURVES = st.lists(st.integers(50, 150), min_size=1, max_size=60)


def test_falls_of_a_known_curve_are_those_worked_by_hand() -> None:
    equity = np.array([90.0, 100.0, 110.0, 55.0, 66.0, 110.0, 120.0, 108.0])
    assert [
        (one.peak, one.trough, one.recovered, round(one.depth_ratio, 12))
        for one in worst_drawdowns(equity, 100.0)
    ] == [(2, 3, 5, 0.5), (-1, 0, 1, 0.1), (6, 7, None, 0.1)]


def test_curve_that_never_falls_has_no_drawdown() -> None:
    assert worst_drawdowns(np.array([100.0, 100.0, 101.0]), 100.0) == []
    assert worst_drawdowns(np.array([]), 100.0) == []


def test_fall_to_nothing_is_a_whole_one() -> None:
    assert worst_drawdowns(np.array([50.0, 0.0]), 100.0)[0].depth_ratio == 1.0


@settings(deadline=None)
@given(curve=CURVES)
def test_water_always_equals_a_walk_over_the_curve(curve: list[int]) -> None:
    equity = np.array(curve, dtype=np.float64)
    peak, expected = 100.0, list[float]()
    for value in curve:
        peak = max(peak, value)
        expected.append(value / peak - 1)
    assert under_water(equity, 100.0).tolist() == pytest.approx(expected)


@settings(deadline=None)
@given(curve=CURVES)
def test_falls_never_overlap_and_cover_every_bar_under_water(curve: list[int]) -> None:
    equity = np.array(curve, dtype=np.float64)
    falls = worst_drawdowns(equity, 100.0, most=100)
    covered: list[int] = []
    for fall in falls:
        end = len(equity) if fall.recovered is None else fall.recovered
        assert fall.peak < fall.trough < end
        covered += range(fall.peak + 1, end)
    assert sorted(covered) == np.flatnonzero(under_water(equity, 100.0) < 0).tolist()
    depths = [fall.depth_ratio for fall in falls]
    assert depths == sorted(depths, reverse=True)
    assert max(depths, default=0.0) == pytest.approx(-under_water(equity, 100.0).min())


def test_list_of_falls_ends_after_the_number_asked_for() -> None:
    ladder = np.array([100.0, 99, 101, 98, 102, 97, 103, 96, 104])
    found = worst_drawdowns(ladder, 100.0, most=2)
    assert found == [
        Drawdown(peak=6, trough=7, recovered=8, depth_ratio=1 - 96 / 103),
        Drawdown(peak=4, trough=5, recovered=6, depth_ratio=1 - 97 / 102),
    ]

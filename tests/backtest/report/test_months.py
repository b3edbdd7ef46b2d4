"""Returns by month add up to the whole, whatever the months."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.report.months import monthly_returns


def times(*days: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(list(days), dtype="datetime64[us]").astype(np.int64)


def test_returns_of_known_months_are_those_worked_by_hand() -> None:
    time = times("2023-11-30T23:00", "2023-12-01", "2023-12-31", "2024-02-01")
    years = monthly_returns(time, np.array([110.0, 100.0, 121.0, 60.5]), 100.0)
    assert [year.year for year in years] == [2023, 2024]
    assert years[0].months[10:] == pytest.approx((0.1, 0.1))
    assert years[0].total == pytest.approx(0.21)
    assert years[1].months[1] == pytest.approx(-0.5)
    assert years[1].total == pytest.approx(-0.5)
    assert all(math.isnan(one) for one in (*years[0].months[:10], years[1].months[0]))


def test_months_before_1970_belong_to_their_own_year() -> None:
    years = monthly_returns(times("1969-12-31", "1970-01-01"), np.array([2.0, 3.0]), 1.0)
    assert [(year.year, year.total) for year in years] == [(1969, 1.0), (1970, 0.5)]


def test_months_after_ruin_are_undefined() -> None:
    years = monthly_returns(times("2024-01-01", "2024-02-01"), np.array([0.0, 0.0]), 1.0)
    assert years[0].months[0] == -1.0
    assert math.isnan(years[0].months[1])
    assert years[0].total == -1.0


def test_no_bars_have_no_months() -> None:
    assert monthly_returns(times(), np.array([]), 1.0) == []


@settings(deadline=None)
@given(
    gaps=st.lists(st.integers(1, 2_000), min_size=1, max_size=60),
    seed=st.integers(0, 1_000),
)
def test_returns_of_all_months_always_multiply_to_the_total(gaps: list[int], seed: int) -> None:
    start = datetime(2021, 11, 5, tzinfo=UTC)
    hours = np.cumsum(gaps).tolist()
    time = times(*((start + timedelta(hours=hour)).strftime("%Y-%m-%dT%H") for hour in hours))
    equity = np.random.default_rng(seed).uniform(50, 150, len(gaps))
    years = monthly_returns(time, equity, 100.0)
    months = [one for year in years for one in year.months if not math.isnan(one)]
    assert math.prod(1 + one for one in months) == pytest.approx(equity[-1] / 100.0)
    assert math.prod(1 + year.total for year in years) == pytest.approx(equity[-1] / 100.0)

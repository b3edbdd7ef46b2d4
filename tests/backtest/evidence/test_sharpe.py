# pyright: reportUnknownMemberType=false
"""Sharpe ratios against the numbers that the papers print."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence.samples import BadEvidenceOption, BadReturns, TooFewReturns
from backtest.evidence.sharpe import (
    deflated_sharpe,
    expected_maximum,
    independent_trials,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_error,
)

# "The Sharpe Ratio Efficient Frontier" (2012), section 3: a fund's 24 months.
FUND = {"skewness": -2.448, "kurtosis": 10.164}
# "The Deflated Sharpe Ratio" (2014), "A numerical example": 2.5 a year on five years of 250 days.
DAY = 1.0 / math.sqrt(250)
FOUND = 2.5 * DAY
VARIANCE = 0.5 / 250


@pytest.mark.parametrize(
    ("count", "shape", "printed"),
    [(24, {}, 0.982), (24, FUND, 0.913)],
)
def test_probabilistic_sharpe_on_the_papers_fund_is_the_printed_one(
    count: int, shape: dict[str, float], printed: float
) -> None:
    assert probabilistic_sharpe(0.458, count, **shape) == pytest.approx(printed, abs=5e-4)


def test_probabilistic_sharpe_on_the_papers_third_year_is_the_printed_one_cut_off() -> None:
    # The paper prints 0.953 for 0.95351.
    assert math.floor(1e3 * probabilistic_sharpe(0.458, 36, **FUND)) == 953


@pytest.mark.parametrize(
    ("periods", "shape", "years"),
    [
        (250, {}, 2.73),
        (52, {}, 2.83),
        (12, {}, 3.24),
        (12, {"skewness": -0.72, "kurtosis": 5.78}, 4.99),
    ],
)
def test_track_record_in_the_papers_section_5_is_as_long_as_printed(
    periods: int, shape: dict[str, float], years: float
) -> None:
    # A Sharpe ratio of 2 a year against 1, at 95 %: daily, weekly, monthly, monthly hedge funds.
    root = math.sqrt(periods)
    length = minimum_track_record(2.0 / root, against=1.0 / root, **shape)
    assert length / periods == pytest.approx(years, abs=5e-3)


def test_track_record_in_the_papers_table_is_as_long_as_printed() -> None:
    # 2012, the table of track records under the moments of hedge funds: 3 a year against 2.5.
    root = math.sqrt(12)
    length = minimum_track_record(3.0 / root, -0.72, 5.78, against=2.5 / root)
    assert length / 12 == pytest.approx(27.35, abs=5e-3)


def test_luck_of_the_papers_hundred_trials_is_the_printed_one() -> None:
    assert math.sqrt(VARIANCE) * expected_maximum(100) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("trials", "shape", "printed"),
    [
        (100, {"skewness": -3.0, "kurtosis": 10.0}, 0.9004),
        (46, {"skewness": -3.0, "kurtosis": 10.0}, 0.9505),
        (88, {}, 0.9505),
    ],
)
def test_deflated_sharpe_in_the_papers_example_is_the_printed_one(
    trials: int, shape: dict[str, float], printed: float
) -> None:
    found = deflated_sharpe(FOUND, 1250, trials=trials, variance=VARIANCE, **shape)
    assert found == pytest.approx(printed, abs=5e-5)


def test_expected_maximum_of_ten_normals_is_the_printed_one() -> None:
    # Bailey, Borwein, Lopez de Prado and Zhu, "Pseudo-Mathematics and Financial Charlatanism",
    # Notices of the AMS 61(5), 2014: 1.57 for ten trials.
    assert expected_maximum(10) == pytest.approx(1.57, abs=5e-3)


@pytest.mark.parametrize("trials", [20, 200, 1000])
def test_expected_maximum_beside_simulated_ones_agrees(trials: int) -> None:
    drawn = np.random.default_rng(1).standard_normal((4000, trials)).max(axis=1)
    assert expected_maximum(trials) == pytest.approx(drawn.mean(), abs=0.04)


@given(st.floats(1.5, 1e9))
def test_independent_trials_of_an_expected_maximum_are_those_that_made_it(trials: float) -> None:
    assert independent_trials(expected_maximum(trials)) == pytest.approx(trials, rel=1e-6)


def test_independent_trials_of_no_luck_are_one() -> None:
    assert independent_trials(-1.0) == pytest.approx(1.0)
    assert expected_maximum(1.0) == 0.0
    assert expected_maximum(1.05) == 0.0


@given(st.floats(0.01, 0.5), st.floats(-2.0, 1.0), st.floats(6.0, 20.0), st.floats(-0.2, 0.005))
def test_track_record_as_long_as_needed_has_just_the_confidence(
    sharpe: float, skewness: float, kurtosis: float, against: float
) -> None:
    count = minimum_track_record(sharpe, skewness, kurtosis, against=against, confidence=0.9)
    spread = sharpe_error(sharpe, 2, skewness, kurtosis)
    score = (sharpe - against) / (spread / math.sqrt(count - 1))
    assert NormalDist().cdf(score) == pytest.approx(0.9, abs=1e-9)


def test_moments_of_a_sample_are_those_of_another_library() -> None:
    from scipy import stats

    returns = np.random.default_rng(2).standard_t(4, 500) * 0.01 + 0.001
    own = moments(returns)
    assert own.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert own.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
    assert own.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.001, -3e-7])
def test_moments_of_returns_without_variance_are_undefined(value: float) -> None:
    own = moments(np.full(70, value))
    assert own.deviation == 0.0
    assert math.isnan(own.sharpe)
    assert math.isnan(probabilistic_sharpe(own.sharpe, 70, own.skewness, own.kurtosis))
    assert math.isnan(minimum_track_record(own.sharpe))


def test_track_record_below_its_rival_is_never_long_enough() -> None:
    assert minimum_track_record(0.1, against=0.1) == math.inf


def test_moments_of_bad_returns_are_refused_in_words() -> None:
    with pytest.raises(BadReturns, match="nan at row 1"):
        moments([0.1, math.nan])
    with pytest.raises(BadReturns, match=r"shape \(2, 1\)"):
        moments([[0.1], [0.2]])
    with pytest.raises(TooFewReturns, match="1 returns"):
        moments([0.1])


def test_sharpe_options_out_of_bounds_are_refused() -> None:
    with pytest.raises(BadEvidenceOption, match=r"best of 0\.5"):
        expected_maximum(0.5)
    with pytest.raises(BadEvidenceOption, match=r"variance of Sharpe ratios of -1"):
        deflated_sharpe(0.1, 100, trials=3, variance=-1.0)
    with pytest.raises(BadEvidenceOption, match=r"confidence of 1\.0"):
        minimum_track_record(0.1, confidence=1.0)
    with pytest.raises(BadEvidenceOption, match="1 returns"):
        sharpe_error(0.1, 1)

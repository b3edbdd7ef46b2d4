"""Break-even, edge and Kelly of a fixed payout."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.payout.breakeven import (
    BadPayout,
    break_even_rate,
    edge_ratio,
    expected_value,
    kelly_fraction,
    log_growth,
    win_rate_interval,
)

PAYOUTS = st.floats(0.01, 5.0)
RATES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(("payout", "rate"), [(1.0, 0.5), (0.8, 5 / 9), (0.25, 0.8), (3.0, 0.25)])
def test_break_even_rate_when_payout_known_then_published_figure(
    payout: float, rate: float
) -> None:
    assert break_even_rate(payout) == pytest.approx(rate, abs=1e-15)


@given(PAYOUTS, st.floats(0.0, 0.9))
def test_edge_when_win_rate_breaks_even_then_nothing_is_gained(
    payout: float, tie_rate: float
) -> None:
    assert edge_ratio(payout, break_even_rate(payout), tie_rate=tie_rate) == pytest.approx(
        0.0, abs=1e-14
    )
    # Of all contracts: wins, ties and losses add up to one, and wins pay for losses.
    wins = break_even_rate(payout, tie_rate=tie_rate)
    assert wins * payout == pytest.approx(1.0 - tie_rate - wins, abs=1e-12)


@given(st.floats(0.01, 1e6), PAYOUTS, RATES, st.floats(0.0, 0.99))
def test_expected_value_when_outcomes_are_enumerated_then_equal(
    stake: float, payout: float, win_rate: float, tie_rate: float
) -> None:
    decided = 1.0 - tie_rate
    outcomes = decided * win_rate * stake * payout - decided * (1.0 - win_rate) * stake
    found = expected_value(stake, payout, win_rate, tie_rate=tie_rate)
    assert found == pytest.approx(outcomes, abs=1e-12 * stake * (1.0 + payout))


@given(PAYOUTS, st.floats(0.01, 0.99))
def test_kelly_fraction_when_neighbours_are_tried_then_none_grows_faster(
    payout: float, win_rate: float
) -> None:
    best = kelly_fraction(payout, win_rate)
    at_best = log_growth(best, payout, win_rate)
    for other in (best * 0.9, min(best + 0.01, 0.999), 0.0):
        assert log_growth(other, payout, win_rate) <= at_best + 1e-15
    assert (best > 0.0) == (edge_ratio(payout, win_rate) > 0.0)


def test_log_growth_when_all_is_staked_and_a_loss_possible_then_minus_infinity() -> None:
    assert log_growth(1.0, 0.8, 0.9) == -math.inf
    assert log_growth(1.0, 0.8, 1.0) == pytest.approx(math.log(1.8))


def test_win_rate_interval_when_published_example_then_equal() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (wins, decided), bounds in published.items():
        assert win_rate_interval(wins, decided) == pytest.approx(bounds, abs=5e-5)
    assert win_rate_interval(20, 20)[1] == 1.0
    assert tuple(win_rate_interval(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize("payout", [0.0, -0.5, math.nan, math.inf, 85_000.0])
def test_payout_when_impossible_then_refused_with_its_value(payout: float) -> None:
    with pytest.raises(BadPayout, match=str(payout)):
        break_even_rate(payout)


def test_rates_when_impossible_then_refused_with_their_value() -> None:
    with pytest.raises(BadPayout, match=r"54\.0"):
        edge_ratio(0.8, 54.0)
    with pytest.raises(BadPayout, match="nan"):
        expected_value(1.0, 0.8, 0.5, tie_rate=math.nan)
    with pytest.raises(BadPayout, match="3 wins of 2"):
        win_rate_interval(3, 2)
    with pytest.raises(BadPayout, match="-1"):
        expected_value(-1.0, 0.8, 0.5)

"""Ruin of a ladder equals the full enumeration of all sequences."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.payout.breakeven import BadPayout
from candela.payout.ladder import Ladder
from candela.payout.long_run import expected_rounds_to_ruin, ruin_bound, ruin_ever
from candela.payout.ruin import Horizon, LadderTooLarge, ruin_at_most, ruin_within
from tests.candela.payout.enumerating import enumerate_ladder

if TYPE_CHECKING:
    from candela.payout.ladder import WhenShort


def ladder(
    *,
    bankroll: str = "1000",
    first: str = "5",
    steps: int = 6,
    payout: str = "0.85",
    factor: str = "2",
    when_short: WhenShort = "stop",
    money_step: str = "0.01",
    max_stake: str | None = None,
) -> Ladder:
    return Ladder(
        first_stake=Decimal(first),
        payout=Decimal(payout),
        bankroll=Decimal(bankroll),
        factor=Decimal(factor),
        steps=steps,
        when_short=when_short,
        money_step=Decimal(money_step),
        max_stake=None if max_stake is None else Decimal(max_stake),
    )


LADDERS = st.builds(
    ladder,
    bankroll=st.integers(1, 200).map(str),
    first=st.sampled_from(["1", "2.5", "7", "0.37"]),
    steps=st.integers(1, 12),
    payout=st.sampled_from(["0.85", "0.8", "1", "0.333333", "2.5"]),
    factor=st.sampled_from(["1", "1.5", "2", "2.3", "3"]),
    when_short=st.sampled_from(["stop", "rest"]),
    max_stake=st.sampled_from([None, "10", "64"]),
)


def assert_equal_to_enumeration(
    one: Ladder, found: Horizon, win_rate: Fraction, tie_rate: Fraction
) -> None:
    exact = enumerate_ladder(one, win_rate, found.rounds, tie_rate)
    assert np.abs(found.ruin - [float(value) for value in exact.ruin]).max() <= 1e-12
    money = {float(units * one.money_step): float(p) for units, p in exact.endings.items()}
    assert sorted(money) == found.bankrolls.tolist()
    for bankroll, chance in zip(found.bankrolls, found.probabilities, strict=True):
        assert chance == pytest.approx(money[bankroll], abs=1e-12)
    mean = float(sum(units * p for units, p in exact.endings.items()) * Fraction(one.money_step))
    assert found.expected_bankroll == pytest.approx(mean, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(LADDERS, st.integers(0, 9), st.fractions(0, 1, max_denominator=20))
def test_ruin_within_when_every_sequence_is_enumerated_then_equal(
    one: Ladder, rounds: int, win_rate: Fraction
) -> None:
    found = ruin_within(one, float(win_rate), rounds)
    assert_equal_to_enumeration(one, found, win_rate, Fraction(0))


@settings(max_examples=25, deadline=None)
@given(
    LADDERS,
    st.integers(0, 6),
    st.fractions(0, 1, max_denominator=20),
    st.fractions(Fraction(1, 20), Fraction(9, 10), max_denominator=20),
)
def test_ruin_within_when_ties_are_enumerated_then_equal(
    one: Ladder, rounds: int, win_rate: Fraction, tie_rate: Fraction
) -> None:
    found = ruin_within(one, float(win_rate), rounds, tie_rate=float(tie_rate))
    assert_equal_to_enumeration(one, found, win_rate, tie_rate)


@pytest.mark.parametrize("steps", [1, 3, 6, 12])
@pytest.mark.parametrize("when_short", ["stop", "rest"])
def test_ruin_within_when_twelve_rounds_are_enumerated_then_equal(
    steps: int, when_short: WhenShort
) -> None:
    # A bankroll of 4,095 pays a ladder of twelve stakes from 1 to 2,048 exactly once.
    one = ladder(bankroll="4095", first="1", steps=steps, when_short=when_short)
    found = ruin_within(one, 0.52, 12)
    assert_equal_to_enumeration(one, found, Fraction(0.52), Fraction(0))


@pytest.mark.parametrize("when_short", ["stop", "rest"])
def test_ruin_within_when_eight_rounds_with_ties_are_enumerated_then_equal(
    when_short: WhenShort,
) -> None:
    one = ladder(bankroll="20", first="1", steps=8, when_short=when_short)
    found = ruin_within(one, 0.45, 8, tie_rate=0.125)
    assert_equal_to_enumeration(one, found, Fraction(0.45), Fraction(1, 8))
    assert found.ruin[-1] > 0.05


def test_ruin_within_when_a_whole_ladder_is_all_there_is_then_its_probability() -> None:
    # One ladder of n steps and nothing more: ruin within n rounds is losing all of them.
    one = ladder(bankroll="63", first="1", steps=6)
    found = ruin_within(one, 0.5, 6)
    assert found.ruin.tolist() == [0.0] * 6 + [0.5**6]


@settings(max_examples=20, deadline=None)
@given(
    st.builds(
        ladder,
        bankroll=st.integers(1, 200).map(str),
        steps=st.integers(1, 6),
        payout=st.sampled_from(["0.85", "1", "0.333333"]),
        factor=st.sampled_from(["1", "2", "2.3"]),
        when_short=st.sampled_from(["stop", "rest"]),
    ),
    st.floats(0.05, 0.95),
    st.floats(0.0, 0.5),
)
def test_ruin_within_when_rounds_are_many_then_a_growing_probability(
    one: Ladder, win_rate: float, tie_rate: float
) -> None:
    found = ruin_within(one, win_rate, 60, tie_rate=tie_rate)
    assert np.all(np.diff(found.ruin) >= 0.0)
    assert 0.0 <= found.ruin[0] <= found.ruin[-1] <= 1.0
    assert math.fsum(found.probabilities) == pytest.approx(1.0, abs=1e-12)
    assert found.bankrolls.min() >= 0.0
    assert found.at_most(found.bankrolls[-1]) == pytest.approx(1.0, abs=1e-12)
    assert found.quantile(0.0) == found.bankrolls[0]


def test_ruin_within_when_fair_then_the_bankroll_is_kept_on_average() -> None:
    # No system of stakes changes the expectation of a fair game.
    for when_short in ("stop", "rest"):
        one = ladder(payout="1", steps=5, bankroll="200", when_short=when_short)
        assert ruin_within(one, 0.5, 300).expected_bankroll == pytest.approx(200.0, rel=1e-12)


def test_ruin_within_when_the_rest_is_staked_then_never_sooner_than_stopping() -> None:
    stop = ruin_within(ladder(bankroll="400"), 0.5, 200)
    rest = ruin_within(ladder(bankroll="400", when_short="rest"), 0.5, 200)
    assert np.all(rest.ruin <= stop.ruin)
    assert rest.ruin[-1] < stop.ruin[-1]


def test_ruin_within_when_random_courses_are_drawn_then_within_their_error() -> None:
    # A second method, for lengths that nobody enumerates: 4,000 courses of 300 rounds.
    one, generator, courses = ladder(bankroll="400"), np.random.default_rng(7), 4_000
    ruined = 0
    for wins in generator.random((courses, 300)) < 0.52:
        bankroll, step = one.bankroll_units, 0
        for is_win in wins:
            if bankroll < one.stake_units[step]:
                break
            bankroll += one.profit_units[step] if is_win else -one.stake_units[step]
            step = 0 if is_win else (step + 1) % one.steps
        ruined += bankroll < one.stake_units[step]
    found = float(ruin_within(one, 0.52, 300).ruin[-1])
    assert abs(ruined / courses - found) < 4 * math.sqrt(found * (1 - found) / courses)


def test_ruin_within_when_states_are_too_many_then_refused_with_the_count() -> None:
    with pytest.raises(LadderTooLarge, match=r"million additions, at most 2,000"):
        ruin_within(ladder(bankroll="1000000", payout="0.853333"), 0.52, 5_000)
    with pytest.raises(LadderTooLarge, match="100,000 rounds"):
        ruin_within(ladder(), 0.52, 100_000)


def test_ruin_at_most_when_the_exact_one_is_known_then_not_below_it_and_close() -> None:
    for when_short in ("stop", "rest"):
        one = ladder(bankroll="300", first="2.5", payout="0.873", when_short=when_short)
        for win_rate in (0.48, 0.53, 0.56):
            exact = float(ruin_within(one, win_rate, 150, tie_rate=0.02).ruin[-1])
            bound = ruin_at_most(one, win_rate, 150, tie_rate=0.02, largest_work=5_000_000)
            assert exact <= bound
            assert bound <= exact * 1.5 + 0.01
    same = ladder(bankroll="300")
    assert ruin_at_most(same, 0.52, 150) == ruin_within(same, 0.52, 150).ruin[-1]
    with pytest.raises(LadderTooLarge, match="too many times"):
        ruin_at_most(ladder(bankroll="100000000"), 0.52, 1_000, largest_work=1_000_000)


@pytest.mark.parametrize(("win_rate", "tie_rate"), [(1.5, 0.0), (math.nan, 0.0), (0.5, 1.0)])
def test_ruin_within_when_rates_are_impossible_then_refused(
    win_rate: float, tie_rate: float
) -> None:
    with pytest.raises(BadPayout):
        ruin_within(ladder(), win_rate, 10, tie_rate=tie_rate)


def test_ruin_ever_when_fixed_stake_at_even_payout_then_the_gambler_s_closed_form() -> None:
    # One unit each time at a payout of 1: ((1 - p) / p) ** units, the classical gambler's ruin.
    one = ladder(bankroll="12", first="1", steps=1, payout="1", money_step="1")
    for win_rate in (0.51, 0.55, 0.7):
        closed = ((1.0 - win_rate) / win_rate) ** 12
        assert ruin_ever(one, win_rate) == pytest.approx(closed, rel=1e-12)


def test_expected_rounds_when_fixed_stake_at_even_payout_then_the_closed_form() -> None:
    one = ladder(bankroll="12", first="1", steps=1, payout="1", money_step="1")
    for win_rate in (0.0, 0.3, 0.45):
        assert expected_rounds_to_ruin(one, win_rate) == pytest.approx(
            12 / (1.0 - 2.0 * win_rate), rel=1e-12
        )
    assert expected_rounds_to_ruin(one, 0.45, tie_rate=0.2) == pytest.approx(150.0, rel=1e-12)
    assert expected_rounds_to_ruin(one, 0.5) == math.inf


@pytest.mark.parametrize("when_short", ["stop", "rest"])
def test_ruin_ever_when_rounds_grow_then_their_limit(when_short: WhenShort) -> None:
    one = ladder(
        bankroll="40", first="1", steps=3, payout="0.8", money_step="0.1", when_short=when_short
    )
    for win_rate in (0.65, 0.7):
        far = ruin_within(one, win_rate, 3_000)
        assert ruin_ever(one, win_rate) == pytest.approx(float(far.ruin[-1]), rel=1e-9)
        assert far.ruin[-1] <= ruin_bound(one, win_rate)
    far = ruin_within(one, 0.45, 3_000)
    assert ruin_ever(one, 0.45) == 1.0
    assert expected_rounds_to_ruin(one, 0.45) == pytest.approx(far.expected_rounds, rel=1e-9)


def test_ruin_ever_when_edges_are_extreme_then_defined() -> None:
    assert ruin_ever(ladder(), 0.0) == 1.0
    assert ruin_ever(ladder(), 1.0) == 0.0
    assert ruin_ever(ladder(bankroll="1"), 1.0) == 1.0
    assert ruin_ever(ladder(payout="1"), 0.5) == 1.0
    assert expected_rounds_to_ruin(ladder(), 1.0) == math.inf
    assert expected_rounds_to_ruin(ladder(bankroll="1"), 1.0) == 0.0
    assert expected_rounds_to_ruin(ladder(bankroll="315"), 0.0) == 6.0
    assert 0.0 <= ruin_bound(ladder(bankroll="315", steps=6), 1.0 - 1e-12) <= 1.0


def test_ruin_ever_when_the_edge_is_nearly_nothing_then_refused_and_bounded() -> None:
    one, win_rate = ladder(), 0.5406
    with pytest.raises(LadderTooLarge, match="matter to a ladder"):
        ruin_ever(one, win_rate)
    assert 0.99 < ruin_bound(one, win_rate) <= 1.0

"""The ladder's stakes in exact money, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.payout.ladder import BadLadder, Ladder, steps_per_unit


def built(**changes: Any) -> Ladder:
    values: dict[str, Any] = {
        "first_stake": Decimal(5),
        "payout": Decimal("0.85"),
        "bankroll": Decimal(1000),
    }
    return Ladder(**(values | changes))


def test_stakes_when_factor_is_two_then_doubled_up_to_the_largest() -> None:
    one = built(steps=6, max_stake=Decimal(100))
    assert [str(stake) for stake in one.stakes] == [
        "5.00", "10.00", "20.00", "40.00", "80.00", "100.00",
    ]  # fmt: skip
    assert one.capital == Decimal(255)
    assert one.largest_stake == Decimal(100)


def test_stakes_when_factor_is_odd_then_rounded_half_up_from_the_exact_one() -> None:
    one = built(first_stake=Decimal("0.10"), factor=Decimal("2.35"), steps=4)
    assert list(map(str, one.stakes)) == ["0.10", "0.24", "0.55", "1.30"]  # 0.235 0.55225 1.29779


def test_profits_when_payout_leaves_a_fraction_of_a_cent_then_rounded_down() -> None:
    one = built(first_stake=Decimal("0.99"), payout=Decimal("0.777777"), steps=2)
    assert one.profit_units == (76, 153)  # 76.99... and 153.99... cents
    assert one.nets == (Decimal("0.76"), Decimal("0.54"))


def test_values_when_floats_and_texts_then_read_as_the_decimals_they_show() -> None:
    assert built(payout=0.85, first_stake="5", bankroll=1000).payout_scaled == 850_000
    assert built(payout=0.85) == built()


@given(st.floats(0.0, 1.0), st.integers(1, 12), st.sampled_from(["0.5", "0.85", "1"]))
def test_expected_gain_when_enumerated_by_the_winning_step_then_equal(
    win_rate: float, steps: int, payout: str
) -> None:
    one = built(steps=steps, payout=Decimal(payout))
    lose = 1.0 - win_rate
    gain = sum(win_rate * lose**k * float(net) for k, net in enumerate(one.nets))
    gain -= lose**steps * float(one.capital)
    assert one.expected_gain(win_rate) == pytest.approx(gain, abs=1e-9)
    rounds = sum(win_rate * lose**k * (k + 1) for k in range(steps)) + lose**steps * steps
    assert one.expected_rounds(win_rate) == pytest.approx(rounds, rel=1e-12)
    assert one.loss_probability(win_rate) == lose**steps


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"first_stake": Decimal(0)}, "first_stake is a number above 0, not 0"),
        ({"first_stake": Decimal("0.005")}, "money steps of 0.01, not 0.005"),
        ({"bankroll": Decimal("NaN")}, "bankroll is a number above 0, not NaN"),
        ({"payout": "high"}, "payout is a number above 0, not high"),
        ({"payout": Decimal("0.8500001")}, "0.8500001"),
        ({"payout": Decimal(5000)}, "5000"),
        ({"factor": Decimal("0.5")}, "factor of 0.5"),
        ({"steps": 21}, "1 to 20 steps, not 21"),
        ({"steps": 0}, "not 0"),
        ({"max_stake": Decimal(1)}, "first stake 5 exceeds the largest stake allowed, 1"),
        ({"factor": Decimal(90), "steps": 20}, "beyond money"),
        ({"when_short": "borrow"}, "'borrow'"),
        ({"bankroll": Decimal(10) ** 20}, "money steps"),
    ],
)
def test_ladder_when_a_value_is_impossible_then_refused_with_it(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadLadder) as caught:
        built(**changes)
    assert said in caught.value.message
    assert caught.value.hint


def test_ladder_when_written_out_then_read_back_equal() -> None:
    one = built(steps=3, max_stake=Decimal(12), when_short="rest")
    assert Ladder(**one.as_dict()) == one  # pyright: ignore[reportArgumentType]


def test_money_when_steps_are_divided_then_the_decimals_they_show() -> None:
    assert 30 / steps_per_unit(Decimal("0.01")) == 0.3
    assert 3 / steps_per_unit(Decimal(5)) == 15.0

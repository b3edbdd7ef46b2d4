"""What a trader is shown, and the gate that refuses."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from candela.errors import Conflict
from candela.payout.assessment import HorizonNotAssessed, RuinCapExceeded, assess
from candela.payout.ladder import Ladder
from candela.payout.ruin import LadderTooLarge, ruin_within

LADDER = Ladder(first_stake=Decimal(5), payout=Decimal("0.85"), bankroll=Decimal(1000), steps=6)


def test_assess_when_there_is_no_edge_then_figures_are_those_of_the_enumeration() -> None:
    found = assess(LADDER, 0.52)
    within = ruin_within(LADDER, 0.52, 1_000)
    last = found.ruin_after(1_000)
    assert last.ruin == within.ruin[-1]
    assert last.expected_loss == Decimal(1000 - within.expected_bankroll).quantize(Decimal("0.01"))
    assert found.ruin_ever == 1.0
    assert not found.ruin_ever_is_bound
    assert found.kelly_fraction == 0.0
    assert found.capital == Decimal(315)
    assert found.largest_stake == Decimal(160)
    assert found.edge == pytest.approx(-0.038)
    assert found.expected_gain == Decimal(LADDER.expected_gain(0.52)).quantize(Decimal("0.01"))


def test_words_when_read_then_name_every_figure_that_matters() -> None:
    words = " ".join(assess(LADDER, 0.52).words)
    for figure in ("54.05 %", "52.00 %", "loses 3.80 %", "46.59 %", "422.54", "160.00", "315.00"):
        assert figure in words
    assert "Ruin is certain in the end." in words
    gaining = " ".join(assess(LADDER, 0.56).words)
    assert "gains 3.60 %" in gaining
    assert "without end: at most 29.25 %" in gaining
    fair = Ladder(first_stake=1, payout=1, bankroll=20, steps=3)  # pyright: ignore[reportArgumentType]
    assert "neither gains nor loses" in assess(fair, 0.5).words[0]


def test_words_when_probability_is_tiny_then_it_does_not_read_as_none() -> None:
    rich = Ladder(first_stake=Decimal(1), payout=Decimal("0.85"), bankroll=Decimal(1000), steps=6)
    assert "less than 0.0001 %" in assess(rich, 0.56).ruin_after(100).words
    short = Ladder(first_stake=Decimal(5), payout=Decimal("0.85"), bankroll=Decimal(100), steps=6)
    assert "cannot pay that once" in assess(short, 0.56).words[-1]


def test_words_when_every_stake_is_the_same_then_no_ladder_is_spoken_of() -> None:
    fixed = Ladder(first_stake=Decimal(5), payout=Decimal("0.85"), bankroll=Decimal(100), steps=1)
    words = assess(fixed, 0.52).words
    assert words[-1] == "Every stake is 5.00."
    assert "ladder" not in " ".join(words)


def test_rounds_to_ruin_when_states_are_few_then_said() -> None:
    small = Ladder(
        first_stake=Decimal(1), payout=Decimal("0.8"), bankroll=Decimal(40), steps=3,
        money_step=Decimal("0.1"),
    )  # fmt: skip
    found = assess(small, 0.5)
    assert found.expected_rounds_to_ruin == pytest.approx(224.448, abs=1e-3)
    assert "after 224 rounds on average" in " ".join(found.words)


def test_assess_when_the_rest_is_staked_over_too_many_states_then_the_bound_of_stopping() -> None:
    rest = Ladder(
        first_stake=Decimal(5), payout=Decimal("0.85"), bankroll=Decimal(1000), steps=6,
        when_short="rest",
    )  # fmt: skip
    found = assess(rest, 0.52).ruin_after(1_000)
    assert found.is_bound
    assert found.ruin == assess(LADDER, 0.52).ruin_after(1_000).ruin
    assert found.expected_loss is None
    assert "at most 46.59 %" in found.words
    exact = assess(rest, 0.52).ruin_after(100)
    assert not exact.is_bound
    assert exact.ruin <= assess(LADDER, 0.52).ruin_after(100).ruin


def test_assess_when_payout_is_odd_then_a_bound_close_to_the_truth() -> None:
    odd = Ladder(
        first_stake=Decimal("2.5"), payout=Decimal("0.873"), bankroll=Decimal(1000), steps=6
    )
    found = assess(odd, 0.5).ruin_after(1_000)
    exact = float(ruin_within(odd, 0.5, 1_000, largest_work=10**10).ruin[-1])
    assert found.is_bound
    assert exact <= found.ruin <= exact * 1.2


def test_gate_when_ruin_is_above_the_cap_then_refused_with_the_numbers() -> None:
    found = assess(LADDER, 0.52)
    found.refuse_above(0.47)
    with pytest.raises(RuinCapExceeded) as caught:
        found.refuse_above(0.05)
    assert isinstance(caught.value, Conflict)
    assert caught.value.status == 409
    for number in ("46.59 %", "5.00 %", "52.00 %", "54.05 %", "1000", "315.00", "160.00"):
        assert number in caught.value.message
    assert "Without an edge" in str(caught.value.hint)
    with pytest.raises(RuinCapExceeded, match="fewer steps"):
        assess(LADDER, 0.56).refuse_above(0.05)
    found.refuse_above(0.05, rounds=100)


def test_gate_when_the_horizon_was_not_assessed_then_says_which_were() -> None:
    with pytest.raises(HorizonNotAssessed, match=r"500 rounds .* 100, 1,000"):
        assess(LADDER, 0.52).refuse_above(0.05, rounds=500)


def test_assess_when_states_are_too_many_then_refused_not_slow() -> None:
    vast = Ladder(
        first_stake=Decimal("0.01"), payout=Decimal("0.85"), bankroll=Decimal(10**9), steps=10
    )
    with pytest.raises(LadderTooLarge):
        assess(vast, 0.52)


def test_estimate_when_written_as_json_then_money_is_text_and_words_are_inside() -> None:
    found = assess(LADDER, 0.52, tie_rate=0.03)
    read = json.loads(json.dumps(found.as_dict()))
    assert read["capital"] == "315.00"
    assert read["ladder"]["first_stake"] == "5"
    assert read["within"][1]["rounds"] == 1_000
    assert read["words"] == list(found.words)

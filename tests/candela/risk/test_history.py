"""Settled trades in order: ladder, row of losses, day; whatever is repeated or comes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.risk.history import (
    Outcome,
    Settled,
    in_order,
    ladder_step,
    last_loss_at,
    loss_streak,
    outcome_of_pnl,
    realised_between,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
WORDS: dict[str, Outcome] = {"w": "win", "l": "loss", "d": "draw", "u": "unknown"}


def history(letters: str) -> list[Settled]:
    gains = {"w": Decimal(8), "l": Decimal(-10), "d": Decimal(0), "u": Decimal(0)}
    return [
        Settled(f"{minute:03}", START + timedelta(minutes=minute), WORDS[letter], gains[letter])
        for minute, letter in enumerate(letters)
    ]


@pytest.mark.parametrize(
    ("letters", "step"),
    [
        ("", 0), ("w", 0), ("l", 1), ("ll", 2), ("lll", 0), ("llll", 1), ("lwl", 1),
        ("ld", 1), ("d", 0), ("lu", None), ("lul", None), ("luw", 0), ("luwl", 1),
    ],
)  # fmt: skip
def test_ladder_after_a_history_then_on_this_step(letters: str, step: int | None) -> None:
    assert ladder_step(history(letters), 3) == step


@pytest.mark.parametrize(
    ("letters", "options", "step"),
    [
        ("lld", {"after_draw": "reset"}, 0),
        ("lldl", {"after_draw": "reset"}, 1),
        ("lu", {"after_unknown": "loss"}, 2),
        ("luu", {"after_unknown": "loss"}, 0),
        ("lud", {"after_draw": "reset"}, 0),
    ],
)
def test_ladder_when_draws_and_unknowns_are_declared_then_obeyed(
    letters: str, options: dict[str, Any], step: int
) -> None:
    assert ladder_step(history(letters), 3, **options) == step


@settings(deadline=None)
@given(
    st.text("wlldu", max_size=25),
    st.integers(1, 6),
    st.sampled_from(["stay", "reset"]),
    st.sampled_from(["wait", "loss"]),
    st.randoms(use_true_random=False),
)
def test_ladder_when_results_repeat_and_come_in_any_order_then_equal_to_recomputation(
    letters: str, steps: int, after_draw: Any, after_unknown: Any, random: Any
) -> None:
    told = history(letters)
    told += [random.choice(told) for _ in told]
    random.shuffle(told)
    # Another way: only what follows the last beginning counts.
    plain = letters.replace("u", "l") if after_unknown == "loss" else letters
    plain = plain.replace("d", "w" if after_draw == "reset" else "")
    tail = plain[plain.rfind("w") + 1 :]
    expected = None if "u" in tail else len(tail) % steps
    assert ladder_step(told, steps, after_draw=after_draw, after_unknown=after_unknown) == expected
    since_win = told if "w" not in letters else [
        trade for trade in told if trade.trade_id >= f"{letters.rfind('w'):03}"
    ]  # fmt: skip
    assert (
        ladder_step(since_win, steps, after_draw=after_draw, after_unknown=after_unknown)
        == expected
    )


def test_result_when_unknown_first_and_known_later_then_known() -> None:
    unknown, known = Settled("1", START, "unknown"), Settled("1", START, "loss", Decimal(-5))
    for told in ([unknown, known], [known, unknown], [known, unknown, known]):
        assert in_order(told) == [known]


def test_results_when_they_contradict_each_other_then_unknown_and_nothing_is_staked() -> None:
    won, lost = Settled("1", START, "win", Decimal(8)), Settled("1", START, "loss", Decimal(-10))
    for told in ([won, lost], [lost, won], [lost, won, lost]):
        assert [trade.outcome for trade in in_order(told)] == ["unknown"]
        assert ladder_step(told, 3) is None
        assert realised_between(told, START, START + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("letters", "streak"), [("", 0), ("ll", 2), ("lwl", 1), ("lldl", 3), ("lul", 2), ("llw", 0)]
)
def test_row_of_losses_when_draws_lie_between_then_goes_on(letters: str, streak: int) -> None:
    assert loss_streak(history(letters)) == streak


def test_row_of_losses_when_the_breaker_was_reset_then_counts_from_there() -> None:
    assert loss_streak(history("llll"), since=START + timedelta(minutes=2)) == 2
    assert loss_streak(history("llll"), since=START + timedelta(hours=1)) == 0


def test_last_loss_in_any_order_then_the_latest() -> None:
    assert last_loss_at(reversed(history("llwd"))) == START + timedelta(minutes=1)
    assert last_loss_at(history("wd")) is None


def test_day_of_repeated_results_then_each_counts_once_and_its_end_is_outside() -> None:
    told = history("wllw") * 2
    end = START + timedelta(minutes=3)
    assert realised_between(told, START, end) == Decimal(-12)
    assert realised_between(told, START, end + timedelta(microseconds=1)) == Decimal(-4)


@pytest.mark.parametrize(("pnl", "outcome"), [("0.01", "win"), ("-0.01", "loss"), ("0", "draw")])
def test_outcome_of_a_spot_trade_then_what_its_money_says(pnl: str, outcome: str) -> None:
    assert outcome_of_pnl(Decimal(pnl)) == outcome

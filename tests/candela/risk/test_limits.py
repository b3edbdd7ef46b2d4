"""Limits as they are configured: exact, closed, and refused with the value at fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from candela.payout.assessment import HorizonNotAssessed, assess
from candela.payout.ladder import BadLadder, Ladder
from candela.risk.facts import BarSeen, Halt
from candela.risk.history import Settled
from candela.risk.hours import BadTradingHours, UnknownZone
from candela.risk.limits import BadRiskLimits, Martingale, RiskLimits, limits_from
from candela.risk.martingale import NextStake, RuinNotAcceptable, acknowledge, next_stake
from candela.risk.policies import bar_action, wants_flatten
from tests.candela.risk.at_random import LADDER, NOW

FULL: dict[str, Any] = {
    "stop_loss_ratio": "0.2",
    "take_profit_ratio": "1.5",
    "trailing_stop_ratio": "0.1",
    "dca": [{"drop_ratio": "0.05"}, {"drop_ratio": "0.1", "size_multiple": "2"}],
    "partial_exits": [{"gain_ratio": "0.05", "fraction": "0.5"}],
    "capital_per_trade": "0.000000000000000001",
    "total_exposure": "100000000000000000.123456789012345678",
    "open_positions": 3,
    "trades_per_day": 10,
    "daily_loss": "20",
    "trading_hours": {"windows": ["mon-fri 09:00-17:30"], "zone": "Europe/Madrid"},
    "martingale": {"first_stake": "2", "acknowledgement": None},
}


def test_limits_when_stored_as_json_and_read_again_then_equal_to_the_last_digit() -> None:
    limits = limits_from(FULL)
    assert limits.total_exposure == Decimal("100000000000000000.123456789012345678")
    again = limits_from(json.loads(limits.model_dump_json()))
    assert again == limits
    assert again.model_dump_json() == limits.model_dump_json()


def test_limits_by_default_then_nothing_is_limited_and_no_stake_grows() -> None:
    limits = RiskLimits()
    assert limits.martingale is None
    assert limits.bar_age_intervals == Decimal("1.5")
    named = limits.model_dump(exclude={"bar_age_intervals", "sell_headroom_ratio", "bad_bar"})
    assert not any(named.values())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"daily_loss": "-1"}, "daily_loss"),
        ({"daily_loss": "NaN"}, "daily_loss"),
        ({"daily_loss": "Infinity"}, "daily_loss"),
        ({"daily_loss": "0.0000000000000000001"}, "daily_loss"),
        ({"stop_loss_ratio": "1"}, "stop_loss_ratio"),
        ({"stop_loss_ratio": "twenty"}, "stop_loss_ratio"),
        ({"trades_per_day": 0}, "trades_per_day"),
        ({"trades_a_day": 5}, "trades_a_day"),
        ({"bad_bar": "ignore"}, "bad_bar"),
        ({"dca": [{"drop_ratio": "0.1"}, {"drop_ratio": "0.05"}]}, "dca goes from the nearest"),
        ({"dca": [{"drop_ratio": "0.2"}]}, "lies beyond the stop"),
        (
            {"partial_exits": [{"gain_ratio": "0.1", "fraction": "2"}]},
            r"partial_exits\.0\.fraction",
        ),
        ({"trading_hours": {"windows": []}}, r"trading_hours\.windows"),
        ({"martingale": {"first_stake": "2", "steps": 21}}, r"martingale\.steps"),
    ],
)
def test_limit_when_not_usable_then_refused_with_its_name(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadRiskLimits, match=named):
        limits_from(FULL | changes)


def test_limit_when_hours_zone_or_ladder_are_wrong_then_their_own_errors_say_so() -> None:
    with pytest.raises(BadTradingHours):
        limits_from({"trading_hours": {"windows": ["always"]}})
    with pytest.raises(UnknownZone):
        limits_from({"trading_hours": {"windows": ["daily 00:00-24:00"], "zone": "Moon"}})
    with pytest.raises(BadLadder):
        limits_from({"martingale": {"first_stake": "2.005"}})


def test_limits_once_made_then_frozen() -> None:
    with pytest.raises(ValidationError):
        RiskLimits().daily_loss = Decimal(5)


def ladder(**changes: Any) -> Ladder:
    values: dict[str, Any] = {
        "first_stake": Decimal(2), "payout": Decimal("0.85"), "bankroll": Decimal(1000),
        "factor": Decimal(2), "steps": 3,
    }  # fmt: skip
    return Ladder(**(values | changes))


def test_estimate_when_read_then_only_exactly_its_ladder_is_acknowledged() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    word = acknowledge(assess(ladder(), 0.56), 0.05, rounds=1_000, at=at)
    terms: dict[str, Any] = {"first_stake": Decimal(2), "steps": 3, "acknowledgement": word}
    assert Martingale(**terms).is_acknowledged
    assert word.payout_ratio == Decimal("0.85")
    assert 0 <= word.ruin_ratio <= 0.05
    changes: tuple[tuple[str, Any], ...] = (
        ("first_stake", Decimal(3)), ("steps", 4), ("factor", Decimal("2.1")),
        ("largest_stake", Decimal(8)), ("acknowledgement", None),
    )  # fmt: skip
    for name, value in changes:
        changed: dict[str, Any] = terms | {name: value}
        assert not Martingale(**changed).is_acknowledged


def test_estimate_when_ruin_is_above_the_cap_then_no_word_allows_it() -> None:
    risky = assess(ladder(bankroll=Decimal(30)), 0.5)
    with pytest.raises(RuinNotAcceptable, match=r"above the cap of 0\.05"):
        acknowledge(risky, 0.05, rounds=1_000, at=NOW)
    with pytest.raises(HorizonNotAssessed):
        acknowledge(assess(ladder(), 0.56), 0.05, rounds=7, at=NOW)


def test_next_stake_after_losses_then_that_step_of_the_capped_ladder() -> None:
    lost = [Settled(str(number), NOW, "loss", Decimal(-2)) for number in range(3)]
    assert [next_stake(LADDER, lost[:number]) for number in range(4)] == [
        NextStake(0, Decimal(2)),
        NextStake(1, Decimal(4)),
        NextStake(2, Decimal(8)),
        NextStake(3, Decimal(10)),
    ]
    assert next_stake(LADDER, [Settled("9", NOW, "unknown")]) is None


@pytest.mark.parametrize(
    ("status", "since_bad", "policy", "action"),
    [
        ("ok", None, "skip", "decide"),
        ("ok", None, "hold", "decide"),
        ("ok", 3, "skip", "decide"),
        ("ok", 3, "flatten", "decide"),
        ("ok", 3, "hold", "hold"),
        ("ok", 10, "hold", "decide"),
        ("missing_bar", 0, "skip", "skip"),
        ("quarantined_bar", 0, "hold", "hold"),
        ("stale_bar", 0, "flatten", "flatten"),
    ],
)
def test_bar_when_bad_then_the_declared_policy(
    status: Any, since_bad: int | None, policy: Any, action: str
) -> None:
    bar = BarSeen(NOW, NOW - NOW, status, bars_since_bad=since_bad, lookback=10)
    assert bar_action(bar, policy) == action


def test_kill_switches_when_one_asks_to_flatten_then_flattened() -> None:
    keep, sell = Halt("bot", "", NOW), Halt("tenant", "", NOW, flatten=True)
    assert not wants_flatten([])
    assert not wants_flatten([keep])
    assert wants_flatten([keep, sell])

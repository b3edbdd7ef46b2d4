"""What plans include, and what is refused beyond it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import pytest

from candela.gates import Gate
from candela.plans import (
    PLANS,
    Entitlements,
    PlanLimitReached,
    PlanName,
    Subscription,
    UnknownPlan,
    bot_gates,
    entry_gates,
    plan_named,
    refuse_beyond,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(plan: PlanName, **changes: Any) -> dict[str, Gate]:
    asked: dict[str, Any] = {
        "in_force": True,
        "mode": "paper",
        "kind": "spot",
        "symbol": "BTC/USDT",
        "symbols_in_use": frozenset({"BTC/USDT"}),
        "trades_today": 0,
        "counts_as_trade": True,
        "amount": Decimal(10),
        "capital_in_use": Decimal(0),
        "usd_per_ccy": Decimal(1),
    }
    return {gate.name: gate for gate in entry_gates(PLANS[plan], **(asked | changes))}


def bot(plan: PlanName, **changes: Any) -> dict[str, Gate]:
    asked: dict[str, Any] = {
        "in_force": True,
        "mode": "paper",
        "active_bots": 0,
        "symbols": frozenset({"BTC/USDT"}),
        "symbols_in_use": frozenset[str](),
    }
    return {gate.name: gate for gate in bot_gates(PLANS[plan], **(asked | changes))}


def test_plans_always_have_the_figures_of_the_one_table() -> None:
    rows = {
        name: (
            one.price_month_usd, one.active_bots, one.symbols, one.trades_per_day,
            one.payout_stake_cap, one.spot_capital_cap, one.live_allowed, one.history_days,
            one.log_retention_days, one.multi_timeframe, one.backtests_per_month,
        )
        for name, one in PLANS.items()
    }  # fmt: skip
    assert rows == {
        "free": (0, 1, 1, 10, 5, 100, False, 7, 7, False, 5),
        "basic": (29, 3, 5, 50, 20, 10_000, True, 30, 30, True, 50),
        "pro": (99, 10, None, 200, 100, None, True, 365, 90, True, 1_000),
        "enterprise": (299, None, None, None, None, None, True, None, 365, True, None),
    }
    assert tuple(PLANS) == get_args(PlanName)


def test_larger_plan_always_includes_what_the_smaller_one_does() -> None:
    plans = list(PLANS.values())
    counted = ("active_bots", "symbols", "trades_per_day", "payout_stake_cap", "spot_capital_cap")
    for smaller, larger in pairwise(plans):
        for name in (*counted, "history_days", "backtests_per_month"):
            low, high = getattr(smaller, name), getattr(larger, name)
            assert high is None or (low is not None and low <= high), (larger.plan, name)
        assert set(smaller.modes) <= set(larger.modes)
    assert {field.name for field in fields(Entitlements)} >= set(counted)


@pytest.mark.parametrize(
    ("plan", "changes", "refused"),
    [
        ("free", {"mode": "live"}, "plan_mode"),
        ("free", {"mode": "demo"}, "plan_mode"),
        ("basic", {"mode": "live"}, None),
        ("free", {"symbol": "ETH/USDT"}, "plan_symbols"),
        ("free", {"trades_today": 9}, None),
        ("free", {"trades_today": 10}, "plan_trades_per_day"),
        ("free", {"trades_today": 10, "counts_as_trade": False}, None),
        ("enterprise", {"trades_today": 10**6}, None),
        ("free", {"capital_in_use": Decimal(90)}, None),
        ("free", {"capital_in_use": Decimal("90.01")}, "plan_capital"),
        ("free", {"usd_per_ccy": None}, "plan_capital"),
        ("pro", {"usd_per_ccy": None}, None),
        ("free", {"amount": Decimal("0.001"), "usd_per_ccy": Decimal(100_001)}, "plan_capital"),
        ("free", {"kind": "fixed_payout", "amount": Decimal(5)}, None),
        ("free", {"kind": "fixed_payout", "amount": Decimal("5.01")}, "plan_stake"),
        ("enterprise", {"in_force": False}, "plan_in_force"),
    ],
)
def test_entry_when_beyond_the_plan_then_one_gate_says_so(
    plan: PlanName, changes: dict[str, Any], refused: str | None
) -> None:
    failed = [gate.name for gate in entry(plan, **changes).values() if not gate.passed]
    assert failed == ([] if refused is None else [refused])


@pytest.mark.parametrize(
    ("plan", "changes", "refused"),
    [
        ("basic", {"active_bots": 2}, None),
        ("basic", {"active_bots": 3}, "plan_active_bots"),
        ("enterprise", {"active_bots": 10_000}, None),
        ("basic", {"symbols": {"A", "B"}, "symbols_in_use": {"A", "C", "D", "E"}}, None),
        ("basic", {"symbols": {"A", "B"}, "symbols_in_use": set("CDEF")}, "plan_symbols"),
        ("free", {"timeframes": 2}, "plan_timeframes"),
        ("basic", {"timeframes": 2}, None),
    ],
)
def test_bot_when_beyond_the_plan_then_one_gate_says_so(
    plan: PlanName, changes: dict[str, Any], refused: str | None
) -> None:
    failed = [gate.name for gate in bot(plan, **changes).values() if not gate.passed]
    assert failed == ([] if refused is None else [refused])


def test_refusal_of_a_plan_names_both_numbers() -> None:
    with pytest.raises(PlanLimitReached) as refused:
        refuse_beyond(bot("basic", active_bots=3).values())
    assert "4 active bots with this one; limit of the plan basic: 3." in str(refused.value)
    assert refused.value.status == 403
    refuse_beyond(bot("basic").values())


@pytest.mark.parametrize(
    ("gates", "hint"),
    [
        (bot("basic", active_bots=3), "The plan pro includes it; or free what is in use."),
        (bot("free", timeframes=2), "The plan basic includes it."),
        (entry("free", mode="live"), "The plan basic includes it."),
        (entry("free", trades_today=60), "The plan pro includes it; or free what is in use."),
        (entry("free", usd_per_ccy=None), "The plan pro includes it; or free what is in use."),
        (entry("pro", in_force=False), "Take a larger plan, or free what is in use."),
    ],
    ids=["bots", "timeframes", "mode", "trades", "capital", "lapsed"],
)
def test_refusal_of_a_plan_when_a_larger_one_has_room_then_names_the_smallest(
    gates: dict[str, Any], hint: str
) -> None:
    with pytest.raises(PlanLimitReached) as refused:
        refuse_beyond(gates.values())
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("status", "ends", "in_force"),
    [
        ("active", None, True),
        ("active", -1, True),  # its renewal is on the way
        ("trialing", None, True),
        ("trialing", 1, True),
        ("trialing", -1, False),
        ("past_due", 1, True),
        ("past_due", 0, False),
        ("past_due", None, False),
        ("cancelled", 1, True),
        ("cancelled", -1, False),
        ("expired", 1, False),
    ],
)
def test_subscription_when_its_period_ends_then_lapses(
    status: Any, ends: int | None, *, in_force: bool
) -> None:
    end = None if ends is None else NOW + timedelta(seconds=ends)
    assert Subscription("pro", status, end).in_force(NOW) is in_force


def test_plan_when_unknown_then_refused_with_the_known_ones() -> None:
    assert plan_named("pro") is PLANS["pro"]
    with pytest.raises(UnknownPlan, match=r"'gold' is no plan.*free, basic, pro, enterprise"):
        plan_named("gold")

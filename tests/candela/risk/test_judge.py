"""The judgement: one deciding gate, numbers that reproduce it, caps that hold, exits that go on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from candela.orders.words import InstrumentRules
from candela.plans import PLANS, Entitlements, PlanLimitReached
from candela.risk.exits import plan_exit
from candela.risk.facts import BarSeen, EntryRequest, ExitRequest, Halt, RiskFacts
from candela.risk.history import Settled
from candela.risk.judge import EntryRefused, judge
from candela.risk.limits import RiskLimits, TradingHours
from tests.candela.risk import at_random
from tests.candela.risk.at_random import ACKNOWLEDGED, LADDER, NOW, passes

RULES = InstrumentRules(
    "BTC/USDT", "BTC", "USDT", lot=Decimal("0.001"), minimum_quantity=Decimal("0.001"),
    maximum_quantity=Decimal(10), minimum_notional=Decimal(5), taker_fee=Decimal("0.001"),
)  # fmt: skip
BAR = BarSeen(NOW - timedelta(seconds=5), timedelta(minutes=1))
ENTRY = EntryRequest(
    symbol="BTC/USDT", quantity=Decimal("0.5"), price=Decimal(100), rules=RULES, bar=BAR
)
BET = EntryRequest(
    kind="fixed_payout", symbol="EUR/USD", stake=Decimal(2), payout_ratio=Decimal("0.85")
)
FACTS = RiskFacts(equity=Decimal(1000), peak_equity=Decimal(1000))
BUSY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@BUSY
@given(
    at_random.entries,
    at_random.facts | at_random.facts.map(at_random.calm),
    at_random.limits,
    at_random.plans,
)
@example(ENTRY, FACTS, RiskLimits(), PLANS["pro"])
def test_verdict_at_random_then_its_stored_numbers_reproduce_it(
    request: EntryRequest, facts: RiskFacts, limits: RiskLimits, plan: Entitlements
) -> None:
    verdict = judge(request, facts, limits, plan, NOW)
    stored = json.loads(json.dumps(verdict.as_list()))
    assert [passes(gate) for gate in stored] == [gate["passed"] for gate in stored]
    names = [gate["gate"] for gate in stored]
    assert len(names) == len(set(names))
    # Exactly one gate decides a refusal: the first in order that was not passed.
    refused = [gate["gate"] for gate in stored if not passes(gate)]
    if verdict.decided_by is None:
        assert verdict.is_allowed
        assert refused == []
    else:
        assert not verdict.is_allowed
        assert refused[0] == verdict.decided_by.name
    assert judge(request, facts, limits, plan, NOW) == verdict


@BUSY
@given(at_random.limits, at_random.plans, st.lists(at_random.entries, max_size=30))
def test_exposure_after_any_row_of_entries_then_never_above_a_cap(
    limits: RiskLimits, plan: Entitlements, wanted: list[EntryRequest]
) -> None:
    facts = replace(FACTS, free=Decimal(500))
    for request in wanted:
        request = at_random.small(request)  # noqa: PLW2901
        if not judge(request, facts, limits, plan, NOW).is_allowed:
            continue
        facts = _booked(facts, request)
        position = facts.position_cost if request.kind == "spot" else request.stake
        for cost, cap in (
            (facts.exposure, limits.total_exposure),
            (facts.symbol_exposure, limits.symbol_exposure),
            (position, limits.capital_per_trade),
            (facts.open_positions, limits.open_positions),
            (facts.trades_today, limits.trades_per_day),
            (facts.tenant_trades_today, plan.trades_per_day),
            (facts.tenant_capital, plan.spot_capital_cap),
            (facts.open_stakes, limits.daily_loss if request.kind != "spot" else None),
        ):
            assert cap is None or cost <= cap
        assert facts.free is not None
        assert facts.free >= 0


def _booked(facts: RiskFacts, request: EntryRequest) -> RiskFacts:
    amount, opens = request.amount, not request.is_leg
    is_spot = request.kind == "spot"
    fee = request.rules.taker_fee * amount if request.rules and is_spot else Decimal(0)
    assert facts.free is not None
    return replace(
        facts,
        exposure=facts.exposure + amount,
        symbol_exposure=facts.symbol_exposure + amount,
        position_cost=amount + (0 if opens else facts.position_cost),
        open_positions=facts.open_positions + opens,
        trades_today=facts.trades_today + opens,
        tenant_trades_today=facts.tenant_trades_today + opens,
        tenant_capital=facts.tenant_capital + (amount if is_spot else 0),
        open_stakes=facts.open_stakes + (0 if is_spot else amount),
        free=facts.free - amount - fee,
    )


@BUSY
@given(
    at_random.facts,
    at_random.limits,
    at_random.plans,
    at_random.rules,
    at_random.cents,
    at_random.amounts,
    st.sampled_from(["0.1", "0.5", "1"]).map(Decimal),
)
def test_exit_in_any_state_of_things_then_only_the_venue_can_refuse_it(
    facts: RiskFacts,
    limits: RiskLimits,
    plan: Entitlements,
    rules: InstrumentRules,
    held: Decimal,
    price: Decimal,
    fraction: Decimal,
) -> None:
    planned = plan_exit(held, fraction, price, rules)
    request = ExitRequest(
        symbol="BTC/USDT", quantity=planned.quantity, price=price, held=held, rules=rules
    )
    verdict = judge(request, facts, limits, plan, NOW)
    if planned.quantity > 0:  # what is planned can be sold, whatever else holds
        too_large = bool(rules.maximum_quantity) and planned.quantity > rules.maximum_quantity
        assert verdict.is_allowed != too_large
    asked = {gate.name for gate in verdict.gates}
    assert asked <= {
        "exit_held", "quantity", "lot", "minimum_quantity", "maximum_quantity", "minimum_notional",
    }  # fmt: skip


def halted(scope: Any) -> dict[str, Any]:
    return {"halts": (Halt(scope, "too hot", NOW),)}


REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("kill_switch_platform", {}, halted("platform"), {}),
    ("kill_switch_tenant", {}, halted("tenant"), {}),
    ("kill_switch_account", {}, halted("account"), {}),
    ("kill_switch_bot", {}, halted("bot"), {}),
    ("account_state", {}, {"account_state": "blocked"}, {}),
    ("bot_state", {}, {"bot_state": "stopping"}, {}),
    ("plan_in_force", {}, {"plan_in_force": False}, {}),
    ("plan_symbols", {}, {"symbols_in_use": frozenset("ABCDE")}, {}),
    ("plan_trades_per_day", {}, {"tenant_trades_today": 50}, {}),
    ("plan_capital", {}, {"tenant_capital": Decimal("9950.01")}, {}),
    ("bar_quality", {"bar": replace(BAR, status="quarantined_bar")}, {}, {}),
    ("bar_quality", {"bar": replace(BAR, status="missing_bar")}, {}, {"bad_bar": "hold"}),
    ("bar_history", {"bar": replace(BAR, bars_since_bad=9, lookback=10)}, {}, {"bad_bar": "hold"}),
    ("bar_closed", {"bar": replace(BAR, closed_at=NOW + timedelta(microseconds=1))}, {}, {}),
    ("bar_age", {"bar": replace(BAR, closed_at=NOW - timedelta(seconds=90))}, {}, {}),
    ("decision_age", {"valid_until": NOW}, {}, {}),
    ("trading_hours", {}, {}, {"trading_hours": TradingHours(windows=("sat,sun 00:00-24:00",))}),
    ("cool_down", {}, {"last_loss_at": NOW - timedelta(seconds=59)}, {"cool_down_s": 60}),
    ("trades_per_day", {}, {"trades_today": 3}, {"trades_per_day": 3}),
    ("daily_loss", {}, {"realised_today": Decimal(-20)}, {"daily_loss": Decimal(20)}),
    (
        "daily_loss",
        {},
        {"realised_today": Decimal(-15), "open_mark": Decimal(-5)},
        {"daily_loss": Decimal(20)},
    ),
    ("daily_profit", {}, {"realised_today": Decimal(30)}, {"daily_profit": Decimal(30)}),
    ("loss_streak", {}, {"loss_streak": 4}, {"loss_streak": 4}),
    ("drawdown", {}, {"peak_equity": Decimal(1250)}, {"drawdown_ratio": Decimal("0.2")}),
    ("size", {"quantity": Decimal(0)}, {}, {}),
    ("open_positions", {}, {"open_positions": 2}, {"open_positions": 2}),
    ("capital_per_trade", {}, {}, {"capital_per_trade": Decimal("49.99")}),
    (
        "capital_per_trade",
        {"is_leg": True},
        {"position_cost": Decimal("50.01")},
        {"capital_per_trade": Decimal(100)},
    ),
    ("symbol_exposure", {}, {"symbol_exposure": Decimal(1)}, {"symbol_exposure": Decimal(50)}),
    ("total_exposure", {}, {"exposure": Decimal(51)}, {"total_exposure": Decimal(100)}),
    ("balance", {}, {"free": Decimal("50.04")}, {}),
    ("martingale", {"ladder_step": 0}, {}, {}),
    ("instrument_state", {"rules": replace(RULES, is_trading=False)}, {}, {}),
    ("lot", {"quantity": Decimal("0.5005")}, {}, {}),
    ("minimum_quantity", {"rules": replace(RULES, minimum_quantity=Decimal(1))}, {}, {}),
    ("maximum_quantity", {"rules": replace(RULES, maximum_quantity=Decimal("0.4"))}, {}, {}),
    ("minimum_notional", {"rules": replace(RULES, minimum_notional=Decimal(51))}, {}, {}),
    (
        "sellable_quantity",
        {"quantity": Decimal("0.1"), "fee_in_base_ratio": Decimal("0.001"),
         "rules": replace(RULES, minimum_quantity=Decimal("0.1"))},
        {}, {},
    ),
    ("sellable_value", {"quantity": Decimal("0.052")}, {}, {}),
    ("sellable_value", {"quantity": Decimal("0.06")}, {}, {"stop_loss_ratio": Decimal("0.2")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "request_", "facts", "limits"),
    REFUSALS,
    ids=[f"{row}-{entry[0]}" for row, entry in enumerate(REFUSALS)],
)
def test_entry_when_one_thing_is_wrong_then_its_gate_decides(
    gate: str, request_: dict[str, Any], facts: dict[str, Any], limits: dict[str, Any]
) -> None:
    plan = PLANS["basic"]
    assert judge(ENTRY, FACTS, RiskLimits(), plan, NOW).is_allowed
    verdict = judge(
        replace(ENTRY, **request_), replace(FACTS, **facts), RiskLimits(**limits), plan, NOW
    )
    assert verdict.decided_by is not None
    assert verdict.decided_by.name == gate


JUST_ALLOWED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"bar": replace(BAR, bars_since_bad=10, lookback=10)}, {}, {"bad_bar": "hold"}),
    ({"bar": replace(BAR, bars_since_bad=1, lookback=10)}, {}, {"bad_bar": "skip"}),
    ({"bar": replace(BAR, closed_at=NOW - timedelta(microseconds=89_999_999))}, {}, {}),
    ({"valid_until": NOW + timedelta(microseconds=1)}, {}, {}),
    ({}, {"last_loss_at": NOW - timedelta(seconds=60)}, {"cool_down_s": 60}),
    ({}, {"realised_today": Decimal("-19.99")}, {"daily_loss": Decimal(20)}),
    ({}, {"realised_today": Decimal(30), "open_mark": Decimal(-49)}, {"daily_loss": Decimal(20)}),
    ({"is_leg": True}, {"open_positions": 2, "trades_today": 9}, {"open_positions": 2}),
    ({"is_leg": True}, {"trades_today": 3}, {"trades_per_day": 3}),
    ({"is_leg": True}, {"position_cost": Decimal(50)}, {"capital_per_trade": Decimal(100)}),
    ({}, {"position_cost": Decimal(99)}, {"capital_per_trade": Decimal(100)}),
    ({}, {"free": Decimal("50.05")}, {}),
    ({}, {"peak_equity": Decimal(1249)}, {"drawdown_ratio": Decimal("0.2")}),
    ({"quantity": Decimal("0.052")}, {"held": Decimal("0.01")}, {}),
    ({"bar": None}, {"bot_state": None, "account_state": None}, {}),
]


@pytest.mark.parametrize(("request_", "facts", "limits"), JUST_ALLOWED)
def test_entry_when_just_within_its_limits_then_allowed(
    request_: dict[str, Any], facts: dict[str, Any], limits: dict[str, Any]
) -> None:
    verdict = judge(
        replace(ENTRY, **request_),
        replace(FACTS, **facts),
        RiskLimits(**limits),
        PLANS["basic"],
        NOW,
    )
    assert verdict.decided_by is None


def test_open_gain_on_a_losing_day_then_does_not_count() -> None:
    facts = replace(FACTS, realised_today=Decimal(-20), open_mark=Decimal(500))
    verdict = judge(ENTRY, facts, RiskLimits(daily_loss=Decimal(20)), PLANS["basic"], NOW)
    assert verdict.decided_by is not None
    assert verdict.decided_by.words == (
        "The day has lost 20, open losses included; entries stop at 20."
    )


@pytest.mark.parametrize(("lost", "is_allowed"), [("13", True), ("13.01", False)])
def test_contract_when_all_open_stakes_could_lose_then_the_day_never_loses_more(
    lost: str, *, is_allowed: bool
) -> None:
    # 13 lost, 5 at stake, 2 more: 20 in the worst case.
    facts = replace(FACTS, realised_today=-Decimal(lost), open_stakes=Decimal(5))
    limits = RiskLimits(daily_loss=Decimal(20))
    assert judge(BET, facts, limits, PLANS["basic"], NOW).is_allowed is is_allowed


LADDER_REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("ladder_acknowledged", {}, {}, {"acknowledgement": None}),
    ("ladder_acknowledged", {}, {}, {"steps": 5}),
    ("ladder_acknowledged", {}, {}, {"factor": Decimal("2.5")}),
    ("ladder_acknowledged", {}, {}, {"ruin_cap_ratio": 0.005}),
    ("ladder_payout", {"payout_ratio": Decimal("0.79")}, {}, {}),
    ("ladder_settled", {}, {"unsettled": 1}, {}),
    ("ladder_known", {}, {"settled": (Settled("1", NOW, "unknown"),)}, {}),
    ("ladder_step", {"ladder_step": 1}, {}, {}),
    ("ladder_step", {"ladder_step": None}, {}, {}),
    ("ladder_step", {}, {"settled": (Settled("1", NOW, "loss"),)}, {}),
    ("ladder_stake", {"stake": Decimal("2.01")}, {}, {}),
]


@pytest.mark.parametrize(("gate", "request_", "facts", "ladder"), LADDER_REFUSALS)
def test_ladder_when_one_thing_is_wrong_then_its_gate_decides(
    gate: str, request_: dict[str, Any], facts: dict[str, Any], ladder: dict[str, Any]
) -> None:
    bet = replace(BET, ladder_step=0)
    assert LADDER.acknowledgement == ACKNOWLEDGED
    limits = RiskLimits(martingale=LADDER)
    assert judge(bet, FACTS, limits, PLANS["basic"], NOW).is_allowed
    changed = RiskLimits(martingale=LADDER.model_copy(update=ladder))
    verdict = judge(replace(bet, **request_), replace(FACTS, **facts), changed, PLANS["basic"], NOW)
    assert verdict.decided_by is not None
    assert verdict.decided_by.name == gate


def test_refusal_of_an_order_by_hand_then_the_error_names_gate_and_numbers() -> None:
    limits = RiskLimits(total_exposure=Decimal(40))
    with pytest.raises(EntryRefused, match=r"All positions cost 50 .* at most 40") as refused:
        judge(ENTRY, FACTS, limits, PLANS["basic"], NOW).refuse()
    assert refused.value.status == 409
    assert "total_exposure" in str(refused.value.hint)
    live = replace(ENTRY, mode="live")
    with pytest.raises(PlanLimitReached, match="account is live"):
        judge(live, FACTS, RiskLimits(), PLANS["free"], NOW).refuse()
    judge(ENTRY, FACTS, RiskLimits(), PLANS["basic"], NOW).refuse()


def test_reason_of_a_kill_switch_then_told_as_it_was_written() -> None:
    since = datetime(2026, 3, 4, 9, tzinfo=NOW.tzinfo)
    halts = (Halt("tenant", "later", NOW), Halt("tenant", "{value} {0}", since))
    decided = judge(ENTRY, replace(FACTS, halts=halts), RiskLimits(), PLANS["pro"], NOW).decided_by
    assert decided is not None
    assert decided.words == (
        "The kill switch of the tenant is on since 2026-03-04T09:00:00+00:00 ({value} {0}); "
        "it has to be off."
    )


def test_verdict_when_stored_then_words_of_refusals_and_of_the_last_gate() -> None:
    limits = RiskLimits(open_positions=1)
    facts = replace(FACTS, open_positions=1)
    stored = judge(ENTRY, facts, limits, PLANS["basic"], NOW).as_list()
    told = [gate["gate"] for gate in stored if "words" in gate]
    assert told == ["open_positions", stored[-1]["gate"]]
    assert all({"gate", "passed", "value", "rule", "limit"} <= gate.keys() for gate in stored)

"""Exits: whatever is sold, what stays can be sold later."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.money import floored
from candela.orders.words import InstrumentRules
from candela.risk.exits import ExitPlan, is_sellable, plan_exit, plan_stages
from candela.risk.limits import PartialExit
from tests.candela.risk import at_random

fractions = st.integers(1, 100).map(lambda percent: Decimal(percent) / 100)
# Any remainder: not on the lot grid, as fees in base leave it.
holdings = st.integers(0, 10**9).map(lambda whole: Decimal(whole) / 10**7)


def rules(lot: str = "0.1", least: str = "0", notional: str = "5") -> InstrumentRules:
    return InstrumentRules(
        "BTC/USDT", "BTC", "USDT", lot=Decimal(lot), minimum_quantity=Decimal(least),
        minimum_notional=Decimal(notional),
    )  # fmt: skip


def planned(held: str, fraction: str, price: str = "10", **options: Decimal) -> ExitPlan:
    return plan_exit(Decimal(held), Decimal(fraction), Decimal(price), rules(), **options)


@settings(deadline=None)
@given(
    holdings, fractions, at_random.amounts, at_random.rules, st.sampled_from(["0", "0.05", "0.3"])
)
def test_exit_of_any_size_then_no_rest_is_left_that_cannot_be_sold(
    held: Decimal, fraction: Decimal, price: Decimal, venue: InstrumentRules, headroom: str
) -> None:
    plan = plan_exit(held, fraction, price, venue, headroom_ratio=Decimal(headroom))
    assert plan.quantity + plan.rest + plan.dust == held
    assert min(plan.quantity, plan.rest, plan.dust) >= 0
    if plan.quantity:
        assert floored(plan.quantity, venue.lot) == plan.quantity
        assert is_sellable(plan.quantity, price, venue)
    if plan.closes:
        assert plan.rest == 0
        is_stuck = not is_sellable(held, price, venue)
        assert plan.dust == 0 or plan.dust < venue.lot or is_stuck
    else:
        low = price * (1 - Decimal(headroom)) if plan.quantity else price
        assert is_sellable(plan.rest, low, venue)
        assert plan.dust == 0
    assert plan.quantity or not plan.closes or not is_sellable(held, price, venue)
    if fraction == 1:
        assert plan.closes


@settings(deadline=None)
@given(
    holdings,
    st.lists(fractions, min_size=1, max_size=5),
    at_random.amounts,
    at_random.rules,
    st.sampled_from([1, -1]),
)
def test_stages_of_any_sizes_then_each_is_sellable_and_so_is_what_it_leaves(
    held: Decimal, shares: list[Decimal], mean: Decimal, venue: InstrumentRules, side: int
) -> None:
    stages = [
        PartialExit(gain_ratio=Decimal(number) / 10, fraction=share)
        for number, share in enumerate(shares, 1)
    ]
    left = held
    for stage in plan_stages(held, mean, stages, venue, side=side):
        assert is_sellable(stage.quantity, stage.price, venue)
        assert floored(stage.quantity, venue.lot) == stage.quantity
        left -= stage.quantity
        assert left >= 0
        assert is_sellable(left, stage.price, venue) or left < max(venue.lot, Decimal("1e-30"))


@pytest.mark.parametrize(
    ("held", "fraction", "plan"),
    [
        ("2", "0.5", ("1.0", "1.0", "0")),
        ("2", "1", ("2.0", "0", "0.0")),
        ("2.07", "1", ("2.0", "0", "0.07")),
        ("2.07", "0.5", ("1.0", "1.07", "0")),  # the dust stays with the rest
        ("2", "0.04", ("0", "2", "0")),  # less than a lot: nothing, as in backtests
        ("2", "0.2", ("0", "2", "0")),  # 4 of value: too little for an order
        ("0.9", "0.5", ("0", "0.9", "0")),
        ("0.9", "0.6", ("0.9", "0", "0.0")),  # 0.4 would be worth 4: nobody could sell it
        ("0.4", "1", ("0", "0", "0.4")),  # immortal trades end as dust
    ],
)
def test_exit_when_parts_are_small_then_all_or_nothing(
    held: str, fraction: str, plan: tuple[str, str, str]
) -> None:
    found = planned(held, fraction)
    assert (found.quantity, found.rest, found.dust) == tuple(map(Decimal, plan))


def test_exit_when_the_rest_would_be_a_crumb_of_the_entries_then_all_is_sold() -> None:
    kept = planned("1000", "0.99", price="1000", entered=Decimal(10_000))
    assert kept.rest == 10
    assert planned("1000", "0.99", price="1000", entered=Decimal(10_001)).rest == 0


def test_exit_when_the_rest_is_sellable_now_but_not_after_a_fall_then_all_is_sold() -> None:
    assert planned("1", "0.5").rest == Decimal("0.5")
    assert planned("1", "0.5", headroom_ratio=Decimal("0.05")).rest == 0


def test_stages_when_one_is_too_small_then_joined_to_the_next() -> None:
    stages = [
        PartialExit(gain_ratio=Decimal(number) / 10, fraction=Decimal(share))
        for number, share in ((1, "0.2"), (2, "0.5"), (3, "1"))
    ]
    found = plan_stages(Decimal(2), Decimal(10), stages, rules())
    # 0.4 is worth 4.4; with half of the other 1.6 it is 1.2, and 0.8 is left for the last.
    assert [(stage.price, stage.quantity) for stage in found] == [
        (Decimal(12), Decimal("1.2")),
        (Decimal(13), Decimal("0.8")),
    ]


def test_stages_of_thirds_then_no_lot_is_lost_to_rounding() -> None:
    stages = [
        PartialExit(gain_ratio=Decimal(number) / 10, fraction=Decimal(share))
        for number, share in ((1, "0.01"), (2, "0.29"))
    ]
    found = plan_stages(Decimal(9), Decimal(10), stages, rules(lot="0.0001", notional="1"))
    # 0.09 is worth 0.99: carried; 0.09 and 0.29 of 8.91 are exactly 2.6739.
    assert [stage.quantity for stage in found] == [Decimal("2.6739")]

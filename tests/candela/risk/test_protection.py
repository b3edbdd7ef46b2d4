"""Levels and triggers of a position, equal to those of backtests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from candela.fills.model import FillModel, VenueRules
from candela.fills.prices import limit_price, snapped
from candela.fills.state import packed_terms
from candela.orders.words import Quote
from candela.risk.dca import due_legs, planned_cost, planned_legs
from candela.risk.limits import DcaLeg
from candela.risk.protection import Protection

NOW = datetime(2026, 3, 1, tzinfo=UTC)
prices = st.integers(1, 10**6).map(lambda whole: Decimal(whole) / 100)
ratios = st.integers(1, 99).map(lambda percent: Decimal(percent) / 100)


def quote(bid: str | Decimal, ask: str | Decimal | None = None) -> Quote:
    return Quote("BTC/USDT", Decimal(bid), Decimal(bid if ask is None else ask), NOW)


def guarded(side: int = 1, mean: str = "100", best: str = "100", **terms: Any) -> Protection:
    given_terms = {name: Decimal(value) for name, value in terms.items()}
    return Protection(side=side, mean=Decimal(mean), best=Decimal(best), **given_terms)


def reached(protection: Protection, *quotes: Quote) -> tuple[str, Decimal] | None:
    for one in quotes:
        trigger = protection.trigger(one)
        if trigger is not None:
            return trigger.reason, trigger.price
        protection = protection.seen(one)
    return None


def test_levels_of_a_long_then_from_mean_and_best() -> None:
    long = guarded(
        best="120", stop_loss_ratio="0.1", trailing_stop_ratio="0.2", take_profit_ratio="0.3"
    )
    assert long.stop == (Decimal(96), "trailing")
    assert long.target == 130
    tied = guarded(best="100", stop_loss_ratio="0.1", trailing_stop_ratio="0.1")
    assert tied.stop == (Decimal(90), "stop")
    assert guarded().stop is None
    assert guarded().target is None


def test_levels_of_a_short_then_mirrored() -> None:
    short = guarded(
        side=-1,
        best="80",
        stop_loss_ratio="0.1",
        trailing_stop_ratio="0.2",
        take_profit_ratio="0.3",
    )
    assert short.stop == (Decimal(96), "trailing")
    assert short.target == 70


def test_levels_on_a_tick_grid_then_the_target_away_from_the_market_and_stops_not_rounded() -> None:
    terms: dict[str, Any] = {"stop_loss_ratio": "0.03", "take_profit_ratio": "0.03", "tick": "0.5"}
    assert guarded(mean="101", **terms).target == Decimal("104.5")  # 104.03
    assert guarded(mean="101", **terms).stop == (Decimal("97.97"), "stop")
    assert guarded(side=-1, mean="101", **terms).target == Decimal("97.5")  # 97.97


def test_level_when_a_mean_leaves_it_a_hair_beside_a_tick_then_that_tick() -> None:
    hair = guarded(mean="99.99999999999", take_profit_ratio="0.1", tick="0.01")
    assert hair.target == 110
    above = guarded(mean="100.000000000001", take_profit_ratio="0.1", tick="0.01")
    assert above.target == 110  # and not 110.01, which a high of 110 would never touch
    farther = guarded(mean="100.0000001", take_profit_ratio="0.1", tick="0.01")
    assert farther.target == Decimal("110.01")


@pytest.mark.parametrize(
    ("bid", "found"),
    [
        ("90.01", None),
        ("90", ("stop", Decimal(90))),
        ("85", ("stop", Decimal(85))),  # after a jump the quote, not the level
        ("119.99", None),
        ("120", ("target", Decimal(120))),
        ("0", None),  # no bid: nothing is known
    ],
)
def test_long_when_the_bid_touches_a_level_then_triggered(
    bid: str, found: tuple[str, Decimal] | None
) -> None:
    long = guarded(stop_loss_ratio="0.1", take_profit_ratio="0.2")
    # The ask may be anywhere: a long is closed at the bid.
    assert reached(long, quote(bid, "300")) == found


@pytest.mark.parametrize(
    ("ask", "found"),
    [("109.99", None), ("110", ("stop", Decimal(110))), ("80", ("target", Decimal(80)))],
)
def test_short_when_the_ask_touches_a_level_then_triggered(
    ask: str, found: tuple[str, Decimal] | None
) -> None:
    short = guarded(side=-1, stop_loss_ratio="0.1", take_profit_ratio="0.2")
    assert reached(short, quote("1", ask)) == found


def test_short_when_its_target_lies_below_zero_then_never_reached() -> None:
    assert reached(guarded(side=-1, take_profit_ratio="1.5"), quote("0.01")) is None


@settings(deadline=None)
@given(st.sampled_from([1, -1]), ratios, st.lists(prices, min_size=1, max_size=30))
def test_trailing_stop_over_any_quotes_then_as_recomputed_from_the_best(
    side: int, ratio: Decimal, path: list[Decimal]
) -> None:
    protection = Protection(side=side, mean=path[0], best=path[0], trailing_stop_ratio=ratio)
    expected = None
    for row, price in enumerate(path):
        best = max(path[: row + 1]) if side > 0 else min(path[: row + 1])
        if side * (price - best * (1 - side * ratio)) <= 0:
            expected = ("trailing", price)
            break
    assert reached(protection, *map(quote, path)) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=6), ratios)
def test_mean_after_legs_then_cost_over_units_and_the_best_stays(
    fills: list[tuple[Decimal, Decimal]], ratio: Decimal
) -> None:
    (held, price), *legs = fills
    protection = Protection(side=1, mean=price, best=price, stop_loss_ratio=ratio)
    cost = held * price
    for quantity, paid in legs:
        protection = protection.with_leg(held, quantity, paid)
        held, cost = held + quantity, cost + quantity * paid
    assert abs(protection.mean * held - cost) <= cost * Decimal("1e-25")
    assert protection.best == price


@settings(deadline=None)
@given(st.sampled_from([1, -1]), prices, st.lists(prices, max_size=12), ratios)
def test_legs_over_any_quotes_then_each_is_due_once_and_in_order(
    side: int, first: Decimal, path: list[Decimal], drop: Decimal
) -> None:
    assume(drop < Decimal("0.3"))
    terms = [
        DcaLeg(drop_ratio=drop * number, size_multiple=Decimal(number)) for number in (1, 2, 3)
    ]
    legs = planned_legs(terms, first, Decimal(50), side=side)
    assert [leg.amount for leg in legs] == [50, 100, 150]
    filled = 0
    for price in path:
        due = due_legs(legs, filled, quote(price), side=side)
        assert [leg.number for leg in due] == list(range(filled + 1, filled + len(due) + 1))
        filled += len(due)
    extreme = (min(path) if side > 0 else max(path)) if path else first
    assert filled == sum(side * (extreme - leg.price) <= 0 for leg in legs)
    assert planned_cost(terms, Decimal(50)) == 50 + sum(leg.amount for leg in legs)


def test_leg_when_only_the_bid_fell_then_not_due() -> None:
    legs = planned_legs([DcaLeg(drop_ratio=Decimal("0.1"))], Decimal(100), Decimal(50))
    assert due_legs(legs, 0, quote("80", "95")) == ()
    assert due_legs(legs, 0, quote("80", "0")) == ()
    assert due_legs(legs, 0, quote("80", "90")) == legs
    assert due_legs(legs, 1, quote("80", "90")) == ()


@settings(deadline=None)
@given(
    st.sampled_from([1, -1]),
    st.integers(1, 10**7).map(lambda whole: Decimal(whole) / 100),
    ratios,
    st.sampled_from(["0.01", "0.05", "0.5", "1"]),
)
def test_levels_of_any_position_then_those_of_the_fill_model(
    side: int, mean: Decimal, ratio: Decimal, tick: str
) -> None:
    protection = Protection(
        side=side,
        mean=mean,
        best=mean,
        stop_loss_ratio=ratio,
        take_profit_ratio=ratio,
        tick=Decimal(tick),
    )
    terms = packed_terms(FillModel(rules=VenueRules(tick=float(tick))))[0]
    inverse = float(terms["ticks_per_quote"])
    stop = snapped(float(mean) * (1.0 - side * float(ratio)), float(tick), inverse)
    target = limit_price(terms, float(mean) * (1.0 + side * float(ratio)), -side)
    found = protection.stop
    assert found is not None
    assert float(found[0]) == pytest.approx(stop, rel=1e-12)
    assert protection.target is not None
    assert float(protection.target) == pytest.approx(target, rel=1e-12, abs=1e-12)

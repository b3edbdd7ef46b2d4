"""Faults of the catalogue about sizes: grids of real venues, remainders of every size, refusals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.money import ZERO
from candela.orders.booking import book_execution
from candela.orders.records import Order
from candela.orders.words import InstrumentRules, OrderKind, Side
from candela.risk.exits import is_sellable, plan_exit
from live.desk.planning import planned
from tests.candela.orders.made import (
    NOW,
    RULES,
    SYMBOL,
    an_execution,
    an_intent,
    touched,
)

# As Binance, Bybit and Kraken list them; quantities are in units of 1e-10 in what is checked.
_STEPS = ("1e-8", "1e-7", "1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100", "0.5")
_TICKS = ("1e-8", "1e-6", "0.00005", "0.0001", "0.01", "0.05", "0.1", "0.25", "0.5", "1")
_LEAST = (("1", "0"), ("1", "5"), ("10", "0.0001"), ("1", "10"), ("50", "1"))
SHAPES = [
    InstrumentRules(
        SYMBOL,
        "BTC",
        "USDT",
        lot=Decimal(step),
        tick=Decimal(tick),
        minimum_quantity=Decimal(step) * Decimal(lots),
        maximum_quantity=Decimal(step) * 9_000_000,
        minimum_notional=Decimal(value),
    )
    for step, tick, (lots, value) in product(_STEPS, _TICKS, _LEAST)
]
_UNIT = Decimal("1e-10")


def units(value: Decimal) -> int:
    """Return a number in whole units: what is checked goes by integers, not by our arithmetic."""
    whole = int(value / _UNIT)
    assert whole * _UNIT == value
    return whole


def test_shapes_of_rules_are_at_least_500() -> None:
    assert len(SHAPES) >= 500


@settings(max_examples=1_500, deadline=None)
@given(
    rules=st.sampled_from(SHAPES),
    # As strategies give them: doubles, and their errors.
    quantity=st.floats(1e-8, 1e6).map(lambda size: Decimal(repr(size))),
    price=st.floats(1e-6, 1e6).map(lambda size: Decimal(repr(size))),
    side=st.sampled_from(Side),
)
def test_order_when_planned_under_any_rules_then_no_filter_can_refuse_it(
    rules: InstrumentRules, quantity: Decimal, price: Decimal, side: Side
) -> None:
    intent = an_intent(1, side, str(quantity), kind=OrderKind.LIMIT, price=price)
    order = planned(intent, 1, rules, NOW, 10.0)
    if not isinstance(order, Order):
        assert order
        return
    assert order.price is not None
    size, at, step, tick = map(units, (order.quantity, order.price, rules.lot, rules.tick))
    assert size % step == 0
    assert at % tick == 0
    assert units(rules.minimum_quantity) <= size <= units(rules.maximum_quantity)
    assert size * at >= units(rules.minimum_notional) * units(Decimal(1))
    # Never more than was wanted, never at a worse price, and both by less than a step.
    largest = min(quantity, rules.maximum_quantity)
    assert 0 <= largest - order.quantity < rules.lot
    worse = price - order.price if side is Side.BUY else order.price - price
    assert 0 <= worse < rules.tick


@pytest.mark.parametrize("crumb", ["0", "0.0004", "0.0009999"])
def test_position_when_any_remainder_is_left_of_it_then_it_is_sellable_or_closed_as_dust(
    crumb: str,
) -> None:
    # 200 lots and what a fee in base left beside the grid; the least order is 50 lots.
    held = Decimal("0.2") + Decimal(crumb)
    bought = book_execution(
        touched(an_intent(1, Side.BUY, "1")), an_execution(Side.BUY, str(held)), NOW, RULES
    ).touched
    sale = an_intent(2, Side.SELL, str(held))
    closed = 0
    for lots in range(1, 201):
        sold = lots * RULES.lot
        before = touched(sale, position=bought.position, trade=bought.trade)
        after = book_execution(before, an_execution(Side.SELL, str(sold)), NOW, RULES).touched
        position, trade = after.position, after.trade
        assert position is not None
        assert trade is not None
        assert position.quantity + position.dust == held - sold
        if trade.status == "closed":
            closed += 1
            assert (position.quantity, position.opened_at) == (0, None)
            assert not is_sellable(position.dust, Decimal(100), RULES)
            continue
        rest = plan_exit(position.quantity, Decimal(1), Decimal(100), RULES)
        assert rest.closes
        assert rest.dust < RULES.lot
        assert is_sellable(rest.quantity, Decimal(100), RULES)
    assert closed == 50


@settings(max_examples=500, deadline=None)
@given(
    held=st.integers(1, 5_000_000).map(lambda units: units * Decimal("0.0000111")),
    largest=st.integers(100, 2_000),
    price=st.sampled_from([Decimal(50), Decimal(100), Decimal(4_000)]),
)
def test_exit_when_it_is_above_the_largest_order_then_all_is_sold_in_several(
    held: Decimal, largest: int, price: Decimal
) -> None:
    rules = replace(RULES, maximum_quantity=largest * RULES.lot)
    left, orders = held, 0
    while left:
        plan = plan_exit(left, Decimal(1), price, rules)
        assert plan.quantity + plan.rest + plan.dust == left
        assert plan.quantity <= rules.maximum_quantity
        assert plan.quantity == ZERO or is_sellable(plan.quantity, price, rules)
        if plan.closes:
            assert not is_sellable(plan.dust, price, rules)
            break
        assert is_sellable(plan.rest, price, rules)
        left, orders = plan.rest, orders + 1
    assert orders <= held / rules.maximum_quantity + 1

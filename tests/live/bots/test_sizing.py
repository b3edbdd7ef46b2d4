"""Sizes of live entries are those of the fill model, on the venue's grid."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from candela.fills.orders import fill_entry
from candela.fills.sizing import volatility_at
from candela.fills.state import SLIP, Order, new_state, packed_terms
from candela.metrics.calendar import bars_per_year
from candela.money import ZERO, floored
from candela.orders.words import InstrumentRules
from live.bots.sizing import EntrySize, SizeQuestion, entry_size, reserve_of, volatility_of

RULES = InstrumentRules(
    "BTC/USDT",
    "BTC",
    "USDT",
    lot=Decimal("0.00001"),
    tick=Decimal("0.01"),
    minimum_notional=Decimal(5),
)


def sizes(kind: str) -> Sizing:
    value = {"fixed_value": 250.0, "fixed_units": 0.01, "risk": 0.01}.get(kind, 0.5)
    return Sizing(kind=kind, value=value)  # pyright: ignore[reportArgumentType]


@given(
    kind=st.sampled_from(["fraction", "fixed_value", "fixed_units", "risk"]),
    capital=st.floats(50, 1e6),
    raw=st.floats(10, 1e5),
    impact=st.sampled_from([0.0, 20.0]),
    slippage=st.floats(0, 50),
    size=st.one_of(st.just(math.nan), st.floats(0.001, 1.0)),
)
def test_entry_size_when_flat_is_the_size_of_the_fill_model(
    kind: str, capital: float, raw: float, impact: float, slippage: float, size: float
) -> None:
    costs = Costs(taker_fee_bps=10, slippage_bps=slippage, spread_bps=2, impact_bps=impact)
    model = FillModel(costs=costs, sizing=sizes(kind), rules=VenueRules(lot=0.00001, tick=0.01))
    terms, state = packed_terms(model)[0], new_state(capital)[0]
    state["order"], state["side"], state["limit"] = int(Order.ENTRY), 1, math.nan
    state["size"], state["order_stop"], state["order_trailing"] = size, 0.02, math.nan
    slip = np.zeros(1, SLIP)[0]

    filled = fill_entry(state, terms, slip, 0, raw, 1_000.0)
    found = entry_size(
        SizeQuestion(
            sizing=sizes(kind),
            costs=costs,
            rules=RULES,
            equity=capital,
            units=0.0,
            raw=raw,
            size=size,
            stop=0.02,
            volume=1_000.0,
        )
    )

    expected = float(state["units"]) if filled else 0.0
    assert abs(float(found.quantity) - expected) <= 0.00001 + 1e-9
    assert found.quantity == floored(found.quantity, RULES.lot)


def test_entry_size_when_there_is_no_price_is_nothing() -> None:
    question = SizeQuestion(
        sizing=Sizing(), costs=Costs(), rules=RULES, equity=1e3, units=0.0, raw=math.nan
    )

    assert entry_size(question).quantity == ZERO


def test_entry_size_of_a_limit_is_sized_at_the_limit_with_the_makers_fee() -> None:
    costs = Costs(taker_fee_bps=100, maker_fee_bps=0, slippage_bps=100)
    question = SizeQuestion(
        sizing=Sizing(),
        costs=costs,
        rules=RULES,
        equity=1_000.0,
        units=0.0,
        raw=100.0,
        limit=80.001,
    )

    found = entry_size(question)

    assert (found.price, found.fee_ratio) == (Decimal("80.00"), Decimal("0.0"))
    assert found.quantity == Decimal("12.49984")


@given(
    quantity=st.decimals("0.001", 10, places=5),
    price=st.decimals(1, 100_000, places=2),
    fee=st.decimals(0, "0.01", places=4),
)
def test_reserve_of_a_purchase_covers_its_cost_and_fee(
    quantity: Decimal, price: Decimal, fee: Decimal
) -> None:
    size = EntrySize(quantity, price, fee)
    cost = quantity * price * (1 + fee)

    assert reserve_of(size, RULES, None) >= cost
    just = reserve_of(size, RULES, cost)
    assert cost <= just <= cost + Decimal("1e-8")


def test_volatility_of_closes_is_that_of_the_fill_model() -> None:
    closes = np.random.default_rng(7).lognormal(0, 0.02, 60).cumprod()
    year = bars_per_year(3_600)

    found = volatility_of(tuple(closes), 20, 3_600)

    assert found == volatility_at(closes, 59, 20, year)
    assert math.isnan(volatility_of(tuple(closes[:20]), 20, 3_600))

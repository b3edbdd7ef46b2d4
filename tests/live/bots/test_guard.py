"""The watch over positions by quotes: what is due, and when nothing needs a look."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from candela.orders.records import AccountKey, Position, PositionTerms
from candela.orders.words import InstrumentRules, Quote
from candela.risk.limits import DcaLeg, PartialExit, RiskLimits
from live.bots.guard import FirstFill, guard_of

ACCOUNT = AccountKey(UUID(int=1), UUID(int=2))
RULES = InstrumentRules(
    "BTC/USDT", "BTC", "USDT", lot=Decimal("0.001"), minimum_notional=Decimal(5)
)
AT = datetime(2024, 1, 1, tzinfo=UTC)


def held(terms: PositionTerms, best: str = "100") -> Position:
    return Position(
        UUID(int=3),
        ACCOUNT,
        "BTC/USDT",
        quantity=Decimal(1),
        mean_price=Decimal(100),
        best_price=Decimal(best),
        legs=1,
        terms=terms,
        opened_at=AT,
    )


def quote(bid: str | Decimal) -> Quote:
    price = Decimal(bid)
    return Quote("BTC/USDT", price, price + Decimal("0.01"), AT)


def test_guard_of_a_position_without_terms_is_none() -> None:
    assert guard_of(held(PositionTerms()), RiskLimits(), RULES, None) is None


@given(
    bid=st.decimals(50, 160, places=2),
    stop=st.one_of(st.none(), st.decimals("0.01", "0.4", places=2)),
    target=st.one_of(st.none(), st.decimals("0.01", "0.4", places=2)),
    legs=st.integers(0, 2),
    stages=st.integers(0, 2),
)
def test_due_when_a_bid_lies_between_floor_and_ceiling_is_nothing(
    bid: Decimal, stop: Decimal | None, target: Decimal | None, legs: int, stages: int
) -> None:
    limits = RiskLimits(
        dca=(DcaLeg(drop_ratio=Decimal("0.05")), DcaLeg(drop_ratio=Decimal("0.1")))[:legs],
        partial_exits=(
            PartialExit(gain_ratio=Decimal("0.02"), fraction=Decimal("0.5")),
            PartialExit(gain_ratio=Decimal("0.2"), fraction=Decimal("0.5")),
        )[:stages],
    )
    first = FirstFill(Decimal(100), Decimal(100))
    guard = guard_of(held(PositionTerms(stop, target)), limits, RULES, first)
    if guard is None:
        return

    is_inside = (guard.floor is None or bid > guard.floor) and (
        guard.ceiling is None or bid < guard.ceiling
    )

    if is_inside:
        assert guard.due(quote(bid)) is None


def test_due_when_stop_and_leg_are_reached_at_once_is_the_stop() -> None:
    limits = RiskLimits(dca=(DcaLeg(drop_ratio=Decimal("0.05")),))
    terms = PositionTerms(stop_loss=Decimal("0.1"))
    guard = guard_of(held(terms), limits, RULES, FirstFill(Decimal(100), Decimal(100)))

    assert guard is not None
    assert guard.due(quote("95.5")) is None
    leg = guard.due(quote("94.99"))
    assert leg is not None
    assert (leg.reason, leg.number, leg.amount) == ("leg", 1, Decimal(100))
    stop = guard.due(quote("89"))
    assert stop is not None
    assert (stop.reason, stop.price) == ("stop", Decimal(89))


def test_due_of_parts_when_one_was_sold_is_the_next() -> None:
    limits = RiskLimits(
        partial_exits=(
            PartialExit(gain_ratio=Decimal("0.02"), fraction=Decimal("0.5")),
            PartialExit(gain_ratio=Decimal("0.04"), fraction=Decimal("0.5")),
        )
    )
    first = FirstFill(Decimal(100), Decimal(100))
    guard = guard_of(held(PositionTerms()), limits, RULES, first)
    later = guard_of(
        held(PositionTerms()), limits, RULES, FirstFill(Decimal(100), Decimal(100), stages=1)
    )

    assert guard is not None
    assert later is not None
    due = guard.due(quote("103"))
    assert due is not None
    assert (due.reason, due.number, due.amount) == ("stage", 1, Decimal("0.5"))
    assert later.due(quote("103")) is None
    second = later.due(quote("104"))
    assert second is not None
    assert second.number == 2


def test_due_of_a_trailing_stop_follows_the_best_price() -> None:
    terms = PositionTerms(trailing_stop=Decimal("0.1"))
    guard = guard_of(held(terms, best="200"), RiskLimits(), RULES, None)

    assert guard is not None
    assert guard.follows
    due = guard.due(quote("179.99"))
    assert due is not None
    assert due.reason == "trailing"
    assert guard.due(quote("180.01")) is None

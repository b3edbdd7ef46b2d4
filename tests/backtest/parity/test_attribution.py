"""Attribution: each injected fault is named, and the causes sum to the gap to the last place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.parity.attribution import Parity, attribute
from backtest.parity.words import Cause, Evidence, Leg, Trip, Wish

START = datetime(2024, 1, 1, tzinfo=UTC)
OK = Evidence(status="ok")


def at(bar: int) -> datetime:
    return START + timedelta(minutes=bar)


def trip(
    bar: int,
    *,
    units: str = "2",
    entry: str = "100",
    leave: str = "110",
    reference: tuple[str, str] | None = None,
    fee: str = "0.1",
    exit_bar: int | None = None,
    reason: str = "signal",
) -> Trip:
    entry_reference, exit_reference = reference or (entry, leave)
    return Trip(
        at(bar),
        (
            Leg(
                1,
                Fraction(units),
                Fraction(entry),
                Fraction(entry_reference),
                Fraction(fee),
                at(bar),
            ),
            Leg(
                -1,
                Fraction(units),
                Fraction(leave),
                Fraction(exit_reference),
                Fraction(fee),
                at(bar + 3 if exit_bar is None else exit_bar),
                reason,
            ),
        ),
    )


def explain(
    bot: list[Trip],
    backtest: list[Trip],
    evidence: dict[datetime, Evidence] | None = None,
    *,
    follows: bool = False,
    lot: str = "0",
) -> Parity:
    known = {one.decided_bar: OK for one in (*bot, *backtest)} | (evidence or {})
    return attribute(
        bot,
        backtest,
        known,
        capital=Decimal(1000),
        follows_equity=follows,
        follows_price=follows,
        lot=Decimal(lot),
    )


def refused(gate: str) -> Evidence:
    return Evidence(status="ok", entry=Wish(refused_by=gate))


def failed(reason: str, *, is_limit: bool = False) -> Evidence:
    return Evidence(status="ok", entry=Wish(ended="failed", reason=reason, is_limit=is_limit))


def causes(parity: Parity) -> dict[Cause, Decimal]:
    return {cause: amount for cause, amount in parity.causes.items() if amount}


def test_equal_trips_when_compared_leave_no_gap() -> None:
    parity = explain([trip(1), trip(9)], [trip(1), trip(9)])
    assert parity.gap == 0
    assert causes(parity) == {}
    assert parity.is_explained
    assert parity.matched == 2


def test_entry_price_when_the_market_moved_before_the_order_is_latency() -> None:
    late = trip(1, entry="101", reference=("101", "110"))
    found = causes(explain([late], [trip(1, fee="0")]))
    assert found == {Cause.LATENCY: Decimal(-2), Cause.FEE: Decimal("-0.2")}


def test_exit_price_when_the_order_filled_off_the_market_is_slippage() -> None:
    slipped = trip(1, leave="109", reference=("100", "110"))
    found = causes(explain([slipped], [trip(1, fee="0")]))
    assert found == {Cause.SLIPPAGE: Decimal(-2), Cause.FEE: Decimal("-0.2")}


def test_fees_when_they_differ_are_a_cause_of_their_own() -> None:
    assert causes(explain([trip(1, fee="0.35")], [trip(1)])) == {Cause.FEE: Decimal("-0.5")}


def test_base_when_fees_took_some_of_it_is_a_fee() -> None:
    whole = trip(1, fee="0")
    entry, leave = whole.legs
    taken = replace(
        whole,
        legs=(entry, replace(leave, quantity=Fraction("1.998"))),
        lost=Fraction("0.002"),
    )
    assert causes(explain([taken], [whole])) == {Cause.FEE: Decimal("-0.22")}


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        (refused("daily_loss"), Cause.RISK_GATE),
        (refused("bar_quality"), Cause.MISSED_BAR),
        (refused("decision_age"), Cause.OUTAGE),
        (refused("minimum_notional"), Cause.REJECT),
        (refused("in_flight"), Cause.LATENCY),
        (failed("-2010 insufficient balance"), Cause.REJECT),
        (failed("lapsed before it was sent"), Cause.OUTAGE),
        (failed("halted before it was sent"), Cause.RISK_GATE),
        (failed("the venue says canceled", is_limit=True), Cause.LATENCY),
        (failed("the venue says canceled"), Cause.REJECT),
        (Evidence(status="missing_bar"), Cause.MISSED_BAR),
        (Evidence(status="quarantined_bar"), Cause.MISSED_BAR),
        (Evidence(status="failed"), Cause.OUTAGE),
        (Evidence(), Cause.OUTAGE),
        (Evidence(status="ok", differs=True), Cause.DATA_REVISION),
        (Evidence(status="ok", lacks=True), Cause.MISSED_BAR),
        (Evidence(status="ok", is_away=True), Cause.OUTAGE),
        (Evidence(status="ok"), Cause.DEFECT),
    ],
)
def test_trade_when_the_bot_did_not_make_it_is_explained_by_the_books(
    evidence: Evidence, cause: Cause
) -> None:
    parity = explain([], [trip(1)], {at(1): evidence})
    assert causes(parity) == {cause: Decimal("-19.8")}
    assert parity.is_explained is (cause is not Cause.DEFECT)
    assert parity.only_backtest == 1


def test_trade_when_only_the_bot_made_it_without_a_reason_is_a_defect() -> None:
    parity = explain([trip(1)], [])
    assert causes(parity) == {Cause.DEFECT: Decimal("19.8")}
    assert not parity.is_explained


def test_later_trade_when_it_follows_from_an_earlier_difference_has_its_cause() -> None:
    # The refused trade of bar 1 would have been held until bar 6, so only the bot was free at 3.
    known = {at(1): refused("trading_hours")}
    parity = explain([trip(3)], [trip(1, exit_bar=6)], known)
    assert causes(parity) == {}
    assert parity.gap == 0
    assert [one.cause for one in parity.differences] == [Cause.RISK_GATE, Cause.RISK_GATE]


def test_size_when_the_account_is_smaller_by_an_earlier_cause_inherits_it() -> None:
    # A refused trade of +99.8 leaves 1000 where the backtest has 1099.8 to size by.
    lost = refused("cool_down")
    first = trip(1, units="10")
    second = trip(9, units="10.998")
    smaller = trip(9, units="10.0")
    parity = explain([smaller], [first, second], {at(1): lost}, follows=True, lot="0.01")
    assert set(causes(parity)) <= {Cause.RISK_GATE, Cause.LATENCY, Cause.FEE}
    assert parity.is_explained
    assert abs(causes(parity)[Cause.RISK_GATE]) > 100


def test_quantity_when_the_venue_filled_a_part_is_a_reject() -> None:
    half = trip(1, units="1", fee="0.05")
    known = Evidence(status="ok", entry=Wish(intended=Fraction(2)))
    assert causes(explain([half], [trip(1)], {at(1): known})) == {Cause.REJECT: Decimal("-9.9")}


def test_quantity_when_nothing_explains_it_is_a_defect() -> None:
    wrong = trip(1, units="3", fee="0.15")
    parity = explain([wrong], [trip(1)])
    assert not parity.is_explained
    assert causes(parity) == {Cause.DEFECT: Decimal("9.9")}


def test_exit_when_a_halt_closed_the_position_is_a_risk_gate() -> None:
    closed = trip(1, leave="105", exit_bar=2, reason="flatten")
    assert causes(explain([closed], [trip(1)])) == {Cause.RISK_GATE: Decimal(-10)}


def test_exit_when_the_bar_of_it_was_missed_is_a_missed_bar() -> None:
    late = trip(1, leave="104", exit_bar=7)
    parity = explain([late], [trip(1)], {at(4): Evidence(status="missing_bar")})
    assert causes(parity) == {Cause.MISSED_BAR: Decimal(-12)}


def test_stop_when_it_was_hit_on_another_bar_is_latency() -> None:
    stopped = trip(1, leave="95", exit_bar=2, reason="stop")
    other = trip(1, leave="94", exit_bar=3, reason="stop")
    assert causes(explain([stopped], [other])) == {Cause.LATENCY: Decimal(2)}


NUMBERS = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(5000), places=6).map(str)


@st.composite
def histories(draw: st.DrawFn) -> list[Trip]:
    bars = draw(st.lists(st.integers(0, 40), max_size=8, unique=True))
    return [
        trip(
            bar,
            units=draw(NUMBERS),
            entry=draw(NUMBERS),
            leave=draw(NUMBERS),
            reference=draw(st.none() | st.tuples(NUMBERS, NUMBERS)),
            fee=draw(NUMBERS),
            exit_bar=bar + draw(st.integers(0, 9)),
            reason=draw(st.sampled_from(["signal", "stop", "flatten", "manual"])),
        )
        for bar in sorted(bars)
    ]


@settings(max_examples=200, deadline=None)
@given(histories(), histories(), st.booleans())
def test_causes_whatever_happened_sum_to_the_gap_exactly(
    bot: list[Trip],
    backtest: list[Trip],
    follows: bool,  # noqa: FBT001 - drawn
) -> None:
    parity = explain(bot, backtest, follows=follows)
    assert sum(map(Fraction, parity.causes.values())) == Fraction(parity.gap)
    assert Fraction(parity.bot_pnl) - Fraction(parity.backtest_pnl) == Fraction(parity.gap)
    assert all("do not sum" not in one.words for one in parity.differences)
    assert parity.matched + parity.only_bot == len(bot)
    assert parity.matched + parity.only_backtest == len(backtest)


def test_revision_when_the_candles_were_corrected_is_the_cause_of_what_it_moved() -> None:
    parity = attribute(
        [trip(1)],
        [trip(1)],
        {at(1): OK},
        capital=Decimal(1000),
        follows_equity=False,
        follows_price=False,
        revision=Decimal("1.25"),
    )
    assert causes(parity) == {Cause.DATA_REVISION: Decimal("1.25")}
    assert parity.gap == Decimal("1.25")


def legged(bars: list[int], exits: list[tuple[int, str]], price: str = "100") -> Trip:
    """Return a trip of several legs of one unit each, sold in parts."""
    nothing = Fraction(0)
    entries = [Leg(1, Fraction(1), Fraction(price), Fraction(price), nothing, at(b)) for b in bars]
    sold = [
        Leg(-1, Fraction(part), Fraction(110 + bar), Fraction(110 + bar), nothing, at(bar))
        for bar, part in exits
    ]
    return Trip(at(bars[0]), (*entries, *sold))


def test_leg_when_the_bot_did_not_buy_it_is_explained_by_its_own_bar() -> None:
    mine, other = legged([1], [(9, "1")]), legged([1, 3], [(9, "2")])
    parity = explain([mine], [other], {at(3): failed("the venue says canceled", is_limit=True)})
    assert causes(parity) == {Cause.LATENCY: Decimal(-19)}
    assert causes(explain([mine], [other], {at(3): OK})) == {Cause.DEFECT: Decimal(-19)}


def test_leg_when_the_backtest_was_out_already_follows_from_its_exit() -> None:
    entry, leave = legged([1], [(2, "1")]).legs
    stopped = Trip(at(1), (entry, replace(leave, reason="target")))
    mine = legged([1, 3], [(4, "2")])
    parity = explain([mine], [stopped])
    assert set(causes(parity)) == {Cause.LATENCY}


def test_exit_in_parts_when_one_part_was_refused_is_explained_by_its_bar() -> None:
    mine = legged([1, 2], [(9, "2")])
    other = legged([1, 2], [(5, "1"), (9, "1")])
    known = Evidence(status="ok", exit=Wish(refused_by="minimum_notional"))
    parity = explain([mine], [other], {at(5): known})
    assert causes(parity) == {Cause.REJECT: Decimal(4)}


def test_books_when_they_say_another_profit_than_their_fills_are_a_defect() -> None:
    whole = trip(1)
    told = replace(whole, booked=whole.pnl + 5)
    assert causes(explain([told], [whole])) == {Cause.DEFECT: Decimal(5)}
    elsewhere = replace(told, pays_elsewhere=True)
    assert causes(explain([elsewhere], [whole])) == {Cause.FEE: Decimal(5)}


def test_trade_when_another_version_still_held_is_a_risk_gate() -> None:
    parity = attribute(
        [],
        [trip(1)],
        {at(1): OK},
        capital=Decimal(1000),
        follows_equity=False,
        follows_price=False,
        carried_until=at(2),
    )
    assert causes(parity) == {Cause.RISK_GATE: Decimal("-19.8")}

"""Tests of the graph of states, and of how news moves an attempt along it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.orders.fence import SEND_WITHIN_S, Evidence, Verdict, fence_of, judge, pause_s
from candela.orders.graph import LATE_EDGES, ORDER_EDGES, may_move, moved, state_shown
from candela.orders.words import OrderState, Side, VenueOrderState
from tests.candela.orders.made import NOW, an_intent, an_order

STATES = st.sampled_from(list(OrderState))
ORDER = an_order(an_intent(1, Side.BUY, "1"))


def test_graph_always_names_every_state() -> None:
    assert set(ORDER_EDGES) == set(OrderState)
    assert all(after in OrderState for edges in ORDER_EDGES.values() for after in edges)


def test_final_states_lead_nowhere_but_absence_which_is_only_our_conclusion() -> None:
    leading = {state for state in OrderState if state.is_final and ORDER_EDGES[state]}
    assert leading == {OrderState.ABSENT}


def test_every_living_state_can_end() -> None:
    for state in OrderState:
        if state.may_be_alive:
            assert any(after.is_final for after in ORDER_EDGES[state])


def test_late_edges_never_begin_where_an_order_is_alive() -> None:
    assert all(state.is_final for state in LATE_EDGES)


@given(st.lists(st.tuples(STATES, st.decimals(0, 2, places=3)), max_size=12))
def test_news_in_any_order_moves_along_declared_edges_and_quantity_never_shrinks(
    news: list[tuple[OrderState, Decimal]],
) -> None:
    order = an_order(an_intent(1, Side.BUY, "1"), state=OrderState.SENDING)
    for number, (state, executed) in enumerate(news):
        after = moved(order, state, NOW + timedelta(seconds=number), venue_executed=executed)
        if after is None:
            continue
        assert after.state is order.state or may_move(order.state, after.state)
        assert after.venue_executed >= order.venue_executed
        assert after.state.is_final == (after.final_at is not None)
        order = after


def test_news_that_says_nothing_new_is_none() -> None:
    assert moved(ORDER, OrderState.OPEN, NOW) is None
    assert moved(ORDER, OrderState.SENDING, NOW) is None


def test_news_that_is_older_still_brings_the_venues_id() -> None:
    canceling = an_order(an_intent(1, Side.BUY, "1"), state=OrderState.CANCELING)
    after = moved(canceling, OrderState.OPEN, NOW, venue_order_id="v9")
    assert after is not None
    assert (after.state, after.venue_order_id) == (OrderState.CANCELING, "v9")


@pytest.mark.parametrize("shown", list(VenueOrderState))
def test_state_of_the_venue_is_reachable_from_unknown(shown: VenueOrderState) -> None:
    assert may_move(OrderState.UNKNOWN, state_shown(shown))


ANSWERS = st.sampled_from([None, False, True])


@given(st.tuples(ANSWERS, ANSWERS, ANSWERS), st.floats(-60, 60))
def test_absence_is_proved_by_three_noes_behind_the_fence_alone(
    answers: tuple[bool | None, bool | None, bool | None], after_s: float
) -> None:
    fence_at = fence_of(NOW, 15.0)
    asked_at = fence_at + timedelta(seconds=after_s)
    verdict = judge(fence_at, Evidence(asked_at, *answers))
    proved = asked_at >= fence_at and answers == (False, False, False)
    assert (verdict is Verdict.ABSENT) == proved
    assert (verdict is Verdict.EXISTS) == (True in answers)


def test_fence_lies_behind_the_last_moment_of_sending() -> None:
    assert fence_of(NOW, 15.0) == NOW + timedelta(seconds=15.0 + SEND_WITHIN_S)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pause_is_never_longer_than_a_minute_nor_nothing(number: int, random: float) -> None:
    assert 0.25 <= pause_s(number, lambda: random) <= 60.0

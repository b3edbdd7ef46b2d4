"""Tests of when a desk compares: what is open often, the whole seldom, all at different moments."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from candela.orders.words import IntentState, OrderKind, OrderState, Side
from live.desk.rounds import Finding, Round, Rounds
from live.desk.terms import DeskTerms
from tests.live.desk.stage import BTC, Stage, on_stage

TERMS = DeskTerms()


def begun(random: float = 0.5) -> Rounds:
    rounds = Rounds(TERMS, lambda: random)
    rounds.over(0.0, Finding.AGREES)
    return rounds


async def rested(stage: Stage) -> str:
    """Start, and let a buy rest of which nothing is heard any more; returns the venue's id."""
    stage.venue._fill_soon = lambda order, price: None
    desk = await stage.started()
    commit = stage.commit(Side.BUY, "0.01", kind=OrderKind.LIMIT, price="59000", valid_s=None)
    await desk.place([commit])
    await asyncio.sleep(20)
    assert stage.attempts(commit) == [OrderState.OPEN]
    stage.venue.tell = lambda news: None
    return "v1"


def test_fill_that_the_stream_misses_is_booked_within_thirty_seconds() -> None:
    async def play(stage: Stage) -> None:
        order = stage.venue.orders[await rested(stage)]
        stage.venue._execute(order, Decimal("0.01"), Decimal(59_000))
        await asyncio.sleep(30)
        assert stage.desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert stage.desk.open_intents == 0

    on_stage(play)


def test_part_that_the_stream_misses_of_an_order_still_open_is_booked_within_thirty_seconds() -> (
    None
):
    async def play(stage: Stage) -> None:
        order = stage.venue.orders[await rested(stage)]
        stage.venue._execute(order, Decimal("0.004"), Decimal(59_000))
        await asyncio.sleep(30)
        assert stage.desk.position(stage.bot, BTC).quantity == Decimal("0.004")
        assert stage.desk.open_intents == 1

    on_stage(play)


def test_account_with_nothing_open_hardly_asks_anything() -> None:
    async def play(stage: Stage) -> None:
        await stage.started()
        await asyncio.sleep(5)
        asked = stage.network.calls
        await asyncio.sleep(200)
        assert stage.network.calls == asked
        await asyncio.sleep(200)
        assert asked < stage.network.calls <= asked + 4

    on_stage(play)


def test_balances_that_agree_leave_executions_unread() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(1_500)
        assert desk.counts.sweeps == 1
        assert desk.counts.reconciles >= 5
        await asyncio.sleep(900)
        assert desk.counts.sweeps == 2

    on_stage(play)


def test_fill_of_an_order_that_had_ended_is_booked_though_the_stream_is_silent() -> None:
    async def play(stage: Stage) -> None:
        order = stage.venue.orders[await rested(stage)]
        intent_id = next(iter(stage.books.intents))
        assert stage.desk.cancel_intent(intent_id)
        await asyncio.sleep(5)
        assert stage.books.intents[intent_id].state is IntentState.FAILED
        await asyncio.sleep(100)
        stage.venue._fill_late(order)
        await asyncio.sleep(320)
        assert stage.desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert [alarm.code for alarm in stage.alarms] == ["late_fill"]

    on_stage(play)


def test_reconnections_of_many_accounts_at_once_are_compared_at_different_moments() -> None:
    random = Random(1)
    moments: list[float] = []
    for _ in range(200):
        rounds = Rounds(TERMS, random.random)
        rounds.connected(0.0)
        rounds.over(0.0, Finding.AGREES)
        rounds.connected(100.0)
        now = 100.0
        while rounds.due(now, has_open=False, is_quiet=True) is not Round.WHOLE:
            now = max(now + 0.001, rounds.next_at)
        moments.append(now)
    assert max(moments) <= 100 + TERMS.spread_s + 0.01
    within = [sum(at <= one < at + 10 for one in moments) for at in moments]
    assert max(within) < 40


def test_whole_round_asked_for_by_a_fill_waits_until_nothing_is_under_way() -> None:
    rounds = begun()
    rounds.over(199.0, None)
    rounds.moved(200.0)
    assert rounds.due(209.0, has_open=True, is_quiet=True) is None
    assert rounds.due(211.0, has_open=True, is_quiet=False) is None
    assert rounds.due(222.0, has_open=True, is_quiet=True) is Round.WHOLE
    late = begun()
    assert late.due(301.0, has_open=False, is_quiet=False) is Round.WHOLE


def test_fills_one_after_the_other_are_confirmed_every_few_minutes() -> None:
    rounds = begun()
    whole = 0
    for second in range(600):
        rounds.moved(float(second))
        if rounds.due(float(second), has_open=False, is_quiet=True) is Round.WHOLE:
            whole += 1
            rounds.over(float(second), Finding.AGREES)
    assert 2 <= whole <= 600 / TERMS.gap_s


def test_difference_is_judged_again_when_it_can_be_no_lag_any_more() -> None:
    rounds = begun()
    rounds.over(300.0, Finding.DIFFERS)
    assert rounds.due(300 + TERMS.settle_s, has_open=False, is_quiet=True) is None
    assert rounds.due(300 + 1.3 * TERMS.settle_s, has_open=False, is_quiet=True) is Round.WHOLE


@given(
    st.lists(
        st.tuples(st.floats(0.01, 200), st.sampled_from(["moved", "connected", "failed", "look"])),
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
def test_what_is_open_is_looked_at_every_thirty_seconds_whatever_happens(
    happened: list[tuple[float, str]], random: Random
) -> None:
    rounds = Rounds(TERMS, random.random)
    rounds.over(0.0, Finding.AGREES)
    now, looked_at = 0.0, 0.0
    for pause_s, what in happened:
        until = now + pause_s
        while rounds.next_at <= until:
            now = max(now, rounds.next_at)
            due = rounds.due(now, has_open=True, is_quiet=random.random() < 0.7)
            if due is not None:
                rounds.over(now, Finding.AGREES if due is Round.WHOLE else None)
                assert now - looked_at <= TERMS.reconcile_s
                looked_at = now
        now = until
        if what == "moved":
            rounds.moved(now)
        elif what == "connected":
            rounds.connected(now)
        elif what == "failed":
            rounds.failed(now, 0.5)

"""Faults of the catalogue on one desk: lost answers, cancellations, refusals, rules that change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from candela.orders.records import Halt
from candela.orders.words import (
    IntentState,
    OrderKind,
    OrderReport,
    OrderState,
    Side,
    VenueOrderState,
)
from live.store.port import Commit
from tests.journeys.stages import check_money
from tests.live.desk.stage import BTC, CALM, Stage, on_stage
from tests.simulation.broker import FENCE_S
from tests.simulation.venue import RULES, VenueOrder

DEAF = replace(CALM, lost=1.0)
LOT = RULES[BTC].lot


def send_faults(stage: Stage, *ways: str) -> None:
    """Let each submission go wrong in one of these ways."""
    stage.venue.faults = replace(stage.venue.faults, send=1.0, ways=ways)


def at_rest(stage: Stage) -> None:
    """Let orders rest until a test fills them."""
    stage.venue._fill_soon = lambda order, price: None


def the_order(stage: Stage) -> VenueOrder:
    return next(reversed(stage.venue.orders.values()))


async def resting(stage: Stage, quantity: str = "0.01") -> Commit:
    """Place a purchase at a limit that rests."""
    at_rest(stage)
    commit = stage.commit(Side.BUY, quantity, kind=OrderKind.LIMIT, price="59000", valid_s=None)
    await stage.desk.place([commit])
    await asyncio.sleep(2)
    return commit


def test_order_when_it_executes_after_a_timeout_then_the_stream_ends_the_retry() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        send_faults(stage, "late")
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(60)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert desk.counts.sent == len(stage.venue.orders) == 1
        check_money(stage)

    on_stage(play)


@pytest.mark.parametrize("lag_s", [0.0, 1.0, 6.0, 11.0, FENCE_S - 0.5])
def test_order_when_questions_find_it_late_then_it_is_never_sent_again(
    lag_s: float,
) -> None:
    # As late as the fence of the broker allows for; the stream brings nothing.
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._lag = lambda longest_s: lag_s
        send_faults(stage, "lost_after", "error_after")
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(90)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert len(stage.venue.orders) == 1
        check_money(stage)

    on_stage(play, DEAF)


def test_fills_when_they_are_listed_long_after_the_order_is_filled_then_none_is_made_up() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._lag = lambda longest_s: 30.0 if longest_s > 10 else 0.0
        bare = stage.venue.report

        def without(order: VenueOrder, *, with_executions: bool = False) -> OrderReport:
            del with_executions
            return bare(order)

        stage.venue.report = without
        commit = stage.commit(Side.BUY, "0.01")
        await desk.place([commit])
        await asyncio.sleep(20)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert not stage.intent(commit).state.is_final
        assert desk.position(stage.bot, BTC).quantity == 0
        assert desk.balance("USDT").locked > 0
        await asyncio.sleep(60)
        assert stage.intent(commit).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        check_money(stage)

    on_stage(play, DEAF)


def test_cancellation_when_a_fill_was_first_then_the_refusal_is_news() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = await resting(stage)
        order = the_order(stage)
        stage.venue._fill(order, order.request.quantity, Decimal(59_000))
        assert desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(5)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert stage.alarms == []
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        check_money(stage)

    on_stage(play, DEAF)


def test_cancellation_when_its_answer_is_lost_then_money_is_held_until_the_end_is_proved() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = await resting(stage)
        order = the_order(stage)
        stage.network.down_until_s = stage.loop.time() + 40
        assert desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(20)
        stage.venue._fill(order, order.request.quantity / 4, Decimal(59_000))
        assert not stage.intent(commit).state.is_final
        assert desk.balance("USDT").locked > 0
        await asyncio.sleep(90)
        assert stage.attempts(commit) == [OrderState.CANCELED]
        assert stage.intent(commit).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.0025")
        check_money(stage)

    on_stage(play, DEAF)


def test_cancellation_when_the_venue_forgot_the_order_then_ends_after_the_fence() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = await resting(stage)
        order = the_order(stage)
        stage.venue.cancel(order)
        stage.venue.orders.clear()
        stage.venue.by_client.clear()
        assert desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(10)
        assert not stage.intent(commit).state.is_final
        await asyncio.sleep(110)
        assert stage.attempts(commit) == [OrderState.CANCELED]
        assert stage.intent(commit).state is IntentState.FAILED
        check_money(stage)

    on_stage(play, DEAF)


@pytest.mark.parametrize("share", ["0", "step", "0.99"])
@pytest.mark.parametrize(
    "state", [VenueOrderState.CANCELED, VenueOrderState.EXPIRED, VenueOrderState.FILLED]
)
def test_order_when_it_ends_partly_filled_then_that_part_is_kept_and_the_rest_released(
    state: VenueOrderState, share: str
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = await resting(stage)
        order = the_order(stage)
        part = LOT if share == "step" else Decimal("0.01") * Decimal(share)
        if state is VenueOrderState.FILLED:
            stage.venue._fill(order, order.request.quantity - part, Decimal(59_000))
        if part:
            stage.venue._fill(order, part, Decimal(59_000))
        stage.venue._end(order, state)
        await asyncio.sleep(40)
        filled = Decimal("0.01") if state is VenueOrderState.FILLED else part
        assert stage.attempts(commit) == [OrderState(state.value)]
        # Below the least value it is dust, which the next entry takes along.
        held = desk.position(stage.bot, BTC)
        assert held.quantity + held.dust == filled
        assert stage.intent(commit).state is (IntentState.DONE if filled else IntentState.FAILED)
        check_money(stage)

    on_stage(play)


def test_fill_when_it_comes_an_hour_after_cancellation_then_it_is_booked_and_told() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = await resting(stage)
        order = the_order(stage)
        assert desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(30)
        assert stage.intent(commit).state is IntentState.FAILED
        await asyncio.sleep(3_600)
        stage.venue._fill_late(order)
        await asyncio.sleep(40)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert "late_fill" in {alarm.code for alarm in stage.alarms}
        check_money(stage)

    on_stage(play)


@pytest.mark.parametrize(
    "words",
    [
        "-2010 Account has insufficient balance for requested action.",
        "-2010 Market is closed.",
        "-2010 Order would trigger immediately.",
        "-1013 Filter failure: NOTIONAL",
        "-1013 Filter failure: PERCENT_PRICE_BY_SIDE",
        "-1013 Filter failure: LOT_SIZE",
        "-1013 Filter failure: MARKET_LOT_SIZE",
        "-1013 Filter failure: PRICE_FILTER",
        "-1013 Filter failure: MAX_NUM_ORDERS",
        "-1121 Invalid symbol.",
    ],
)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_order_when_the_venue_refuses_it_then_it_ends_and_its_money_is_free_once(
    words: str, side: Side
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        if side is Side.SELL:
            await desk.place([stage.commit(Side.BUY, "0.02")])
            await asyncio.sleep(5)
        sent = desk.counts.sent
        stage.venue.accept = lambda request: words
        commit = stage.commit(side, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(120)
        assert stage.attempts(commit) == [OrderState.REJECTED]
        assert stage.intent(commit).reason == words
        assert desk.counts.sent == sent + 1
        assert desk.balance("USDT").locked == desk.balance("BTC").locked == 0
        check_money(stage)

    on_stage(play)


def test_symbol_when_it_is_halted_then_entries_are_not_sent_and_exits_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.02")])
        await asyncio.sleep(5)
        await desk.stop()
        stage.desk = stage.a_desk()
        monkeypatch.setitem(RULES, BTC, replace(RULES[BTC], is_trading=False))
        desk = await stage.started()
        entry, leaving = stage.commit(Side.BUY, "0.01"), stage.commit(Side.SELL, "0.02")
        await desk.place([entry, leaving])
        await asyncio.sleep(10)
        assert stage.attempts(entry) == []
        assert stage.intent(entry).reason == "BTC/USDT is not trading"
        assert stage.attempts(leaving) == [OrderState.FILLED]
        check_money(stage)

    on_stage(play)


def test_order_when_it_is_above_the_largest_then_that_much_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.02")])
        await asyncio.sleep(5)
        await desk.stop()
        stage.desk = stage.a_desk()
        monkeypatch.setitem(RULES, BTC, replace(RULES[BTC], maximum_quantity=Decimal("0.015")))
        desk = await stage.started()
        commit = stage.commit(Side.SELL, "0.02")
        await desk.place([commit])
        await asyncio.sleep(10)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert stage.intent(commit).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.005")
        check_money(stage)

    on_stage(play)


@pytest.mark.parametrize(
    "state", ["throttled", "lost_before", "lost_after", "late", "open", "filled"]
)
def test_stop_when_an_order_is_in_any_state_then_nothing_is_sent_after_it(
    state: str,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        if state == "open":
            commit = await resting(stage)
        else:
            if state != "filled":
                send_faults(stage, state)
            commit = stage.commit(Side.BUY, "0.01", valid_s=None)
            await desk.place([commit])
            await asyncio.sleep(0.5)
        sent = desk.counts.sent
        tenant = stage.key.tenant_id
        halt = Halt(stage.id(), "tenant", tenant, None, None, flatten=False, reason="by hand")
        stage.books.halts[halt.halt_id] = halt
        desk.cancel_intent(commit.intent.intent_id)
        stage.venue.faults = replace(stage.venue.faults, send=0.0)
        refused = await desk.place([stage.commit(Side.BUY, "0.01")])
        assert [one.kind for one in refused] == ["refused"]
        await asyncio.sleep(120)
        assert desk.counts.sent == sent
        assert stage.intent(commit).state.is_final
        assert all(order.state is not VenueOrderState.OPEN for order in stage.venue.orders.values())
        executed = sum((order.executed for order in stage.venue.orders.values()), Decimal(0))
        assert desk.position(stage.bot, BTC).quantity == executed
        check_money(stage)

    on_stage(play)


@pytest.mark.parametrize("way", ["throttled", "lost_before"])
def test_halt_when_an_entry_waits_to_be_sent_again_then_it_is_not(way: str) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        send_faults(stage, way)
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(0.5)
        tenant = stage.key.tenant_id
        halt = Halt(stage.id(), "tenant", tenant, None, None, flatten=False, reason="by hand")
        stage.books.halts[halt.halt_id] = halt
        stage.venue.faults = replace(stage.venue.faults, send=0.0)
        await asyncio.sleep(120)
        assert desk.counts.sent == 1
        assert stage.intent(commit).reason == "halted before it was sent"
        check_money(stage)

    on_stage(play)

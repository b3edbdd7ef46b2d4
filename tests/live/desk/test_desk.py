"""Tests of the desk against a venue in virtual time: each rule that histories alone do not show."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from candela.orders.records import (
    Halt,
)
from candela.orders.words import (
    IntentState,
    OrderKind,
    OrderState,
    Side,
)
from live.desk.terms import DeskNotReady
from tests.live.desk.stage import BTC, Stage, on_stage


def test_market_order_when_all_is_well_is_filled_and_booked_once() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = stage.commit(Side.BUY, "0.01")
        assert [one.kind for one in await desk.place([commit])] == ["committed"]
        await asyncio.sleep(5)
        assert stage.intent(commit).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert desk.balance("USDT").locked == 0
        assert len(stage.booked) == 1
        assert desk.book.balances["BTC"].total == Decimal("0.01")

    on_stage(play)


def test_decision_that_comes_twice_is_placed_once() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commit = stage.commit(Side.BUY, "0.01")
        kinds = [(await desk.place([commit]))[0].kind for _ in range(3)]
        assert kinds == ["committed", "duplicate", "duplicate"]
        await asyncio.sleep(5)
        assert desk.counts.sent == 1

    on_stage(play)


def test_desk_before_it_has_compared_takes_nothing() -> None:
    async def play(stage: Stage) -> None:
        await stage.desk.start()
        with pytest.raises(DeskNotReady, match="starting"):
            await stage.desk.place([stage.commit(Side.BUY, "0.01")])
        await stage.desk.wait_ready()
        assert await stage.desk.drain(5.0)
        with pytest.raises(DeskNotReady, match="ending"):
            await stage.desk.place([stage.commit(Side.BUY, "0.01")])

    on_stage(play)


def test_exit_under_a_halt_is_placed_and_an_entry_is_refused() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        halt = Halt(stage.id(), "platform", None, None, None, flatten=False, reason="by hand")
        stage.books.halts[halt.halt_id] = halt
        both = [stage.commit(Side.BUY, "0.01"), stage.commit(Side.SELL, "0.01")]
        placed = await desk.place(both)
        assert [(one.kind, one.gate) for one in placed] == [
            ("refused", "halt"),
            ("committed", None),
        ]
        await asyncio.sleep(5)
        assert desk.position(stage.bot, BTC).quantity == 0

    on_stage(play)


def test_sum_of_two_bots_wishes_never_passes_what_is_free() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        commits = [stage.commit(Side.BUY, "0.1") for _ in range(3)]
        placed = await desk.place(commits)
        assert [one.gate for one in placed] == [None, "balance", "balance"]

    on_stage(play)


def test_limit_order_that_lapses_is_canceled_and_its_money_is_free_again() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        commit = stage.commit(Side.BUY, "0.01", kind=OrderKind.LIMIT, price="50000.007", valid_s=30)
        await desk.place([commit])
        await asyncio.sleep(10)
        assert stage.attempts(commit) == [OrderState.OPEN]
        assert next(iter(stage.books.orders.values())).price == Decimal("50000.00")
        assert desk.balance("USDT").locked > 0
        await asyncio.sleep(25)
        assert stage.attempts(commit) == [OrderState.CANCELED]
        assert stage.intent(commit).state is IntentState.FAILED
        assert desk.balance("USDT").locked == 0

    on_stage(play)


def test_intent_that_is_canceled_ends_with_what_it_filled() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        commit = stage.commit(Side.BUY, "0.01", kind=OrderKind.LIMIT, price="50000", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(2)
        order = next(iter(stage.venue.orders.values()))
        stage.venue._execute(order, Decimal("0.004"), Decimal(50_000))
        await asyncio.sleep(3)
        assert desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(5)
        assert stage.intent(commit).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.004")
        assert not desk.cancel_intent(commit.intent.intent_id)

    on_stage(play)

"""Faults of the catalogue about whose an order is: bots, people, executors, restarts, fees."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from candela.brokers.port import NoInformation
from candela.orders.words import (
    Execution,
    IntentState,
    OrderKind,
    OrderReport,
    OrderRequest,
    OrderState,
    Outcome,
    OutcomeKind,
    Side,
)
from live.desk.terms import DeskNotReady
from live.store.port import Commit, Lease, LeaseLost
from tests.journeys.stages import broker_of, check_money
from tests.live.desk.stage import BTC, CALM, Stage, on_stage

DEAF = replace(CALM, lost=1.0)


def test_fill_when_another_bot_has_just_such_an_order_then_it_is_not_adopted() -> None:
    # Both answers are lost, the stream is deaf, executions name nobody: one was accepted.
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        first, second = stage.bot, stage.id()
        stage.books.add_bot(second, stage.key)
        stage.venue.faults = replace(DEAF, send=1.0, ways=("lost_after",))
        bought = stage.commit(Side.BUY, "0.01", valid_s=20)
        await desk.place([bought])
        await asyncio.sleep(0.2)
        stage.venue.faults = replace(DEAF, send=1.0, ways=("lost_before",))
        stage.bot = second
        lost = stage.commit(Side.BUY, "0.01", valid_s=10)
        await desk.place([lost])
        await asyncio.sleep(90)
        assert stage.attempts(bought) == [OrderState.FILLED]
        assert stage.attempts(lost) == [OrderState.ABSENT]
        assert desk.position(first, BTC).quantity == Decimal("0.01")
        assert desk.position(second, BTC).quantity == 0
        check_money(stage)

    on_stage(play)


def test_execution_when_a_person_made_just_such_an_order_then_it_is_not_adopted() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue.faults = replace(DEAF, send=1.0, ways=("lost_before",))
        lost = stage.commit(Side.BUY, "0.01", valid_s=10)
        await desk.place([lost])
        await asyncio.sleep(0.2)
        by_hand = OrderRequest("web-1", BTC, Side.BUY, OrderKind.MARKET, Decimal("0.01"))
        stage.venue.accept(by_hand)
        stage.venue.executions = [
            (at_s, replace(one, client_id=None)) for at_s, one in stage.venue.executions
        ]
        await asyncio.sleep(90)
        assert stage.attempts(lost) == [OrderState.ABSENT]
        assert desk.position(stage.bot, BTC).quantity == 0
        assert stage.books.fills == {}

    on_stage(play)


def test_execution_when_its_order_cannot_be_found_yet_then_absence_is_not_proved() -> None:
    # The list of executions is ahead of the list of orders: whose execution it was is not known.
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        real = broker_of(stage)

        async def lost(request: OrderRequest) -> Outcome:
            stage.venue._lag = lambda longest_s: 0.0 if longest_s > 10 else 60.0
            stage.venue.accept(request)
            stage.venue.executions = [
                (at_s, replace(one, client_id=None)) for at_s, one in stage.venue.executions
            ]
            return Outcome(OutcomeKind.UNKNOWN, "no answer")

        real.submit = lost
        commit = stage.commit(Side.BUY, "0.01", valid_s=20)
        await desk.place([commit])
        await asyncio.sleep(50)
        assert stage.attempts(commit) == [OrderState.UNKNOWN]
        await asyncio.sleep(90)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        check_money(stage)

    on_stage(play, DEAF)


@pytest.mark.parametrize("ccy", ["DUST", "USDT", "BTC"])
def test_money_when_somebody_else_moves_it_then_no_fill_of_ours_is_read_from_it(ccy: str) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(40)
        stage.venue.move(ccy, Decimal("0.5"))
        await asyncio.sleep(900)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        kinds = [one.kind for one in stage.books.ledger.values() if one.ccy == ccy]
        assert kinds.count("external") == 1
        assert stage.books.accounts[stage.key].state == "active"
        if ccy == "BTC":
            stage.venue.move(ccy, Decimal("-0.505"))
            await asyncio.sleep(900)
            assert stage.books.accounts[stage.key].state == "blocked"
            assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
            return
        check_money(stage)

    on_stage(play)


def test_difference_of_fills_when_the_books_agree_otherwise_then_stays_blocked() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(40)
        held = stage.venue.free.pop("BTC")
        await asyncio.sleep(900)
        assert (stage.books.accounts[stage.key].state_reason or "").startswith("books_differ")
        known = stage.venue.executions[0][1]
        stage.venue.tell(replace(known, price=Decimal(1)))
        await asyncio.sleep(10)
        stage.venue.free["BTC"] = held
        await asyncio.sleep(900)
        account = stage.books.accounts[stage.key]
        assert account.state == "blocked"
        assert (account.state_reason or "").startswith("fills_differ")

    on_stage(play)


@pytest.mark.parametrize("question", ["balances", "open_orders", "executions"])
def test_question_when_it_is_not_answered_then_nothing_is_taken_to_be_gone(question: str) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(40)
        ledger = dict(stage.books.ledger)

        async def unanswered(*_: object) -> None:
            raise NoInformation("half a page", "It is asked again.")

        setattr(broker_of(stage), question, unanswered)
        stage.venue.free.clear()
        await asyncio.sleep(900)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert stage.books.ledger == ledger
        assert stage.books.accounts[stage.key].state == "active"

    on_stage(play)


def test_broker_when_it_throws_at_a_question_then_the_desk_goes_on() -> None:
    # A mistake in one account's adapter must not end the trading of all others.
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        broker = broker_of(stage)
        real = broker.find

        async def mistaken(*_: object) -> None:
            raise IndexError("a row without its price")

        setattr(broker, "find", mistaken)  # noqa: B010 (of another shape on purpose)
        stage.venue.faults = replace(DEAF, send=1.0, ways=("lost_after",))
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(120)
        assert desk.failure is None
        assert stage.attempts(commit) == [OrderState.UNKNOWN]
        setattr(broker, "find", real)  # noqa: B010
        await asyncio.sleep(120)
        assert stage.attempts(commit) == [OrderState.FILLED]
        check_money(stage)

    on_stage(play)


def test_executor_when_it_wakes_up_after_a_take_over_then_it_sends_nothing() -> None:
    # It was stopped between writing the attempt and signing it, for longer than its lease.
    async def play(stage: Stage) -> None:
        first = await stage.started()
        signed: list[OrderRequest] = []
        stage.network.received = lambda broker, request: signed.append(request)
        stopped = stage.loop.create_future()
        old = broker_of(stage)

        really = old.submit

        async def submit(request: OrderRequest) -> Outcome:
            await stopped
            return await really(request)

        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        lease = Lease(stage.shard, 1, "here")
        first._keeper._leases = lambda: lease
        old.submit = submit
        await first.place([commit])
        await asyncio.sleep(1)
        assert stage.attempts(commit) == [OrderState.SENDING]
        stage.books.epochs[stage.shard] = 2
        stage.lease = Lease(stage.shard, 2, "there")
        stage.desk = stage.a_desk()
        await stage.started()
        await asyncio.sleep(60)
        assert stage.attempts(commit) == [OrderState.ABSENT, OrderState.FILLED]
        # It wakes up, and still believes in its lease: the epoch in each writing says no.
        stopped.set_result(None)
        await asyncio.sleep(60)
        with pytest.raises((LeaseLost, DeskNotReady)):
            await first.place([stage.commit(Side.BUY, "0.01")])
        assert [request.client_id[-1] for request in signed] == ["2"]
        assert len(stage.venue.orders) == 1
        assert stage.desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        check_money(stage)
        await first.stop()

    on_stage(play)


def test_position_when_the_desk_starts_again_and_again_then_it_is_that_of_the_fills() -> None:
    async def play(stage: Stage) -> None:
        await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        commit = stage.commit(Side.BUY, "0.01", kind=OrderKind.LIMIT, price="60000", valid_s=None)
        await stage.desk.place([commit])
        await asyncio.sleep(2)
        order = next(iter(stage.venue.orders.values()))
        for number in range(20):
            if number % 2:
                stage.venue._fill(order, Decimal("0.001"), Decimal(60_000))
            await stage.desk.stop()
            stage.desk = stage.a_desk()
            await stage.started()
            await asyncio.sleep(2)
            bought = Decimal("0.001") * ((number + 1) // 2)
            assert stage.desk.position(stage.bot, BTC).quantity == bought
            assert len(stage.books.fills) == (number + 1) // 2
        assert stage.intent(commit).state is IntentState.DONE
        assert len(stage.venue.orders) == 1
        assert stage.alarms == []
        check_money(stage)

    on_stage(play)


@pytest.mark.parametrize("fee", ["came", "USDT", "BNB"])
def test_position_when_fees_are_taken_in_any_asset_then_what_arrived_can_be_sold(fee: str) -> None:
    async def play(stage: Stage) -> None:
        stage.venue.fee = fee
        if fee == "BNB":
            stage.venue.free["BNB"] = Decimal("0.001")
            stage.books.totals[stage.key]["BNB"] = Decimal("0.001")
        desk = await stage.started()
        # With BNB the second purchase finds too little of it and pays in what it brings.
        for _ in range(2):
            await desk.place([stage.commit(Side.BUY, "0.01")])
            await asyncio.sleep(3)
        held = desk.position(stage.bot, BTC).quantity
        assert held == stage.venue.free["BTC"]
        assert (held < Decimal("0.02")) == (fee != "USDT")
        whole = held.quantize(Decimal("0.00001"), rounding="ROUND_FLOOR")
        sale = stage.commit(Side.SELL, str(whole))
        await desk.place([sale])
        await asyncio.sleep(40)
        assert stage.attempts(sale) == [OrderState.FILLED]
        position = desk.position(stage.bot, BTC)
        assert (position.quantity, position.dust) == (0, held - whole)
        check_money(stage)

    on_stage(play)


def test_twenty_bots_when_they_want_one_balance_at_once_then_it_is_given_out_once() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        commits: list[Commit] = []
        for _ in range(20):
            stage.bot = stage.id()
            stage.books.add_bot(stage.bot, stage.key)
            commits.append(
                stage.commit(Side.BUY, "0.02", kind=OrderKind.LIMIT, price="60000", valid_s=None)
            )
        placed = await asyncio.gather(*(desk.place([commit]) for commit in commits))
        kinds = [one.kind for each in placed for one in each]
        # 10,000 between wishes that hold back 1,220 each.
        assert (kinds.count("committed"), kinds.count("refused")) == (8, 12)
        assert desk.balance("USDT").free >= 0
        await asyncio.sleep(5)
        assert len(stage.venue.orders) == 8
        for commit in commits:
            desk.cancel_intent(commit.intent.intent_id)
        await asyncio.sleep(30)
        check_money(stage)

    on_stage(play)


def test_desk_when_it_has_traded_long_then_it_remembers_no_order_that_is_over() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        for _ in range(700):
            for side in (Side.BUY, Side.SELL):
                await desk.place([stage.commit(side, "0.001")])
                await asyncio.sleep(2)
        image = desk._keeper.image
        assert desk.counts.fills == 1_400
        assert (len(image.orders), len(image.intents), len(image.attempts)) == (0, 0, 0)
        assert (len(image.reservations), len(image.venue_ids)) == (0, 0)
        assert len(image._recent) <= 1_024
        assert len(desk._keeper._early) <= 256
        assert len(desk._works) == 0
        assert len(desk._tasks) <= 2

    on_stage(play)


def test_fills_when_the_late_owner_hears_them_too_then_they_count_once() -> None:
    # Both heard the same fills: the one that had the lease, and the one that has it.
    async def play(stage: Stage) -> None:
        first = await stage.started()
        old = broker_of(stage)
        stage.books.epochs[stage.shard] = 2
        lease = Lease(stage.shard, 1, "here")
        first._keeper._leases = lambda: lease
        stage.lease = Lease(stage.shard, 2, "there")
        stage.desk = stage.a_desk()
        new = broker_of(stage)
        await stage.started()

        def both(news: OrderReport | Execution) -> None:
            old.hear(news)
            new.hear(news)

        stage.venue.tell = both
        await stage.desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(40)
        assert len(stage.books.fills) == 1
        check_money(stage)
        await first.stop()

    on_stage(play)

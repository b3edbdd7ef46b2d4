"""Faults of the catalogue on one desk: events lost, doubled, out of order, cut off at any one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from random import Random

import pytest

from candela.brokers.port import BrokerEvent, EventKind, NoInformation
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
from live.desk.desk import AccountDesk
from live.desk.terms import DeskTerms
from live.store.memory import MemoryStore
from tests.journeys.stages import broker_of, check_money
from tests.live.desk.stage import BTC, CALM, Stage, on_stage

PARTS = (Decimal("0.003"), Decimal("0.007"))


class Held:
    """What a venue says of one order, held back until a test lets it out."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.told: list[OrderReport | Execution] = []
        self.answer: asyncio.Future[Outcome] = stage.loop.create_future()
        venue = stage.venue
        venue._parts = lambda order: list(PARTS)
        venue.tell = self.told.append
        self.broker = broker_of(stage)
        self.broker.submit = self._submit

    async def _submit(self, request: OrderRequest) -> Outcome:
        accepted = self.stage.venue.accept(request)
        assert not isinstance(accepted, str)
        opened = replace(
            self.stage.venue.report(accepted), state=accepted.state.OPEN, executed=Decimal(0)
        )
        self.told.insert(0, opened)
        # Questions bring nothing, so that only these events can.
        self.stage.network.down_until_s = self.stage.loop.time() + 25
        return await self.answer

    def let_out(self, number: int) -> None:
        """Let one of four events come in; the fifth is the answer, without executions."""
        if number == len(self.told):
            opened = self.told[0]
            assert isinstance(opened, OrderReport)
            self.answer.set_result(Outcome(OutcomeKind.ACCEPTED, report=opened))
            return
        news = self.told[number]
        if isinstance(news, Execution):
            event = BrokerEvent(EventKind.EXECUTION, execution=replace(news, client_id=None))
        else:
            event = BrokerEvent(EventKind.ORDER, order=news)
        self.broker._events.put_nowait(event)


@pytest.mark.parametrize("first", range(5))
def test_five_events_when_they_come_in_any_order_then_each_fill_is_booked_once(first: int) -> None:
    async def play(stage: Stage, order: tuple[int, ...]) -> None:
        desk = await stage.started()
        held = Held(stage)
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(0.1)
        assert len(held.told) == 4
        for number in order:
            held.let_out(number)
            await asyncio.sleep(0.1)
        assert stage.attempts(commit) == [OrderState.FILLED], order
        assert stage.intent(commit).state is IntentState.DONE, order
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01"), order
        assert desk.counts.fills == 2, order
        assert stage.alarms == [], order

    for rest in permutations(set(range(5)) - {first}):
        on_stage(lambda stage, rest=rest: play(stage, (first, *rest)))


@pytest.mark.parametrize("seed", range(6))
def test_fills_when_each_comes_many_times_on_both_channels_then_they_count_once(seed: int) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        random = Random(seed)
        for side in (Side.BUY, Side.SELL):
            await desk.place([stage.commit(side, "0.01", valid_s=None)])
            await asyncio.sleep(6)
        events = [one for _, one in stage.venue.executions for _ in range(random.randrange(1, 6))]
        random.shuffle(events)
        broker = broker_of(stage)
        for execution in events:
            named = replace(execution, client_id=None) if random.random() < 0.5 else execution
            broker._events.put_nowait(BrokerEvent(EventKind.EXECUTION, execution=named))
            if random.random() < 0.3:
                await desk._keeper.book([one for _, one in stage.venue.executions])
            await asyncio.sleep(random.random() * 10)
        await desk.stop()
        stage.desk = stage.a_desk()
        await stage.started()
        await asyncio.sleep(60)
        assert len(stage.books.fills) == len(stage.venue.executions)
        assert stage.desk.position(stage.bot, BTC).quantity == 0
        check_money(stage)
        assert stage.alarms == []

    on_stage(play, replace(CALM, partial=0.8))


@pytest.mark.parametrize("lost", [0.2, 1.0])
def test_fills_when_the_stream_drops_them_then_they_are_booked_within_30_s(
    lost: float,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        commits = [
            stage.commit(Side.BUY, "0.001", kind=OrderKind.LIMIT, price="59000", valid_s=None)
            for _ in range(12)
        ]
        await desk.place(commits)
        await asyncio.sleep(100)
        for order in stage.venue.orders.values():
            stage.venue._fill(order, Decimal("0.0004"), Decimal(59_000))
            stage.venue._fill(order, Decimal("0.0006"), Decimal(59_000))
        await asyncio.sleep(31.5)
        assert desk.counts.fills == 24
        assert all(stage.intent(commit).state is IntentState.DONE for commit in commits)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.012")

    on_stage(play, replace(CALM, lost=lost))


@pytest.mark.parametrize("after", range(8))
def test_stream_when_cut_at_any_message_then_what_it_missed_is_asked_for(after: int) -> None:
    # Seven messages: three executions of a purchase, its end, two of a sale, its end.
    async def play(stage: Stage) -> None:
        broker = broker_of(stage)
        stage.desk = AccountDesk(
            stage.key,
            MemoryStore(stage.books),
            broker,
            lambda: stage.lease,
            stage.clock,
            terms=DeskTerms(reconcile_s=3_600.0),
            random=stage.random.random,
        )
        desk = await stage.started()
        stage.venue._fill_soon = lambda order, price: None
        count = 0

        def tell(news: OrderReport | Execution) -> None:
            nonlocal count
            if count == after:
                broker.cut(8)
            count += 1
            broker.hear(news)

        stage.venue.tell = tell
        for side, parts in ((Side.BUY, (2, 3, 5)), (Side.SELL, (4, 6))):
            commit = stage.commit(side, "0.01", kind=OrderKind.LIMIT, price="60000", valid_s=None)
            await desk.place([commit])
            await asyncio.sleep(1)
            order = next(reversed(stage.venue.orders.values()))
            for part in parts:
                stage.venue._fill(order, Decimal(part) / 1_000, Decimal(60_000))
                await asyncio.sleep(1)
            # The cut ends, the stream says so, and that alone lets it be asked for so soon.
            await asyncio.sleep(20)
        assert count == 7
        assert desk.counts.fills == 5
        assert desk.position(stage.bot, BTC).quantity == 0

    on_stage(play)


def test_stream_when_it_ends_by_an_error_then_it_is_opened_again() -> None:
    async def play(stage: Stage) -> None:
        real, times = broker_of(stage).events, 0

        async def events() -> AsyncIterator[BrokerEvent]:
            nonlocal times
            times += 1
            if times < 4:
                raise NoInformation("the socket is gone", "It is opened again.")
            async for event in real():
                yield event

        broker_of(stage).events = events
        desk = await stage.started()
        await asyncio.sleep(20)
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(3)
        assert times == 4
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")

    on_stage(play)

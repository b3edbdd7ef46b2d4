"""Tests of what the desk does when something goes wrong: each rule by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from candela.orders.records import Order
from candela.orders.words import (
    IntentState,
    OrderKind,
    OrderRequest,
    OrderState,
    Side,
)
from live.desk.terms import DeskNotReady
from live.store.memory import MemoryStore
from live.store.port import Lease, LeaseLost
from tests.live.desk.stage import BTC, CALM, Stage, on_stage
from tests.simulation.broker import SimulatedBroker
from tests.simulation.venue import RULES, VenueOrder


def test_entry_that_lapses_while_the_venue_is_away_is_never_sent() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        stage.network.down_until_s = stage.loop.time() + 3_600
        first = stage.commit(Side.BUY, "0.01", valid_s=None)
        await desk.place([first])
        await asyncio.sleep(120)
        late = stage.commit(Side.BUY, "0.01", valid_s=60)
        await desk.place([late])
        await asyncio.sleep(7_200)
        assert stage.attempts(late) == []
        assert stage.intent(late).reason == "lapsed before it was sent"
        assert stage.intent(first).state.is_final
        assert stage.network.calls < 1_500

    on_stage(play)


def test_key_that_is_refused_blocks_with_one_alarm_and_hardly_a_call() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        stage.network.key_dead_until_s = stage.loop.time() + 3_600
        await asyncio.sleep(320)
        assert not desk.is_ready
        with pytest.raises(DeskNotReady, match="key"):
            await desk.place([stage.commit(Side.SELL, "0.01")])
        await asyncio.sleep(3_140)
        assert [alarm.code for alarm in stage.alarms] == ["credentials_dead"]
        assert stage.network.calls_while_dead < 30
        assert stage.books.accounts[stage.key].state == "blocked"
        await asyncio.sleep(700)
        assert desk.is_ready
        assert stage.books.accounts[stage.key].state == "active"

    on_stage(play)


def test_holdings_that_the_venue_shows_no_more_block_and_are_never_booked_away() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        stage.venue.free.clear()
        await asyncio.sleep(500)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert stage.books.totals[stage.key]["BTC"] == Decimal("0.01")
        assert stage.books.accounts[stage.key].state == "blocked"
        assert [alarm.code for alarm in stage.alarms] == ["books_differ"]

    on_stage(play)


def test_deposit_is_booked_as_external_when_no_fill_can_be_missing() -> None:
    async def play(stage: Stage) -> None:
        await stage.started()
        stage.venue.move("USDT", Decimal("123.45"))
        await asyncio.sleep(45)
        assert stage.books.totals[stage.key]["USDT"] == 10_000
        await asyncio.sleep(400)
        assert stage.books.totals[stage.key]["USDT"] == Decimal("10123.45")
        assert [one.kind for one in stage.books.ledger.values()] == ["opening", "external"]

    on_stage(play)


def test_execution_with_other_content_under_a_known_id_blocks_and_changes_nothing() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        known = stage.venue.executions[0][1]
        stage.venue.tell(replace(known, quantity=Decimal("0.02")))
        await asyncio.sleep(5)
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")
        assert [alarm.code for alarm in stage.alarms] == ["fills_differ"]
        assert stage.books.accounts[stage.key].state == "blocked"

    on_stage(play)


def test_lost_lease_ends_the_desk_before_anything_is_sent() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        ended: list[BaseException] = []
        desk.on_end(ended.append)
        stage.lease = None
        with pytest.raises(LeaseLost):
            await desk.place([stage.commit(Side.BUY, "0.01")])
        stage.lease = Lease(stage.shard, 0, "here")
        with pytest.raises(LeaseLost):
            await desk.place([stage.commit(Side.BUY, "0.01")])
        stage.lease = None
        await asyncio.sleep(40)
        assert isinstance(ended[0], LeaseLost)
        assert desk.counts.sent == 0

    on_stage(play)


def test_store_that_fails_ends_the_desk_and_tells() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        ended: list[BaseException] = []
        desk.on_end(ended.append)
        await desk.place([stage.commit(Side.BUY, "0.01")])
        stage.books.intents.clear()
        await asyncio.sleep(200)
        assert len(ended) == 1
        assert desk.failure is ended[0]
        assert not desk.is_ready

    on_stage(play)


def test_desk_that_starts_on_an_unanswered_order_resolves_it_before_it_is_ready() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.002")])
        await asyncio.sleep(5)
        commit = stage.commit(Side.BUY, "0.01", valid_s=None)
        stage.network.down_until_s = stage.loop.time() + 60
        await desk.place([commit])
        await asyncio.sleep(1)
        await desk.stop()
        assert stage.attempts(commit) == [OrderState.SENDING]
        stage.desk = stage.a_desk()
        await stage.desk.start()
        await stage.desk.wait_ready()
        assert stage.attempts(commit)[0].is_final
        await asyncio.sleep(60)
        assert stage.intent(commit).state is IntentState.DONE
        assert stage.desk.position(stage.bot, BTC).quantity == Decimal("0.012")

    on_stage(play)


def test_order_of_somebody_else_is_kept_apart_and_never_touched() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.001")])
        await asyncio.sleep(2)
        stage.venue._fill_soon = lambda order, price: None
        known = stage.venue.orders["v1"].request
        foreign = replace(known, client_id="web-1", kind=OrderKind.LIMIT, price=Decimal(50_000))
        stage.venue.accept(foreign)
        await asyncio.sleep(400)
        assert [one.client_id for one, _ in stage.books.external.values()] == ["web-1"]
        assert stage.venue.by_client["web-1"][0].state == "open"
        assert stage.alarms == []

    on_stage(play)


def test_batch_committed_with_other_accounts_is_taken_up_and_exits_go_first() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        commits = [stage.commit(Side.BUY, "0.002"), stage.commit(Side.SELL, "0.01")]
        store = MemoryStore(stage.books)
        assert stage.lease is not None
        sent: list[Side] = []
        stage.network.received = lambda broker, request: sent.append(request.side)
        desk.take(commits, await store.commit(stage.lease, commits))
        assert desk.has_open_intent(stage.bot, BTC)
        await asyncio.sleep(5)
        assert sent == [Side.SELL, Side.BUY]
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.002")
        assert desk.open_intents == 0

    on_stage(play)


def test_broker_that_throws_while_sending_leaves_an_unknown_order_that_is_resolved() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        real = stage.venue.accept

        def faulty(request: OrderRequest) -> VenueOrder | str:
            stage.venue.accept = real
            real(request)
            message = "a mistake of the adapter"
            raise ValueError(message)

        stage.venue.accept = faulty
        commit = stage.commit(Side.BUY, "0.01")
        await desk.place([commit])
        await asyncio.sleep(30)
        assert stage.attempts(commit) == [OrderState.FILLED]
        assert [alarm.code for alarm in stage.alarms] == ["broker_fault"]
        assert desk.position(stage.bot, BTC).quantity == Decimal("0.01")

    on_stage(play)


def test_exit_refused_for_its_step_is_sent_once_more_on_the_new_grid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01234")])
        await asyncio.sleep(5)
        monkeypatch.setitem(RULES, BTC, replace(RULES[BTC], lot=Decimal("0.001")))
        commit = stage.commit(Side.SELL, "0.01234")
        await desk.place([commit])
        await asyncio.sleep(10)
        assert stage.attempts(commit) == [OrderState.REJECTED, OrderState.FILLED]
        position = desk.position(stage.bot, BTC)
        assert (position.quantity, position.dust) == (0, Decimal("0.00034"))
        assert desk.balance("BTC").locked == 0

    on_stage(play)


def test_resting_exit_that_fills_after_a_restart_leaves_dust_and_no_open_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01234")])
        await asyncio.sleep(5)
        monkeypatch.setitem(RULES, BTC, replace(RULES[BTC], lot=Decimal("0.001")))
        stage.venue._fill_soon = lambda order, price: None
        price = str(stage.venue.prices[BTC].quantize(Decimal(1)))
        commit = stage.commit(Side.SELL, "0.012", kind=OrderKind.LIMIT, price=price, valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(5)
        await desk.stop()
        stage.desk = stage.a_desk()
        desk = await stage.started()
        order = list(stage.venue.orders.values())[-1]
        stage.venue._execute(order, Decimal("0.012"), Decimal(price))
        await asyncio.sleep(60)
        assert stage.attempts(commit) == [OrderState.FILLED]
        position = desk.position(stage.bot, BTC)
        assert (position.quantity, position.dust) == (0, Decimal("0.00034"))
        assert {trade.status for trade in stage.books.trades.values()} == {"closed"}

    on_stage(play)


def test_throttled_order_waits_as_long_as_it_was_told() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.002")])
        await asyncio.sleep(5)
        sent: list[float] = []
        stage.network.received = lambda broker, request: sent.append(stage.loop.time())
        stage.venue.faults = replace(CALM, send=1.0, ways=("throttled",))
        commit = stage.commit(Side.BUY, "0.002", valid_s=None)
        await desk.place([commit])
        await asyncio.sleep(0.9)
        stage.venue.faults = CALM
        await asyncio.sleep(60)
        assert stage.attempts(commit) == [OrderState.ABSENT, OrderState.FILLED]
        assert sent[1] - sent[0] >= 1.0

    on_stage(play)


def test_outage_of_six_hours_ends_with_exits_sent_and_stale_entries_never() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(5)
        hours = 6 * 3_600
        stage.network.down_until_s = stage.loop.time() + hours
        asked = stage.network.calls
        broker = stage.desk._broker
        assert isinstance(broker, SimulatedBroker)
        broker.cut(hours)
        await asyncio.sleep(300)
        sent: list[tuple[float, Side]] = []
        stage.network.received = lambda _, request: sent.append((stage.loop.time(), request.side))
        exit_ = stage.commit(Side.SELL, "0.01", valid_s=None)
        entry = stage.commit(Side.BUY, "0.002", valid_s=60)
        await desk.place([entry, exit_])
        await asyncio.sleep(hours - 300)
        assert stage.network.calls - asked < hours / 10
        # Never closer together than a minute's pause would allow on average.
        assert len(sent) < hours / 30
        await asyncio.sleep(180)
        assert stage.attempts(entry) == []
        assert stage.intent(entry).reason == "lapsed before it was sent"
        assert [side for _, side in sent] == [Side.SELL] * len(sent)
        assert stage.intent(exit_).state is IntentState.DONE
        assert desk.position(stage.bot, BTC).quantity == 0
        assert desk.is_ready

    on_stage(play)


def test_attempt_that_a_stalled_loop_would_send_late_is_not_sent_and_tried_anew() -> None:
    async def play(stage: Stage) -> None:
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.002")])
        await asyncio.sleep(5)
        begin, sent = stage.desk._keeper._store.begin, list[str]()
        stage.network.received = lambda _, request: sent.append(request.client_id)

        async def slow(lease: Lease, order: Order) -> bool:
            stage.desk._keeper._store.begin = begin
            done = await begin(lease, order)
            await asyncio.sleep(6)
            return done

        stage.desk._keeper._store.begin = slow
        commit = stage.commit(Side.BUY, "0.01")
        await desk.place([commit])
        await asyncio.sleep(30)
        assert stage.attempts(commit) == [OrderState.ABSENT, OrderState.FILLED]
        assert sent == list(stage.books.attempts[commit.intent.intent_id])[1:]

    on_stage(play)


def test_idle_desk_is_one_task() -> None:
    async def play(stage: Stage) -> None:
        before = len(asyncio.all_tasks())
        desk = await stage.started()
        await desk.place([stage.commit(Side.BUY, "0.01")])
        await asyncio.sleep(10)
        assert len(asyncio.all_tasks()) - before == 1

    on_stage(play)

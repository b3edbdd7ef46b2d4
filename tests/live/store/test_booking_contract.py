"""What both stores make of attempts and executions: each fill once, all that it changes at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.money import ZERO
from candela.orders.records import Reservation
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    IntentState,
    OrderReport,
    OrderState,
    Side,
    VenueOrderState,
)
from live.store.port import FillsDiffer, OrderChange
from tests.live.store.worlds import NOW, SYMBOL, Scene, commit_of, execution_of, order_of

if TYPE_CHECKING:
    from tests.live.store.conftest import Play

LATER = NOW + timedelta(seconds=3)


def test_begin_when_an_attempt_may_be_alive_then_no_other_is_begun(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent, first = await scene.working()
        second = order_of(intent, attempt=2)
        assert not await scene.store.begin(scene.lease, first)
        assert not await scene.store.begin(scene.lease, second)
        book = await scene.store.load(scene.account)
        assert book.orders == (first,)
        assert book.intents[0].state == "working"
        gone = OrderChange(scene.account, first.client_id, OrderState.ABSENT, LATER)
        await scene.store.change([gone])
        # The rest of the attempts of an open intent stay in sight.
        assert await scene.store.begin(scene.lease, second)
        assert {order.attempt for order in (await scene.store.load(scene.account)).orders} == {1, 2}

    play(story)


def test_begin_when_sent_twice_at_once_then_one_attempt_is_begun(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent = await scene.committed()
        begun = await asyncio.gather(
            *(scene.store.begin(scene.lease, order_of(intent, attempt)) for attempt in (1, 2, 1, 3))
        )
        assert sorted(begun) == [False, False, False, True]

    play(story)


def test_change_when_news_is_older_than_what_is_known_then_ignored(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()

        def news(state: OrderState, **more: str) -> OrderChange:
            return OrderChange(scene.account, order.client_id, state, LATER, **more)  # pyright: ignore[reportArgumentType]

        (opened,) = await scene.store.change([news(OrderState.OPEN, venue_order_id="77")])
        assert opened == replace(
            order, state=OrderState.OPEN, venue_order_id="77", answered_at=LATER
        )
        assert await scene.store.change([news(OrderState.UNKNOWN)]) == ()
        (ended,) = await scene.store.change(
            [news(OrderState.CANCELING), news(OrderState.CANCELED, reason="by request")]
        )
        assert (ended.state, ended.reason, ended.final_at) == ("canceled", "by request", LATER)
        assert await scene.store.change([news(OrderState.OPEN)]) == ()
        stranger = replace(news(OrderState.OPEN), client_id="not ours")
        assert await scene.store.change([stranger]) == ()
        assert (await scene.store.load(scene.account)).orders == (ended,)

    play(story)


def test_book_when_partly_filled_then_order_position_trade_and_money_move_together(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        intent, order = await scene.working()
        booked = await scene.store.book(
            scene.account, [execution_of(order, "0.04", venue_order_id="77")], LATER
        )
        book = await scene.store.load(scene.account)
        assert book.orders == booked.orders
        assert (book.orders[0].executed, book.orders[0].state) == (Decimal("0.04"), "open")
        assert book.orders[0].venue_order_id == "77"
        assert book.positions == booked.positions
        assert book.positions[0].quantity == Decimal("0.04")
        assert book.positions[0].terms == intent.terms
        assert booked.trades[0].entry_value == 40
        assert book.balances == {
            "BTC": Balance(Decimal("2.04")),
            "USDT": Balance(Decimal("899.9"), Decimal("60.09")),
        }
        assert booked.balances == book.balances
        assert book.reservations == (Reservation(intent.intent_id, "USDT", Decimal("60.09")),)
        assert book.last_execution_at == {SYMBOL: NOW + timedelta(seconds=1)}
        assert await scene.world.sums(scene.account) == {
            "BTC": Decimal("2.04"),
            "USDT": Decimal("959.99"),
        }

    play(story)


def test_book_when_filled_up_then_the_intent_is_done_and_holds_nothing_back(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()
        rest = execution_of(order, "0.06", client_id=None, venue_order_id="77")
        first = execution_of(order, "0.04", venue_order_id="77")
        # The second is only known by the venue's id, which the first brings.
        booked = await scene.store.book(scene.account, [first, rest], LATER)
        assert (len(booked.fills), booked.unknown) == (2, ())
        assert (booked.orders[0].state, booked.orders[0].final_at) == ("filled", LATER)
        book = await scene.store.load(scene.account)
        assert (book.intents, book.orders, book.reservations) == ((), (), ())
        assert book.balances["USDT"] == Balance(Decimal("899.98"))
        states = await scene.world.intent_states(scene.account.tenant_id)
        assert states["entry"] == ("done", None)

    play(story)


def test_book_when_fills_come_again_in_any_order_then_each_counts_once(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()
        fills = [execution_of(order, quantity) for quantity in ("0.01", "0.02", "0.03", "0.04")]
        await scene.store.book(scene.account, [fills[2], fills[0], fills[2]], LATER)
        await asyncio.gather(
            *(scene.store.book(scene.account, [fill, fills[1]], LATER) for fill in fills)
        )
        again = await scene.store.book(scene.account, fills, LATER)
        assert (again.fills, again.orders, dict(again.balances)) == ((), (), {})
        book = await scene.store.load(scene.account)
        assert book.positions[0].quantity == Decimal("0.1")
        assert await scene.world.sums(scene.account) == {
            "BTC": Decimal("2.1"),
            "USDT": Decimal("899.96"),
        }

    play(story)


def test_book_when_a_known_trade_has_other_content_then_nothing_is_booked(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()
        fill = execution_of(order, "0.01")
        await scene.store.book(scene.account, [fill], LATER)
        other = replace(fill, price=Decimal(1_001))
        with pytest.raises(FillsDiffer, match=fill.trade_id):
            await scene.store.book(scene.account, [execution_of(order, "0.02"), other], LATER)
        new = execution_of(order, "0.03")
        with pytest.raises(FillsDiffer):
            await scene.store.book(
                scene.account, [new, replace(new, quantity=Decimal("0.02"))], LATER
            )
        book = await scene.store.load(scene.account)
        assert book.orders[0].executed == Decimal("0.01")
        assert await scene.world.sums(scene.account) == {
            "BTC": Decimal("2.01"),
            "USDT": Decimal("989.99"),
        }

    play(story)


def test_book_when_the_order_is_none_of_ours_then_returned_as_unknown(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()
        foreign = execution_of(order, "0.01", client_id="somebody's", venue_order_id="5")
        nameless = replace(foreign, client_id=None, trade_id="other")
        booked = await scene.store.book(scene.account, [foreign, nameless], LATER)
        assert booked.unknown == (foreign, nameless)
        assert (booked.fills, dict(booked.balances)) == ((), {})
        # Nor one of another account, though it names the same client id.
        account = await scene.world.add_account(scene.account.tenant_id)
        known = execution_of(order, "0.01")
        assert (await scene.store.book(account, [known], LATER)).unknown == (known,)

    play(story)


def test_book_when_bought_and_sold_then_the_trade_closes_and_the_money_adds_up(play: Play) -> None:
    async def story(scene: Scene) -> None:
        rules = {SYMBOL: InstrumentRules(SYMBOL, "BTC", "USDT", lot=Decimal("0.001"))}
        _, entry = await scene.working()
        bought = execution_of(entry, "0.1", fee=Decimal("0.0001"), fee_ccy="BTC")
        await scene.store.book(scene.account, [bought], LATER)
        sold = Decimal("0.099")
        intent = scene.exit(quantity=sold, reserve=Reservation(scene.bot_id, "BTC", sold))
        placed = await scene.store.commit(scene.lease, [commit_of(intent)])
        assert placed[0].kind == "committed"
        order = order_of(intent)
        assert await scene.store.begin(scene.lease, order)
        booked = await scene.store.book(
            scene.account, [execution_of(order, "0.099", "1100")], LATER, rules=rules
        )
        (trade,), (position,) = booked.trades, booked.positions
        assert (trade.status, trade.exit_reason) == ("closed", "exit")
        assert trade.pnl is not None
        assert (position.quantity, position.dust) == (ZERO, Decimal("0.0009"))
        assert position.realised == trade.pnl
        book = await scene.store.load(scene.account)
        assert book.positions == (position,)
        assert await scene.world.sums(scene.account) == {
            "BTC": Decimal("2.0009"),
            "USDT": Decimal("1008.89"),
        }

    play(story)


def test_book_when_the_attempt_was_final_then_the_late_fill_is_booked(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent, order = await scene.working()
        ended = OrderChange(scene.account, order.client_id, OrderState.CANCELED, LATER)
        await scene.store.change([ended])
        assert await scene.store.finish(
            scene.account, intent.intent_id, IntentState.FAILED, "cancelled", LATER
        )
        booked = await scene.store.book(scene.account, [execution_of(order, "0.05")], LATER)
        assert booked.orders[0].executed == Decimal("0.05")
        book = await scene.store.load(scene.account)
        assert book.positions[0].quantity == Decimal("0.05")
        assert book.balances["USDT"] == Balance(Decimal("949.99"))
        states = await scene.world.intent_states(scene.account.tenant_id)
        assert states["entry"] == ("done", "filled late")

    play(story)


def test_book_when_the_venue_executed_too_much_then_it_is_booked_all_the_same(play: Play) -> None:
    async def story(scene: Scene) -> None:
        _, order = await scene.working()
        await scene.store.book(scene.account, [execution_of(order, "0.10000001")], LATER)
        book = await scene.store.load(scene.account)
        assert book.positions[0].quantity == Decimal("0.10000001")

    play(story)


def test_adopt_when_the_venue_shows_more_then_external_entries_make_it_equal_once(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        shown = {"USDT": Balance(Decimal(900), Decimal(50)), "ETH": Balance(Decimal("1.5"))}
        expected = {"BTC": Decimal(-2), "ETH": Decimal("1.5"), "USDT": Decimal(-50)}
        adopted = await scene.store.adopt_balances(
            scene.account, shown, LATER, "seen at the venue", key="external:1"
        )
        assert adopted == expected
        for key in ("external:1", "external:2"):
            assert (
                await scene.store.adopt_balances(scene.account, shown, LATER, "seen", key=key) == {}
            )
        assert await scene.world.sums(scene.account) == {
            "ETH": Decimal("1.5"),
            "USDT": Decimal(950),
        }
        book = await scene.store.load(scene.account)
        assert book.balances["ETH"] == Balance(Decimal("1.5"))

    play(story)


def test_note_external_when_seen_again_then_kept_apart_from_ours(play: Play) -> None:
    async def story(scene: Scene) -> None:
        report = OrderReport(
            None, "5", SYMBOL, Side.BUY, VenueOrderState.OPEN, Decimal(1), Decimal(0)
        )
        await scene.store.note_external(scene.account, [report, report], NOW)
        await scene.store.note_external(
            scene.account, [replace(report, state=VenueOrderState.FILLED)], LATER
        )
        await scene.store.note_external(scene.account, [], LATER)
        book = await scene.store.load(scene.account)
        assert (book.orders, book.intents) == ((), ())

    play(story)


def test_mark_when_a_position_is_open_then_its_best_price_is_kept(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.store.mark_position(scene.account, scene.bot_id, SYMBOL, Decimal(5))
        assert (await scene.store.load(scene.account)).positions == ()
        _, order = await scene.working()
        await scene.store.book(scene.account, [execution_of(order, "0.1")], LATER)
        await scene.store.mark_position(scene.account, scene.bot_id, SYMBOL, Decimal("1234.5"))
        book = await scene.store.load(scene.account)
        assert book.positions[0].best_price == Decimal("1234.5")

    play(story)


def test_set_bot_state_when_called_then_the_store_takes_it(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.store.set_bot_state(
            scene.account.tenant_id, scene.bot_id, "error", "its strategy raised", NOW
        )
        await scene.store.log(
            scene.account.tenant_id, scene.bot_id, "info", "signal", "long", {"close": "1"}, NOW
        )
        assert (await scene.store.load(scene.account)).intents == ()

    play(story)


def test_books_when_quantities_have_many_digits_then_sums_are_exact(play: Play) -> None:
    async def story(scene: Scene) -> None:
        tiny = Decimal("0.000000000000000001")
        _, order = await scene.working(quantity=tiny * 3, price=Decimal("0.0000000123"))
        fills: list[Execution] = [
            execution_of(order, str(tiny), "0.0000000123", fee=tiny) for _ in range(2)
        ]
        await scene.store.book(scene.account, fills, LATER)
        book = await scene.store.load(scene.account)
        sums = await scene.world.sums(scene.account)
        assert sums["BTC"] == Decimal(2) + 2 * tiny
        assert {ccy: balance.total for ccy, balance in book.balances.items()} == sums
        assert book.balances["USDT"].locked == book.reservations[0].amount

    play(story)

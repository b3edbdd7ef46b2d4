"""Both stores of bets: what each transaction checks, writes, and leaves as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from candela.orders.bets import BetEnding, BetStatus
from candela.orders.records import Halt
from candela.orders.words import OrderState
from candela.risk.limits import RiskLimits
from live.store.port import LeaseLost
from tests.live.bets.stores import MINUTE, Play, Scene, order_of, scene_of, shown_of
from tests.live.bets.table import ladder
from tests.live.store.worlds import NOW

if TYPE_CHECKING:
    from candela.db.connect import Database


@pytest.fixture(params=["memory", "postgres"])
def play(request: pytest.FixtureRequest) -> Play:
    """Give a function that runs a story over a store."""
    database: Database | None = None
    if request.param == "postgres":
        database = request.getfixturevalue("database")
    limits = RiskLimits(daily_loss=Decimal(100))

    def run(story: Callable[[Scene], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with scene_of(database, limits) as scene:
                await story(scene)

        asyncio.run(whole())

    return run


def test_bet_when_it_wins_moves_stake_and_payout_once_and_ends_its_intent(play: Play) -> None:
    async def story(scene: Scene) -> None:
        order = await scene.begun()
        assert await scene.money() == (1000, 1000, 10)
        shown = shown_of(order)
        bet = await scene.bets.open_bet(scene.account, order.client_id, shown, NOW)
        assert bet is not None
        assert await scene.bets.open_bet(scene.account, order.client_id, shown, NOW) is None
        assert await scene.money() == (990, 990, 0)
        book = await scene.bets.load_bets(scene.account, NOW)
        assert (book.bets, book.known) == ((bet,), {shown.venue_bet_id})
        assert [one.state for one in book.orders] == [OrderState.OPEN]
        ending = BetEnding(BetStatus.WON, Decimal("18.5"), Decimal("1.2"))
        kinds = [
            (await scene.bets.settle_bet(scene.account, bet.trade_id, ending, NOW)).kind
            for _ in range(2)
        ]
        assert kinds == ["settled", "same"]
        assert await scene.money() == (Decimal("1008.5"), Decimal("1008.5"), 0)
        (settled,) = await scene.bets.bets_since(scene.account, NOW)
        assert (settled.status, settled.pnl) == (BetStatus.WON, Decimal("8.5"))
        assert settled.closed_at == settled.expires_at
        assert await scene.state() == ("done", "won")
        book = await scene.bets.load_bets(scene.account, NOW)
        assert (book.bets, book.intents, book.orders) == ((), (), ())

    play(story)


def test_intent_when_read_again_is_what_was_committed(play: Play) -> None:
    async def story(scene: Scene) -> None:
        commit = scene.commit(ladder_step=None)
        await scene.put(commit)
        book = await scene.bets.load_bets(scene.account, NOW)
        assert book.intents == (commit.intent,)
        order = order_of(commit.intent)
        await scene.bets.begin_bet(scene.lease, order)
        book = await scene.bets.load_bets(scene.account, NOW)
        assert book.orders == (order,)

    play(story)


def test_attempt_when_refused_releases_the_stake_once(play: Play) -> None:
    async def story(scene: Scene) -> None:
        order = await scene.begun()
        args = (scene.account, order.client_id, OrderState.REJECTED, "closed", NOW)
        assert await scene.bets.move_bet(*args, ends=True)
        assert not await scene.bets.move_bet(*args, ends=True)
        assert await scene.money() == (1000, 1000, 0)
        assert await scene.state() == ("failed", "closed")
        assert not await scene.bets.begin_bet(scene.lease, replace(order, client_id="other"))

    play(story)


def test_attempt_when_another_may_be_alive_is_not_begun_and_its_intent_not_lapsed(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        order = await scene.begun()
        move = (scene.account, order.client_id, OrderState.UNKNOWN, "lost", NOW)
        assert await scene.bets.move_bet(*move, ends=False)
        commit = scene.commit()
        second = replace(order_of(commit.intent, 2), intent_id=order.intent_id)
        assert not await scene.bets.begin_bet(scene.lease, second)
        assert not await scene.bets.lapse_bet(scene.account, order.intent_id, "late", NOW)
        assert await scene.money() == (1000, 1000, 10)

    play(story)


def test_intent_when_it_lapses_releases_the_stake(play: Play) -> None:
    async def story(scene: Scene) -> None:
        commit = scene.commit()
        await scene.put(commit)
        lapse = (scene.account, commit.intent.intent_id, "slot_over", NOW)
        assert await scene.bets.lapse_bet(*lapse)
        assert not await scene.bets.lapse_bet(*lapse)
        assert await scene.money() == (1000, 1000, 0)

    play(story)


def test_commit_when_lease_is_over_writes_nothing(play: Play) -> None:
    async def story(scene: Scene) -> None:
        commit = scene.commit()
        await scene.put(commit)
        await scene.world.take_over()
        with pytest.raises(LeaseLost):
            await scene.put(scene.commit("again"))
        with pytest.raises(LeaseLost):
            await scene.bets.begin_bet(scene.lease, order_of(commit.intent))
        assert await scene.money() == (1000, 1000, 10)

    play(story)


def test_commit_when_key_slot_or_money_is_taken_is_refused_with_its_gate(play: Play) -> None:
    async def story(scene: Scene) -> None:
        other = await scene.world.add_bot(scene.account)
        first = scene.commit()
        later = NOW + 5 * MINUTE
        assert await scene.put(
            first,
            scene.commit(),
            scene.commit(bot_id=other),
            scene.commit("big", stake=Decimal(95), expires_at=later),
            scene.commit("late", expires_at=later, valid_until=NOW),
            scene.commit("ok", expires_at=later),
        ) == [
            ("committed", None),
            ("duplicate", None),
            ("refused", "slot_free"),
            ("refused", "daily_loss"),
            ("refused", "slot_age"),
            ("committed", None),
        ]
        assert await scene.money() == (1000, 1000, 20)

    play(story)


def test_commit_when_halted_stopped_or_past_the_days_count_is_refused(play: Play) -> None:
    async def story(scene: Scene) -> None:
        limited = replace(scene.commit(), day_limit=0)
        assert await scene.put(limited) == [("refused", "day_limit")]
        await scene.world.stop_bot(scene.account, scene.bot_id)
        assert await scene.put(scene.commit("two")) == [("refused", "wanted")]
        halt = Halt(uuid4(), "tenant", scene.account.tenant_id, None, None, False, "stop")  # noqa: FBT003
        await scene.world.halt(halt)
        assert await scene.put(scene.commit("three")) == [("refused", "halt")]
        outcomes = await scene.world.outcomes(scene.account.tenant_id)
        assert {one[1] for one in outcomes} == {"refused"}

    play(story)


def test_result_when_unknown_keeps_the_intent_and_the_next_bet_waits(play: Play) -> None:
    async def story(scene: Scene) -> None:
        bet = await scene.opened()
        unknown = BetEnding(BetStatus.UNKNOWN, Decimal(0), reason="no result")
        ended = await scene.bets.settle_bet(scene.account, bet.trade_id, unknown, NOW)
        assert (ended.kind, ended.bet.status) == ("unknown", BetStatus.UNKNOWN)
        later = scene.commit("next", expires_at=NOW + 5 * MINUTE)
        assert await scene.put(later) == [("refused", "bets_known")]
        lost = BetEnding(BetStatus.LOST, Decimal(0))
        assert (
            await scene.bets.settle_bet(scene.account, bet.trade_id, lost, NOW)
        ).kind == "settled"
        assert await scene.put(scene.commit("after", expires_at=NOW + 5 * MINUTE)) == [
            ("committed", None)
        ]

    play(story)


def test_results_when_they_contradict_are_disputed_until_a_person_decides(play: Play) -> None:
    async def story(scene: Scene) -> None:
        bet = await scene.opened()
        settle = scene.bets.settle_bet
        won, lost = BetEnding(BetStatus.WON, Decimal("18.5")), BetEnding(BetStatus.LOST, Decimal(0))
        await settle(scene.account, bet.trade_id, won, NOW)
        assert (await settle(scene.account, bet.trade_id, lost, NOW)).kind == "disputed"
        assert (await settle(scene.account, bet.trade_id, won, NOW)).kind == "same"
        assert await scene.money() == (Decimal("1008.5"), Decimal("1008.5"), 0)
        later = scene.commit("next", expires_at=NOW + 5 * MINUTE)
        assert await scene.put(later) == [("refused", "bets_known")]
        await settle(scene.account, bet.trade_id, lost, NOW, by_hand=True)
        assert await scene.money() == (990, 990, 0)
        assert (await scene.bets.load_bets(scene.account, NOW)).bets == ()

    play(story)


def test_ladder_when_counted_in_the_transaction_follows_settled_bets(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.limits = RiskLimits(martingale=ladder(first="10"))
        bet = await scene.opened(ladder_step=0)
        up = {"ladder_step": 1, "stake": Decimal(20), "expires_at": NOW + 5 * MINUTE}
        assert await scene.put(scene.commit("early", **up)) == [("refused", "ladder_settled")]
        lost = BetEnding(BetStatus.LOST, Decimal(0))
        await scene.bets.settle_bet(scene.account, bet.trade_id, lost, NOW)
        down = {"ladder_step": 0, "expires_at": NOW + 5 * MINUTE}
        assert await scene.put(scene.commit("down", **down)) == [("refused", "ladder_step")]
        more = up | {"stake": Decimal(21)}
        assert await scene.put(scene.commit("more", **more)) == [("refused", "ladder_stake")]
        assert await scene.put(scene.commit("up", **up)) == [("committed", None)]

    play(story)


def test_accounts_when_of_another_tenant_are_not_reached(play: Play) -> None:
    async def story(scene: Scene) -> None:
        bet = await scene.opened()
        other = await scene.world.add_tenant()
        assert await scene.bets.bets_since(other, NOW) == ()
        lost = BetEnding(BetStatus.LOST, Decimal(0))
        with pytest.raises((LookupError, Exception), match=r"no bet|UUID"):
            await scene.bets.settle_bet(other, bet.trade_id, lost, NOW)

    play(story)

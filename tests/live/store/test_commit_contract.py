"""What both stores make of intents: whole or not at all, once, and refused by what holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from candela.ids import new_id
from candela.orders.records import Halt, Reservation
from candela.orders.words import Balance, IntentState, Side
from live.store.port import LeaseLost, Placed
from tests.live.store.worlds import BAR, NOW, Scene, commit_of, order_of

if TYPE_CHECKING:
    from tests.live.store.conftest import Play


def test_commit_when_new_then_loaded_as_it_was_given(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent = await scene.committed()
        book = await scene.store.load(scene.account)
        assert book.intents == (intent,)
        assert book.reservations == (intent.reserve,)
        assert book.balances["USDT"] == Balance(Decimal("899.9"), Decimal("100.1"))
        assert book.balances["BTC"] == Balance(Decimal(2))
        assert (book.orders, book.positions, dict(book.last_execution_at)) == ((), (), {})
        assert book.account.key == scene.account
        assert await scene.world.outcomes(scene.account.tenant_id) == [("entry", "intent", None)]

    play(story)


def test_commit_when_the_key_exists_then_duplicate_whoever_repeats_it(play: Play) -> None:
    async def story(scene: Scene) -> None:
        first = scene.intent()
        again = [commit_of(scene.intent()), commit_of(scene.intent("leg-2"))]
        placed = await scene.store.commit(scene.lease, [commit_of(first), commit_of(first)])
        assert [one.kind for one in placed] == ["committed", "duplicate"]
        placed = await scene.store.commit(scene.lease, again)
        assert [one.kind for one in placed] == ["duplicate", "committed"]
        book = await scene.store.load(scene.account)
        assert sorted(intent.leg for intent in book.intents) == ["entry", "leg-2"]
        assert book.balances["USDT"].locked == Decimal("200.2")

    play(story)


def test_commit_when_sent_by_many_at_once_then_one_wins_and_the_balance_holds(play: Play) -> None:
    async def story(scene: Scene) -> None:
        bots = [scene.bot_id, *[await scene.world.add_bot(scene.account) for _ in range(11)]]
        # Twelve bots over 1,000 USDT, each twice the same signal: nine fit.
        commits = [commit_of(scene.intent(bot_id=bot_id)) for bot_id in bots * 2]
        placed = await asyncio.gather(
            *(scene.store.commit(scene.lease, [commit]) for commit in commits)
        )
        kinds = sorted(one.kind for (one,) in placed)
        assert kinds == ["committed"] * 9 + ["duplicate"] * 12 + ["refused"] * 3
        assert {one.gate for (one,) in placed} == {None, "balance"}
        book = await scene.store.load(scene.account)
        assert book.balances["USDT"] == Balance(Decimal("99.1"), Decimal("900.9"))
        assert len(book.intents) == 9
        outcomes = await scene.world.outcomes(scene.account.tenant_id)
        assert outcomes.count(("entry", "refused", "balance")) == 3

    play(story)


def test_commit_when_the_money_is_too_little_then_refused_with_its_words(play: Play) -> None:
    async def story(scene: Scene) -> None:
        large = scene.intent(reserve=Reservation(scene.bot_id, "USDT", Decimal("900.5")))
        none = scene.intent("leg-3", reserve=Reservation(scene.bot_id, "ETH", Decimal(1)))
        placed = await scene.store.commit(
            scene.lease, [commit_of(one) for one in (large, scene.intent("leg-2"), none)]
        )
        assert placed == (
            Placed("committed"),
            Placed("refused", "balance", "100.1 USDT wanted, 99.5 free"),
            Placed("refused", "balance", "1 ETH wanted, 0 free"),
        )
        assert await scene.world.outcomes(scene.account.tenant_id) == [
            ("entry", "intent", None),
            ("leg-2", "refused", "balance"),
            ("leg-3", "refused", "balance"),
        ]

    play(story)


@pytest.mark.parametrize("scope", ["platform", "tenant", "account", "bot"])
def test_commit_when_a_halt_holds_then_entries_are_refused_and_exits_are_not(
    play: Play, scope: str
) -> None:
    async def story(scene: Scene) -> None:
        tenant, account = scene.account.tenant_id, scene.account.account_id
        halt = Halt(
            halt_id=new_id(NOW),
            scope=scope,  # pyright: ignore[reportArgumentType]
            tenant_id=None if scope == "platform" else tenant,
            account_id=account if scope == "account" else None,
            bot_id=scene.bot_id if scope == "bot" else None,
            flatten=False,
            reason="enough",
        )
        await scene.world.halt(halt)
        other = await scene.world.add_tenant()
        stranger = replace(scene.intent(), account=other, bot_id=await scene.world.add_bot(other))
        wanted = [commit_of(one) for one in (scene.intent(), scene.exit(), stranger)]
        placed = await scene.store.commit(scene.lease, wanted)
        refused = Placed("refused", "halt", "enough")
        assert placed[:2] == (refused, Placed("committed"))
        assert placed[2] == (refused if scope == "platform" else Placed("committed"))
        assert await scene.store.halts(tenant) == (halt,)
        assert await scene.store.halts(other.tenant_id) == ((halt,) if scope == "platform" else ())

    play(story)


def test_commit_when_the_bot_is_not_wanted_or_the_account_blocked_then_entries_are_refused(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.world.stop_bot(scene.account, scene.bot_id)
        placed = await scene.store.commit(
            scene.lease, [commit_of(scene.intent()), commit_of(scene.exit())]
        )
        assert [one.gate for one in placed] == ["wanted", None]
        await scene.store.block_account(scene.account, "an order is unknown", NOW)
        by_hand = scene.intent("manual-1", bot_id=None)
        placed = await scene.store.commit(
            scene.lease, [commit_of(by_hand), commit_of(scene.exit("exit-2"))]
        )
        assert placed[0] == Placed("refused", "account", "an order is unknown")
        assert placed[1].kind == "committed"
        await scene.store.block_account(scene.account, None, NOW)
        again = scene.intent("manual-2", bot_id=None)
        assert (await scene.store.commit(scene.lease, [commit_of(again)]))[0].kind == "committed"
        assert (await scene.store.load(scene.account)).account.state == "active"

    play(story)


def test_commit_when_made_by_hand_twice_then_the_second_is_a_duplicate(play: Play) -> None:
    async def story(scene: Scene) -> None:
        for kind in ("committed", "duplicate"):
            by_hand = scene.intent("manual-1", bot_id=None)
            (placed,) = await scene.store.commit(scene.lease, [commit_of(by_hand)])
            assert placed.kind == kind

    play(story)


def test_commit_when_the_day_is_full_then_entries_of_all_accounts_are_refused(play: Play) -> None:
    async def story(scene: Scene) -> None:
        day_at = NOW - timedelta(hours=12)
        old = scene.intent("old", created_at=day_at - timedelta(seconds=1))
        await scene.store.commit(scene.lease, [commit_of(old)])
        limits = {"day_limit": 3, "day_at": day_at}
        commits = [commit_of(scene.intent(f"leg-{number}"), **limits) for number in range(2)]
        first = await scene.store.commit(scene.lease, commits)
        assert [one.kind for one in first] == ["committed", "committed"]
        # From accounts of their own and at once, so that a count without a lock lets all in.
        others = [await scene.world.add_account(scene.account.tenant_id) for _ in range(6)]
        money = {"USDT": Balance(Decimal(1_000))}
        for account in others:
            await scene.store.adopt_balances(account, money, NOW, "deposit", key="deposit")
        rivals = [
            commit_of(scene.intent(f"manual-{number}", account=account, bot_id=None), **limits)
            for number, account in enumerate(others)
        ]
        # Connections are opened when first needed: now, so that none is late.
        await asyncio.gather(*(scene.store.load(account) for account in others))
        later = await asyncio.gather(
            *(scene.store.commit(scene.lease, [commit]) for commit in rivals)
        )
        assert sorted((one.kind, one.gate) for (one,) in later) == [
            ("committed", None),
            *[("refused", "day_limit")] * 5,
        ]
        exit_ = commit_of(scene.exit(), **limits)
        assert (await scene.store.commit(scene.lease, [exit_]))[0].kind == "committed"

    play(story)


def test_commit_when_the_lease_is_another_ones_then_nothing_is_written(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent = await scene.committed()
        old, scene.lease = scene.lease, await scene.world.take_over()
        with pytest.raises(LeaseLost):
            await scene.store.commit(old, [commit_of(scene.intent("leg-2"))])
        earlier = replace(scene.lease, epoch=old.epoch)
        with pytest.raises(LeaseLost):
            await scene.store.commit(earlier, [commit_of(scene.intent("leg-2"))])
        with pytest.raises(LeaseLost):
            await scene.store.begin(earlier, order_of(intent))
        with pytest.raises(LeaseLost):
            await scene.store.decide(old, [commit_of(scene.intent("leg-3")).decision])
        with pytest.raises(LeaseLost):
            await scene.store.begin(old, order_of(intent))
        book = await scene.store.load(scene.account)
        assert (book.intents, book.orders) == ((intent,), ())
        assert await scene.world.outcomes(scene.account.tenant_id) == [("entry", "intent", None)]
        assert await scene.store.begin(scene.lease, order_of(intent))

    play(story)


def test_decide_when_repeated_then_the_first_stays_and_no_intent_follows(play: Play) -> None:
    async def story(scene: Scene) -> None:
        decision = replace(
            commit_of(scene.intent()).decision, outcome="refused", decided_by="bar_age"
        )
        twin = replace(decision, decision_id=new_id(NOW), decided_by="balance")
        await scene.store.decide(scene.lease, [decision])
        await scene.store.decide(
            scene.lease, [twin, replace(twin, bar_at=BAR + timedelta(hours=1), leg="other")]
        )
        assert await scene.world.outcomes(scene.account.tenant_id) == [
            ("entry", "refused", "bar_age"),
            ("other", "refused", "balance"),
        ]
        placed = await scene.store.commit(scene.lease, [commit_of(scene.intent())])
        assert placed == (Placed("duplicate"),)

    play(story)


def test_finish_when_open_then_what_was_held_back_is_free_again_once(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intent = await scene.committed()
        kept = await scene.committed("leg-2")
        ends = (IntentState.FAILED, "refused by the venue", NOW)
        assert await scene.store.finish(scene.account, intent.intent_id, *ends)
        assert not await scene.store.finish(scene.account, intent.intent_id, *ends)
        book = await scene.store.load(scene.account)
        assert book.intents == (kept,)
        assert book.balances["USDT"] == Balance(Decimal("899.9"), Decimal("100.1"))
        states = await scene.world.intent_states(scene.account.tenant_id)
        assert states["entry"] == ("failed", "refused by the venue")

    play(story)


def test_commit_when_of_many_tenants_then_each_from_its_own_balance(play: Play) -> None:
    async def story(scene: Scene) -> None:
        intents = [scene.intent()]
        for _ in range(5):
            account = await scene.world.add_tenant()
            bot_id = await scene.world.add_bot(account)
            intents += [
                replace(scene.intent(leg), account=account, bot_id=bot_id)
                for leg in ("entry", "leg-2")
            ]
        placed = await scene.store.commit(scene.lease, [commit_of(one) for one in intents])
        assert {one.kind for one in placed} == {"committed"}
        for intent in intents[1:]:
            book = await scene.store.load(intent.account)
            assert book.balances["USDT"] == Balance(Decimal("799.8"), Decimal("200.2"))
            assert {one.side for one in book.intents} == {Side.BUY}

    play(story)


def test_load_when_nothing_happened_then_only_the_opening(play: Play) -> None:
    async def story(scene: Scene) -> None:
        empty = await scene.world.add_account(scene.account.tenant_id)
        book = await scene.store.load(empty)
        assert (book.intents, book.orders, book.reservations, book.positions) == ((), (), (), ())
        assert dict(book.balances) == {}
        assert book.reconciled_at is None
        await scene.store.reconciled(empty, NOW)
        assert (await scene.store.load(empty)).reconciled_at == NOW
        assert isinstance(book.account.key.account_id, UUID)

    play(story)

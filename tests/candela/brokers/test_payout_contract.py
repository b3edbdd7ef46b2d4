"""Every broker of fixed payouts against one contract: bets, results, lost answers, bad keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

import pytest

from candela.brokers.payout_port import ContractState
from candela.brokers.port import CredentialsDead, EventKind
from candela.orders.words import OutcomeKind
from tests.candela.brokers.payout_contract import ASSET, STAGES, Stage, wish

Play: TypeAlias = Callable[[Callable[[Stage], Awaitable[None]]], None]


@pytest.fixture(params=sorted(STAGES))
def play(request: pytest.FixtureRequest) -> Play:
    """Give a function that runs a story on a stage."""

    def run(story: Callable[[Stage], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with STAGES[request.param]() as stage:
                await story(stage)

        asyncio.run(whole())

    return run


def test_contract_when_bought_is_shown_open_then_settled_with_money_exact(play: Play) -> None:
    async def story(stage: Stage) -> None:
        broker = stage.broker
        began = stage.clock.now()
        outcome = await broker.buy(wish(stage))
        bought = outcome.contract
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert bought is not None
        assert (bought.asset, bought.stake, bought.payout) == (ASSET, 10, Decimal("0.85"))
        assert abs(bought.expires_at - (began + timedelta(minutes=1))) < timedelta(seconds=1)
        assert await broker.open_contracts() == (bought,)
        assert await broker.statement(began) == ()
        assert (await broker.balance()).free == 90
        await stage.forward(62)
        (settled,) = await broker.statement(began)
        assert settled.contract_id == bought.contract_id
        assert settled.state in {ContractState.WON, ContractState.LOST}
        paid = Decimal("18.5") if settled.state is ContractState.WON else Decimal(0)
        assert settled.returned == paid
        assert (await broker.balance()).free == 90 + paid
        assert await broker.open_contracts() == ()
        assert await broker.result(bought.contract_id) == settled
        assert await broker.result("nobody's") is None
        assert await broker.statement(stage.clock.now() + timedelta(seconds=5)) == ()

    play(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"asset": "NO/SUCH"},
        {"stake": Decimal("0.001")},
        {"stake": Decimal(500)},
        {"smallest_payout": Decimal("0.9")},
        {"late": True},
    ],
)
def test_contract_when_it_cannot_be_had_is_refused_and_nothing_is_taken(
    play: Play, changes: dict[str, object]
) -> None:
    async def story(stage: Stage) -> None:
        wanted = dict(changes)
        if wanted.pop("late", False):
            wanted["expires_at"] = stage.clock.now() - timedelta(seconds=1)
        outcome = await stage.broker.buy(wish(stage, "one", **wanted))
        assert outcome.kind is OutcomeKind.REFUSED
        assert outcome.reason
        assert await stage.broker.open_contracts() == ()
        assert (await stage.broker.balance()).free == 100

    play(story)


def test_result_when_it_is_in_is_told_to_who_listens(play: Play) -> None:
    async def story(stage: Stage) -> None:
        events = stage.broker.events()
        assert (await asyncio.wait_for(anext(events), 10)).kind is EventKind.CONNECTED
        hearing = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.2)
        await stage.broker.buy(wish(stage))
        await stage.forward(62)
        event = await asyncio.wait_for(hearing, 10)
        while event.contract is None or not event.contract.state.is_final:
            event = await asyncio.wait_for(anext(events), 10)
        assert event.contract.asset == ASSET

    play(story)


@pytest.mark.parametrize(("which", "count"), [("lose_answer", 1), ("lose_request", 0)])
def test_answer_when_lost_is_unknown_and_the_lists_tell(play: Play, which: str, count: int) -> None:
    async def story(stage: Stage) -> None:
        lose = getattr(stage.trouble, which)
        if lose is None:
            pytest.skip("this broker is in the same process: no answer can be lost")
        await stage.broker.login()
        lose()
        outcome = await stage.broker.buy(wish(stage))
        assert outcome.kind is OutcomeKind.UNKNOWN
        found = await stage.broker.open_contracts()
        assert [one.stake for one in found] == [Decimal(10)] * count
        assert (await stage.broker.balance()).free == 100 - 10 * count

    play(story)


def test_key_when_unknown_is_dead_and_its_secret_is_in_no_message(play: Play) -> None:
    async def story(stage: Stage) -> None:
        if stage.stranger is None:
            pytest.skip("this broker knows no keys")
        with pytest.raises(CredentialsDead) as caught:
            await stage.stranger.balance()
        assert "wrong" not in str(caught.value)
        outcome = await stage.stranger.buy(wish(stage))
        assert outcome.kind is OutcomeKind.CREDENTIALS_DEAD

    play(story)

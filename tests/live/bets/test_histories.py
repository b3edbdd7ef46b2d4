"""Random histories of bets with kills anywhere: caps, ladder and money against the truth."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.brokers.payout_port import Contract, ContractState
from candela.ids import is_ours
from candela.orders.bets import BetStatus
from candela.risk.history import Outcome, Settled, ladder_step
from candela.risk.hours import trading_day
from candela.risk.limits import RiskLimits
from live.desk.terms import DeskNotReady
from live.store.memory import StoreGone
from tests.live.bets.house import Buy, Result, Truth
from tests.live.bets.table import ASSET, BAR, OPENING, Table, ladder, play

BARS = 24
LIMITS = RiskLimits(
    martingale=ladder(steps=4),
    daily_loss=Decimal(70),
    total_exposure=Decimal(40),
)
_OUTCOMES: dict[ContractState, Outcome] = {
    ContractState.WON: "win",
    ContractState.LOST: "loss",
    ContractState.TIED: "draw",
}


class History:
    """One history, decided by a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.table = Table.laid(LIMITS)
        house, chance = self.table.house, self.chance
        buys: list[Buy] = [
            "ok",
            "ok",
            "ok",
            "ok",
            "dropped",
            "late",
            "lost",
            "refused",
            "throttled",
        ]
        results: list[Result] = ["ok", "ok", "lost", "late", "twice", "contradictory"]
        house.buys = lambda: chance.choice(buys)
        house.results = lambda: chance.choice(results)
        won, lost, tied = ContractState.WON, ContractState.LOST, ContractState.TIED
        house.win = lambda: chance.choice([won, lost, lost, tied])
        house.deaf = lambda: chance.random() < 0.1
        self.table.pause = self.pause
        self.bots = [self.table.bot() for _ in range(2)]
        self.kills = 0

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.choice([0.0, 0.0, 0.01, 0.3]))

    async def run(self) -> None:
        """Bet on bars, get killed, come back; then wait until all is quiet."""
        await self.table.sit()
        loop = asyncio.get_running_loop()
        for _ in range(BARS):
            await asyncio.sleep(61.0 - loop.time() % 60.0)
            wishes = [asyncio.create_task(self.wish(bot)) for bot in self.bots]
            if self.chance.random() < 0.4:
                await asyncio.sleep(self.chance.choice([0.0, 0.1, 0.4, 1.0, 7.0, 40.0]))
                await self.table.kill()
                self.kills += 1
                await asyncio.sleep(self.chance.choice([0.0, 1.0, 25.0]))
                await self.table.sit(wait=False)
            await asyncio.gather(*wishes)
        self.table.house.deaf = lambda: False
        await asyncio.sleep(300)

    async def wish(self, bot: UUID) -> None:
        """Want a bet; now and then a stale one, of another step, or the same again."""
        desk = self.table.desk
        assert desk is not None
        slot = self.table.clock.now().replace(second=0, microsecond=0)
        offset = self.bots.index(bot)
        changes: dict[str, Any] = {"expires_at": slot + (1 + offset) * BAR}
        if self.chance.random() < 0.15:
            step = self.chance.randrange(4)
            changes |= {"ladder_step": step, "stake": Decimal(5) * 2**step}
        commit = self.table.commit(bot, **changes)
        try:
            for _ in range(1 + (self.chance.random() < 0.3)):
                await desk.place([commit])
        except (DeskNotReady, StoreGone):
            return


def check(history: History) -> Counter[str]:
    """Compare the house's truth with the books; return how bets ended."""
    table = history.table
    house, shelf = table.house, table.shelf
    assert table.ledger() == table.books.totals[table.key]["USD"]
    assert table.books.reserved[table.key]["USD"] == 0
    # One contract an intent, and each is booked.
    owners = Counter(truth.request_id for truth in house.contracts.values())
    intents = Counter(found[0] for request in owners if (found := is_ours(request)))
    assert set(intents.values()) <= {1}
    assert {bet.venue_bet_id for bet in shelf.bets.values()} == set(house.contracts)
    of_bot: dict[UUID, list[Truth]] = {bot: [] for bot in history.bots}
    for truth in house.contracts.values():
        found = is_ours(truth.request_id)
        assert found is not None
        intent = shelf.intents[found[0]]
        assert intent.bot_id is not None
        assert (intent.stake, intent.asset) == (truth.contract.stake, ASSET)
        of_bot[intent.bot_id].append(truth)
    for truths in of_bot.values():
        check_bot(truths)
    assert all(bet.status.is_known for bet in shelf.bets.values())
    assert table.ledger() == house.free
    assert OPENING + sum((bet.pnl or 0) for bet in shelf.bets.values()) == house.free
    for bet in shelf.bets.values():
        contract = house.contracts[bet.venue_bet_id].contract
        assert bet.paid == contract.returned
        assert (bet.status is BetStatus.WON) == (contract.state is ContractState.WON)
    return Counter(bet.status.value for bet in shelf.bets.values())


def check_bot(truths: list[Truth]) -> None:
    """Recompute ladder, exposure and the day's loss at each bet, from contracts alone."""
    for number, truth in enumerate(truths):
        at = truth.contract.opened_at
        before = [one.contract for one in truths[:number]]
        # A ladder bets when all is settled: at most one stake is open at any time.
        assert all(one.expires_at <= at for one in before)
        past = [Settled(one.contract_id, one.expires_at, _OUTCOMES[one.state]) for one in before]
        step = ladder_step(past, 4)
        assert step is not None
        assert truth.contract.stake == Decimal(5) * 2**step <= Decimal(40)
        assert day_loss(before, at) + truth.contract.stake <= Decimal(70)


def day_loss(before: list[Contract], at: datetime) -> Decimal:
    """Return what the day has lost so far."""
    lost = Decimal(0)
    for one in before:
        if trading_day(one.expires_at, "UTC") == trading_day(at, "UTC"):
            assert one.returned is not None
            lost += one.stake - one.returned
    return lost


def history_of(seed: int) -> tuple[Counter[str], int]:
    """Play and check one history."""

    async def story() -> tuple[Counter[str], int]:
        history = History(seed)
        await history.run()
        found = check(history), history.kills
        await history.table.kill()
        return found

    return play(story)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_any_history_when_killed_anywhere_keeps_caps_ladder_and_money(seed: int) -> None:
    history_of(seed)


def test_histories_when_taken_together_have_every_ending() -> None:
    found: Counter[str] = Counter()
    kills = 0
    for seed in range(6):
        ended, killed = history_of(seed)
        found += ended
        kills += killed
    assert set(found) == {"won", "lost", "drawn"}
    assert sum(found.values()) > 60
    assert kills > 20


@pytest.mark.parametrize("seed", [3, 11])
def test_history_when_played_again_is_the_same(seed: int) -> None:
    assert history_of(seed) == history_of(seed)

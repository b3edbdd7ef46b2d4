"""The keeper's image: what is committed while the store is read stays in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from candela.orders.words import Side
from live.desk.keeper import Keeper
from live.desk.terms import Counts
from live.store.memory import MemoryStore
from tests.live.desk.stage import Stage, on_stage

if TYPE_CHECKING:
    from candela.orders.records import AccountBook, AccountKey


class SlowAnswers(MemoryStore):
    """A store whose answers are read in one moment and arrive in a later one."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.books)
        self.arrives = asyncio.Event()

    async def load(self, account: AccountKey) -> AccountBook:
        """Read the account, and let the answer wait."""
        book = await super().load(account)
        await self.arrives.wait()
        return book


def test_intent_when_it_is_committed_in_a_batch_while_the_store_is_read_then_it_is_kept() -> None:
    async def play(stage: Stage) -> None:
        store = SlowAnswers(stage)
        store.arrives.set()
        keeper = Keeper(stage.key, store, lambda: stage.lease, stage.clock, Counts())
        await keeper.load()
        store.arrives.clear()
        reading = asyncio.create_task(keeper.load())
        await asyncio.sleep(0)
        commit = stage.commit(Side.BUY, "0.01")
        # As the executor does for many accounts at once: not through this keeper.
        keeper.take([commit], await store.commit(keeper.lease(), [commit]))
        store.arrives.set()
        await reading
        assert commit.intent.intent_id in keeper.image.intents
        assert keeper.image.balance("USDT").locked == commit.intent.reserve.amount

    on_stage(play)

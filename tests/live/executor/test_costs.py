"""Bots that share a paper account: each pays what its own configuration says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.clock import FixedClock
from tests.live.executor.worlds import NOW, People, Prices, World, entry

if TYPE_CHECKING:
    from candela.db.connect import Database


def test_bots_when_they_share_a_paper_account_then_each_pays_its_own_costs(
    database: Database,
) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    account = people.paper(user)
    cheap = people.bot(user, account, "cheap", costs={"taker_fee_bps": 10.0})
    dear = people.bot(user, account, "dear", costs={"taker_fee_bps": 50.0, "slippage_bps": 20.0})
    lease = people.lease(user)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        assert await world.fanout.signals([entry()]) == 2
        await world.quiet()
        assert not world.failures
        await world.close()

    asyncio.run(run())

    rows = people.rows(user, "SELECT bot_id, price, fee / (price * quantity) AS share"
                       " FROM trading.fills")  # fmt: skip
    paid = {row["bot_id"]: (row["price"], row["share"]) for row in rows}
    assert paid == {
        cheap: (Decimal(50_000), Decimal("0.001")),
        dear: (Decimal(50_100), Decimal("0.005")),
    }

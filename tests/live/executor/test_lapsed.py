"""A plan that lapses under bots that run: entries stop, exits go on; and it may come back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from candela.clock import FixedClock
from tests.live.executor.worlds import BAR, NOW, People, Prices, World, entry, forward, leaving

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.users import User


def stand(people: People, user: User, status: str) -> None:
    """Write how the plan stands, and tell nobody: the word may be lost on the way."""
    with people.session(user) as session:
        session.run(
            "UPDATE tenancy.subscriptions SET status = %(status)s WHERE tenant_id = %(tenant)s",
            {"status": status},
        )


@pytest.mark.parametrize("is_told", [pytest.param(True, id="told"), pytest.param(False, id="lost")])
def test_plan_when_it_lapses_under_a_bot_then_exits_go_on_and_entries_wait(
    database: Database, *, is_told: bool
) -> None:
    people = People(database, FixedClock(NOW))
    user = people.user()
    account = people.paper(user)
    holds = people.bot(user, account, "holds")
    waits = people.bot(user, account, "waits", definition="d2")
    lease = people.lease(user)

    async def look(world: World) -> None:
        if is_told:
            await world.crew.reload(user.tenant_id, lease.shard, ())
        else:
            await world.looking.look(thoroughly=True)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        assert world.runner(holds).is_held

        stand(people, user, "expired")
        await look(world)
        forward(people.clock, minutes=1)
        bar = BAR + timedelta(minutes=1)
        await world.fanout.signals([leaving(bar=bar), entry("d2", bar=bar)])
        await world.quiet()
        assert not world.runner(holds).is_held
        assert not world.runner(waits).is_held
        assert {runner.state for _, runner in world.crew.runners()} == {"running"}

        stand(people, user, "active")
        # As many looks as lie between two questions for all plans.
        for _ in range(10):
            await look(world)
        forward(people.clock, minutes=1)
        await world.fanout.signals([entry("d2", bar=BAR + timedelta(minutes=2))])
        await world.quiet()
        assert world.runner(waits).is_held
        await world.close()

    asyncio.run(run())

    refused = people.rows(user, "SELECT decided_by FROM trading.decisions WHERE outcome='refused'")
    assert [row["decided_by"] for row in refused] == ["plan_in_force"]

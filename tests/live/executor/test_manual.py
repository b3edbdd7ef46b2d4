"""Orders by hand: taken once through the gates, refused with words, lapsed when nobody came."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from candela.clock import FixedClock
from candela.ids import new_id
from tests.live.executor.worlds import NOW, People, Prices, World, entry, forward

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.users import User


@pytest.fixture
def people(database: Database) -> People:
    return People(database, FixedClock(NOW))


def ask(people: People, user: User, account: UUID, **more: object) -> UUID:
    request = new_id(NOW)
    values = {
        "request": request,
        "account": account,
        "side": "buy",
        "kind": "market",
        "quantity": Decimal("0.02"),
        "price": None,
        "until": NOW + timedelta(seconds=60),
        **more,
    }
    with people.session(user) as session:
        session.run(
            "INSERT INTO trading.order_requests (tenant_id, request_id, account_id, symbol, side,"
            " kind, quantity, price, valid_until, requested_by, requested_at) VALUES (%(tenant)s,"
            " %(request)s, %(account)s, 'BTC/USDT', %(side)s, %(kind)s, %(quantity)s, %(price)s,"
            " %(until)s, 'me', now())",
            values,
        )
    return request


def answer(people: People, user: User, request: UUID) -> dict[str, Any]:
    rows = people.rows(
        user,
        "SELECT state, reason, intent_id FROM trading.order_requests"
        " WHERE request_id = %(request)s",
        request=request,
    )
    return rows[0]


def look(people: People, user: User, epoch: int = 1) -> None:
    lease = people.lease(user, epoch)

    async def run() -> None:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.looking.look(thoroughly=True)
        await world.quiet()
        await world.close()

    asyncio.run(run())


def test_order_by_hand_when_looked_for_is_taken_once_and_filled(people: People) -> None:
    user = people.user()
    account = people.paper(user)
    request = ask(people, user, account)

    look(people, user)
    look(people, user, epoch=2)

    assert answer(people, user, request) == {
        "state": "taken",
        "reason": None,
        "intent_id": request,
    }
    fills = people.rows(user, "SELECT side, quantity, bot_id FROM trading.fills")
    assert fills == [{"side": "buy", "quantity": Decimal("0.02"), "bot_id": None}]


def test_order_by_hand_when_committed_before_a_crash_is_said_to_be_taken(people: People) -> None:
    user = people.user()
    request = ask(people, user, people.paper(user))
    look(people, user)
    with people.session(user) as session:
        # As it was before the executor could answer.
        session.run(
            "UPDATE trading.order_requests SET state = 'waiting', intent_id = NULL,"
            " answered_at = NULL",
            {},
        )

    look(people, user, epoch=2)

    assert answer(people, user, request)["state"] == "taken"
    assert len(people.rows(user, "SELECT FROM trading.intents")) == 1


def test_order_by_hand_when_it_costs_too_much_is_refused_with_the_numbers(
    people: People,
) -> None:
    user = people.user()
    request = ask(people, user, people.paper(user), quantity=Decimal(1))

    look(people, user)

    found = answer(people, user, request)
    assert found["state"] == "refused"
    assert found["reason"].startswith("balance: ")
    assert "50050" in found["reason"]


def test_order_by_hand_when_its_time_is_over_has_lapsed(people: People) -> None:
    user = people.user()
    request = ask(people, user, people.paper(user))
    forward(people.clock, minutes=2)

    look(people, user)

    assert answer(people, user, request)["state"] == "lapsed"


def test_sale_by_hand_of_what_a_bot_holds_is_refused(people: People) -> None:
    user = people.user()
    account = people.paper(user)
    people.bot(user, account)
    lease = people.lease(user)

    async def run() -> UUID:
        world = World(people, Prices(people.clock), {lease.shard: lease})
        await world.crew.open_shards([lease.shard])
        await world.fanout.signals([entry()])
        await world.quiet()
        request = ask(people, user, account, side="sell", quantity=Decimal("0.005"))
        await world.looking.look(thoroughly=True)
        await world.close()
        return request

    found = answer(people, user, asyncio.run(run()))

    assert found["state"] == "refused"
    assert found["reason"].startswith("exit_held: ")


def test_order_by_hand_during_a_kill_switch_is_refused(people: People) -> None:
    user = people.user()
    account = people.paper(user)
    with people.session(user) as session:
        session.run(
            "INSERT INTO trading.halts (halt_id, scope, tenant_id, reason, halted_by)"
            " VALUES (gen_random_uuid(), 'tenant', %(tenant)s, 'enough', 'me')",
            {},
        )
    request = ask(people, user, account)

    look(people, user)

    assert answer(people, user, request)["reason"].startswith("kill_switch_tenant: ")

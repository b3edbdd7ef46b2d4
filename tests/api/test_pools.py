"""S03: connections that requests share remember nobody, also where requests end in the middle."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2

from tests.fixtures.desk import NOW
from tests.sql.tenants import Tenant, add_tenant

if TYPE_CHECKING:
    from tests.fixtures.api import Api

PATHS = (
    "/trades",
    "/orders",
    "/accounts",
    "/positions",
    "/logs",
    "/audit",
    "/alerts",
    "/notifications",
    "/metrics?period=day",
    "/billing/invoices",
    "/keys/exchange",
)
_REQUESTS = 2_000
_AT_ONCE = 16


class Crowd:
    """Six tenants that ask for their lists at once, and often leave before the answer."""

    def __init__(self, api: Api, tenants: list[Tenant]) -> None:
        self.foreign: list[str] = []
        self.own = self.answered = self.left = 0
        self._api = api
        self._chance = random.Random(5)
        self._names = {
            one: [str(one.bot_id), str(one.account_id), str(one.row_id)] for one in tenants
        }
        self._tokens = {
            one: api.state.access.issue(
                tenant_id=one.tenant_id, user_id=one.row_id, session_id=one.row_id, role="user"
            )[0]
            for one in tenants
        }

    async def story(self) -> None:
        await self._api.state.app_async.resize(1, 4)
        transport = httpx2.ASGITransport(app=self._api.client.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await asyncio.gather(
                *(self._many(client, _REQUESTS // _AT_ONCE) for _ in range(_AT_ONCE))
            )

    async def _many(self, client: Any, times: int) -> None:
        for _ in range(times):
            who = self._chance.choice(list(self._tokens))
            path = self._chance.choice(PATHS)
            asked = asyncio.ensure_future(
                client.get(
                    f"/api/v1{path}", headers={"authorization": f"Bearer {self._tokens[who]}"}
                )
            )
            if self._chance.random() < 0.25:
                asyncio.get_running_loop().call_later(self._chance.random() / 100, asked.cancel)
            with suppress(asyncio.CancelledError):
                self._look(who, await asked)
                continue
            self.left += 1

    def _look(self, who: Tenant, answer: Any) -> None:
        assert answer.status_code == 200, f"{answer.url}: {answer.text}"
        self.answered += 1
        self.own += any(name in answer.text for name in self._names[who])
        self.foreign += [
            f"{answer.url}: {name}"
            for other, names in self._names.items()
            if other != who
            for name in names
            if name in answer.text
        ]


def test_requests_when_two_thousand_share_four_connections_then_no_foreign_row_is_seen(
    api: Api,
) -> None:
    """S03: lists of six tenants over the application's own pools, a quarter of them given up."""
    with api.database.connect() as connection:
        tenants = [add_tenant(connection, f"tenant {number}") for number in range(6)]
        connection.execute(
            "UPDATE identity.sessions SET expires_at = %s", (NOW.replace(year=2030),)
        )
    api.state.app.resize(1, 4)
    crowd = Crowd(api, tenants)
    assert api.client.portal is not None
    api.client.portal.call(crowd.story)
    assert crowd.foreign == []
    assert crowd.answered + crowd.left == _REQUESTS
    assert crowd.own > 600
    assert crowd.left > 100

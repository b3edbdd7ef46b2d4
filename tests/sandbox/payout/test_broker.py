"""The fixed-payout broker over its own protocol: bets, results, and results that go astray."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from sandbox.faults import Fault
from sandbox.payout.broker import PayoutBroker
from tests.sandbox.harness import standing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from sandbox.venue import SandboxVenue

BET = {"asset": "BTCUSDT", "direction": "call", "stake": "10", "expiry_s": 60}
PATIENCE_S = 10.0


@contextmanager
def broker() -> Generator[tuple[SandboxVenue, PayoutBroker, str, str]]:
    with standing() as venue, PayoutBroker(venue) as opened:
        key, secret = opened.add_customer("100")
        yield venue, opened, key, secret


class Link:
    """A client of the broker."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.pushes: list[dict[str, Any]] = []
        self._last = 0

    async def ask(self, op: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        await self._socket.send_json({"id": self._last, "op": op, **params})
        while True:
            told = json.loads(await asyncio.wait_for(self._socket.receive_str(), PATIENCE_S))
            if told.get("id") == self._last:
                return told
            self.pushes.append(told)

    async def pushed(self, count: int) -> list[str]:
        """Return the results of so many pushes."""
        while len(self.pushes) < count:
            text = await asyncio.wait_for(self._socket.receive_str(), PATIENCE_S)
            self.pushes.append(json.loads(text))
        return [one["position"]["result"] for one in self.pushes]


def talk(opened: PayoutBroker, key: str, secret: str, act: Callable[[Link], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession() as session:
            login = {"key": key, "secret": secret}
            async with session.post(f"{opened.url}/login", json=login) as reply:
                token = (await reply.json())["result"]["token"]
            async with session.ws_connect(f"{opened.url}/stream") as socket:
                link = Link(socket)
                assert (await link.ask("login", token=token))["ok"]
                return await act(link)

    return asyncio.run(run())


def test_bet_opened_is_settled_at_expiry_at_the_replayed_price() -> None:
    with broker() as (venue, opened, key, secret):

        async def act(link: Link) -> None:
            bets = [await link.ask("open", **{**BET, "direction": one}) for one in ("call", "put")]
            assert all(one["ok"] for one in bets)
            assert len((await link.ask("positions"))["result"]) == 2
            await asyncio.to_thread(venue.advance, 61)
            assert sorted(await link.pushed(2)) == ["loss", "win"]
            assert (await link.ask("positions"))["result"] == []
            assert len((await link.ask("statement", since_ms=0))["result"]) == 2
            assert (await link.ask("balance"))["result"]["balance"] == "98.50"

        talk(opened, key, secret, act)
        call, put = opened.positions(key)
        symbol = venue.listing.symbols["BTCUSDT"]
        assert call.close == symbol.price_at(symbol.step_number(call.expires_ms))
        assert call.close is not None
        assert (call.result == "win") is (call.close > call.strike)
        assert {call.paid, put.paid} == {Decimal("18.50"), Decimal(0)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"asset": "NOPE"}, "bad_asset"),
        ({"direction": "up"}, "bad_direction"),
        ({"stake": "0.5"}, "bad_stake"),
        ({"stake": "10.001"}, "bad_stake"),
        ({"stake": "-5"}, "bad_stake"),
        ({"stake": "500"}, "no_money"),
        ({"expiry_s": 7}, "bad_expiry"),
    ],
)
def test_bet_out_of_bounds_is_refused_with_its_code(changes: dict[str, Any], code: str) -> None:
    with broker() as (_, opened, key, secret):
        told = talk(opened, key, secret, lambda link: link.ask("open", **{**BET, **changes}))
        assert told["error"]["code"] == code
        assert opened.positions(key) == []


@pytest.mark.parametrize(
    ("kind", "count"), [("result_twice", 2), ("result_contradictory", 2), ("result_late", 1)]
)
def test_results_pushed_wrongly_stand_right_in_the_statement(kind: str, count: int) -> None:
    with broker() as (venue, opened, key, secret):
        venue.script([Fault(kind, seconds=0.1)])

        async def act(link: Link) -> tuple[list[str], str]:
            await link.ask("open", **BET)
            await asyncio.to_thread(venue.advance, 61)
            pushed = await link.pushed(count)
            return pushed, (await link.ask("statement"))["result"][0]["result"]

        pushed, truth = talk(opened, key, secret, act)
        assert pushed[-1] == truth
        assert (pushed[0] != truth) is (kind == "result_contradictory")


def test_result_that_is_lost_is_found_by_the_statement_only() -> None:
    with broker() as (venue, opened, key, secret):
        venue.script([Fault("result_lost")])

        async def act(link: Link) -> None:
            await link.ask("open", **BET)
            await asyncio.to_thread(venue.advance, 61)
            assert (await link.ask("statement"))["result"][0]["result"] in {"win", "loss"}
            assert link.pushes == []

        talk(opened, key, secret, act)


@pytest.mark.parametrize(("kind", "count"), [("open_dropped", 1), ("open_lost", 0)])
def test_bet_whose_answer_is_torn_off_is_open_or_not(kind: str, count: int) -> None:
    with broker() as (venue, opened, key, secret):
        venue.script([Fault(kind)])

        async def act(link: Link) -> None:
            with pytest.raises((TypeError, ConnectionError)):
                await link.ask("open", **BET)

        talk(opened, key, secret, act)
        assert len(opened.positions(key)) == count
        assert opened.balance(key) == 100 - 10 * count


def test_wrong_secret_gets_no_token_and_no_token_gets_no_answer() -> None:
    async def run(opened: PayoutBroker, key: str) -> list[str]:
        codes: list[str] = []
        async with aiohttp.ClientSession() as session:
            wrong = {"key": key, "secret": "x"}
            async with session.post(f"{opened.url}/login", json=wrong) as reply:
                codes.append((await reply.json())["error"]["code"])
            async with session.get(f"{opened.url}/balance") as reply:
                codes.append((await reply.json())["error"]["code"])
        return codes

    with broker() as (_, opened, key, _secret):
        assert asyncio.run(run(opened, key)) == ["bad_login", "not_logged_in"]

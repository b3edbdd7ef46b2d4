"""Websocket streams as ccxt.pro sees them, and everything that can befall them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import ccxt
import pytest

from sandbox.faults import Fault
from sandbox.remote import Remote
from sandbox.venue import SandboxVenue
from tests.sandbox.harness import BALANCES, SYMBOL, ask, standing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 10.0


async def soon(wanted: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(wanted, PATIENCE_S)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for is in a client's own lists
            await asyncio.sleep(0.01)


async def advance(venue: SandboxVenue, seconds: float) -> None:
    await asyncio.to_thread(venue.advance, seconds)


def live(venue: SandboxVenue, act: Any) -> Any:
    key, secret = venue.add_account(BALANCES)
    return ask(venue, act, key=key, secret=secret, live=True)


def test_candles_watched_grow_and_close_as_those_over_rest() -> None:
    async def act(x: Any) -> None:
        await soon(x.watch_ohlcv(SYMBOL, "1m"))
        await advance(venue, 60)
        kept = x.ohlcvs[SYMBOL]["1m"]
        await until(lambda: len(kept) == 2)
        closed = await x.fetch_ohlcv(SYMBOL, "1m", limit=2)
        assert list(kept[0]) == closed[0]

    with standing() as venue:
        live(venue, act)


def test_prices_and_trades_watched_are_those_of_the_replay() -> None:
    async def act(x: Any) -> tuple[float, float, float, float]:
        book = await soon(x.watch_bids_asks([SYMBOL]))
        trades = await soon(x.watch_trades(SYMBOL))
        ticker = await soon(x.watch_ticker(SYMBOL))
        return book[SYMBOL]["bid"], book[SYMBOL]["ask"], trades[-1]["price"], ticker["last"]

    with standing() as venue:
        bid, ask_, price, last = live(venue, act)
        symbol = venue.listing.symbols["BTCUSDT"]
        now = float(symbol.price_at(symbol.step_number(venue.clock.now_ms())))
    assert (bid, ask_, price, last) == (now, pytest.approx(now + 0.01), now, now)


def test_minute_that_closes_is_told_once_as_closed_with_its_final_values() -> None:
    import aiohttp

    from candela.venues.gateway import connector

    async def run(venue: SandboxVenue) -> list[dict[str, Any]]:
        url = "wss://stream.binance.com:9443/stream?streams=btcusdt@kline_1m"
        seen: list[dict[str, Any]] = []
        async with (
            aiohttp.ClientSession(connector=connector(venue.gateway)) as session,
            session.ws_connect(url) as socket,
        ):
            await soon(socket.receive_json())
            await advance(venue, 125)
            while len(seen) < 27:
                seen.append((await soon(socket.receive_json()))["data"]["k"])
        await asyncio.sleep(0.05)
        return [one for one in seen if one["x"]]

    with standing() as venue:
        closed = asyncio.run(run(venue))
        symbol = venue.listing.symbols["BTCUSDT"]
        rows = symbol.klines("1m", None, None, 3, venue.clock.now_ms())[:2]
    assert [one["t"] for one in closed] == [row[0] for row in rows]
    for one, row in zip(closed, rows, strict=True):
        assert [one[name] for name in "ohlcv"] == row[1:6]


async def subscribed(x: Any) -> asyncio.Task[Any]:
    """Wait until the account's stream stands, and leave a watch waiting on it."""
    await soon(x.ensure_user_data_stream_ws_subscribe_signature("spot"))
    return asyncio.create_task(x.watch_orders(SYMBOL))


def test_order_watched_is_seen_new_and_filled_with_its_trade() -> None:
    async def act(x: Any) -> None:
        waiting = await subscribed(x)
        await x.create_order(SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": "w1"})
        await soon(waiting)
        await until(lambda: x.myTrades is not None)
        (order,) = list(x.orders)
        assert (order["clientOrderId"], order["status"], order["filled"]) == ("w1", "closed", 0.01)
        (trade,) = list(x.myTrades)
        assert trade["fee"] == {"currency": "BTC", "cost": 0.00001}

    with standing() as venue:
        live(venue, act)


def test_fill_of_a_resting_order_is_told_when_the_market_reaches_it() -> None:
    async def act(x: Any) -> None:
        waiting = await subscribed(x)
        await x.create_order(SYMBOL, "limit", "sell", 0.01, 17_600)
        await soon(waiting)
        assert next(iter(x.orders))["status"] == "open"
        await advance(venue, 7_200)
        await until(lambda: list(x.orders)[-1]["status"] == "closed")

    with standing() as venue:
        live(venue, act)


def test_deposit_behind_the_traders_back_is_told() -> None:
    async def act(x: Any) -> None:
        await soon(x.ensure_user_data_stream_ws_subscribe_signature("spot"))
        waiting = asyncio.create_task(x.watch_balance())
        await asyncio.sleep(0.1)
        venue.transfer(x.apiKey, "USDT", "250")
        await soon(waiting)
        await until(lambda: x.balance["spot"]["USDT"]["free"] == 10_250)

    with standing() as venue:
        live(venue, act)


def control(venue: SandboxVenue, action: str) -> None:
    assert Remote(venue.control_url).ask("POST", "streams", {"action": action})["ended"] > 0


@pytest.mark.parametrize("action", ["disconnect", "shutdown"])
def test_socket_that_ends_raises_in_the_client_and_can_be_opened_again(action: str) -> None:
    async def act(x: Any) -> None:
        await soon(x.watch_ohlcv(SYMBOL, "1m"))
        waiting = asyncio.create_task(x.watch_ohlcv(SYMBOL, "1m"))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(control, venue, action)
        with pytest.raises(ccxt.NetworkError):
            await soon(waiting)
        assert await soon(x.watch_ohlcv(SYMBOL, "1m"))

    with standing() as venue:
        live(venue, act)


@pytest.mark.parametrize("action", ["expire", "forget", "ws_silent", "ws_drop"])
def test_stream_that_falls_silent_tells_nothing_while_the_order_is_done(action: str) -> None:
    async def act(x: Any) -> None:
        waiting = await subscribed(x)
        if action.startswith("ws_"):
            venue.script([Fault(action, path="executionReport", times=0)])
        else:
            await asyncio.to_thread(control, venue, action)
        await x.create_order(SYMBOL, "market", "buy", 0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.4)
        waiting.cancel()
        assert len(venue.ledger.executions()) == 1
        assert len(venue.rest.log) > 0

    with standing() as venue:
        live(venue, act)


def raw_events(x: Any) -> list[tuple[str, str]]:
    """Note every order event as it comes, before the client makes one order of them."""
    seen: list[tuple[str, str]] = []
    parsed = x.handle_order_update

    def note(socket: Any, message: Any) -> Any:
        if message.get("e") == "executionReport":
            seen.append((message["c"], message["x"]))
        return parsed(socket, message)

    x.handle_order_update = note
    return seen


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ws_duplicate", ["NEW", "NEW", "TRADE"]),
        ("ws_reorder", ["TRADE", "NEW"]),
        ("ws_delay", ["TRADE", "NEW"]),
    ],
)
def test_events_doubled_swapped_or_late_reach_the_client_so(kind: str, expected: list[str]) -> None:
    async def act(x: Any) -> None:
        seen = raw_events(x)
        waiting = await subscribed(x)
        venue.script([Fault(kind, path="executionReport", seconds=0.2)])
        await x.create_order(SYMBOL, "market", "buy", 0.01)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(seen) >= len(expected):
                break
        waiting.cancel()
        assert [what for _, what in seen] == expected

    with standing() as venue:
        live(venue, act)


def test_new_socket_is_refused_during_an_outage() -> None:
    async def act(x: Any) -> None:
        venue.script([Fault("ws_refuse", for_s=60)])
        with pytest.raises(ccxt.NetworkError):
            await soon(x.watch_ohlcv(SYMBOL, "1m"))
        await advance(venue, 61)
        assert await soon(x.watch_ohlcv(SYMBOL, "1m"))

    with standing() as venue:
        live(venue, act)


def test_subscription_with_a_wrong_signature_is_refused() -> None:
    async def act(x: Any) -> None:
        x.secret = "other"
        # The client means to raise what the venue says, and stumbles over its own book-keeping.
        with pytest.raises((ccxt.BaseError, KeyError)):
            await soon(x.watch_orders(SYMBOL))

    with standing() as venue:
        live(venue, act)
        assert venue.ledger.requests()[-1].code == -1022


def test_socket_is_pinged_and_ended_when_nothing_comes_back() -> None:
    import aiohttp

    from candela.venues.gateway import connector

    async def run(venue: SandboxVenue) -> list[aiohttp.WSMsgType]:
        seen: list[aiohttp.WSMsgType] = []
        async with (
            aiohttp.ClientSession(connector=connector(venue.gateway)) as session,
            session.ws_connect("wss://stream.binance.com:9443/ws/0", autoping=False) as socket,
        ):
            for seconds, wait_s in ((21, 0), (21, 0), (21, 0), (21, 0.6), (1, 0)):
                await advance(venue, seconds)
                seen.append((await soon(socket.receive())).type)
                await asyncio.sleep(wait_s)
        await asyncio.sleep(0.05)
        return seen

    with standing() as venue:
        seen = asyncio.run(run(venue))
    assert seen == [aiohttp.WSMsgType.PING] * 4 + [aiohttp.WSMsgType.CLOSE]


def test_order_placed_over_the_socket_is_in_the_ledger() -> None:
    async def act(x: Any) -> Any:
        return await soon(x.create_order_ws(SYMBOL, "limit", "buy", 0.01, 15_000))

    with standing() as venue:
        order = live(venue, act)
        assert [str(one.order_id) for one in venue.ledger.open_orders()] == [order["id"]]

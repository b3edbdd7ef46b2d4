"""The REST interface as the real client sees it: markets, candles, orders, refusals."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import ccxt
import polars as pl
import pytest

from sandbox.venue import SandboxVenue
from tests.fixtures.candles import SAMPLE
from tests.sandbox.harness import BALANCES, START, SYMBOL, ask, standing


def raw_code(error: Exception) -> int:
    text = str(error)
    return int(json.loads(text[text.index("{") :])["code"])


def test_markets_loaded_by_the_client_show_the_filters() -> None:
    with standing(listed=20) as venue:
        markets = ask(venue, lambda x: x.load_markets())
    assert len(markets) == 21
    market = markets[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert market["limits"]["cost"]["min"] == 5
    assert market["active"] is True


def test_candles_fetched_by_the_client_equal_the_source() -> None:
    source = pl.read_parquet(SAMPLE / "BTC-BUSD_1m_2022-12-13.parquet").filter(
        pl.col("time") < START
    )
    with standing() as venue:
        rows = ask(venue, lambda x: x.fetch_ohlcv(SYMBOL, "1m", limit=101))
    closed = source.tail(100)
    assert [row[0] for row in rows[:-1]] == closed["time"].dt.epoch("ms").to_list()
    for place, name in enumerate(("open", "high", "low", "close", "volume"), 1):
        assert [row[place] for row in rows[:-1]] == pytest.approx(closed[name].to_list(), abs=1e-5)
    # The minute under way has come as far as its first step.
    assert rows[-1][1:5] == [rows[-1][1]] * 4


def test_longer_candles_asked_for_are_those_of_the_minutes() -> None:
    with standing() as venue:
        hours = ask(venue, lambda x: x.fetch_ohlcv(SYMBOL, "1h", limit=3))
        minutes = ask(venue, lambda x: x.fetch_ohlcv(SYMBOL, "1m", hours[0][0], limit=120))
    assert hours[0][0] == 1_670_925_600_000
    assert hours[0][2] == max(row[2] for row in minutes[:60])
    assert hours[1][3] == min(row[3] for row in minutes[60:])
    assert hours[1][4] == minutes[-1][4]


def _named(client_id: str) -> dict[str, str]:
    return {"newClientOrderId": client_id}


def test_orders_placed_by_the_client_move_balances_exactly() -> None:
    async def act(x: Any) -> tuple[Any, Any, Any]:
        bought = await x.create_order(SYMBOL, "market", "buy", 0.01, None, _named("a1"))
        again = await x.fetch_order(None, SYMBOL, {"origClientOrderId": "a1"})
        return bought, again, await x.fetch_my_trades(SYMBOL)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        bought, again, trades = ask(venue, act, key=key, secret=secret)
        held = venue.ledger.balances(key)
    assert (bought["status"], bought["filled"], again["id"]) == ("closed", 0.01, bought["id"])
    price = Decimal(str(bought["average"]))
    assert held["BTC"] == (Decimal("1.00999"), 0)
    assert held["USDT"][0] == 10_000 - price * Decimal("0.01")
    assert [trade["order"] for trade in trades] == [bought["id"]]
    assert trades[0]["fee"] == {"currency": "BTC", "cost": 0.00001}


def test_market_order_by_quote_quantity_spends_no_more() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        params = {"quoteOrderQty": "100"}
        order = ask(
            venue,
            lambda x: x.create_order(SYMBOL, "market", "buy", None, None, params),
            key=key,
            secret=secret,
        )
    assert 99 < order["cost"] <= 100


def test_resting_order_cancelled_by_the_client_frees_its_money() -> None:
    async def act(x: Any) -> tuple[Any, Any, Any]:
        order = await x.create_order(SYMBOL, "limit", "buy", 0.1, 15_000, _named("r1"))
        there = await x.fetch_open_orders(SYMBOL)
        held = await x.fetch_balance()
        gone = await x.cancel_order(order["id"], SYMBOL)
        return there, held, gone

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        there, held, gone = ask(venue, act, key=key, secret=secret)
        after = venue.ledger.balances(key)
    assert [one["clientOrderId"] for one in there] == ["r1"]
    assert held["USDT"] == {"free": 8_500.0, "used": 1_500.0, "total": 10_000.0}
    assert gone["status"] == "canceled"
    assert after["USDT"] == (10_000, 0)


REFUSALS: list[tuple[dict[str, str], int]] = [
    ({"type": "LIMIT", "price": "15000", "quantity": "0.1"}, -1102),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000.001", "quantity": "0.1"}, -1013),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000", "quantity": "0.000015"}, -1013),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000", "quantity": "0.0001"}, -1013),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000", "quantity": "1e-2"}, -1100),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000", "quantity": "0.123456789"}, -1111),
    ({"type": "LIMIT", "timeInForce": "GTX", "price": "15000", "quantity": "0.1"}, -1115),
    ({"type": "LIMIT", "timeInForce": "GTC", "price": "15000", "quantity": "0.7"}, -2010),
    ({"type": "LIMIT_MAKER", "price": "19000", "quantity": "0.1"}, -2010),
    ({"type": "MARKET", "quantity": "9"}, -2010),
    ({"type": "MARKET", "quantity": "0.1", "price": "15000"}, -1106),
    ({"type": "MARKET", "quantity": "0.1", "quoteOrderQty": "100"}, -1128),
    ({"type": "MARKET"}, -1102),
    ({"type": "STOP_LOSS", "quantity": "0.1"}, -1102),
    ({"type": "STOP_LOSS", "quantity": "0.1", "stopPrice": "15000"}, -2010),
    ({"type": "ICEBERG", "quantity": "0.1"}, -1116),
    ({"type": "MARKET", "side": "HOLD", "quantity": "0.1"}, -1117),
    ({"type": "MARKET", "symbol": "NOPEUSDT", "quantity": "0.1"}, -1121),
    ({"type": "MARKET", "quantity": "0.1", "newClientOrderId": "a b"}, -1100),
]


def test_orders_that_break_a_rule_are_refused_with_its_number() -> None:
    async def act(x: Any) -> list[int]:
        codes: list[int] = []
        for params, _ in REFUSALS:
            try:
                await x.private_post_order({"symbol": "BTCUSDT", "side": "BUY", **params})
            except ccxt.BaseError as error:
                codes.append(_code(error, params))
            else:
                codes.append(0)
        return codes

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        codes = ask(venue, act, key=key, secret=secret)
        answered = [one.code for one in venue.ledger.requests() if one.method == "POST"]
        assert venue.ledger.orders() == []
    assert answered == [code for _, code in REFUSALS]
    assert 0 not in codes


def _code(error: ccxt.BaseError, _params: dict[str, str]) -> int:
    # ccxt drops the number where it knows the words, so that the venue's log is what counts.
    return raw_code(error) if '"code"' in str(error) else -1


def test_client_id_of_an_open_order_is_refused_and_that_of_a_filled_one_is_not() -> None:
    async def act(x: Any) -> str:
        named = {"newClientOrderId": "same"}
        await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000, named)
        with pytest.raises(ccxt.InvalidOrder) as refused:
            await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000, named)
        await x.create_order(SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": "twice"})
        await x.create_order(SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": "twice"})
        return str(refused.value)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        words = ask(venue, act, key=key, secret=secret)
        assert [one.client_id for one in venue.ledger.executions(key)] == ["twice", "twice"]
    assert "Duplicate order sent." in words


def test_cancel_replace_half_done_says_which_half() -> None:
    def asked(client_id: str, mode: str, quantity: str) -> dict[str, str]:
        return {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": "15000",
            "quantity": quantity,
            "cancelReplaceMode": mode,
            "cancelOrigClientOrderId": client_id,
        }

    async def act(x: Any) -> list[str]:
        words: list[str] = []
        await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000, {"newClientOrderId": "one"})
        for sent in (
            asked("none", "STOP_ON_FAILURE", "0.01"),
            asked("none", "ALLOW_FAILURE", "0.01"),
            asked("one", "STOP_ON_FAILURE", "900"),
        ):
            with pytest.raises(ccxt.BaseError) as refused:
                await x.private_post_order_cancelreplace(sent)
            words.append(str(refused.value))
        return words

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        ask(venue, act, key=key, secret=secret)
        log = [one for one in venue.ledger.requests() if one.path.endswith("cancelReplace")]
        states = [one.status for one in venue.ledger.orders(key)]
    assert [(one.status, one.code) for one in log] == [(400, -2022), (409, -2021), (409, -2021)]
    assert states == ["CANCELED", "NEW"]


def test_queries_for_what_is_not_there_are_refused_with_their_numbers() -> None:
    async def act(x: Any) -> None:
        with pytest.raises(ccxt.OrderNotFound):
            await x.fetch_order("7", SYMBOL)
        with pytest.raises(ccxt.OrderNotFound):
            await x.cancel_order("7", SYMBOL)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        ask(venue, act, key=key, secret=secret)
        codes = [one.code for one in venue.ledger.requests()][-2:]
    assert codes == [-2013, -2011]


def test_trades_listed_from_an_id_or_an_instant_begin_there() -> None:
    async def act(x: Any) -> tuple[Any, Any, Any]:
        for _ in range(4):
            await x.create_order(SYMBOL, "market", "buy", 0.001)
        return (
            await x.fetch_my_trades(SYMBOL, params={"fromId": 3}),
            await x.fetch_my_trades(SYMBOL, limit=1),
            await x.fetch_my_trades(SYMBOL, since=x.nonce() + 1),
        )

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        later, last, none = ask(venue, act, key=key, secret=secret)
    assert [one["id"] for one in later] == ["3", "4"]
    assert [one["id"] for one in last] == ["4"]
    assert none == []


def test_permissions_of_a_key_are_told() -> None:
    with standing() as venue:
        key, secret = venue.add_account(can_withdraw=True, can_trade=False, ip_restricted=True)
        told = ask(venue, lambda x: x.sapi_get_account_apirestrictions(), key=key, secret=secret)
    assert (told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (True, False)
    assert told["ipRestrict"] is True


def test_halted_symbol_refuses_orders_and_says_so_in_its_state() -> None:
    async def act(x: Any) -> bool:
        with pytest.raises(ccxt.BaseError, match="Market is closed"):
            await x.create_order(SYMBOL, "market", "buy", 0.01)
        return (await x.load_markets(reload=True))[SYMBOL]["active"]

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        venue.listing.symbols["BTCUSDT"].status = "BREAK"
        assert ask(venue, act, key=key, secret=secret) is False


def test_venue_in_the_callers_loop_serves_as_one_in_a_thread() -> None:
    import asyncio

    from tests.sandbox.harness import client

    async def run() -> float:
        async with SandboxVenue(speed=60) as venue, client(venue) as x:
            return (await x.fetch_ticker(SYMBOL))["last"]

    assert asyncio.run(run()) > 0

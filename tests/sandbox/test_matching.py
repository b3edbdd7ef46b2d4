"""Matching against the replayed market, and the ledger's arithmetic under any history."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.answers import Refusal
from sandbox.bars import STEPS, series_of
from sandbox.terms import read_terms
from tests.sandbox.harness import BALANCES, START, standing

if TYPE_CHECKING:
    from sandbox.records import Order
    from sandbox.venue import SandboxVenue


def venue_on(prices: list[float]) -> SandboxVenue:
    """Return a venue whose minutes close at these prices, each opening where the last closed."""
    closes = np.array(prices)
    opens = np.concatenate([[prices[0]], closes[:-1]])
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=one) for one in range(len(prices))],
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": np.full(len(prices), 5.0),
        }
    )
    return standing(symbols=(), series={"BTC/USDT": series_of(frame)})


def place(venue: SandboxVenue, key: str, **params: str) -> Order:
    sent = {"symbol": "BTCUSDT", "side": "BUY", **params}
    number = venue.rest.next_number()
    terms = read_terms(sent, venue.listing, f"test{number}")
    return venue.engine.place(venue.account(key), terms, request=number)


def agrees(venue: SandboxVenue, key: str) -> bool:
    held = {asset: sum(two) for asset, two in venue.ledger.balances(key).items()}
    return held == venue.ledger.recomputed(key) and all(
        min(two) >= 0 for two in venue.ledger.balances(key).values()
    )


LIMIT = {"type": "LIMIT", "timeInForce": "GTC"}


def test_resting_limit_fills_at_its_price_when_the_market_touches_it() -> None:
    venue = venue_on([100, 100, 90, 100])
    key, _ = venue.add_account(BALANCES)
    order = place(venue, key, **LIMIT, price="95", quantity="1")
    venue.advance(119)
    assert order.status == "NEW"
    venue.advance(60)
    (fill,) = venue.ledger.executions(key)
    assert (order.status, fill.price, fill.is_maker) == ("FILLED", Decimal(95), True)
    assert fill.at_ms == 1_670_932_800_000 + 120_000 + 30_000
    assert agrees(venue, key)


def test_marketable_limit_fills_at_once_at_the_better_price() -> None:
    venue = venue_on([100, 100])
    key, _ = venue.add_account(BALANCES)
    order = place(venue, key, **LIMIT, price="110", quantity="1")
    (fill,) = venue.ledger.executions(key)
    assert (order.status, fill.price, fill.is_maker) == ("FILLED", Decimal("100.01"), False)
    assert venue.ledger.balances(key)["USDT"] == (Decimal("9899.99"), 0)


@pytest.mark.parametrize(
    ("kind", "side", "stop", "path", "expected"),
    [
        ("STOP_LOSS", "SELL", "95", [100, 100, 90], "FILLED"),
        ("STOP_LOSS", "SELL", "95", [100, 100, 110], "NEW"),
        ("TAKE_PROFIT", "SELL", "105", [100, 100, 110], "FILLED"),
        ("STOP_LOSS", "BUY", "105", [100, 100, 110], "FILLED"),
        ("TAKE_PROFIT", "BUY", "95", [100, 100, 90], "FILLED"),
        ("TAKE_PROFIT", "BUY", "95", [100, 100, 96], "NEW"),
    ],
)
def test_stop_triggers_on_its_side_of_the_market_only(
    kind: str, side: str, stop: str, path: list[float], expected: str
) -> None:
    venue = venue_on(path)
    key, _ = venue.add_account(BALANCES)
    order = place(venue, key, type=kind, side=side, stopPrice=stop, quantity="0.5")
    assert not order.is_working
    venue.advance(179)
    assert order.status == expected
    assert agrees(venue, key)


def test_stop_limit_rests_at_its_limit_once_it_is_triggered() -> None:
    venue = venue_on([100, 100, 94, 97])
    key, _ = venue.add_account(BALANCES)
    order = place(
        venue, key, type="STOP_LOSS_LIMIT", timeInForce="GTC", side="SELL", stopPrice="95",
        price="96", quantity="0.5",
    )  # fmt: skip
    venue.advance(175)
    assert (order.is_working, order.status) == (True, "NEW")
    venue.advance(60)
    assert (order.status, venue.ledger.executions(key)[0].price) == ("FILLED", Decimal(96))


def test_immediate_orders_take_what_there_is_and_end() -> None:
    venue = venue_on([100, 100])
    venue.listing.symbols["BTCUSDT"].liquidity = Decimal("0.3")
    key, _ = venue.add_account(BALANCES)
    taken = place(venue, key, type="LIMIT", timeInForce="IOC", price="110", quantity="1")
    none = place(venue, key, type="LIMIT", timeInForce="FOK", price="110", quantity="1")
    missed = place(venue, key, type="LIMIT", timeInForce="IOC", price="90", quantity="1")
    market = place(venue, key, type="MARKET", quantity="1")
    assert (taken.status, taken.executed) == ("EXPIRED", Decimal("0.3"))
    assert (none.status, none.executed) == ("EXPIRED", 0)
    assert (missed.status, missed.executed) == ("EXPIRED", 0)
    assert (market.status, market.executed) == ("EXPIRED", Decimal("0.3"))
    assert agrees(venue, key)


def test_fills_in_pieces_add_up_and_cost_a_tick_more_each() -> None:
    venue = venue_on([100, 100])
    venue.engine.pieces = 7
    key, _ = venue.add_account(BALANCES)
    counts: set[int] = set()
    for _ in range(12):
        order = place(venue, key, type="MARKET", quantity="0.107")
        own = [one for one in venue.ledger.executions(key) if one.order_id == order.order_id]
        counts.add(len(own))
        assert sum(one.quantity for one in own) == Decimal("0.107")
        steps = [one.price - own[0].price for one in own]
        assert steps == [Decimal("0.01") * number for number in range(len(own))]
    assert len(counts) > 2
    assert max(counts) <= 7
    assert agrees(venue, key)


def test_list_of_two_holds_money_once_and_ends_with_its_first_leg() -> None:
    from sandbox.calls import Call
    from sandbox.lists import place_list

    venue = venue_on([100, 100, 90, 100])
    key, _ = venue.add_account(BALANCES)
    params = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "price": "110"}
    params |= {"stopPrice": "95", "stopLimitPrice": "94", "listClientOrderId": "both"}
    account = venue.account(key)
    place_list(venue.engine, Call(1, "POST", "/api/v3/order/oco", params, "", key, "", account))
    assert venue.ledger.balances(key)["BTC"] == (0, 1)
    venue.advance(239)
    limit, stop = venue.ledger.orders(key)
    assert (limit.status, stop.status) == ("EXPIRED", "FILLED")
    assert agrees(venue, key)
    assert venue.ledger.balances(key)["BTC"] == (0, 0)


def test_halted_market_leaves_orders_alone_until_it_trades_again() -> None:
    venue = venue_on([100, 100, 90, 90, 100])
    key, _ = venue.add_account(BALANCES)
    order = place(venue, key, **LIMIT, price="95", quantity="1")
    venue.listing.symbols["BTCUSDT"].status = "BREAK"
    venue.advance(200)
    assert order.status == "NEW"
    with pytest.raises(Refusal, match="Market is closed"):
        place(venue, key, type="MARKET", quantity="1")
    venue.listing.symbols["BTCUSDT"].status = "TRADING"
    venue.advance(20)
    assert order.status == "FILLED"


@pytest.mark.parametrize(
    ("choice", "side", "asset", "amount"),
    [
        ("received", "BUY", "BTC", "0.001"),
        ("received", "SELL", "USDT", "0.1"),
        ("base", "SELL", "BTC", "0.001"),
        ("quote", "BUY", "USDT", "0.10001"),
        ("BNB", "BUY", "BNB", "0.00033336"),
    ],
)
def test_fee_is_charged_in_the_chosen_asset(
    choice: str, side: str, asset: str, amount: str
) -> None:
    venue = venue_on([100, 100])
    venue.engine.fees.asset = choice
    key, _ = venue.add_account({**BALANCES, "BTC": "5", "BNB": "1"})
    place(venue, key, type="MARKET", side=side, quantity="1")
    (fill,) = venue.ledger.executions(key)
    assert (fill.fee_asset, fill.fee) == (asset, Decimal(amount))
    assert agrees(venue, key)


def test_fee_in_an_asset_that_is_lacking_is_taken_from_what_the_fill_brings() -> None:
    venue = venue_on([100, 100])
    venue.engine.fees.asset = "BNB"
    key, _ = venue.add_account(BALANCES)
    place(venue, key, type="MARKET", quantity="1")
    assert venue.ledger.executions(key)[0].fee_asset == "BTC"


KINDS = ("MARKET", "LIMIT", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT")
ACTS = st.tuples(
    st.sampled_from((*KINDS, "cancel", "wait", "transfer", "fees", "thin")),
    st.sampled_from(("BUY", "SELL")),
    st.integers(1, 300_000),
    st.integers(-900, 900),
    st.integers(1, 400),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=40), st.integers(1, 7))
def test_balances_under_any_history_equal_opening_fills_fees_and_transfers(
    acts: list[tuple[str, str, int, int, int]], pieces: int
) -> None:
    venue = venue_on([100, 101, 97, 104, 92, 108, 100, 95])
    venue.engine.pieces = pieces
    key, _ = venue.add_account({"USDT": "2000", "BTC": "5", "BNB": "0.01"})
    for kind, side, quantity, offset, seconds in acts:
        with suppress(Refusal):
            _act(venue, key, kind, side, quantity, offset, seconds)
        assert agrees(venue, key)
    orders = venue.ledger.orders(key)
    held = sum((one.held for one in orders if one.held_asset == "USDT"), Decimal(0))
    assert venue.ledger.balances(key)["USDT"][1] == held
    for order in orders:
        fills = [one for one in venue.ledger.executions(key) if one.order_id == order.order_id]
        assert sum(one.quantity for one in fills) == order.executed <= order.quantity
        assert sum(one.quantity * one.price for one in fills) == order.spent
        assert (order.order_id in venue.account(key).open) is not order.is_final
    ids = [one.trade_id for one in venue.ledger.executions()]
    assert ids == list(range(1, len(ids) + 1))


def _act(
    venue: SandboxVenue, key: str, kind: str, side: str, quantity: int, offset: int, seconds: int
) -> None:
    account = venue.account(key)
    amount = f"{quantity / 100_000:.3f}"
    price = f"{100 + offset / 100:.2f}"
    match kind:
        case "cancel":
            for order in list(account.open.values())[:1]:
                venue.engine.cancel(account, order, "c")
        case "wait":
            venue.advance(seconds)
        case "transfer":
            venue.transfer(key, "USDT", str(offset))
        case "fees":
            venue.engine.fees.asset = ("received", "base", "quote", "BNB")[quantity % 4]
        case "thin":
            symbol = venue.listing.symbols["BTCUSDT"]
            symbol.liquidity = Decimal("0.25") if quantity % 2 else None
        case _:
            params = {"type": kind, "side": side, "quantity": amount}
            if kind in {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"}:
                params["price"] = price
            if kind in {"LIMIT", "STOP_LOSS_LIMIT"}:
                params["timeInForce"] = ("GTC", "IOC", "FOK")[quantity % 3]
            if kind in {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"}:
                params["stopPrice"] = price
            place(venue, key, **params)


def test_same_history_played_twice_gives_the_same_ledger() -> None:
    def played() -> list[str]:
        venue = standing(pieces=5, seed=3)
        key, _ = venue.add_account(BALANCES)
        for number in range(10):
            place(venue, key, type="MARKET", quantity=f"0.0{number + 1}")
            place(venue, key, **LIMIT, price=f"{17_400 + number}", quantity="0.001")
            venue.advance(120)
        return [repr(one) for one in venue.ledger.executions(key)]

    first = played()
    assert len(first) > 20
    assert first == played()


def test_price_walked_in_a_minute_visits_open_high_low_and_close() -> None:
    venue = standing()
    symbol = venue.listing.symbols["BTCUSDT"]
    for number in range(600, 660):
        bar, walk = symbol.replay.bar(number), symbol.replay.walk(number)
        assert len(walk) == STEPS
        assert (walk[0], walk[-1]) == (bar.open, bar.close)
        assert (max(walk), min(walk)) == (bar.high, bar.low)

"""Paper orders: prices of the backtests' model, exact money, memory that is the ledger's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from candela.brokers.paper import PaperBroker, PaperVenue
from candela.clock import FixedClock
from candela.fills.model import Costs, FillModel, VenueRules
from candela.fills.prices import market_price
from candela.fills.state import packed_terms
from candela.ids import new_id
from candela.money import ZERO
from candela.orders.records import AccountKey, Order
from candela.orders.words import (
    Balance,
    OrderKind,
    OrderRequest,
    OrderState,
    Outcome,
    OutcomeKind,
    Quote,
    Side,
    VenueOrderState,
)
from tests.candela.brokers.places import StandingMarket

if TYPE_CHECKING:
    from candela.brokers.port import BrokerEvent

START = datetime(2026, 1, 5, tzinfo=UTC)
SYMBOL = "BTC/USDT"
COSTS = Costs(taker_fee_bps=10, maker_fee_bps=5, slippage_bps=20)


class Stage:
    """One paper account and a market that is moved by hand."""

    def __init__(self, costs: Costs | None = COSTS, quote: str = "10000") -> None:
        self.clock = FixedClock(START)
        self.market = StandingMarket()
        self.venue = PaperVenue("binance", self.market, self.clock)
        self.broker: PaperBroker = self.venue.open(costs=costs)
        asyncio.run(self.broker.restore((), {"USDT": Balance(Decimal(quote))}))
        self._number = 0

    def send(
        self,
        side: Side,
        kind: OrderKind = OrderKind.MARKET,
        quantity: str = "1",
        price: str | None = None,
        stop: str | None = None,
        name: str | None = None,
    ) -> Outcome:
        self._number += 1
        request = OrderRequest(
            name or f"o{self._number}",
            SYMBOL,
            side,
            kind,
            Decimal(quantity),
            None if price is None else Decimal(price),
            None if stop is None else Decimal(stop),
        )
        return asyncio.run(self.broker.submit(request))

    def move(self, bid: str, ask: str | None = None) -> int:
        self.market.bid = Decimal(bid)
        self.market.ask = Decimal(ask) if ask is not None else self.market.bid + Decimal("0.1")
        self.clock.at += timedelta(seconds=1)
        return self.venue.on_quote(asyncio.run(self.market.quote(SYMBOL)))

    def totals(self) -> dict[str, Decimal]:
        return {name: one.total for name, one in asyncio.run(self.broker.balances()).items()}

    def state(self, name: str) -> VenueOrderState:
        found = asyncio.run(self.broker.find(SYMBOL, name))
        assert found is not None
        return found.state


def test_market_order_when_it_arrives_then_pays_what_a_backtest_pays_of_the_quote() -> None:
    stage = Stage()
    outcome = stage.send(Side.BUY)
    assert outcome.report is not None
    model = FillModel(costs=COSTS, rules=VenueRules(lot=0.00001, tick=0.1, minimum_notional=5))
    expected = market_price(packed_terms(model)[0], 100.1, 1, 0.0)
    (execution,) = outcome.report.executions
    assert float(execution.price) == expected == 100.4  # 100.1 and 20 bps, up to the tick
    assert execution.fee == Decimal("0.1004")
    assert stage.totals() == {"USDT": Decimal("9899.4996"), "BTC": Decimal(1)}
    sold = stage.send(Side.SELL)
    assert sold.report is not None
    assert sold.report.executions[0].price == Decimal("99.8")  # 100.0 less 20 bps, down


def test_market_order_when_the_configured_spread_is_wider_then_it_counts() -> None:
    stage = Stage(Costs(spread_bps=100))
    outcome = stage.send(Side.BUY)
    assert outcome.report is not None
    # Half of 1 % above the middle of 100.05, up to the tick.
    assert outcome.report.executions[0].price == Decimal("100.6")


def test_costs_when_none_are_given_then_are_the_venues_fees() -> None:
    stage = Stage(costs=None)
    outcome = stage.send(Side.BUY)
    assert outcome.report is not None
    (execution,) = outcome.report.executions
    assert (execution.price, execution.fee) == (Decimal("100.1"), Decimal("0.1001"))


def test_limit_order_when_the_quote_reaches_it_then_fills_at_its_price_as_maker() -> None:
    stage = Stage()
    stage.send(Side.BUY, OrderKind.LIMIT, price="99.5", name="a")
    balances = asyncio.run(stage.broker.balances())
    assert balances["USDT"].locked == Decimal("99.5") * Decimal("1.001")
    assert stage.move("99.5") == 0  # the ask is at 99.6
    assert stage.move("99.4") == 1
    (execution,) = asyncio.run(stage.broker.executions(SYMBOL, START))
    assert (execution.price, execution.is_maker) == (Decimal("99.5"), True)
    assert execution.fee == Decimal("99.5") * Decimal("0.0005")
    assert execution.trade_id == "paper-a-1"
    assert asyncio.run(stage.broker.balances())["USDT"].locked == 0
    assert stage.move("99.0") == 0


def test_limit_order_when_it_crosses_then_takes_the_quote_not_its_own_price() -> None:
    stage = Stage()
    outcome = stage.send(Side.BUY, OrderKind.LIMIT, price="105")
    assert outcome.report is not None
    (execution,) = outcome.report.executions
    assert (execution.price, execution.is_maker) == (Decimal("100.1"), False)


@pytest.mark.parametrize(
    ("side", "kind", "stop", "price", "bids", "filled"),
    [
        (Side.SELL, OrderKind.STOP_LOSS, "95", None, ["95.1", "95.0"], "94.8"),
        (Side.SELL, OrderKind.STOP_LOSS, "95", None, ["90.0"], "89.8"),  # jumped past
        (Side.SELL, OrderKind.TAKE_PROFIT, "110", None, ["109.9", "110"], "109.7"),
        (Side.SELL, OrderKind.STOP_LOSS_LIMIT, "95", "94", ["95", "93"], "95"),
        (Side.SELL, OrderKind.STOP_LOSS_LIMIT, "95", "94.5", ["93", "94", "94.5"], "94.5"),
        (Side.BUY, OrderKind.STOP_LOSS, "105", None, ["104.8", "104.9"], "105.3"),
        (Side.BUY, OrderKind.TAKE_PROFIT, "95", None, ["95", "94.9"], "95.2"),
    ],
)
def test_protective_order_when_its_trigger_is_reached_then_becomes_what_it_stands_for(
    side: Side, kind: OrderKind, stop: str, price: str | None, bids: list[str], filled: str
) -> None:
    stage = Stage()
    stage.send(Side.BUY, quantity="2")
    since = stage.clock.at + timedelta(microseconds=1)
    outcome = stage.send(side, kind, price=price, stop=stop, name="p")
    assert outcome.kind is OutcomeKind.ACCEPTED
    for bid in bids[:-1]:
        stage.move(bid)
    is_early = stage.state("p") is VenueOrderState.FILLED
    stage.move(bids[-1])
    assert stage.state("p") is VenueOrderState.FILLED
    (execution,) = asyncio.run(stage.broker.executions(SYMBOL, since))
    assert execution.price == Decimal(filled)
    # A limit that is through the market at its trigger takes at once.
    assert is_early is (kind is OrderKind.STOP_LOSS_LIMIT and price == "94")


def test_stop_when_the_market_jumped_beyond_the_money_then_ends_and_owes_nothing() -> None:
    stage = Stage(quote="106")
    stage.send(Side.BUY, OrderKind.STOP_LOSS, stop="105", name="p")
    stage.move("150")
    assert stage.state("p") is VenueOrderState.REJECTED
    balances = asyncio.run(stage.broker.balances())
    assert balances == {"USDT": Balance(Decimal(106))}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"quantity": "0.000015"}, "lot"),
        ({"quantity": "0"}, "lot"),
        ({"quantity": "0.00009"}, "lot"),
        ({"quantity": "0.04"}, "notional"),
        ({"kind": OrderKind.LIMIT, "price": "99.55"}, "tick"),
        ({"kind": OrderKind.LIMIT}, "tick"),
        ({"kind": OrderKind.STOP_LOSS, "stop": "99.95"}, "tick"),
        ({"kind": OrderKind.STOP_LOSS, "stop": "99"}, "trigger"),
        ({"kind": OrderKind.LIMIT_MAKER, "price": "101"}, "maker"),
        ({"quantity": "100"}, "funds"),
    ],
)
def test_order_when_a_venue_would_refuse_it_then_paper_does_by_name(
    options: dict[str, object], code: str
) -> None:
    stage = Stage()
    outcome = stage.send(Side.BUY, **options)  # pyright: ignore[reportArgumentType]
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code), outcome
    assert stage.totals() == {"USDT": Decimal(10_000)}


def test_client_id_when_it_is_used_again_then_nothing_is_done() -> None:
    stage = Stage()
    stage.send(Side.BUY, name="a")
    assert stage.send(Side.BUY, name="a").kind is OutcomeKind.UNKNOWN
    assert stage.totals()["BTC"] == 1


def kept(name: str, state: OrderState, price: str = "99") -> Order:
    return Order(
        account=AccountKey(new_id(START), new_id(START)),
        client_id=name,
        intent_id=new_id(START),
        attempt=1,
        symbol=SYMBOL,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=Decimal(1),
        price=Decimal(price),
        stop_price=None,
        state=state,
        created_at=START,
        venue_order_id=f"paper-{name}",
    )


def test_account_when_restored_then_its_ledger_counts_and_unbooked_attempts_do_not() -> None:
    stage = Stage()
    orders = (
        kept("open", OrderState.OPEN),
        replace(kept("sending", OrderState.SENDING), venue_order_id=None),
        kept("done", OrderState.FILLED),
    )
    asyncio.run(stage.broker.restore(orders, {"USDT": Balance(Decimal(500), Decimal(7))}))
    found = asyncio.run(stage.broker.open_orders(frozenset({SYMBOL})))
    assert [one.client_id for one in found] == ["open"]
    assert asyncio.run(stage.broker.find(SYMBOL, "sending")) is None
    balance = asyncio.run(stage.broker.balances())["USDT"]
    assert (balance.total, balance.locked) == (507, Decimal("99.099"))
    # Restored twice, it rests once.
    asyncio.run(stage.broker.restore(orders, {"USDT": Balance(Decimal(507))}))
    assert stage.move("98.0") == 1
    assert stage.totals()["BTC"] == 1


def test_order_when_it_is_delayed_then_meets_the_price_of_its_arrival() -> None:
    stage = Stage()
    broker = stage.venue.open(costs=Costs(), latency_s=0.02)

    async def run() -> Outcome:
        await broker.restore((), {"USDT": Balance(Decimal(1000))})
        request = OrderRequest("late", SYMBOL, Side.BUY, OrderKind.MARKET, Decimal(1))
        sending = asyncio.create_task(broker.submit(request))
        await asyncio.sleep(0)
        stage.market.bid, stage.market.ask = Decimal(110), Decimal(111)
        return await sending

    outcome = asyncio.run(run())
    assert outcome.report is not None
    assert outcome.report.executions[0].price == 111
    assert broker.fence_s > 0.02


def test_events_when_an_order_fills_then_come_without_a_question() -> None:
    async def run() -> list[BrokerEvent]:
        stage = Stage.__new__(Stage)
        stage.clock, stage.market = FixedClock(START), StandingMarket()
        venue = PaperVenue("binance", stage.market, stage.clock)
        broker = venue.open(costs=COSTS)
        await broker.restore((), {"USDT": Balance(Decimal(1000))})
        events = broker.events()
        seen = [await anext(events)]
        request = OrderRequest("a", SYMBOL, Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal("99.5"))
        await broker.submit(request)
        venue.on_quote(Quote(SYMBOL, Decimal("99.3"), Decimal("99.4"), START))
        return [*seen, *[await anext(events) for _ in range(3)]]

    kinds = [one.kind.value for one in asyncio.run(run())]
    assert kinds == ["connected", "order", "execution", "order"]


def test_thousands_of_resting_orders_when_a_quote_comes_then_only_reached_ones_are_met() -> None:
    stage = Stage()

    async def run() -> list[int]:
        for number in range(2_000):
            broker = stage.venue.open(costs=COSTS)
            await broker.restore((), {"USDT": Balance(Decimal(1000))})
            price = Decimal("99.9") - Decimal(number % 500) / 10
            request = OrderRequest(
                f"n{number}", SYMBOL, Side.BUY, OrderKind.LIMIT, Decimal(1), price
            )
            await broker.submit(request)
        asks = [Decimal(100), Decimal("99.9"), Decimal("99.7"), Decimal(50)]
        return [
            stage.venue.on_quote(Quote(SYMBOL, ask - Decimal("0.1"), ask, START)) for ask in asks
        ]

    assert asyncio.run(run()) == [0, 4, 8, 1_988]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side),
            st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP_LOSS]),
            st.integers(1, 400),
            st.integers(-30, 30),
        ),
        max_size=25,
    )
)
def test_balances_for_any_history_are_those_of_its_executions_and_never_owed(
    history: list[tuple[Side, OrderKind, int, int]],
) -> None:
    stage = Stage()
    for side, kind, units, move in history:
        middle = stage.market.bid + Decimal(move) / 10
        price = str(middle) if kind is OrderKind.LIMIT else None
        stop = str(middle) if kind is OrderKind.STOP_LOSS else None
        stage.send(side, kind, str(Decimal(units) / 10), price=price, stop=stop)
        stage.move(str(max(stage.market.bid + Decimal(move) / 10, Decimal(50))))
        for balance in asyncio.run(stage.broker.balances()).values():
            assert balance.free >= 0
            assert balance.locked >= 0
    expected = {"USDT": Decimal(10_000), "BTC": ZERO}
    for one in asyncio.run(stage.broker.executions(SYMBOL, START)):
        expected["BTC"] += one.side.sign * one.quantity
        expected["USDT"] -= one.side.sign * one.quantity * one.price + one.fee
    assert stage.totals() == {name: total for name, total in expected.items() if total}

"""What every spot adapter must do, whatever venue is behind it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.brokers.port import EventKind
from candela.clock import SystemClock
from candela.ids import is_ours
from candela.orders.words import OrderKind, OutcomeKind, Side, VenueOrderState
from candela.venues.errors import UnknownSymbol
from tests.candela.brokers import contract_faults
from tests.candela.brokers.checks import CHECKS, SIZE, check, limit, market, named, outcome

if TYPE_CHECKING:
    from candela.brokers.port import BrokerEvent
    from candela.orders.words import Execution
    from tests.candela.brokers.places import Bench

# The checks of faults are of the contract, too.
__all__ = ["CHECKS", "contract_faults"]


@check
async def rules_are_read_and_an_unknown_symbol_is_named(bench: Bench) -> None:
    rules = await bench.broker.rules(bench.place.symbol)
    assert rules.symbol == bench.place.symbol
    assert rules.lot > 0
    assert rules.tick > 0
    assert rules.minimum_notional > 0
    assert rules.is_trading
    assert {OrderKind.MARKET, OrderKind.LIMIT} <= rules.kinds
    assert await bench.broker.rules(bench.place.symbol, refresh=True) == rules
    with pytest.raises(UnknownSymbol, match="NOPE/NADA"):
        await bench.broker.rules("NOPE/NADA")


@check
async def quote_and_rights_are_read(bench: Bench) -> None:
    quote = await bench.broker.quote(bench.place.symbol)
    assert 0 < quote.bid <= quote.ask
    assert quote.at.tzinfo is not None
    rights = await bench.broker.rights()
    # None where the venue does not tell.
    assert rights.can_trade is not False
    assert not rights.can_withdraw


@check
async def market_order_is_accepted_and_its_executions_are_complete(bench: Bench) -> None:
    since = SystemClock().now() - timedelta(seconds=5)
    sent = [market(bench) for _ in range(3)]
    for request in sent:
        outcome(await bench.broker.submit(request), OutcomeKind.ACCEPTED)
    executions = await bench.broker.executions(bench.place.symbol, since)
    assert sum(one.quantity for one in executions) == 3 * SIZE
    assert len({one.trade_id for one in executions}) == len(executions)
    assert [one.executed_at for one in executions] == sorted(one.executed_at for one in executions)
    assert all(one.side is Side.BUY and one.fee > 0 and one.fee_ccy for one in executions)
    found = await bench.broker.find(bench.place.symbol, sent[0].client_id)
    assert found is not None
    assert (found.state, found.executed, found.client_id) == (
        VenueOrderState.FILLED,
        SIZE,
        sent[0].client_id,
    )
    own = await bench.broker.executions(bench.place.symbol, since, found.venue_order_id)
    assert sum(one.quantity for one in own) == SIZE
    assert {one.venue_order_id for one in own} == {found.venue_order_id}
    assert await bench.broker.executions(bench.place.symbol, SystemClock().now()) == ()


@check
async def limit_order_rests_is_found_and_is_cancelled_once(bench: Bench) -> None:
    request = await limit(bench)
    accepted = outcome(await bench.broker.submit(request), OutcomeKind.ACCEPTED)
    assert accepted.report is not None
    symbols = frozenset({bench.place.symbol})
    open_orders = await bench.broker.open_orders(symbols)
    assert [one.client_id for one in open_orders] == [request.client_id]
    assert open_orders[0].price == request.price
    assert is_ours(open_orders[0].client_id) is not None
    assert await bench.broker.open_orders(frozenset()) == ()
    order_id = accepted.report.venue_order_id
    first = await bench.broker.cancel(bench.place.symbol, request.client_id, order_id)
    outcome(first, OutcomeKind.ACCEPTED)
    again = await bench.broker.cancel(bench.place.symbol, request.client_id, None)
    outcome(again, OutcomeKind.REFUSED)
    found = await bench.broker.find(bench.place.symbol, request.client_id, order_id)
    assert found is not None
    assert (found.state, found.executed) == (VenueOrderState.CANCELED, Decimal(0))
    assert await bench.broker.open_orders(symbols) == ()


@check
async def order_that_never_was_is_not_found(bench: Bench) -> None:
    assert await bench.broker.find(bench.place.symbol, named()) is None
    refused = await bench.broker.cancel(bench.place.symbol, named(), None)
    outcome(refused, OutcomeKind.REFUSED)
    since = SystemClock().now() - timedelta(days=2)
    assert await bench.broker.executions(bench.place.symbol, since) == ()


@check
async def order_beyond_the_balance_is_refused_and_leaves_nothing(bench: Bench) -> None:
    request = market(bench, size=Decimal(2_000))
    outcome(await bench.broker.submit(request), OutcomeKind.REFUSED)
    assert bench.place.orders(bench.key) == 0
    assert await bench.broker.find(bench.place.symbol, request.client_id) is None


@check
async def maker_only_order_that_would_take_is_refused(bench: Bench) -> None:
    rules = await bench.broker.rules(bench.place.symbol)
    if OrderKind.LIMIT_MAKER in rules.kinds:
        request = await limit(bench, kind=OrderKind.LIMIT_MAKER, crossing=True)
        found = await bench.broker.submit(request)
        outcome(found, OutcomeKind.REFUSED)


@check
async def immediate_order_that_does_not_cross_is_over_at_once(bench: Bench) -> None:
    rules = await bench.broker.rules(bench.place.symbol)
    if OrderKind.IOC not in rules.kinds:
        return
    request = await limit(bench, kind=OrderKind.IOC)
    outcome(await bench.broker.submit(request), OutcomeKind.ACCEPTED)
    found = await bench.broker.find(bench.place.symbol, request.client_id)
    assert found is not None
    assert found.state in {VenueOrderState.EXPIRED, VenueOrderState.CANCELED}
    assert found.executed == 0


@check
async def balances_move_by_executions_and_fees_exactly(bench: Bench) -> None:
    base, _, quote = bench.place.symbol.partition("/")
    before = await bench.broker.balances()
    assert before[quote].total == 100_000
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.ACCEPTED)
    since = SystemClock().now() - timedelta(seconds=5)
    executions = await bench.broker.executions(bench.place.symbol, since)
    expected = {quote: Decimal(100_000), base: Decimal(0)}
    for one in executions:
        expected[base] += one.quantity
        expected[quote] -= one.quantity * one.price
        expected[one.fee_ccy] -= one.fee
    after = await bench.broker.balances()
    assert {name: after[name].total for name in expected} == expected


@check
async def stream_tells_the_same_trade_ids_as_questions_do(bench: Bench) -> None:
    events: list[BrokerEvent] = []
    connected, news = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        async for event in bench.broker.events():
            events.append(event)
            news.set()
            if event.kind is EventKind.CONNECTED:
                connected.set()

    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(connected.wait(), 60)
        since = SystemClock().now() - timedelta(seconds=5)
        request = market(bench)
        outcome(await bench.broker.submit(request), OutcomeKind.ACCEPTED)
        asked = await bench.broker.executions(bench.place.symbol, since)
        assert asked
        if not bench.place.tells_executions:
            return
        async with asyncio.timeout(60):
            while not _is_told(events, len(asked)):
                news.clear()
                await news.wait()
        heard = _executions(events)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert {name: _content(one) for name, one in heard.items()} == {
        one.trade_id: _content(one) for one in asked
    }
    assert all(one.client_id in {None, request.client_id} for one in heard.values())


def _is_told(events: list[BrokerEvent], executions: int) -> bool:
    is_filled = any(
        one.order is not None and one.order.state is VenueOrderState.FILLED for one in events
    )
    return is_filled and len(_executions(events)) >= executions


def _executions(events: list[BrokerEvent]) -> dict[str, Execution]:
    found = (one.execution for one in events if one.execution is not None)
    return {one.trade_id: one for one in found}


def _content(one: Execution) -> tuple[object, ...]:
    return (
        one.venue_order_id,
        one.symbol,
        one.side,
        one.quantity,
        one.price,
        one.fee,
        one.fee_ccy,
        one.is_maker,
        one.executed_at,
    )

"""The invariants: what must hold between the venue's ledger and the books, whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from candela.ids import is_ours
from candela.money import EXACT, ZERO, quotient
from candela.orders.records import Fill, Position, Trade
from candela.orders.words import OrderState, Side, VenueOrderState

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["check"]


def check(world: World) -> list[str]:
    """Return every breach of an invariant, in words."""
    return [
        *_fills_once(world),
        *_edges(world),
        *_executed_once(world),
        *_sums(world),
        *_reservations(world),
        *_all_resolved(world),
        *_open_orders(world),
        *_profits(world),
        *_false_alarms(world),
        *_gates(world),
        *(f"12 filter breach: {breach}" for breach in world.venue.breaches),
    ]


def _fills_once(world: World) -> Iterator[str]:
    there = Counter(
        (one.symbol, one.trade_id, one.quantity, one.price, one.fee, one.fee_ccy)
        for _, one in world.venue.executions
        if is_ours(world.venue.orders[one.venue_order_id].request.client_id)
    )
    here = Counter(
        (one.symbol, one.trade_id, one.quantity, one.price, one.fee, one.fee_ccy)
        for one in world.books.fills.values()
    )
    for lost in (there - here).elements():
        yield f"1 lost fill {lost}"
    for invented in (here - there).elements():
        yield f"1 invented fill {invented}"


def _edges(world: World) -> Iterator[str]:
    books = world.books
    for fill in books.fills.values():
        order = books.orders.get(fill.client_id)
        if order is None or order.account != fill.account:
            yield f"2 fill {fill.trade_id} without order"
    executed: dict[str, Decimal] = {}
    for fill in books.fills.values():
        executed[fill.client_id] = executed.get(fill.client_id, ZERO) + fill.quantity
    for order in books.orders.values():
        if order.executed != executed.get(order.client_id, ZERO):
            yield f"4 order {order.client_id} executed {order.executed}, its fills say otherwise"
        intent = books.intents.get(order.intent_id)
        if intent is None or intent.account != order.account:
            yield f"2 order {order.client_id} without intent"
    decided = {decision.decision_id for decision in books.decisions.values()}
    for intent in books.intents.values():
        if intent.decision_id not in decided:
            yield f"2 intent {intent.intent_id} without decision"


def _executed_once(world: World) -> Iterator[str]:
    executed: dict[UUID, Decimal] = {}
    attempts: dict[UUID, set[str]] = {}
    for order in world.venue.orders.values():
        ours = is_ours(order.request.client_id)
        if ours is None:
            continue
        executed[ours[0]] = executed.get(ours[0], ZERO) + order.executed
        if order.executed > 0:
            attempts.setdefault(ours[0], set()).add(order.venue_id)
    for intent_id, quantity in executed.items():
        intent = world.books.intents.get(intent_id)
        if intent is None:
            yield f"3 the venue knows intent {intent_id}, we do not"
        elif quantity > intent.quantity:
            yield f"3 intent {intent_id} executed {quantity} of {intent.quantity}"
    for intent_id, ids in attempts.items():
        if len(ids) > 1:
            yield f"3 intent {intent_id} was executed {len(ids)} times"
    keys = Counter(
        (one.bot_id, one.symbol, one.bar_at, one.leg) for one in world.books.intents.values()
    )
    yield from (f"3 {key} has {number} intents" for key, number in keys.items() if number > 1)


def _sums(world: World) -> Iterator[str]:
    books = world.books
    held: dict[tuple[UUID | None, str], Decimal] = {}
    money: dict[str, Decimal] = dict(world.opening)
    for fill in books.fills.values():
        base, quote = fill.symbol.split("/")
        sign = fill.side.sign
        moved = EXACT.multiply(fill.quantity, Decimal(sign))
        if fill.fee_ccy == base:
            moved -= fill.fee
        key = (fill.bot_id, fill.symbol)
        held[key] = EXACT.add(held.get(key, ZERO), moved)
        money[base] = EXACT.add(money.get(base, ZERO), fill.quantity * sign)
        money[quote] = EXACT.subtract(money[quote], fill.quantity * fill.price * sign)
        money[fill.fee_ccy] = EXACT.subtract(money.get(fill.fee_ccy, ZERO), fill.fee)
    for key, position in books.positions.items():
        total = position.quantity + position.dust
        if total != held.get(key, ZERO):
            yield f"4 position {key} is {total}, its fills say {held.get(key, ZERO)}"
    for entry in books.ledger.values():
        if entry.kind == "external":
            money[entry.ccy] = EXACT.add(money.get(entry.ccy, ZERO), entry.amount)
    totals = books.totals[world.key]
    shown = world.venue.balances()
    for ccy in sorted({*money, *totals, *shown}):
        total = totals.get(ccy, ZERO)
        if total != money.get(ccy, ZERO):
            yield f"4 {ccy}: total {total}, its movements say {money.get(ccy, ZERO)}"
        there = shown[ccy].total if ccy in shown else ZERO
        if there != total:
            yield f"4 {ccy}: the venue holds {there}, the books {total}"


def _reservations(world: World) -> Iterator[str]:
    books = world.books
    sums: dict[str, Decimal] = {}
    for intent_id, reservation in books.reservations.items():
        sums[reservation.ccy] = sums.get(reservation.ccy, ZERO) + reservation.amount
        if reservation.amount < 0:
            yield f"5 intent {intent_id} holds back {reservation.amount}"
        if books.intents[intent_id].state.is_final and reservation.amount:
            yield f"5 intent {intent_id} is final and holds back {reservation.amount}"
    for ccy, reserved in books.reserved[world.key].items():
        if reserved != sums.get(ccy, ZERO):
            yield f"5 {reserved} {ccy} reserved, reservations say {sums.get(ccy, ZERO)}"


def _all_resolved(world: World) -> Iterator[str]:
    for order in world.books.orders.values():
        if order.state in {OrderState.UNKNOWN, OrderState.SENDING, OrderState.CREATED}:
            yield f"8 order {order.client_id} is still {order.state}"
        there = world.venue.by_client.get(order.client_id)
        if there and order.state in {OrderState.ABSENT, OrderState.REJECTED}:
            yield f"8 orphan: {order.client_id} is {order.state} and lives at the venue"
        if not there and order.state not in {OrderState.ABSENT, OrderState.REJECTED}:
            yield f"8 order {order.client_id} is {order.state} and unknown to the venue"
        if there and len(there) > 1:
            yield f"3 id {order.client_id} was used {len(there)} times"
    for intent in world.books.intents.values():
        if not intent.state.is_final:
            yield f"8 intent {intent.intent_id} is still {intent.state}"


def _open_orders(world: World) -> Iterator[str]:
    there = {
        order.request.client_id
        for order in world.venue.orders.values()
        if order.state is VenueOrderState.OPEN and is_ours(order.request.client_id)
    }
    here = {order.client_id for order in world.books.orders.values() if not order.state.is_final}
    for client_id in sorted(there ^ here):
        yield f"9 order {client_id} is open on one side only"


def _gates(world: World) -> Iterator[str]:
    for decision in world.books.decisions.values():
        if decision.action == "exit" and decision.decided_by in {"halt", "account", "wanted"}:
            yield f"an exit was refused by {decision.decided_by}"
    for order in world.books.orders.values():
        valid_until = world.books.intents[order.intent_id].valid_until
        if order.sent_at and valid_until and order.sent_at >= valid_until:
            yield f"{order.client_id} was begun after its intent had lapsed"


def _profits(world: World) -> Iterator[str]:
    cash: dict[tuple[UUID | None, str], Decimal] = {}
    for fill in world.books.fills.values():
        key = (fill.bot_id, fill.symbol)
        cash[key] = EXACT.add(cash.get(key, ZERO), _cash(fill))
    closed: dict[tuple[UUID | None, str], Decimal] = {}
    for trade in world.books.trades.values():
        key = (trade.bot_id, trade.symbol)
        if trade.status == "closed":
            closed[key] = EXACT.add(closed.get(key, ZERO), trade.pnl or ZERO)
    for key, position in world.books.positions.items():
        trade = world.books.trades.get(position.trade_id) if position.trade_id else None
        basis, running = _open_parts(position, trade)
        if EXACT.subtract(position.realised, basis) != cash.get(key, ZERO):
            yield f"11 {key}: realised {position.realised}, cash {cash.get(key)}, basis {basis}"
        if EXACT.add(closed.get(key, ZERO), running) != position.realised:
            yield f"11 {key}: trades say {closed.get(key)} + {running}, not {position.realised}"


def _false_alarms(world: World) -> Iterator[str]:
    """Yield alarms that nothing in these histories gives cause for."""
    for code in ("reappeared", "unknown_order", "books_differ", "fills_differ", "broker_fault"):
        if code in world.alarms:
            yield f"8 {world.alarms[code]} false alarms {code}"


def _cash(fill: Fill) -> Decimal:
    value = EXACT.multiply(fill.quantity, fill.price)
    money = -value if fill.side is Side.BUY else value
    return money - fill.fee if fill.fee_ccy == fill.symbol.split("/")[1] else money


def _open_parts(position: Position, trade: Trade | None) -> tuple[Decimal, Decimal]:
    """Return what an open trade's holding has cost, and what it has realised so far."""
    if position.opened_at is None or trade is None:
        return ZERO, ZERO
    share = EXACT.multiply(trade.entry_value, min(trade.exit_quantity, trade.quantity))
    cost = quotient(share, trade.quantity) if trade.exit_quantity and trade.quantity else ZERO
    running = EXACT.subtract(EXACT.subtract(trade.exit_value, cost), trade.fees)
    return EXACT.subtract(trade.entry_value, cost), running

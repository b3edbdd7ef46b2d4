"""The arithmetic of one execution: what it makes of order, intent, position, trade and money.

Both stores use it inside their transactions, so that what is booked does not depend on where. All
sums are exact; nothing is read, nothing is written. Spot only: what is sold was held.

A fee in base makes less arrive (or more leave); one in quote is money; one in a third asset is
booked in that asset and valued for the figures only where a rate is known. So the profit of a trade
is always its exit value less its entry value less its fees, and the sum of all profits, with what
is still held, is the change of the account.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from candela.ids import new_id
from candela.money import EXACT, ZERO, floored, quotient
from candela.orders.graph import may_end, may_move
from candela.orders.movements import as_stored, movements
from candela.orders.records import (
    VENUE_STOP_LEG,
    Account,
    Fill,
    Intent,
    LedgerEntry,
    Order,
    Position,
    Reservation,
    Trade,
)
from candela.orders.words import Execution, InstrumentRules, IntentState, OrderState, Side

__all__ = [
    "Effect",
    "Touched",
    "book_execution",
    "fill_of",
    "is_sellable",
    "left_of",
    "same_content",
]

_plus, _less, _times = EXACT.add, EXACT.subtract, EXACT.multiply


@dataclass(frozen=True, slots=True)
class Touched:
    """What an execution touches, as it is before.

    Parameters
    ----------
    reservation
        What the intent still holds back.
    position, trade
        Of the bot and symbol; None where there is none yet, or no bot. The trade is the one that
        the position names.
    """

    account: Account
    order: Order
    intent: Intent
    reservation: Reservation
    position: Position | None = None
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What it makes of them.

    Parameters
    ----------
    entries
        Movements of money; the totals of their currencies change by them.
    is_late
        The attempt had been final: books were reopened, which somebody should hear of.
    """

    touched: Touched
    fill: Fill
    entries: tuple[LedgerEntry, ...]
    is_late: bool


@dataclass(frozen=True, slots=True)
class _Flow:
    """One execution in terms of its instrument: base in or out, its value, the fee's value."""

    base: Decimal
    value: Decimal
    fee_value: Decimal


def fill_of(order: Order, intent: Intent, execution: Execution) -> Fill:
    """Return the fill that an execution of an attempt is."""
    return Fill(
        account=order.account,
        symbol=order.symbol,
        trade_id=execution.trade_id,
        client_id=order.client_id,
        bot_id=intent.bot_id,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        fee=execution.fee,
        fee_ccy=execution.fee_ccy,
        is_maker=execution.is_maker,
        executed_at=execution.executed_at,
    )


def same_content(fill: Fill | Execution, execution: Execution) -> bool:
    """Return whether what a venue shows under a known trade id is what was booked under it.

    The currency of a fee of 0 does not matter: a stream may leave it out that a question tells.
    """
    return (
        fill.quantity == execution.quantity
        and fill.price == execution.price
        and fill.side is execution.side
        and fill.fee == execution.fee
        and (fill.fee_ccy == execution.fee_ccy or not fill.fee)
    )


def left_of(reserved: Decimal, execution: Execution | Fill) -> Decimal:
    """Return what is left of a reservation after an execution has used up its part."""
    base, quote = execution.symbol.split("/", 1)
    if execution.side is Side.BUY:
        used, ccy = _times(execution.quantity, execution.price), quote
    else:
        used, ccy = execution.quantity, base
    if execution.fee_ccy == ccy:
        used = _plus(used, execution.fee)
    return max(ZERO, _less(reserved, used))


def is_sellable(quantity: Decimal, price: Decimal, rules: InstrumentRules | None) -> bool:
    """Return whether a venue would take an order over so much: by lot, minimum and value."""
    if rules is None:
        return quantity > 0
    lots = floored(quantity, rules.lot)
    if lots <= 0 or lots < rules.minimum_quantity:
        return False
    return _times(lots, price) >= rules.minimum_notional


def book_execution(
    touched: Touched,
    execution: Execution,
    now: datetime,
    rules: InstrumentRules | None = None,
    fee_rate: Decimal | None = None,
) -> Effect:
    """Return what a new execution of an attempt makes of everything it touches.

    Parameters
    ----------
    rules
        Of the instrument; without them only an empty position closes its trade, never dust.
    fee_rate
        Quote per unit of a third asset that the fee was taken in; None: not known, valued at 0.
    """
    order, intent, account = touched.order, touched.intent, touched.account
    base, quote = order.symbol.split("/", 1)
    was_late = order.state.is_final
    order_after = _order_after(order, execution, now)
    # Not by the state: a venue may say FILLED before it brings the executions.
    is_complete = order_after.executed >= order.quantity
    intent_after = _intent_after(intent, now, is_complete=is_complete, was_late=was_late)
    amount = ZERO
    if not intent_after.state.is_final:
        amount = left_of(touched.reservation.amount, execution)
    position, trade = touched.position, touched.trade
    if intent.bot_id is not None:
        flow = _flow(execution, base, quote, fee_rate)
        before = position or Position(intent.bot_id, account.key, order.symbol)
        is_first = order.executed == 0
        if execution.side is Side.BUY:
            position, trade = _entered(touched, before, execution, flow, is_first=is_first)
        else:
            position, trade = _left(touched, before, execution, flow, rules)
    return Effect(
        touched=Touched(
            account,
            order_after,
            intent_after,
            replace(touched.reservation, amount=amount),
            position,
            trade,
        ),
        fill=fill_of(order, intent, execution),
        entries=movements(account, intent, execution),
        is_late=was_late,
    )


def _order_after(order: Order, execution: Execution, now: datetime) -> Order:
    executed = _plus(order.executed, execution.quantity)
    state = OrderState.FILLED if executed >= order.quantity else OrderState.OPEN
    if state is order.state or not may_move(order.state, state, by_late_fill=True):
        state = order.state
    final_at = order.final_at
    if state is not order.state:
        final_at = now if state.is_final else None
    return replace(
        order,
        state=state,
        executed=executed,
        venue_executed=max(order.venue_executed, executed),
        venue_order_id=order.venue_order_id or execution.venue_order_id,
        answered_at=order.answered_at or now,
        final_at=final_at,
    )


def _intent_after(intent: Intent, now: datetime, *, is_complete: bool, was_late: bool) -> Intent:
    if may_end(intent.state) and is_complete:
        return replace(intent, state=IntentState.DONE, final_at=now)
    if intent.state is IntentState.FAILED and was_late:
        return replace(intent, state=IntentState.DONE, reason="filled late")
    return intent


def _flow(execution: Execution, base: str, quote: str, fee_rate: Decimal | None) -> _Flow:
    moved = execution.quantity
    fee = execution.fee
    if execution.fee_ccy == base:
        moved = _less(moved, fee) if execution.side is Side.BUY else _plus(moved, fee)
        fee = _times(fee, execution.price)
    elif execution.fee_ccy != quote:
        fee = _times(fee, fee_rate) if fee_rate is not None else ZERO
    return _Flow(moved, as_stored(_times(moved, execution.price)), as_stored(fee))


def _entered(
    touched: Touched, before: Position, execution: Execution, flow: _Flow, *, is_first: bool
) -> tuple[Position, Trade]:
    intent, trade = touched.intent, touched.trade
    if before.opened_at is None or trade is None:
        trade = Trade(
            account=touched.account.key,
            trade_id=_trade_id(touched.account, execution),
            bot_id=before.bot_id,
            mode=touched.account.mode,
            symbol=execution.symbol,
            direction="long",
            status="open",
            quantity=flow.base,
            entry_value=flow.value,
            exit_quantity=ZERO,
            exit_value=ZERO,
            fees=flow.fee_value,
            entry_bar_at=intent.bar_at,
            opened_at=execution.executed_at,
        )
        quantity, dust = _joined(flow.base, before)
        position = replace(
            before,
            quantity=quantity,
            dust=dust,
            mean_price=execution.price,
            best_price=execution.price,
            legs=1,
            terms=intent.terms,
            trade_id=trade.trade_id,
            opened_at=execution.executed_at,
        )
        return _counted(position, None, trade, flow), trade
    after = replace(
        trade,
        quantity=_plus(trade.quantity, flow.base),
        entry_value=_plus(trade.entry_value, flow.value),
        fees=_plus(trade.fees, flow.fee_value),
    )
    best = before.best_price
    quantity, dust = _joined(flow.base, before)
    position = replace(
        before,
        quantity=quantity,
        dust=dust,
        mean_price=quotient(after.entry_value, after.quantity)
        if after.quantity > 0
        else execution.price,
        best_price=execution.price if best is None else max(best, execution.price),
        legs=before.legs + 1 if is_first else before.legs,
    )
    return _counted(position, trade, after, flow), after


def _joined(arrived: Decimal, before: Position) -> tuple[Decimal, Decimal]:
    """Return quantity and dust after an entry: dust becomes sellable, what is owed is paid."""
    total = _plus(_plus(before.quantity, arrived), before.dust)
    return max(ZERO, total), min(ZERO, total)


def _left(
    touched: Touched,
    before: Position,
    execution: Execution,
    flow: _Flow,
    rules: InstrumentRules | None,
) -> tuple[Position, Trade | None]:
    trade = touched.trade
    after = None
    if trade is not None:
        after = replace(
            trade,
            exit_quantity=_plus(trade.exit_quantity, flow.base),
            exit_value=_plus(trade.exit_value, flow.value),
            fees=_plus(trade.fees, flow.fee_value),
        )
    if before.opened_at is None:
        # The rest of an order whose trade is closed, or a late one: out of the dust, and what it
        # brought belongs to the last trade.
        if after is not None:
            after = replace(after, pnl=_profit(after))
        position = replace(before, dust=_less(before.dust, flow.base))
        return _counted(position, trade, after, flow), after
    rest = _less(before.quantity, flow.base)
    position = replace(before, quantity=rest)
    if not is_sellable(rest, execution.price, rules):
        # Also where more was sold than held: then the dust is negative, and what comes next pays.
        position = replace(
            position,
            quantity=ZERO,
            dust=_plus(before.dust, rest),
            mean_price=ZERO,
            best_price=None,
            legs=0,
            opened_at=None,
        )
        if after is not None:
            after = replace(
                after,
                status="closed",
                pnl=_profit(after),
                exit_reason=_reason(touched.intent.leg),
                closed_at=execution.executed_at,
            )
    return _counted(position, trade, after, flow), after


def _reason(leg: str) -> str:
    """Return why a trade was closed: which of its stops at the venue it was says nothing."""
    return "stop" if leg.startswith(VENUE_STOP_LEG) else leg


def _counted(
    position: Position, before: Trade | None, after: Trade | None, flow: _Flow
) -> Position:
    """Add what was realised: the change of a function of the trade, so that the sum is exact."""
    if after is None:
        change = _less(flow.value, flow.fee_value)
    else:
        change = _less(_realised(after), ZERO if before is None else _realised(before))
    return replace(
        position,
        realised=_plus(position.realised, change),
        fees=_plus(position.fees, flow.fee_value),
    )


def _realised(trade: Trade) -> Decimal:
    if trade.status == "closed":
        return _profit(trade)
    cost = ZERO
    if trade.exit_quantity and trade.quantity:
        share = _times(trade.entry_value, min(trade.exit_quantity, trade.quantity))
        cost = quotient(share, trade.quantity)
    return _less(_less(trade.exit_value, cost), trade.fees)


def _profit(trade: Trade) -> Decimal:
    return _less(_less(trade.exit_value, trade.entry_value), trade.fees)


def _trade_id(account: Account, execution: Execution) -> UUID:
    """Return an id that the same execution always gives, so that a repetition is the same trade."""
    text = f"{account.key.account_id}:{execution.symbol}:{execution.trade_id}"
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())
    return new_id(execution.executed_at, lambda bits: digest & (1 << bits) - 1)

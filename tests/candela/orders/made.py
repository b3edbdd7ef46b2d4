"""Rows of orders for tests, made with few words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from candela.ids import client_order_id
from candela.orders.booking import Touched
from candela.orders.records import (
    Account,
    AccountKey,
    Intent,
    Order,
    PositionTerms,
    Reservation,
)
from candela.orders.words import (
    Execution,
    InstrumentRules,
    IntentSource,
    IntentState,
    OrderKind,
    OrderState,
    Side,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = AccountKey(UUID(int=1), UUID(int=2))
ACCOUNT = Account(KEY, "main", "simulated", "spot", "live", "USDT")
BOT = UUID(int=3)
SYMBOL = "BTC/USDT"
RULES = InstrumentRules(
    SYMBOL,
    "BTC",
    "USDT",
    lot=Decimal("0.001"),
    tick=Decimal("0.01"),
    minimum_quantity=Decimal("0.001"),
    minimum_notional=Decimal(5),
)


def an_intent(number: int, side: Side, quantity: str, **changes: Any) -> Intent:
    """Return a committed intent."""
    intent_id = UUID(int=100 + number)
    ccy = "USDT" if side is Side.BUY else "BTC"
    amount = Decimal(quantity) * (200 if side is Side.BUY else 1)
    intent = Intent(
        account=KEY,
        intent_id=intent_id,
        bot_id=BOT,
        decision_id=UUID(int=10_000 + number),
        symbol=SYMBOL,
        bar_at=NOW + timedelta(minutes=number),
        leg="entry" if side is Side.BUY else "exit",
        source=IntentSource.SIGNAL,
        side=side,
        kind=OrderKind.MARKET,
        quantity=Decimal(quantity),
        price=None,
        stop_price=None,
        reference_price=Decimal(100),
        terms=PositionTerms(stop_loss=Decimal("0.05")),
        reserve=Reservation(intent_id, ccy, amount),
        valid_until=None,
        shard=0,
        epoch=1,
        created_at=NOW,
        state=IntentState.WORKING,
    )
    return replace(intent, **changes)


def an_order(intent: Intent, **changes: Any) -> Order:
    """Return the first attempt of an intent, accepted."""
    order = Order(
        account=KEY,
        client_id=client_order_id(intent.intent_id, 1),
        intent_id=intent.intent_id,
        attempt=1,
        symbol=intent.symbol,
        side=intent.side,
        kind=intent.kind,
        quantity=intent.quantity,
        price=None,
        stop_price=None,
        state=OrderState.OPEN,
        created_at=NOW,
        sent_at=NOW,
    )
    return replace(order, **changes)


def touched(intent: Intent, **changes: Any) -> Touched:
    """Return what an execution of an intent's first attempt touches."""
    return replace(Touched(ACCOUNT, an_order(intent), intent, intent.reserve), **changes)


def an_execution(
    side: Side,
    quantity: str,
    price: str = "100",
    fee: str = "0",
    fee_ccy: str = "USDT",
    trade_id: str = "t1",
) -> Execution:
    """Return an execution."""
    return Execution(
        trade_id=trade_id,
        venue_order_id="v1",
        client_id=None,
        symbol=SYMBOL,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_ccy=fee_ccy,
        is_maker=False,
        executed_at=NOW,
    )

"""How rows of schema trading read as bets: the columns in order, and what they become."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from candela.orders.bets import Bet, BetIntent, BetOrder, BetSide, BetStatus
from candela.orders.records import AccountKey
from candela.orders.words import IntentSource, IntentState, OrderState

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

__all__ = ["BETS", "BET_INTENTS", "BET_ORDERS", "bet_of", "bet_terms", "intent_of", "order_of"]

BET_INTENTS: Final = """
SELECT
    i.tenant_id, i.account_id, i.intent_id, i.bot_id, i.decision_id, i.symbol, i.bar_at, i.leg,
    i.source, i.side, i.quantity, r.ccy, i.terms, i.reference_price, i.valid_until, i.shard,
    i.epoch, i.created_at, i.state, i.state_reason, i.final_at
FROM trading.intents AS i
INNER JOIN trading.reservations AS r USING (tenant_id, intent_id)
"""
BET_ORDERS: Final = """
SELECT
    o.tenant_id, o.account_id, o.client_id, o.intent_id, o.attempt, o.symbol, o.side, o.quantity,
    o.state, o.created_at, o.sent_at, o.fence_at, o.venue_order_id, o.state_reason,
    o.answered_at, o.final_at
FROM trading.orders AS o
"""
BETS: Final = """
SELECT
    t.tenant_id, t.account_id, t.trade_id, t.bot_id, t.mode, t.symbol, t.direction, t.status,
    t.stake, t.payout_ratio, t.ladder_step, t.entry_bar_at, t.opened_at, t.expires_at,
    t.venue_trade_id, t.entry_price, t.exit_price, t.exit_value, t.closed_at, t.exit_reason
FROM trading.trades AS t
"""


def bet_terms(intent: BetIntent) -> dict[str, Any]:
    """Return what the terms column holds of a bet."""
    return {
        "expires_at": intent.expires_at.isoformat(),
        "duration_s": intent.duration_s,
        "payout_ratio": str(intent.payout_ratio),
        "ladder_step": intent.ladder_step,
    }


def intent_of(row: TupleRow) -> BetIntent:
    """Read of `BET_INTENTS`."""
    terms: dict[str, Any] = row[12]
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:8], IntentSource(row[8])]
    values += [BetSide(row[9]), row[10], row[11], datetime.fromisoformat(terms["expires_at"])]
    values += [terms["duration_s"], Decimal(terms["payout_ratio"]), terms["ladder_step"]]
    values += [*row[13:18], IntentState(row[18]), *row[19:21]]
    return BetIntent(*values)


def order_of(row: TupleRow) -> BetOrder:
    """Read of `BET_ORDERS`."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:6], BetSide(row[6]), row[7]]
    values += [OrderState(row[8]), *row[9:16]]
    return BetOrder(*values)


def bet_of(row: TupleRow) -> Bet:
    """Read of `BETS`."""
    values: list[Any] = [AccountKey(row[0], row[1]), *row[2:6], BetSide(row[6])]
    values += [BetStatus(row[7]), *row[8:20]]
    return Bet(*values)

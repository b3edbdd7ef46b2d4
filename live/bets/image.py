"""What a desk knows of its account's bets: rows as they were last written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.bet_booking import Ended, order_moved
from candela.orders.bets import Bet, BetBook, BetIntent, BetOrder, BetStatus
from candela.orders.records import Account
from candela.orders.words import IntentState, OrderState

__all__ = ["BetImage"]

_UNANSWERED = frozenset({OrderState.SENDING, OrderState.UNKNOWN})


class BetImage:
    """An account's bets in memory.

    Parameters
    ----------
    total
        Sum of the ledger: what the broker's balance has to be.
    version
        Rises with each change, so that what was asked before one is not compared after it.
    """

    def __init__(self, book: BetBook) -> None:
        self.account: Account = book.account
        self.total: Decimal = book.balance.total
        self.intents: dict[UUID, BetIntent] = {one.intent_id: one for one in book.intents}
        self.orders: dict[str, BetOrder] = {one.client_id: one for one in book.orders}
        self.bets: dict[UUID, Bet] = {one.trade_id: one for one in book.bets}
        self.known: set[str] = set(book.known)
        self.version = 0

    @property
    def reserved(self) -> Decimal:
        """What intents hold back that are not accepted yet."""
        held = ZERO
        for intent in self.intents.values():
            if intent.intent_id not in self.bets:
                held = EXACT.add(held, intent.stake)
        return held

    @property
    def free(self) -> Decimal:
        """What the next stake can be taken from."""
        return EXACT.subtract(self.total, self.reserved)

    def attempts(self, intent_id: UUID) -> list[BetOrder]:
        """Return the attempts of an intent, oldest first."""
        found = [one for one in self.orders.values() if one.intent_id == intent_id]
        return sorted(found, key=lambda one: one.attempt)

    def unanswered(self) -> Iterator[BetOrder]:
        """Give attempts of which it is not known whether they were accepted."""
        return (one for one in self.orders.values() if one.state in _UNANSWERED)

    def due(self, now: datetime, margin_s: float = 0.0) -> list[Bet]:
        """Return bets whose time is over, or will be within a margin, and whose result is not in.

        Disputed ones are among them: what the balance has to be is not known.
        """
        by = now + timedelta(seconds=margin_s)
        return [one for one in self.bets.values() if one.expires_at <= by]

    def take(self, intent: BetIntent) -> None:
        """Take up an intent that was committed."""
        self.intents.setdefault(intent.intent_id, intent)
        self.version += 1

    def begun(self, order: BetOrder) -> None:
        """Take up an attempt that is being sent."""
        self.orders[order.client_id] = order
        intent = self.intents[order.intent_id]
        self.intents[order.intent_id] = replace(intent, state=IntentState.WORKING)
        self.version += 1

    def moved(self, order: BetOrder, state: OrderState, reason: str | None, at: datetime) -> None:
        """Take over what was written of an attempt."""
        after = order_moved(order, state, at, reason=reason)
        if after is not None:
            self.orders[order.client_id] = after
        self.version += 1

    def ended(self, intent_id: UUID) -> None:
        """Forget an intent that is final."""
        self.intents.pop(intent_id, None)
        for order in self.attempts(intent_id):
            del self.orders[order.client_id]
        self.version += 1

    def opened(self, order: BetOrder, bet: Bet, at: datetime) -> None:
        """Take over an accepted bet."""
        after = order_moved(order, OrderState.OPEN, at, venue_bet_id=bet.venue_bet_id)
        if after is not None:
            self.orders[order.client_id] = after
        self.bets[bet.trade_id] = bet
        self.known.add(bet.venue_bet_id)
        self.total = EXACT.subtract(self.total, bet.stake)
        self.version += 1

    def settled(self, ended: Ended) -> None:
        """Take over what a result did."""
        bet = ended.bet
        if ended.entry is not None:
            self.total = EXACT.add(self.total, ended.entry.amount)
        if bet.status.is_known:
            self.bets.pop(bet.trade_id, None)
            self.ended(bet.trade_id)
        else:
            self.bets[bet.trade_id] = bet
        self.version += 1

    def doubtful(self) -> list[Bet]:
        """Return bets whose result nobody knows."""
        return [one for one in self.bets.values() if one.status is BetStatus.UNKNOWN]

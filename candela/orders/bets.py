"""Bets on fixed payouts: the vocabulary, and what is kept of one from decision to result."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from candela.money import EXACT, ZERO
from candela.orders.records import Account, AccountKey
from candela.orders.words import Balance, IntentSource, IntentState, OrderState

__all__ = [
    "Bet",
    "BetBook",
    "BetEnding",
    "BetIntent",
    "BetOrder",
    "BetShown",
    "BetSide",
    "BetStatus",
]


class BetSide(StrEnum):
    """Which way the price is bet to go."""

    CALL = "call"
    PUT = "put"


class BetStatus(StrEnum):
    """Life of a bet that the broker accepted."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    DRAWN = "drawn"  # the stake came back
    UNKNOWN = "unknown"  # its time is over and nobody knows: neither a win nor a loss
    VOID = "void"  # a person declared that it does not count; the stake came back

    @property
    def is_known(self) -> bool:
        """Whether it is over, with a result."""
        return self not in {BetStatus.OPEN, BetStatus.UNKNOWN}


@dataclass(frozen=True, slots=True)
class BetShown:
    """A bet as a broker shows it.

    Parameters
    ----------
    paid
        What came back, stake included; 0 while open and where lost.
    client_id
        Ours, where the broker keeps it; most do not.
    """

    venue_bet_id: str
    asset: str
    side: BetSide
    stake: Decimal
    payout_ratio: Decimal
    opened_at: datetime
    expires_at: datetime
    status: BetStatus = BetStatus.OPEN
    paid: Decimal = ZERO
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class BetIntent:
    """A bet that shall be placed, committed before anything is sent.

    Parameters
    ----------
    stake
        Of the account's currency; reserved until the broker has taken it.
    expires_at
        The slot: the end of the bar at whose close the result shall be taken.
    payout_ratio
        Profit of a win over the stake, as it was expected.
    ladder_step
        From 0; None: the stake is no ladder's.
    valid_until
        Not sent after it: the slot would be another one.
    """

    account: AccountKey
    intent_id: UUID
    bot_id: UUID | None
    decision_id: UUID | None
    asset: str
    bar_at: datetime
    leg: str
    source: IntentSource
    side: BetSide
    stake: Decimal
    ccy: str
    expires_at: datetime
    duration_s: int
    payout_ratio: Decimal
    ladder_step: int | None
    reference_price: Decimal | None
    valid_until: datetime
    shard: int
    epoch: int
    created_at: datetime
    state: IntentState = IntentState.COMMITTED
    reason: str | None = None
    final_at: datetime | None = None

    @property
    def tenant_id(self) -> UUID:
        """Whose it is."""
        return self.account.tenant_id


@dataclass(frozen=True, slots=True)
class BetOrder:
    """One attempt to place a bet.

    It is ``open`` from acceptance to result, and ``filled`` once the result is known.

    Parameters
    ----------
    fence_at
        After it, a bet that the broker does not show was never accepted.
    """

    account: AccountKey
    client_id: str
    intent_id: UUID
    attempt: int
    asset: str
    side: BetSide
    stake: Decimal
    state: OrderState
    created_at: datetime
    sent_at: datetime
    fence_at: datetime
    venue_bet_id: str | None = None
    reason: str | None = None
    answered_at: datetime | None = None
    final_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bet:
    """A bet that the broker accepted: the trade row. Its id is that of its intent.

    Parameters
    ----------
    paid
        What came back so far, stake included, as it is booked.
    expires_at
        As the broker says it.
    closed_at
        The expiry, once the result is known: histories do not depend on when we heard of it.
    reason
        How it ended; ``disputed`` where the broker told two results.
    """

    account: AccountKey
    trade_id: UUID
    bot_id: UUID | None
    mode: Literal["paper", "demo", "live"]
    asset: str
    side: BetSide
    status: BetStatus
    stake: Decimal
    payout_ratio: Decimal
    ladder_step: int | None
    bar_at: datetime | None
    opened_at: datetime
    expires_at: datetime
    venue_bet_id: str
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    paid: Decimal = ZERO
    closed_at: datetime | None = None
    reason: str | None = None

    @property
    def pnl(self) -> Decimal | None:
        """What it gained; None while the result is not known."""
        return EXACT.subtract(self.paid, self.stake) if self.status.is_known else None


@dataclass(frozen=True, slots=True)
class BetEnding:
    """How a bet ended: what is to be booked of it."""

    status: BetStatus
    paid: Decimal
    exit_price: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BetBook:
    """All that must be known of an account to go on betting on it.

    Parameters
    ----------
    balance
        Of the account's currency: free, and reserved by intents that are not accepted yet.
    intents
        Those that are not final; an accepted bet keeps its intent until its result is known.
    orders
        Of those intents.
    bets
        Open ones and unknown ones.
    known
        The broker's ids of all bets of ours of the last days.
    """

    account: Account
    balance: Balance
    intents: tuple[BetIntent, ...] = ()
    orders: tuple[BetOrder, ...] = ()
    bets: tuple[Bet, ...] = ()
    known: frozenset[str] = field(default_factory=frozenset[str])

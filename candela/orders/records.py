"""What is kept of a decision and of everything that becomes of it, as the database has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from candela.money import ZERO
from candela.orders.words import (
    Balance,
    IntentSource,
    IntentState,
    OrderKind,
    OrderState,
    Side,
)

__all__ = [
    "VENUE_STOP_LEG",
    "Account",
    "AccountBook",
    "AccountKey",
    "Decision",
    "Fill",
    "Halt",
    "Intent",
    "LedgerEntry",
    "Order",
    "Position",
    "PositionTerms",
    "Reservation",
    "Trade",
]

VENUE_STOP_LEG: Final = "stop-venue-"
"""How the legs of stops begin that rest at the venue."""

NoData: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """Which account of which tenant; no id is ever used without its tenant."""

    tenant_id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True)
class Account:
    """A place where a tenant trades."""

    key: AccountKey
    name: str
    venue: str
    kind: Literal["spot", "fixed_payout"]
    mode: Literal["paper", "demo", "live"]
    quote_ccy: str
    secret_id: UUID | None = None
    state: Literal["active", "blocked", "closed"] = "active"
    state_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a bot, or a person, wanted, and the gates that it met.

    Parameters
    ----------
    bar_at
        Start of the bar whose close was decided on; of a manual order its own instant.
    leg
        Which of several of one bar: ``entry``, ``exit``, ``leg``, ``stop``, ``manual-<key>``.
    gates
        In the order in which they were asked: name, passed, value, limit, words.
    """

    tenant_id: UUID
    decision_id: UUID
    bot_id: UUID | None
    definition_id: str | None
    symbol: str
    bar_at: datetime
    leg: str
    action: Literal["enter", "add", "exit", "reverse", "bet", "flatten", "skip", "hold"]
    outcome: Literal["intent", "refused", "nothing"]
    decided_by: str | None
    gates: tuple[Mapping[str, Any], ...]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class PositionTerms:
    """What a position is held by, taken over from the intent of its first entry.

    Parameters
    ----------
    stop_loss, take_profit, trailing_stop
        Ratios of the mean entry price (trailing: of the best price since entry); None: none.
    """

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> PositionTerms:
        """Take them from what the database holds: texts."""
        names = ("stop_loss", "take_profit", "trailing_stop")
        return cls(
            **{name: Decimal(values[name]) for name in names if values.get(name) is not None}
        )

    def as_dict(self) -> dict[str, str]:
        """Return what the database holds: texts, without what is not given."""
        pairs = {
            "stop_loss": self.stop_loss,
            "take_profit": self.take_profit,
            "trailing_stop": self.trailing_stop,
        }
        return {name: str(value) for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an open intent holds back of one currency of its account."""

    intent_id: UUID
    ccy: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Intent:
    """What shall be done, committed before anything is sent.

    Parameters
    ----------
    quantity
        Base; on the lot grid of the venue.
    reference_price
        Quote per base that the decision expected; slippage is counted from it.
    reserve
        What it may cost at most: quote of a buy with its fee, base of a sell.
    valid_until
        No attempt begins after it; None: as long as it takes.
    shard, epoch
        The lease under which it was committed.
    """

    account: AccountKey
    intent_id: UUID
    bot_id: UUID | None
    decision_id: UUID | None
    symbol: str
    bar_at: datetime
    leg: str
    source: IntentSource
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    reference_price: Decimal | None
    terms: PositionTerms
    reserve: Reservation
    valid_until: datetime | None
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
class Order:
    """One attempt of an intent, with a client id of its own.

    Parameters
    ----------
    executed
        Base: sum of the fills booked.
    venue_executed
        Base: the cumulative quantity that the venue last showed.
    fence_at
        After it, an order that the venue does not know was never accepted.
    """

    account: AccountKey
    client_id: str
    intent_id: UUID
    attempt: int
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    state: OrderState
    created_at: datetime
    venue_order_id: str | None = None
    reason: str | None = None
    executed: Decimal = ZERO
    venue_executed: Decimal = ZERO
    sent_at: datetime | None = None
    fence_at: datetime | None = None
    answered_at: datetime | None = None
    final_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, booked; unique by account, symbol and trade id."""

    account: AccountKey
    symbol: str
    trade_id: str
    client_id: str
    bot_id: UUID | None
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_ccy: str
    is_maker: bool
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """What a bot holds of one instrument, as its fills say.

    Parameters
    ----------
    quantity
        Base that can be sold: fills less fees taken in base.
    mean_price
        Quote per base, of the entries of the open trade.
    best_price
        Best price since entry, for trailing stops; None while flat.
    realised
        Quote, over the life of the bot, fees in quote inside.
    fees
        Quote value of all fees, for figures.
    dust
        Base of closed trades that was too little to be sold.
    """

    bot_id: UUID
    account: AccountKey
    symbol: str
    quantity: Decimal = ZERO
    mean_price: Decimal = ZERO
    best_price: Decimal | None = None
    legs: int = 0
    terms: PositionTerms = PositionTerms()
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    dust: Decimal = ZERO
    trade_id: UUID | None = None
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """From flat to flat: what was bought for how much, sold for how much, and what was left."""

    account: AccountKey
    trade_id: UUID
    bot_id: UUID | None
    mode: Literal["paper", "demo", "live"]
    symbol: str
    direction: Literal["long", "short"]
    status: Literal["open", "closed"]
    quantity: Decimal
    entry_value: Decimal
    exit_quantity: Decimal
    exit_value: Decimal
    fees: Decimal
    entry_bar_at: datetime | None
    opened_at: datetime
    pnl: Decimal | None = None
    exit_reason: str | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one currency of an account, once by its key.

    Parameters
    ----------
    entry_key
        What it is, such as ``fill:BTC/USDT:123:base``; the same movement always has the same.
    """

    account: AccountKey
    entry_key: str
    ccy: str
    amount: Decimal
    kind: Literal["opening", "fill", "fee", "payout", "stake", "external", "transfer"]
    occurred_at: datetime
    bot_id: UUID | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """A kill switch that is on."""

    halt_id: UUID
    scope: Literal["platform", "tenant", "account", "bot"]
    tenant_id: UUID | None
    account_id: UUID | None
    bot_id: UUID | None
    flatten: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AccountBook:
    """All that must be known of an account to go on trading it.

    Parameters
    ----------
    balances
        By currency: total of the ledger, and what is reserved of it, as free and locked.
    reconciled_at
        When the books last agreed with the venue; None: never yet.
    """

    account: Account
    balances: Mapping[str, Balance] = field(default_factory=dict[str, Balance])
    reservations: tuple[Reservation, ...] = ()
    intents: tuple[Intent, ...] = ()  # those that are not final
    orders: tuple[Order, ...] = ()  # of those intents, and all that are not final
    positions: tuple[Position, ...] = ()
    last_execution_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    reconciled_at: datetime | None = None

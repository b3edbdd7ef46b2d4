"""The vocabulary of orders, shared by brokers, the executor and the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from candela.money import ZERO

__all__ = [
    "Balance",
    "Execution",
    "InstrumentRules",
    "IntentSource",
    "IntentState",
    "OrderKind",
    "OrderReport",
    "OrderRequest",
    "OrderState",
    "Outcome",
    "OutcomeKind",
    "Quote",
    "Side",
    "VenueOrderState",
]


class Side(StrEnum):
    """Of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy."""
        return 1 if self is Side.BUY else -1


class OrderKind(StrEnum):
    """How an order asks for its price."""

    MARKET = "market"
    LIMIT = "limit"
    LIMIT_MAKER = "limit_maker"  # refused where it would take
    IOC = "ioc"  # a limit whose rest lapses at once
    STOP_LOSS = "stop_loss"  # protective orders that rest at the venue
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"


class IntentSource(StrEnum):
    """Why an intent exists."""

    SIGNAL = "signal"
    PROTECTION = "protection"  # a stop, target or trailing stop
    MANUAL = "manual"
    FLATTEN = "flatten"  # kill switch, data policy, stop with flatten


class IntentState(StrEnum):
    """Life of an intent: what was decided, until no more can come of it."""

    COMMITTED = "committed"  # written; nothing sent yet
    WORKING = "working"  # an attempt was begun
    DONE = "done"  # filled, wholly or as far as it goes
    FAILED = "failed"  # refused or expired without a fill

    @property
    def is_final(self) -> bool:
        """Whether no further attempt will be made."""
        return self in {IntentState.DONE, IntentState.FAILED}


class OrderState(StrEnum):
    """Life of an attempt, as we know it."""

    CREATED = "created"  # written, not sent yet
    SENDING = "sending"  # the send has begun: from here on it may exist
    UNKNOWN = "unknown"  # the answer was lost or says nothing; ends by evidence only
    OPEN = "open"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABSENT = "absent"  # proved never to have been accepted

    @property
    def is_final(self) -> bool:
        """Whether the order cannot fill any more, as far as the venue said."""
        return self in _FINAL

    @property
    def may_be_alive(self) -> bool:
        """Whether it may rest or execute at the venue."""
        return self in _ALIVE


_FINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.ABSENT,
    }
)
_ALIVE = frozenset({OrderState.SENDING, OrderState.UNKNOWN, OrderState.OPEN, OrderState.CANCELING})


class VenueOrderState(StrEnum):
    """What a venue says of an order."""

    OPEN = "open"  # also partly filled
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"  # also in match: self-trade prevention
    REJECTED = "rejected"


class OutcomeKind(StrEnum):
    """What is known after a request to a venue, and nothing between."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # proved: nothing happened
    UNKNOWN = "unknown"  # it may have happened
    THROTTLED = "throttled"  # proved: nothing happened; wait
    CREDENTIALS_DEAD = "credentials_dead"  # proved: nothing happened; the key is of no use


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a submission or cancellation.

    Parameters
    ----------
    reason
        In words with the venue's own code, such as ``-2010 insufficient balance``; no secret.
    code
        The venue's code as text, empty where there was none.
    wait_s
        How long the venue wants to be left alone, for THROTTLED.
    report
        The order as the venue showed it, for ACCEPTED.
    signed_at
        The instant in the signature of what was sent, where the broker knows: a fence that is
        counted from there is nearer than one from the latest instant allowed.
    """

    kind: OutcomeKind
    reason: str = ""
    code: str = ""
    wait_s: float = 0.0
    report: OrderReport | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is sent to a venue.

    Parameters
    ----------
    client_id
        Ours; see `candela.ids.client_order_id`.
    quantity
        Base; on the lot grid.
    price
        Quote per base, of limit kinds; on the tick grid.
    stop_price
        Trigger of the protective kinds.
    send_by
        It is not signed after this instant: a broker that had to wait for longer answers
        THROTTLED. What comes later may already be held to be absent.
    """

    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    send_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade at a venue, by its trade id.

    Parameters
    ----------
    trade_id
        In one canonical form for every channel: the same trade from the stream and over REST has
        the same id.
    client_id
        None where the channel does not tell; then `venue_order_id` finds the order.
    fee, fee_ccy
        Paid; in base, quote or a third asset. A negative fee is a rebate.
    """

    trade_id: str
    venue_order_id: str
    client_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_ccy: str
    is_maker: bool
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as a venue shows it.

    Parameters
    ----------
    executed
        Cumulative base quantity: a cross-check, never added up.
    executions
        Those that the answer itself carried; not all channels do.
    """

    client_id: str | None
    venue_order_id: str
    symbol: str
    side: Side
    state: VenueOrderState
    quantity: Decimal
    executed: Decimal
    price: Decimal | None = None
    at: datetime | None = None
    executions: tuple[Execution, ...] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of an account, as a venue shows it."""

    free: Decimal
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Free and locked."""
        return self.free + self.locked


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """What a venue allows on one instrument; 0 means no rule.

    Parameters
    ----------
    lot, minimum_quantity, maximum_quantity
        Base.
    tick
        Quote per base.
    minimum_notional
        Quote.
    is_trading
        False while halted or delisted: entries are refused, exits are tried.
    """

    symbol: str
    base: str
    quote: str
    lot: Decimal = ZERO
    tick: Decimal = ZERO
    minimum_quantity: Decimal = ZERO
    maximum_quantity: Decimal = ZERO
    minimum_notional: Decimal = ZERO
    taker_fee: Decimal = ZERO
    maker_fee: Decimal = ZERO
    is_trading: bool = True
    kinds: frozenset[OrderKind] = frozenset({OrderKind.MARKET, OrderKind.LIMIT})


@dataclass(frozen=True, slots=True)
class Quote:
    """Best prices of an instrument at an instant."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime

    @property
    def mid(self) -> Decimal:
        """Between bid and ask."""
        return (self.bid + self.ask) / 2

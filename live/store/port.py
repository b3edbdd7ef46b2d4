"""The store's port: what the executor writes, each call one transaction, or nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from candela.errors import Conflict
from candela.orders.records import (
    AccountBook,
    AccountKey,
    Decision,
    Fill,
    Halt,
    Intent,
    Order,
    Position,
    Trade,
)
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    IntentState,
    OrderReport,
    OrderState,
)

__all__ = [
    "NO_RATES",
    "NO_RULES",
    "Booked",
    "Commit",
    "FillsDiffer",
    "Lease",
    "LeaseLost",
    "OrderChange",
    "Placed",
    "Store",
]

NO_RULES: Mapping[str, InstrumentRules] = {}
NO_RATES: Mapping[tuple[str, str], Decimal] = {}


class LeaseLost(Conflict):
    """The lease under which this should be written is over; somebody else may have the shard."""

    code = "lease_lost"


class FillsDiffer(Conflict):
    """A venue shows another content under a trade id that is booked already."""

    code = "fills_differ"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a shard until it is taken; the epoch rises with each owner."""

    shard: int
    epoch: int
    owner: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an intent that should be committed.

    Parameters
    ----------
    kind
        ``committed``; ``duplicate``: the same bot, symbol, bar and leg has one already;
        ``refused``: by `gate`, and the decision is stored as refused by it.
    """

    kind: Literal["committed", "duplicate", "refused"]
    gate: str | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A decision with the intent that it led to.

    Parameters
    ----------
    is_entry
        Entries are refused where a halt holds, the bot is not wanted running, or the account is
        blocked; exits never are.
    day_limit
        Largest number of entries of the tenant in the day that begins at `day_at`; None: none.
    """

    decision: Decision
    intent: Intent
    is_entry: bool
    day_limit: int | None = None
    day_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """News of an attempt; None leaves a column as it is."""

    account: AccountKey
    client_id: str
    state: OrderState
    at: datetime
    reason: str | None = None
    venue_order_id: str | None = None
    venue_executed: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What a transaction of fills did.

    Parameters
    ----------
    fills
        Those that were new.
    unknown
        Executions whose order is none of ours: they belong to the external part.
    """

    fills: tuple[Fill, ...]
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    trades: tuple[Trade, ...]
    balances: Mapping[str, Balance]
    unknown: tuple[Execution, ...]


class Store(Protocol):
    """Durable memory of an executor.

    A call that returns has been committed. A call that raises anything else than the errors named
    may or may not have been: the process must end, and what is true is read at the next start.
    """

    async def load(self, account: AccountKey) -> AccountBook:
        """Return what is known of an account."""
        ...

    async def halts(self, tenant_id: UUID) -> tuple[Halt, ...]:
        """Return the kill switches that are on for a tenant, those of the platform included."""
        ...

    async def commit(self, lease: Lease, commits: Sequence[Commit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all, in one transaction.

        Checked inside it, under locks: the lease's epoch; the unique key; halts, wanted state and
        account state (entries only); the tenant's entries of the day; that the reservation fits
        into what is free.

        Raises
        ------
        LeaseLost
            Nothing was written.
        """
        ...

    async def decide(self, lease: Lease, decisions: Sequence[Decision]) -> None:
        """Write decisions without an intent; those stored already are left as they are."""
        ...

    async def begin(self, lease: Lease, order: Order) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING.

        Returns False, and writes nothing, where the attempt exists, another attempt of the intent
        may be alive, or the intent is final.

        Raises
        ------
        LeaseLost
            Nothing was written, and nothing may be sent.
        """
        ...

    async def change(self, changes: Sequence[OrderChange]) -> tuple[Order, ...]:
        """Move attempts along the declared graph; news that is older than what is known is ignored.

        `candela.orders.graph.moved` is the rule. Returns the orders that changed. Intents stay as
        they are.

        Not fenced: what a venue said is true whoever heard it.
        """
        ...

    async def book(
        self,
        account: AccountKey,
        executions: Sequence[Execution],
        now: datetime,
        *,
        rules: Mapping[str, InstrumentRules] = NO_RULES,
        fee_rates: Mapping[tuple[str, str], Decimal] = NO_RATES,
    ) -> Booked:
        """Book executions: fill, order, position, trade, ledger, balances and reservation at once.

        `candela.orders.booking.book_execution` is the arithmetic, one execution after the other.
        An order is found by client id, else by the venue's order id. One that is filled up ends
        its intent as DONE in the same transaction. An execution that is booked already changes
        nothing; orders, positions, trades and balances returned are those that changed.

        Parameters
        ----------
        rules
            By symbol, so that a rest too small to be sold closes its trade.
        fee_rates
            Quote per unit of a third asset, by symbol and asset.

        Raises
        ------
        FillsDiffer
            Under a known trade id comes another content; nothing of the call was written.
        """
        ...

    async def finish(
        self,
        account: AccountKey,
        intent_id: UUID,
        state: IntentState,
        reason: str | None,
        now: datetime,
    ) -> bool:
        """End an intent and release what it still holds back; False where it is final already."""
        ...

    async def adopt_balances(
        self,
        account: AccountKey,
        shown: Mapping[str, Balance],
        now: datetime,
        note: str,
        *,
        key: str,
    ) -> Mapping[str, Decimal]:
        """Book what the venue shows beyond our ledger as external entries; return the differences.

        Called only while no fill can be missing; `key` makes a repetition nothing.
        """
        ...

    async def note_external(
        self, account: AccountKey, reports: Sequence[OrderReport], now: datetime
    ) -> None:
        """Keep orders of others apart: written, never touched."""
        ...

    async def mark_position(
        self, account: AccountKey, bot_id: UUID, symbol: str, best_price: Decimal
    ) -> None:
        """Keep the best price since entry, so that a trailing stop survives a restart."""
        ...

    async def block_account(self, account: AccountKey, reason: str | None, now: datetime) -> None:
        """Block an account, or let it go on with None."""
        ...

    async def set_bot_state(
        self, tenant_id: UUID, bot_id: UUID, state: str, reason: str | None, now: datetime
    ) -> None:
        """Say what a bot is doing."""
        ...

    async def reconciled(self, account: AccountKey, now: datetime) -> None:
        """Keep when the books last agreed with the venue."""
        ...

    async def log(
        self,
        tenant_id: UUID,
        bot_id: UUID,
        level: Literal["debug", "info", "warning", "error"],
        event: str,
        message: str,
        data: Mapping[str, Any] | None,
        now: datetime,
    ) -> None:
        """Keep a line of a bot's log; may be written somewhat later."""
        ...

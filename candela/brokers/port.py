"""What every spot broker does, paper or live: the port that the executor trades through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from candela.errors import BrokerError, BrokerUnavailable
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderReport,
    OrderRequest,
    Outcome,
    Quote,
)

__all__ = [
    "BrokerEvent",
    "CredentialsDead",
    "EventKind",
    "KeyRights",
    "NoInformation",
    "NoRoom",
    "SpotBroker",
]


class NoInformation(BrokerUnavailable):
    """A question to a venue was not answered usably: nothing is known, least of all "nothing".

    Parameters
    ----------
    wait_s
        How long the venue wants to be left alone, where it said so.
    """

    code = "no_information"

    def __init__(self, message: str, hint: str | None = None, *, wait_s: float = 0.0) -> None:
        super().__init__(message, hint)
        self.wait_s = wait_s


class NoRoom(NoInformation):
    """A question was not asked: the request budget of the venue has no room for it now.

    It says nothing of the venue, not even that it is away.
    """

    code = "no_room"


class CredentialsDead(BrokerError):
    """The venue refuses the key: revoked, without the right, or from a wrong address."""

    code = "credentials_dead"


class EventKind(StrEnum):
    """What a broker's stream brings."""

    CONNECTED = "connected"  # subscribed: what happened before must now be asked for
    LOST = "lost"  # events may be missing from here on
    ORDER = "order"
    EXECUTION = "execution"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class BrokerEvent:
    """One event of an account's stream; a speed-up, never the only source."""

    kind: EventKind
    order: OrderReport | None = None
    execution: Execution | None = None
    balances: Mapping[str, Balance] | None = None


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What a key may do; None where the venue does not tell."""

    can_trade: bool | None = None
    can_withdraw: bool | None = None
    is_bound_to_address: bool | None = None


class SpotBroker(Protocol):
    """One account at one place.

    Questions (all but `submit` and `cancel`) raise `NoInformation` where the answer is lost,
    malformed or partial, and `CredentialsDead` where the key is refused: an empty result always
    means that the venue said "none".
    """

    @property
    def venue(self) -> str:
        """Id of the venue, such as ``binance``."""
        ...

    @property
    def fence_s(self) -> float:
        """Seconds after the signature of a send after which it can no longer take effect unseen.

        What the venue allows between our signature and its matching, its own processing limit,
        and the lag of its order queries. Whoever does not know the instant of the signature counts
        from `candela.orders.fence.SEND_WITHIN_S` after the attempt was written.
        """
        ...

    async def submit(self, request: OrderRequest) -> Outcome:
        """Send one order, once; never raises for what a venue or network does."""
        ...

    async def cancel(self, symbol: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Ask to cancel; REFUSED means that there is nothing to cancel, which is news."""
        ...

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where the venue says that it does not know it."""
        ...

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols, ours or not."""
        ...

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first, every page of them."""
        ...

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0, by currency."""
        ...

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol.

        Raises
        ------
        candela.venues.errors.UnknownSymbol
            The venue does not list it; the hint names near ones.
        """
        ...

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        ...

    async def rights(self) -> KeyRights:
        """Return what the key may do."""
        ...

    def events(self) -> AsyncIterator[BrokerEvent]:
        """Yield the account's events for ever, reconnecting by itself."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

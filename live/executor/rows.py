"""What an executor reads of the tenants whose parts it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from candela.orders.records import Account, AccountKey, Position
from candela.plans import Subscription
from candela.risk.facts import Halt
from live.bots.guard import FirstFill
from live.bots.tally import ClosedTrade

__all__ = [
    "BotLoaded",
    "BotSaid",
    "DefinitionRow",
    "HaltRow",
    "OlderTrades",
    "OrderRequestRow",
    "RunBegun",
    "TenantLoaded",
]


@dataclass(frozen=True, slots=True)
class OlderTrades:
    """What trades before the last few add up to.

    Parameters
    ----------
    pnl
        Of all of them.
    peak
        Highest sum on the way since the breakers were reset; None: none closed since.
    """

    pnl: Decimal
    peak: Decimal | None


@dataclass(frozen=True, slots=True)
class BotLoaded:
    """A bot as the database has it.

    Parameters
    ----------
    since
        When a person last started it: breakers begin anew.
    entries
        Instants of its entries in about the last day.
    entered
        Base that the entries of the open trade filled.
    """

    bot_id: UUID
    name: str
    account: AccountKey
    version: int
    wanted: Literal["running", "stopped"]
    flatten_on_stop: bool
    state: str
    config: Mapping[str, Any]
    definition_id: str
    since: datetime | None
    trades: tuple[ClosedTrade, ...] = ()
    older: OlderTrades | None = None
    entries: tuple[datetime, ...] = ()
    position: Position | None = None
    entered: Decimal = Decimal(0)
    first: FirstFill | None = None


@dataclass(frozen=True, slots=True)
class HaltRow:
    """A kill switch that is on, and what it covers."""

    halt: Halt
    account_id: UUID | None
    bot_id: UUID | None


@dataclass(frozen=True, slots=True)
class TenantLoaded:
    """A tenant with accounts that have work to do, and its bots.

    Parameters
    ----------
    buys
        Instants at which anything was bought in about the last day, by bots or by hand.
    """

    tenant_id: UUID
    zone: str
    subscription: Subscription
    accounts: tuple[Account, ...] = ()
    bots: tuple[BotLoaded, ...] = ()
    halts: tuple[HaltRow, ...] = ()
    buys: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """A definition as far as bots need it.

    Parameters
    ----------
    bad_bar_at
        Last bar without a usable signal; None: none is remembered.
    good_since
        Usable signals after it.
    closes
        Of the last usable bars, oldest first.
    last_bar_at
        The newest bar with a signal.
    """

    definition_id: str
    kind: Literal["spot", "fixed_payout"]
    warm_up: int
    broken_reason: str | None
    bad_bar_at: datetime | None = None
    closes: tuple[float, ...] = ()
    last_bar_at: datetime | None = None
    good_since: int = 0


@dataclass(frozen=True, slots=True)
class OrderRequestRow:
    """An order that a person asked for."""

    tenant_id: UUID
    request_id: UUID
    account: AccountKey
    symbol: str
    side: Literal["buy", "sell"]
    kind: Literal["market", "limit"]
    quantity: Decimal
    price: Decimal | None
    valid_until: datetime | None
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class BotSaid:
    """What a bot is doing, to be written."""

    tenant_id: UUID
    bot_id: UUID
    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunBegun:
    """A run, to be written."""

    tenant_id: UUID
    run_id: UUID
    bot_id: UUID
    version: int

"""What surrounds a bot when it decides: tenant, account, market, and the lease it acts under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from candela.money import ZERO
from candela.orders.records import Account
from candela.orders.words import InstrumentRules, Quote
from candela.plans import Entitlements
from candela.risk.facts import Halt
from live.store.port import Lease

__all__ = ["AccountFacts", "Market", "TenantFacts"]


@dataclass(slots=True)
class TenantFacts:
    """What is true of a tenant during one batch of decisions; orders of the batch are added.

    Parameters
    ----------
    day_at
        Start of the user's calendar day.
    trades_today, capital
        Of all bots: entries of the day, and the cost of positions and working entries.
    make_id
        A new id at each call.
    """

    lease: Lease
    zone: str
    plan: Entitlements
    plan_in_force: bool
    symbols_in_use: frozenset[str]
    day_at: datetime
    trades_today: int
    capital: Decimal
    now: datetime
    make_id: Callable[[], UUID]


@dataclass(slots=True)
class AccountFacts:
    """What is true of an account during one batch.

    Parameters
    ----------
    halts
        By bot, of the platform, tenant and account under None.
    free
        By currency, what is neither spent nor reserved.
    pending
        By bot, what its working entries may still cost.
    exiting
        Bots with an exit that is not final.
    shields
        By bot, the intent of a stop at the venue: it must be gone before anything else is sold.
    """

    account: Account
    halts: dict[UUID | None, tuple[Halt, ...]] = field(
        default_factory=dict[UUID | None, tuple[Halt, ...]]
    )
    free: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    pending: dict[UUID, Decimal] = field(default_factory=dict[UUID, Decimal])
    exiting: set[UUID] = field(default_factory=set[UUID])
    shields: dict[UUID, UUID] = field(default_factory=dict[UUID, UUID])

    def halts_of(self, bot_id: UUID) -> tuple[Halt, ...]:
        """Return the kill switches that hold for a bot."""
        return self.halts.get(None, ()) + self.halts.get(bot_id, ())

    def take(self, ccy: str, amount: Decimal) -> None:
        """Count what an order of this batch will hold back."""
        self.free[ccy] = self.free.get(ccy, ZERO) - amount


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument at the moment of a decision.

    Parameters
    ----------
    quote
        None where there is no fresh one.
    close
        Of the bar decided on; None away from bars.
    """

    rules: InstrumentRules
    quote: Quote | None
    close: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """The middle of the quote, else the close."""
        return self.close if self.quote is None else self.quote.mid

    @property
    def bid(self) -> Decimal | None:
        """What a sale can expect."""
        return self.close if self.quote is None else self.quote.bid

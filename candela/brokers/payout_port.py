"""What every broker of fixed payouts does, paper or live: stakes, expiries, results.

Three things are worse here than with spot orders, and the port says so:

* **A result may never come** (F39). It is UNKNOWN, neither win nor loss, until `result` or
  `statement` tells it; from `Contract.expires_at` on plus `PayoutBroker.settle_s` it is to be asked
  for. Nothing that depends on it, a ladder's next stake above all, may be decided before.
* **Brokers know no ids of ours** (F40). After an UNKNOWN purchase nothing is bought again: what
  `open_contracts` and `statement` show is matched by asset, direction, stake and time of opening,
  which is why there is at most one open intent for an account, asset and expiry. Where more than
  one fits, or none and the balance has moved, a person decides.
* **A purchase has a slot** (F42). `buy` refuses what cannot begin before the asset closes for its
  expiry, and nothing is bought late on the next one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from candela.brokers.port import EventKind
from candela.money import ZERO
from candela.orders.words import OutcomeKind

__all__ = [
    "Contract",
    "ContractState",
    "Direction",
    "Funds",
    "PayoutAsset",
    "PayoutBroker",
    "PayoutEvent",
    "PayoutOutcome",
    "PayoutRequest",
]


class Direction(StrEnum):
    """What a contract wagers on."""

    CALL = "call"  # wins above the price of entry
    PUT = "put"


class ContractState(StrEnum):
    """Life of a contract, as a broker tells it."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    TIED = "tied"  # at the price of entry
    CANCELED = "canceled"  # the stake came back without a result
    SOLD = "sold"  # before its expiry

    @property
    def is_final(self) -> bool:
        """Whether it has a result."""
        return self is not ContractState.OPEN


@dataclass(frozen=True, slots=True)
class PayoutAsset:
    """What a broker offers on an asset now.

    Parameters
    ----------
    payout
        Profit of a win over its stake: 0.8 turns 100 into 180.
    closes_s
        Purchases for an expiry end so many seconds before it.
    """

    name: str
    is_open: bool
    payout: Decimal
    minimum_stake: Decimal = ZERO
    maximum_stake: Decimal | None = None
    closes_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PayoutRequest:
    """What is bought.

    Parameters
    ----------
    request_id
        Ours; brokers that take no ids are not told.
    smallest_payout
        Below it nothing is bought: the ratio may have changed since the decision.
    """

    request_id: str
    asset: str
    direction: Direction
    stake: Decimal
    expires_at: datetime
    smallest_payout: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract as a broker shows it.

    Parameters
    ----------
    contract_id
        The broker's; in one form on every channel.
    request_id
        Ours, None where the broker does not keep it.
    payout
        As it stood when it was bought.
    returned
        Money paid back: stake and profit, the stake, or 0; None while open.
    """

    contract_id: str
    request_id: str | None
    asset: str
    direction: Direction
    stake: Decimal
    payout: Decimal
    opened_at: datetime
    expires_at: datetime
    entry_price: Decimal | None = None
    state: ContractState = ContractState.OPEN
    exit_price: Decimal | None = None
    returned: Decimal | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PayoutOutcome:
    """The answer to a purchase; kinds as of orders."""

    kind: OutcomeKind
    reason: str = ""
    code: str = ""
    wait_s: float = 0.0
    contract: Contract | None = None


@dataclass(frozen=True, slots=True)
class Funds:
    """What may be staked."""

    currency: str
    free: Decimal


@dataclass(frozen=True, slots=True)
class PayoutEvent:
    """One event of an account's stream: CONNECTED and LOST as of orders, ORDER with a contract."""

    kind: EventKind
    contract: Contract | None = None


class PayoutBroker(Protocol):
    """One account at a broker of fixed payouts.

    Questions raise `NoInformation` where the answer is lost, malformed or partial, and
    `CredentialsDead` where the login is refused.
    """

    @property
    def venue(self) -> str:
        """Id of the broker."""
        ...

    @property
    def keeps_request_ids(self) -> bool:
        """Whether contracts can be found by our own id."""
        ...

    @property
    def fence_s(self) -> float:
        """Seconds after the start of a purchase after which it can no longer appear unseen."""
        ...

    @property
    def settle_s(self) -> float:
        """Seconds after an expiry by which its result is due."""
        ...

    async def login(self) -> None:
        """Begin a session; questions and purchases begin one by themselves where there is none."""
        ...

    async def assets(self) -> Mapping[str, PayoutAsset]:
        """Return what can be bought now, by name."""
        ...

    async def buy(self, request: PayoutRequest) -> PayoutOutcome:
        """Buy one contract, once; never raises for what a broker or network does."""
        ...

    async def result(self, contract_id: str) -> Contract | None:
        """Return a contract, or None where the broker says that it does not know it."""
        ...

    async def open_contracts(self) -> tuple[Contract, ...]:
        """Return every open contract of the account, ours or not."""
        ...

    async def statement(self, since: datetime) -> tuple[Contract, ...]:
        """Return all contracts settled since an instant, oldest first, every page of them."""
        ...

    async def balance(self) -> Funds:
        """Return what may be staked."""
        ...

    def events(self) -> AsyncIterator[PayoutEvent]:
        """Yield the account's events for ever, reconnecting by itself."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

"""The port of the store for bets: each call is one transaction, or nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from candela.orders.bet_booking import Ended
from candela.orders.bets import Bet, BetBook, BetEnding, BetIntent, BetOrder, BetShown
from candela.orders.records import AccountKey, Decision
from candela.orders.words import OrderState
from candela.risk.bets import BetCase
from candela.risk.facts import EntryRequest
from candela.risk.limits import RiskLimits
from live.store.port import Lease, Placed

__all__ = ["BetCommit", "BetStore"]


@dataclass(frozen=True, slots=True)
class BetCommit:
    """A decision with the bet that it led to, and what its transaction judges it by.

    Parameters
    ----------
    day_limit
        Largest number of entries of the tenant in the day, bets and purchases together.
    """

    decision: Decision
    intent: BetIntent
    request: EntryRequest
    limits: RiskLimits
    day_at: datetime
    day_end: datetime
    day_limit: int | None = None

    def case(self) -> BetCase:
        """Return what is judged in the transaction."""
        intent = self.intent
        return BetCase(
            bot_id=intent.bot_id,
            asset=intent.asset,
            expires_at=intent.expires_at,
            valid_until=intent.valid_until,
            request=self.request,
            limits=self.limits,
            day_at=self.day_at,
            day_end=self.day_end,
            now=intent.created_at,
        )


class BetStore(Protocol):
    """Durable memory of bets.

    As of `live.store.port.Store`: a call that returns has been committed; one that raises anything
    but what is named may or may not have been, and the process must end.
    """

    async def load_bets(self, account: AccountKey, now: datetime) -> BetBook:
        """Return what is known of an account's bets."""
        ...

    async def commit_bets(self, lease: Lease, commits: Sequence[BetCommit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all, in one transaction.

        Checked inside it, under the lock of the account: the lease's epoch; the unique key; halts,
        wanted and account state; the tenant's entries of the day; and `candela.risk.bets.judge_bet`
        over the rows as they are: the slot, doubts, every cap, and the step of the ladder.

        Raises
        ------
        LeaseLost
            Nothing was written.
        """
        ...

    async def begin_bet(self, lease: Lease, order: BetOrder) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING.

        Returns False, and writes nothing, where the attempt exists, another attempt of the intent
        may be alive, or the intent is final.

        Raises
        ------
        LeaseLost
            Nothing was written, and nothing may be sent.
        """
        ...

    async def move_bet(
        self,
        account: AccountKey,
        client_id: str,
        state: OrderState,
        reason: str | None,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Move an attempt that was not accepted along the declared graph; False: it was not moved.

        Parameters
        ----------
        ends
            Its intent fails with it, and the stake is released, in the same transaction.
        """
        ...

    async def lapse_bet(
        self, account: AccountKey, intent_id: UUID, reason: str, now: datetime
    ) -> bool:
        """Fail an intent that no attempt of is alive, and release its stake; False: it is final."""
        ...

    async def open_bet(
        self, account: AccountKey, client_id: str, shown: BetShown, now: datetime
    ) -> Bet | None:
        """Book an accepted bet: attempt OPEN, trade row, stake in the ledger, nothing reserved.

        Returns None where it is booked already.
        """
        ...

    async def settle_bet(
        self,
        account: AccountKey,
        trade_id: UUID,
        ending: BetEnding,
        now: datetime,
        *,
        by_hand: bool = False,
    ) -> Ended:
        """Book a result: trade row, payout in the ledger, attempt FILLED and intent DONE.

        `candela.orders.bet_booking.bet_settled` is the arithmetic. A bet whose result is unknown
        keeps its intent.
        """
        ...

    async def bets_since(self, account: AccountKey, since: datetime) -> tuple[Bet, ...]:
        """Return bets of an account opened since an instant, oldest first."""
        ...

"""Results of bets: the statement decides, deadlines end the waiting, books are compared."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from candela.brokers.payout_port import PayoutBroker
from candela.brokers.port import CredentialsDead, NoInformation
from candela.orders.bet_booking import DISPUTED, ending_of
from candela.orders.bets import Bet, BetEnding, BetShown, BetStatus
from live.bets.keeper import BetKeeper
from live.bets.shown import shown_of
from live.bets.terms import BetPace

__all__ = ["Settling"]

_LOOK_BACK: Final = timedelta(seconds=60)
_MOMENT_S: Final = 0.1


class Settling:
    """Waits for the results of an account's bets, and compares its books with the broker's."""

    def __init__(self, keeper: BetKeeper, broker: PayoutBroker, pace: BetPace) -> None:
        self._keeper = keeper
        self._broker = broker
        self._pace = pace
        self._wake = asyncio.Event()
        self._asked: dict[str, tuple[datetime, float]] = {}
        self._compared_at: datetime | None = None
        self.is_compared = False

    def wake(self) -> None:
        """Look again at what is due: a bet was opened, or a result was heard of."""
        self._asked.clear()
        self._wake.set()

    def compare_soon(self) -> None:
        """Compare the books before their time: events may have been missed."""
        self._compared_at = None
        self.wake()

    async def run(self, on_round: asyncio.Event) -> None:
        """Settle and compare for ever; each round sets an event."""
        failures = 0
        while True:
            try:
                await self._round()
                wait_s, failures = self._until_next(), 0
            except NoInformation as error:
                self._keeper.counts.questions_unanswered += 1
                if not self.is_compared:
                    self._compared_at = None
                pause_s = min(self._pace.first_s * 2.0**failures, self._pace.reconcile_s)
                wait_s, failures = max(pause_s, error.wait_s), min(failures + 1, 16)
            except CredentialsDead:
                await self._keeper.block("credentials_dead", "the broker refuses the login")
                wait_s = self._pace.dead_key_s
            on_round.set()
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _round(self) -> None:
        await self.settle_due()
        now = self._keeper.clock.now()
        pause = timedelta(seconds=self._pace.reconcile_s)
        if self._compared_at is None or now - self._compared_at >= pause:
            # Said before it is done: a broker that does not answer is asked again after a pause.
            self._compared_at = now
            await self._compare()

    async def settle_due(self) -> None:
        """Ask for the results that are due, and book what the statement says."""
        keeper = self._keeper
        now = keeper.clock.now()
        due = [bet for bet in keeper.image.due(now) if self._is_asked_now(bet, now)]
        if not due:
            return
        for bet in due:
            self._note_asked(bet, now)
        told: dict[str, BetShown] = {}
        failure: NoInformation | None = None
        try:
            told = await self._statement(min(bet.expires_at for bet in due) - _LOOK_BACK)
            for bet in due:
                if bet.venue_bet_id not in told:
                    found = await self._broker.result(bet.venue_bet_id)
                    if found is not None:
                        told[bet.venue_bet_id] = shown_of(found)
        except NoInformation as error:
            failure = error
        for bet in due:
            await self._ended(bet, told.get(bet.venue_bet_id), failure)
        if failure is not None:
            raise failure

    async def _ended(self, bet: Bet, shown: BetShown | None, failure: NoInformation | None) -> None:
        ending = None if shown is None else ending_of(shown)
        if ending is not None:
            await self._keeper.settle(bet, ending)
            self._asked.pop(bet.venue_bet_id, None)
            return
        wait_s = max(self._pace.deadline_s, self._broker.settle_s)
        deadline = bet.expires_at + timedelta(seconds=wait_s)
        if bet.status is BetStatus.OPEN and self._keeper.clock.now() >= deadline:
            words = "the broker says nothing" if failure is not None else "no result"
            reason = f"{words} {wait_s:g} s after the expiry"
            await self._keeper.settle(bet, BetEnding(BetStatus.UNKNOWN, bet.paid, reason=reason))

    async def _compare(self) -> None:
        """Compare results of the last hour, and the balance, with what is booked."""
        keeper = self._keeper
        since = keeper.clock.now() - timedelta(seconds=self._pace.overlap_s)
        told = await self._statement(since)
        for bet in await keeper.recent(since - timedelta(seconds=self._pace.overlap_s)):
            shown = told.get(bet.venue_bet_id)
            ending = None if shown is None else ending_of(shown)
            if ending is None or not bet.status.is_known:
                continue
            if (bet.status, bet.paid) != (ending.status, ending.paid):
                await keeper.settle(bet, ending)
        image = keeper.image
        if any(image.unanswered()) or image.due(keeper.clock.now(), self._pace.margin_s):
            # Money may be on its way: nothing is concluded from the balance.
            self.is_compared = True
            return
        version = image.version
        funds = await self._broker.balance()
        now = keeper.clock.now()
        if (
            keeper.image is not image
            or image.version != version
            or image.due(now, self._pace.margin_s)
        ):
            self._compared_at = None
            return
        if funds.free != image.total:
            await keeper.adopt(funds.free, now)
        self.is_compared = True
        await keeper.reconciled(now)

    async def _statement(self, since: datetime) -> dict[str, BetShown]:
        return {
            one.contract_id: shown_of(one)
            for one in await self._broker.statement(since)
            if one.state.is_final
        }

    def _is_asked_now(self, bet: Bet, now: datetime) -> bool:
        if bet.reason == DISPUTED:
            return False
        before = self._asked.get(bet.venue_bet_id)
        return before is None or now >= before[0] + timedelta(seconds=before[1])

    def _note_asked(self, bet: Bet, now: datetime) -> None:
        before = self._asked.get(bet.venue_bet_id)
        wait_s = self._pace.first_s if before is None else min(before[1] * 2, self._pace.most_s)
        if bet.status is BetStatus.UNKNOWN:
            wait_s = self._pace.slow_s
        self._asked[bet.venue_bet_id] = (now, wait_s)

    def _until_next(self) -> float:
        now = self._keeper.clock.now()
        waits = [self._pace.reconcile_s if self._compared_at is not None else self._pace.first_s]
        for bet in self._keeper.image.bets.values():
            if bet.reason == DISPUTED:
                continue
            asked = self._asked.get(bet.venue_bet_id)
            at = bet.expires_at if asked is None else asked[0] + timedelta(seconds=asked[1])
            waits.append((at - now).total_seconds())
        return max(min(waits), _MOMENT_S)

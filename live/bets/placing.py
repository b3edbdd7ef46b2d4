"""One intent of a bet carried through: sent at most once while it may be alive, found again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from candela.brokers.payout_port import Direction, PayoutBroker, PayoutOutcome, PayoutRequest
from candela.brokers.port import CredentialsDead, NoInformation
from candela.ids import client_order_id
from candela.money import EXACT
from candela.orders.bet_match import Ruling, rule_on
from candela.orders.bets import BetIntent, BetOrder
from candela.orders.words import OrderState, OutcomeKind
from live.bets.keeper import BetKeeper
from live.bets.shown import shown_of
from live.bets.terms import BetPace

__all__ = ["Placing"]

_MOST_ATTEMPTS: Final = 60
_LOOK_BACK: Final = timedelta(seconds=60)


class Placing:
    """Carries intents of one account; bets on the same asset are sent one after the other.

    The broker gives no id of ours back, so that a bet whose answer is missing must be the only
    one of its asset that may have appeared meanwhile.

    Parameters
    ----------
    on_opened
        Called when bets changed, so that their results are waited for.
    """

    def __init__(
        self,
        keeper: BetKeeper,
        broker: PayoutBroker,
        pace: BetPace,
        on_opened: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._broker = broker
        self._pace = pace
        self._on_opened = on_opened
        self._turns: dict[str, asyncio.Lock] = {}

    async def carry(self, intent: BetIntent, on_settled_question: Callable[[], None]) -> None:
        """Carry an intent until its bet is open, or it is proved that there is none.

        Parameters
        ----------
        on_settled_question
            Called once it is known what became of an attempt of an earlier process, or a person
            was told that it is not.
        """
        async with self._turns.setdefault(intent.asset, asyncio.Lock()):
            attempts = self._keeper.image.attempts(intent.intent_id)
            last = attempts[-1] if attempts else None
            if last is not None and last.state in {OrderState.SENDING, OrderState.UNKNOWN}:
                if last.state is OrderState.SENDING:
                    words = "unanswered: the process that sent it ended"
                    await self._keeper.move(last, OrderState.UNKNOWN, words, ends=False)
                is_done = await self._resolve(last, intent, is_patient=False)
                on_settled_question()
            else:
                on_settled_question()
                if last is not None and last.state is OrderState.OPEN:
                    return
                last, is_done = await self._send(intent, len(attempts))
        if not is_done and last is not None:
            # Whoever bets on the asset next is told apart by the time of opening.
            await self._resolve(last, intent, is_patient=True)

    async def _send(self, intent: BetIntent, before: int) -> tuple[BetOrder | None, bool]:
        keeper, clock = self._keeper, self._keeper.clock
        for attempt in range(before + 1, _MOST_ATTEMPTS):
            now = clock.now()
            if now >= intent.valid_until:
                late_s = (now - intent.valid_until).total_seconds()
                await keeper.lapse(intent, f"slot_over: {late_s:.1f} s too late for its slot")
                return None, True
            order = self._order(intent, attempt, now)
            if not await keeper.begin(order):
                await keeper.lapse(intent, "not_begun: the intent is over")
                return None, True
            outcome = await self._bought(order, intent)
            is_done = await self._answered(order, intent, outcome)
            if is_done is not None:
                return order, is_done
            await asyncio.sleep(max(outcome.wait_s, self._pace.first_s))
        await keeper.lapse(intent, "throttled: the broker took none of the attempts")
        return None, True

    async def _bought(self, order: BetOrder, intent: BetIntent) -> PayoutOutcome:
        """Send, unless writing took so long that others may have drawn conclusions already."""
        late_at = min(intent.valid_until, order.sent_at + (order.fence_at - order.sent_at) / 2)
        if self._keeper.clock.now() >= late_at:
            return PayoutOutcome(OutcomeKind.THROTTLED, "late: nothing was sent", "late")
        # Says that the part is lost where it is: then nothing is sent.
        self._keeper.lease()
        return await self._broker.buy(_request(order, intent))

    async def _answered(
        self, order: BetOrder, intent: BetIntent, outcome: PayoutOutcome
    ) -> bool | None:
        """Write an answer; True: all is known, False: nothing is proved, None: try again."""
        keeper = self._keeper
        match outcome.kind:
            case OutcomeKind.ACCEPTED if outcome.contract is not None:
                await keeper.open(order, shown_of(outcome.contract))
                self._on_opened()
            case OutcomeKind.REFUSED:
                keeper.counts.refused += 1
                await keeper.move(order, OrderState.REJECTED, outcome.reason, ends=True)
            case OutcomeKind.CREDENTIALS_DEAD:
                await keeper.move(order, OrderState.REJECTED, outcome.reason, ends=True)
                await keeper.block("credentials_dead", "the broker refuses the login")
            case OutcomeKind.THROTTLED:
                await keeper.move(order, OrderState.REJECTED, outcome.reason, ends=False)
                return None
            case _:
                # Also an acceptance that does not show the bet.
                keeper.counts.unknown += 1
                await keeper.move(order, OrderState.UNKNOWN, outcome.reason, ends=False)
                return await self._resolve(order, intent, is_patient=False)
        return True

    async def _resolve(self, order: BetOrder, intent: BetIntent, *, is_patient: bool) -> bool:
        """Find out what became of an attempt; False: a person was told, and time goes on.

        Parameters
        ----------
        is_patient
            Whether to go on for ever, slowly.
        """
        keeper, pace = self._keeper, self._pace
        wait_s = pace.slow_s if is_patient else pace.first_s
        while True:
            try:
                ruling = await self._ruling(order, intent)
            except NoInformation as error:
                keeper.counts.questions_unanswered += 1
                ruling = Ruling("open", words=error.message)
            except CredentialsDead:
                await keeper.block("credentials_dead", "the broker refuses the login")
                ruling = Ruling("open", words="the broker refuses the login")
                wait_s = pace.slow_s
            if ruling.kind == "found" and ruling.shown is not None:
                await keeper.open(order, ruling.shown)
                await keeper.clear(intent.bot_id, intent.intent_id)
                self._on_opened()
                return True
            if ruling.kind == "absent":
                keeper.counts.absent += 1
                words = "absent: not among open bets, statement and balance"
                await keeper.move(order, OrderState.ABSENT, words, ends=True)
                await keeper.clear(intent.bot_id, intent.intent_id)
                return True
            too_long = order.fence_at + timedelta(seconds=pace.deadline_s)
            if not is_patient and (ruling.kind == "ambiguous" or keeper.clock.now() >= too_long):
                words = ruling.words or "nothing proves what became of it"
                about = f"a bet of {intent.stake:f} on {intent.asset}: {words}"
                await keeper.doubt(intent.bot_id, intent.intent_id, "bet_ambiguous", about)
                return False
            await asyncio.sleep(wait_s)
            wait_s = pace.slow_s if is_patient else min(wait_s * 2, pace.most_s)

    async def _ruling(self, order: BetOrder, intent: BetIntent) -> Ruling:
        keeper, image = self._keeper, self._keeper.image
        asked_at, version = keeper.clock.now(), image.version
        shown = [
            shown_of(one)
            for one in (
                *await self._broker.open_contracts(),
                *await self._broker.statement(order.sent_at - _LOOK_BACK),
            )
        ]
        funds = await self._broker.balance()
        missing = None
        if (
            keeper.image is image
            and image.version == version
            and not image.due(keeper.clock.now(), self._pace.margin_s)
            and not any(
                one.state is OrderState.SENDING and one.client_id != order.client_id
                for one in image.orders.values()
            )
        ):
            missing = EXACT.subtract(image.total, funds.free)
        return rule_on(order, intent, shown, keeper.image.known, missing, asked_at)

    def _order(self, intent: BetIntent, attempt: int, now: datetime) -> BetOrder:
        return BetOrder(
            account=intent.account,
            client_id=client_order_id(intent.intent_id, attempt),
            intent_id=intent.intent_id,
            attempt=attempt,
            asset=intent.asset,
            side=intent.side,
            stake=intent.stake,
            state=OrderState.SENDING,
            created_at=now,
            sent_at=now,
            fence_at=now + timedelta(seconds=self._broker.fence_s),
        )


def _request(order: BetOrder, intent: BetIntent) -> PayoutRequest:
    return PayoutRequest(
        request_id=order.client_id,
        asset=order.asset,
        direction=Direction(order.side.value),
        stake=order.stake,
        expires_at=intent.expires_at,
        smallest_payout=intent.payout_ratio,
    )

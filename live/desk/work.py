"""The life of one intent: attempts, lost answers, cancellation, until nothing more can come."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from candela.brokers.port import CredentialsDead, NoInformation, SpotBroker
from candela.errors import NotFound
from candela.money import ZERO
from candela.orders.fence import SEND_WITHIN_S
from candela.orders.records import Intent, Order
from candela.orders.words import (
    InstrumentRules,
    IntentState,
    OrderKind,
    OrderRequest,
    OrderState,
    Outcome,
    OutcomeKind,
    Side,
)
from live.desk.evidence import Inquiry
from live.desk.image import missing_of
from live.desk.keeper import Keeper
from live.desk.line import Line
from live.desk.nap import Nap
from live.desk.planning import planned
from live.desk.terms import DeskTerms

__all__ = ["Work"]

_AT_ONCE = frozenset({OrderKind.MARKET, OrderKind.IOC})
_UNANSWERED = frozenset({OrderState.SENDING, OrderState.UNKNOWN})
_LONGEST_PAUSE_S = 30.0
_CANCEL_AGAIN_S = 10.0


class Work:
    """Carries one intent through, by the image of committed rows alone.

    Each step looks at what is committed and does the next thing, so that a start after a crash
    and the ordinary way are one. News of an attempt wakes it; what was asked for before is asked
    again with growing pauses.
    """

    def __init__(
        self, intent_id: UUID, keeper: Keeper, broker: SpotBroker, line: Line, terms: DeskTerms
    ) -> None:
        self.intent_id = intent_id
        self.wants_cancel = False
        self._keeper = keeper
        self._broker = broker
        self._line = line
        self._terms = terms
        self._clock = keeper.clock
        self._stuck_since: datetime | None = None
        self._nap = Nap()
        self._tries = 0
        self._inquiry = Inquiry(keeper, broker, line)
        self._is_refreshed = False
        self._cancels: dict[str, datetime] = {}
        self._canceled_at: datetime | None = None

    def wake(self) -> None:
        """Tell that something of the intent has changed."""
        self._nap.wake()

    async def run(self) -> None:
        """Work until the intent is final and nothing of it is alive or missing."""
        image = self._keeper.image
        while True:
            if self._nap.take_news():
                self._stuck_since = None
            intent = image.intents.get(self.intent_id)
            order = self._current()
            if order is not None and order.state.may_be_alive:
                await self._attend(order, intent)
            elif order is not None and missing_of(order) > 0:
                await self._fetch_missing(order)
            elif intent is None or intent.state.is_final:
                return
            elif order is None or order.state is OrderState.ABSENT:
                await self._attempt(intent, order)
            else:
                await self._end(intent, order)

    def _current(self) -> Order | None:
        """Return the attempt that needs attention most: one alive, one incomplete, the last one."""
        orders = self._keeper.image.of_intent(self.intent_id)
        for order in orders:
            if order.state.may_be_alive:
                return order
        for order in orders:
            if missing_of(order) > 0:
                return order
        executed = [order for order in orders if order.executed > 0]
        return (executed or orders or (None,))[-1]

    # --- sending ----------------------------------------------------------------------------------

    async def _attempt(self, intent: Intent, before: Order | None) -> None:
        number = len(self._keeper.image.of_intent(self.intent_id)) + 1
        is_exit = intent.side is Side.SELL
        reason = await self._why_not(intent, number)
        if reason is not None:
            await self._fail(reason)
            return
        if before is not None:
            await self._nap.sleep(self._line.pause_s(number - 2, _LONGEST_PAUSE_S))
        if not await self._line.turn(is_exit=is_exit, until=intent.valid_until):
            if self._line.is_dead:
                await self._fail("credentials_dead: the venue refuses the key")
            return
        rules = await self._rules_now(intent.symbol)
        if rules is None:
            return
        reason = await self._why_not(intent, number)
        order = planned(intent, number, rules, self._clock.now(), self._broker.fence_s)
        if reason is None and isinstance(order, str):
            reason = order
        if reason is not None or isinstance(order, str):
            await self._fail(reason or "nothing to send")
            return
        self._tries = 0
        if await self._keeper.begin(order):
            await self._send(order)
        else:
            await self._keeper.load()
            await self._nap.sleep(self._pause())

    async def _why_not(self, intent: Intent, number: int) -> str | None:
        if self.wants_cancel:
            return "canceled before it was sent"
        if number > self._terms.most_attempts:
            return f"{number - 1} attempts without effect"
        is_late = (self._clock.now() - intent.created_at).total_seconds() >= self._terms.late_s
        if intent.side is Side.BUY and (number > 1 or is_late):
            if self._keeper.image.account.state != "active":
                return "the account is blocked"
            if await self._keeper.is_halted(intent):
                return "halted before it was sent"
        # Last, since the questions before it take time.
        if intent.valid_until is not None and self._clock.now() >= intent.valid_until:
            self._keeper.counts.lapsed += 1
            return "lapsed before it was sent"
        return None

    async def _send(self, order: Order) -> None:
        keeper = self._keeper
        send_by = order.created_at + timedelta(seconds=SEND_WITHIN_S)
        keeper.lease()
        if self._clock.now() > send_by:
            # Whoever has the account by now may have proved it absent; so it must stay.
            await keeper.change(order, OrderState.ABSENT, "not sent: its time was over")
            return
        keeper.counts.sent += 1
        request = OrderRequest(
            order.client_id,
            order.symbol,
            order.side,
            order.kind,
            order.quantity,
            order.price,
            order.stop_price,
            send_by,
        )
        try:
            outcome = await self._broker.submit(request)
        except Exception as fault:  # noqa: BLE001 (whatever it throws says nothing of the order)
            words = f"the broker threw {type(fault).__name__} while {order.client_id} was sent"
            keeper.alarm("broker_fault", words, self.intent_id)
            outcome = Outcome(OutcomeKind.UNKNOWN, type(fault).__name__)
        await self._answered(order, outcome)

    async def _answered(self, order: Order, outcome: Outcome) -> None:
        keeper, counts, reason = self._keeper, self._keeper.counts, outcome.reason or None
        if outcome.kind is OutcomeKind.ACCEPTED:
            counts.accepted += 1
            self._line.well()
            if outcome.report is None:
                await keeper.change(order, OrderState.OPEN)
            else:
                await keeper.report(outcome.report)
        elif outcome.kind is OutcomeKind.REFUSED:
            counts.refused += 1
            self._line.well()
            await keeper.change(order, OrderState.REJECTED, reason)
        elif outcome.kind is OutcomeKind.THROTTLED:
            counts.throttled += 1
            self._line.quiet(outcome.wait_s)
            await keeper.change(order, OrderState.ABSENT, reason)
        elif outcome.kind is OutcomeKind.CREDENTIALS_DEAD:
            await keeper.change(order, OrderState.ABSENT, reason)
            self._line.dead()
            await self._bury()
        else:
            counts.unknown += 1
            self._inquiry.signed(order.client_id, outcome.signed_at)
            self._line.trouble()
            await keeper.change(order, OrderState.UNKNOWN, reason)

    # --- attempts that may be alive ---------------------------------------------------------------

    async def _attend(self, order: Order, intent: Intent | None) -> None:
        if order.state in _UNANSWERED:
            await self._resolve(order)
            return
        # One that reappeared after another was sent, or after its intent had ended.
        is_left_over = (
            intent is None
            or intent.state.is_final
            or order.attempt < len(self._keeper.image.of_intent(self.intent_id))
        )
        if order.state is OrderState.CANCELING or self._shall_end(order, intent) or is_left_over:
            await self._cancel(order)
            return
        pause_s = None
        if order.kind in _AT_ONCE:
            pause_s = self._pause()
        elif intent is not None and intent.valid_until is not None:
            pause_s = (intent.valid_until - self._clock.now()).total_seconds()
        if not await self._nap.sleep(pause_s) and order.kind in _AT_ONCE:
            await self._look(order)
            self._tell_stuck(order, "unresolved", "it was accepted and does not end")

    def _shall_end(self, order: Order, intent: Intent | None) -> bool:
        if self.wants_cancel:
            return True
        if order.kind in _AT_ONCE or intent is None or intent.valid_until is None:
            return False
        return self._clock.now() >= intent.valid_until

    async def _resolve(self, order: Order) -> None:
        if order.state is OrderState.SENDING:
            await self._keeper.change(order, OrderState.UNKNOWN, "no answer was seen")
        began = order.sent_at or order.created_at
        try:
            if await self._inquiry.resolve(order):
                self._tries = 0
                waited_s = (self._clock.now() - began).total_seconds()
                self._keeper.counts.note_resolved(waited_s)
                return
        except CredentialsDead:
            await self._bury()
        self._tell_stuck(order, "unresolved", "its answer was lost and the venue says nothing")
        await self._nap.sleep(self._until_next(order))

    def _until_next(self, order: Order) -> float:
        """Return the pause before asking again, with one question right behind the fence."""
        pause_s = self._pause()
        left_s = (self._inquiry.fence_at(order) - self._clock.now()).total_seconds()
        return left_s + 0.001 if 0 < left_s < pause_s else pause_s

    async def _look(self, order: Order) -> bool:
        """Ask for an order that was accepted; False where the venue does not know it now."""
        try:
            report = await self._line.ask(
                lambda: self._broker.find(order.symbol, order.client_id, order.venue_order_id)
            )
        except NoInformation:
            return True
        except CredentialsDead:
            await self._bury()
            return True
        if report is not None:
            await self._keeper.report(report)
        return report is not None

    # --- cancelling -------------------------------------------------------------------------------

    async def _cancel(self, order: Order) -> None:
        if order.state is OrderState.OPEN:
            await self._keeper.change(order, OrderState.CANCELING)
        now = self._clock.now()
        # Each further request would move a fence behind the last one on, for ever.
        began_at = self._cancels.setdefault(order.client_id, now)
        is_due = (
            self._canceled_at is None
            or (now - self._canceled_at).total_seconds() >= _CANCEL_AGAIN_S
        )
        if is_due and not self._line.is_dead:
            self._canceled_at = now
            outcome = await self._broker.cancel(order.symbol, order.client_id, order.venue_order_id)
            if outcome.kind is OutcomeKind.ACCEPTED and outcome.report is not None:
                await self._keeper.report(outcome.report)
                return
            if outcome.kind is OutcomeKind.THROTTLED:
                self._line.quiet(outcome.wait_s)
            elif outcome.kind is OutcomeKind.CREDENTIALS_DEAD:
                self._line.dead()
            # REFUSED is news: there was nothing to cancel, and the question says what became of it.
        is_known = await self._look(order)
        if not is_known and await self._inquiry.is_gone(order, began_at):
            await self._keeper.change(
                order, OrderState.CANCELED, "canceled, and not known to the venue any more"
            )
            return
        if self._keeper.image.orders.get(order.client_id, order).state is OrderState.CANCELING:
            self._tell_stuck(order, "unresolved", "its cancellation is not confirmed")
            await self._nap.sleep(self._pause())

    # --- final attempts ---------------------------------------------------------------------------

    async def _fetch_missing(self, order: Order) -> None:
        """Ask for executions that the venue counted and did not bring; none is ever made up."""
        try:
            await self._inquiry.fetch(order)
        except NoInformation:
            await self._nap.sleep(self._pause())
            return
        except CredentialsDead:
            await self._bury()
            await self._nap.sleep(self._terms.dead_key_s)
            return
        known = self._keeper.image.orders.get(order.client_id)
        if known is not None and missing_of(known) > 0:
            await self._keeper.load()
            self._tell_stuck(order, "fills_missing", "executions that the venue counted")
            await self._nap.sleep(self._pause())

    async def _end(self, intent: Intent, order: Order) -> None:
        """End the intent of a final attempt; what was filled is kept, the rest is released."""
        if order.executed > ZERO:
            await self._keeper.finish(self.intent_id, IntentState.DONE, order.reason)
            return
        if order.state is OrderState.REJECTED and await self._may_send_again(intent, order):
            return
        await self._fail(order.reason or f"the order is {order.state}")

    async def _may_send_again(self, intent: Intent, order: Order) -> bool:
        """Try an exit once more where the venue's rules have changed since it was planned."""
        if self._is_refreshed:
            return False
        self._is_refreshed = True
        try:
            rules = await self._rules(intent.symbol, refresh=True)
        except (NoInformation, CredentialsDead, NotFound):
            return False
        if intent.side is Side.BUY or await self._why_not(intent, order.attempt + 1):
            return False
        now = self._clock.now()
        again = planned(intent, order.attempt + 1, rules, now, self._broker.fence_s)
        if isinstance(again, str) or (again.quantity, again.price) == (order.quantity, order.price):
            return False
        if await self._keeper.begin(again):
            await self._send(again)
        return True

    async def _fail(self, reason: str) -> None:
        await self._keeper.finish(self.intent_id, IntentState.FAILED, reason)

    async def _bury(self) -> None:
        """Note that the key is of no use: one alarm, entries blocked."""
        self._keeper.alarm("credentials_dead", "the venue refuses the key of this account")
        await self._keeper.block("credentials_dead: the venue refuses the key")

    async def _rules_now(self, symbol: str) -> InstrumentRules | None:
        """Return what the venue allows; None where that is not to be known at this moment."""
        try:
            return await self._rules(symbol)
        except NoInformation:
            await self._nap.sleep(self._pause())
        except CredentialsDead:
            await self._bury()
        except NotFound as unknown:
            await self._fail(unknown.message)
        return None

    async def _rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        rules = self._keeper.rules.get(symbol)
        if rules is None or refresh:
            rules = await self._line.ask(lambda: self._broker.rules(symbol, refresh=refresh))
            self._keeper.rules[symbol] = rules
        return rules

    def _pause(self) -> float:
        self._tries += 1
        return self._line.pause_s(self._tries - 1, _LONGEST_PAUSE_S)

    def _tell_stuck(self, order: Order, code: str, words: str) -> None:
        now = self._clock.now()
        if self._stuck_since is None:
            self._stuck_since = now
        if (now - self._stuck_since).total_seconds() > self._terms.alarm_s:
            self._keeper.alarm(code, f"order {order.client_id}: {words}", self.intent_id)

"""Questions about one order: what proves that it exists, that it is absent, what it executed."""

from __future__ import annotations

from datetime import datetime, timedelta

from candela.brokers.port import NoInformation, SpotBroker
from candela.brokers.sending import urgent
from candela.orders.fence import Evidence, Verdict, fence_of, judge
from candela.orders.records import Order
from candela.orders.words import Execution, OrderState
from live.desk.keeper import Keeper
from live.desk.line import Line

__all__ = ["Inquiry"]

_SLACK = timedelta(seconds=90)
"""By how much a venue's clock may be behind ours."""


class Inquiry:
    """Asks one venue about attempts of one account."""

    def __init__(self, keeper: Keeper, broker: SpotBroker, line: Line) -> None:
        self._keeper = keeper
        self._broker = broker
        self._line = line
        self._foreign: dict[str, None] = {}
        self._signed: dict[str, datetime] = {}

    def signed(self, client_id: str, signed_at: datetime | None) -> None:
        """Note when an attempt was signed, so that its fence is counted from there."""
        if signed_at is not None:
            self._signed = {client_id: signed_at}

    def fence_at(self, order: Order) -> datetime:
        """Return the instant after which absence of an attempt can be proved.

        The row holds it for the latest instant of a signature, since whoever starts after a crash
        knows of no other.
        """
        written = order.fence_at or fence_of(order.created_at, 0.0)
        signed_at = self._signed.get(order.client_id)
        if signed_at is None:
            return written
        return min(written, signed_at + timedelta(seconds=self._broker.fence_s))

    async def resolve(self, order: Order) -> bool:
        """Ask what became of an attempt whose answer was lost; return whether that is known now.

        Raises
        ------
        candela.brokers.port.CredentialsDead
            The venue refuses the key.
        """
        with urgent():
            evidence = await self._gather(order)
        current = self._keeper.image.orders.get(order.client_id)
        if current is None or current.state is not OrderState.UNKNOWN:
            return True
        verdict = judge(self.fence_at(order), evidence)
        if verdict is Verdict.ABSENT:
            self._keeper.counts.absent += 1
            await self._keeper.change(
                current, OrderState.ABSENT, "the venue does not know it after the fence"
            )
            return True
        return False

    async def is_gone(self, order: Order, canceled_at: datetime) -> bool:
        """Return whether a canceled order is proved to be no more, though the venue forgot it."""
        fence_at = fence_of(canceled_at, self._broker.fence_s)
        if self._keeper.clock.now() < fence_at:
            return False
        evidence = await self._gather(order)
        if evidence.is_known is not False or evidence.is_open is not False:
            return False
        return evidence.has_executed is not None

    async def fetch(self, order: Order) -> None:
        """Ask for the executions of an attempt and book them.

        Raises
        ------
        candela.brokers.port.NoInformation
            It was not answered usably.
        candela.brokers.port.CredentialsDead
            The venue refuses the key.
        """
        since = (order.sent_at or order.created_at) - _SLACK
        await self._keeper.book(
            await self._line.ask(
                lambda: self._broker.executions(order.symbol, since, order.venue_order_id)
            )
        )

    async def _gather(self, order: Order) -> Evidence:
        """Ask the three questions; what they show is booked on the way."""
        asked_at = self._keeper.clock.now()
        try:
            report = await self._line.ask(
                lambda: self._broker.find(order.symbol, order.client_id, order.venue_order_id)
            )
        except NoInformation:
            return Evidence(asked_at)
        if report is not None:
            await self._keeper.report(report)
            return Evidence(asked_at, is_known=True)
        if asked_at < self.fence_at(order):
            return Evidence(asked_at, is_known=False)
        try:
            is_open = await self._is_open(order)
            has_executed = await self._has_executed(order)
        except NoInformation:
            return Evidence(asked_at, is_known=False)
        return Evidence(asked_at, is_known=False, is_open=is_open, has_executed=has_executed)

    async def _is_open(self, order: Order) -> bool:
        reports = await self._line.ask(lambda: self._broker.open_orders(frozenset({order.symbol})))
        for report in reports:
            if report.client_id == order.client_id:
                await self._keeper.report(report)
                return True
        return False

    async def _has_executed(self, order: Order) -> bool:
        since = (order.sent_at or order.created_at) - _SLACK
        executions = await self._line.ask(lambda: self._broker.executions(order.symbol, since))
        mine = [one for one in executions if await self._is_of(order, one)]
        await self._keeper.book(mine)
        return bool(mine)

    async def _is_of(self, order: Order, execution: Execution) -> bool:
        if execution.client_id is not None:
            return execution.client_id == order.client_id
        venue_id = execution.venue_order_id
        known = self._keeper.image.order_of(order.symbol, None, venue_id)
        if known is not None:
            return known.client_id == order.client_id
        # What was booked would have told the venue's id of this attempt, had it been of this one.
        is_booked = self._keeper.image.has_seen(execution)
        if is_booked or venue_id in self._foreign or execution.side is not order.side:
            return False
        # Some venues do not say by whose id an execution came about; their orders do.
        report = await self._line.ask(
            lambda: self._broker.find(order.symbol, order.client_id, venue_id)
        )
        if report is None:
            # The answers lag: whose execution it was is not known yet.
            raise NoInformation(
                f"the venue shows an execution of order {venue_id}, and not that order",
                "It is asked again.",
            )
        if report.client_id != order.client_id:
            self._foreign[venue_id] = None
            return False
        await self._keeper.report(report)
        return True

"""Our books against the venue: what was missed is booked, what is strange is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from candela.brokers.port import SpotBroker
from candela.ids import is_ours
from candela.money import EXACT, ZERO, plain
from candela.orders.words import Balance, OrderReport, OrderState
from live.desk.keeper import Keeper
from live.desk.line import Line
from live.desk.terms import DeskTerms

__all__ = ["Reconciler"]

_FIRST_READING = timedelta(days=1)
_OWN_BLOCKS = ("books_differ:", "credentials_dead:")


class Reconciler:
    """Compares open orders, executions and balances of one account.

    A difference of balances is judged only when it has stayed the same for longer than any answer
    of the venue can lag, in moments in which nothing of ours was under way: then no fill of ours
    can explain it, and it is somebody else's: a deposit, dust, a person's own trade. It is booked
    as external unless it takes what bots hold; then the account is blocked and a person is told.
    Nothing is ever made up to make the books agree.
    """

    def __init__(self, keeper: Keeper, broker: SpotBroker, line: Line, terms: DeskTerms) -> None:
        self._keeper = keeper
        self._broker = broker
        self._line = line
        self._terms = terms
        self._began_at = keeper.clock.now()
        self._swept_at: datetime | None = None
        self._difference: Mapping[str, Decimal] = {}
        self._differs_since: datetime | None = None
        self._strange: dict[str, None] = {}

    async def once(self) -> None:
        """Compare everything once.

        Raises
        ------
        candela.brokers.port.NoInformation
            A question was not answered usably; what was learnt before it is kept.
        candela.brokers.port.CredentialsDead
            The venue refuses the key.
        live.store.port.LeaseLost
            Somebody else has the account.
        """
        keeper, image = self._keeper, self._keeper.image
        # Whoever has lost the account must not judge it by an image that is behind.
        keeper.lease()
        started_at = keeper.clock.now()
        is_quiet = not any(image.unsettled())
        version = image.version
        balances = await self._line.ask(self._broker.balances)
        symbols = tuple(image.symbols)
        await self._compare_open(symbols, started_at)
        since = self._since()
        for symbol in symbols:
            executions = await self._line.ask(
                lambda symbol=symbol: self._broker.executions(symbol, since)
            )
            await keeper.book(executions)
        self._swept_at = started_at
        keeper.counts.reconciles += 1
        keeper.calm("credentials_dead")
        if is_quiet and image.version == version and not any(image.unsettled()):
            await self._compare_balances(balances, started_at)

    def _since(self) -> datetime:
        """Return from when on an execution may be missing in the books."""
        image = self._keeper.image
        known = self._swept_at or image.reconciled_at or self._began_at - _FIRST_READING
        return known - timedelta(seconds=self._terms.overlap_s)

    async def _compare_open(self, symbols: tuple[str, ...], started_at: datetime) -> None:
        keeper, image = self._keeper, self._keeper.image
        reports = await self._line.ask(lambda: self._broker.open_orders(frozenset(symbols)))
        shown: set[str | None] = set()
        foreign: list[OrderReport] = []
        for report in reports:
            shown.add(report.client_id)
            if await keeper.report(report):
                continue
            if is_ours(report.client_id) is None:
                foreign.append(report)
            elif report.venue_order_id not in self._strange:
                # It may have ended while the answer was under way; not twice, though.
                self._strange[report.venue_order_id] = None
            else:
                foreign.append(report)
                keeper.alarm(
                    "unknown_order",
                    f"order {report.client_id} is open at the venue and in no book of ours",
                )
        if foreign:
            await keeper.note_external(foreign)
        for order in list(image.orders.values()):
            is_believed = order.state in {OrderState.OPEN, OrderState.CANCELING}
            if not is_believed or order.client_id in shown:
                continue
            if order.answered_at is not None and order.answered_at >= started_at:
                continue
            report = await self._line.ask(
                lambda order=order: self._broker.find(
                    order.symbol, order.client_id, order.venue_order_id
                )
            )
            if report is not None:
                await keeper.report(report)

    async def _compare_balances(self, shown: Mapping[str, Balance], started_at: datetime) -> None:
        keeper, image = self._keeper, self._keeper.image
        difference = _difference(image.totals, shown)
        if not difference:
            self._difference, self._differs_since = {}, None
            keeper.calm("books_differ")
            await keeper.reconciled(started_at)
            reason = image.account.state_reason or ""
            if image.account.state == "blocked" and reason.startswith(_OWN_BLOCKS):
                await keeper.block(None)
            return
        if difference != self._difference or self._differs_since is None:
            self._difference, self._differs_since = difference, started_at
            return
        if (started_at - self._differs_since).total_seconds() < self._terms.settle_s:
            return
        words = ", ".join(f"{plain(amount)} {ccy}" for ccy, amount in difference.items())
        held = image.holdings()
        touched = [
            ccy
            for ccy, amount in difference.items()
            if amount < 0 and (shown[ccy].total if ccy in shown else ZERO) < held.get(ccy, ZERO)
        ]
        if touched:
            keeper.alarm("books_differ", f"the venue holds {words} against the books")
            await keeper.block(f"books_differ: {words}, of which bots hold {', '.join(touched)}")
            return
        keeper.counts.adopted += 1
        key = f"external:{self._differs_since.isoformat()}"
        await keeper.adopt(shown, f"the venue shows {words} more or less", key)
        self._difference, self._differs_since = {}, None


def _difference(ours: Mapping[str, Decimal], shown: Mapping[str, Balance]) -> dict[str, Decimal]:
    differences: dict[str, Decimal] = {}
    for ccy in sorted({*ours, *shown}):
        there = shown[ccy].total if ccy in shown else ZERO
        difference = EXACT.subtract(there, ours.get(ccy, ZERO))
        if difference:
            differences[ccy] = difference
    return differences

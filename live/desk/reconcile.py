"""Our books against the venue: what was missed is booked, what is strange is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from candela.brokers.port import NoInformation, SpotBroker
from candela.errors import NotFound
from candela.ids import is_ours
from candela.money import EXACT, ZERO, plain
from candela.orders.records import Order
from candela.orders.words import Balance, OrderReport, OrderState
from live.desk.evidence import Inquiry
from live.desk.image import missing_of
from live.desk.keeper import Keeper
from live.desk.line import Line
from live.desk.rounds import Finding
from live.desk.terms import DeskTerms

__all__ = ["Reconciler"]

_FIRST_READING = timedelta(days=1)
_BELIEVED_OPEN = frozenset({OrderState.OPEN, OrderState.CANCELING})
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
        self._inquiry = Inquiry(keeper, broker, line)
        self._began_at = keeper.clock.now()
        self._swept_at = self._began_at
        self._sweep_at: datetime | None = None
        self._difference: Mapping[str, Decimal] = {}
        self._differs_since: datetime | None = None
        self._strange: dict[str, None] = {}

    @property
    def has_open(self) -> bool:
        """Whether anything is believed open at the venue."""
        return any(order.state in _BELIEVED_OPEN for order in self._keeper.image.orders.values())

    async def look(self) -> None:
        """Look at what is believed open, and fetch executions that the venue has counted.

        The only open order of a symbol is asked for by itself, which venues count for less than a
        list.

        Raises
        ------
        candela.brokers.port.NoInformation, candela.brokers.port.CredentialsDead
            As `whole`.
        live.store.port.LeaseLost
            Somebody else has the account.
        """
        keeper, image = self._keeper, self._keeper.image
        keeper.lease()
        started_at = keeper.clock.now()
        believed = self._believed()
        number = Counter(order.symbol for order in believed)
        several = tuple(symbol for symbol, open_there in number.items() if open_there > 1)
        if several:
            await self._compare_open(several, started_at)
        await self._find(
            [order for order in believed if number[order.symbol] == 1], frozenset(), started_at
        )
        for before in believed:
            order = image.orders.get(before.client_id)
            if order is not None and not order.state.is_final and missing_of(order) > 0:
                await self._inquiry.fetch(order)
        keeper.counts.looks += 1
        keeper.calm("credentials_dead")

    async def whole(self) -> Finding:
        """Compare balances, open orders, and executions where the others do not explain all.

        Balances that agree to the last unit leave no execution to be missing; all the same they
        are read now and then, and from the start on where the books have not agreed lately.

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
        await self._learn_rules()
        started_at = keeper.clock.now()
        is_quiet = not any(image.unsettled())
        version = image.version
        balances = await self._line.ask(self._broker.balances)
        symbols = tuple(image.symbols)
        await self._compare_open(symbols, started_at)
        is_clear = is_quiet and image.version == version and not any(image.unsettled())
        if self._sweep_at is None:
            known_at = image.reconciled_at or self._began_at - _FIRST_READING
            # Before the start the books may have agreed for so long without a reading.
            self._swept_at = known_at - timedelta(seconds=self._terms.sweep_s)
            self._sweep_at = known_at + timedelta(seconds=self._terms.sweep_s)
        is_due = started_at >= self._sweep_at
        if is_due or not is_clear or _difference(image.totals, balances):
            await self._sweep(symbols)
            self._swept_at = started_at
            self._sweep_at = started_at + timedelta(seconds=self._terms.sweep_s)
        keeper.counts.reconciles += 1
        keeper.calm("credentials_dead")
        if is_quiet and image.version == version and not any(image.unsettled()):
            return await self._compare_balances(balances, started_at)
        return Finding.UNDECIDED

    async def _sweep(self, symbols: tuple[str, ...]) -> None:
        since = self._swept_at - timedelta(seconds=self._terms.overlap_s)
        for symbol in symbols:
            executions = await self._line.ask(
                lambda symbol=symbol: self._broker.executions(symbol, since)
            )
            await self._keeper.book(executions)
        self._keeper.counts.sweeps += 1

    def _believed(self) -> list[Order]:
        orders = self._keeper.image.orders.values()
        return [order for order in orders if order.state in _BELIEVED_OPEN]

    async def _learn_rules(self) -> None:
        """Ask what the venue allows on what is open: a rest too small to be sold ends its trade."""
        keeper = self._keeper
        for symbol in dict.fromkeys(one.symbol for one in keeper.image.intents.values()):
            if symbol in keeper.rules:
                continue
            try:
                rules = await self._line.ask(lambda symbol=symbol: self._broker.rules(symbol))
            except (NoInformation, NotFound):
                continue  # asked again with the next order
            keeper.rules[symbol] = rules

    async def _compare_open(self, symbols: tuple[str, ...], started_at: datetime) -> None:
        keeper = self._keeper
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
        believed = [order for order in self._believed() if order.symbol in symbols]
        await self._find(believed, shown, started_at)

    async def _find(
        self, orders: Sequence[Order], shown: Collection[str | None], started_at: datetime
    ) -> None:
        """Ask for orders that no list showed and that nothing was heard of since."""
        for order in orders:
            if order.client_id in shown:
                continue
            if order.answered_at is not None and order.answered_at >= started_at:
                continue
            report = await self._line.ask(
                lambda order=order: self._broker.find(
                    order.symbol, order.client_id, order.venue_order_id
                )
            )
            if report is not None:
                await self._keeper.report(report)

    async def _compare_balances(
        self, shown: Mapping[str, Balance], started_at: datetime
    ) -> Finding:
        keeper, image = self._keeper, self._keeper.image
        difference = _difference(image.totals, shown)
        if not difference:
            self._difference, self._differs_since = {}, None
            keeper.calm("books_differ")
            await keeper.reconciled(started_at)
            reason = image.account.state_reason or ""
            if image.account.state == "blocked" and reason.startswith(_OWN_BLOCKS):
                await keeper.block(None)
            return Finding.AGREES
        if difference != self._difference or self._differs_since is None:
            self._difference, self._differs_since = difference, started_at
            return Finding.DIFFERS
        if (started_at - self._differs_since).total_seconds() < self._terms.settle_s:
            return Finding.DIFFERS
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
            return Finding.DIFFERS
        keeper.counts.adopted += 1
        key = f"external:{self._differs_since.isoformat()}"
        await keeper.adopt(shown, f"the venue shows {words} more or less", key)
        self._difference, self._differs_since = {}, None
        return Finding.AGREES


def _difference(ours: Mapping[str, Decimal], shown: Mapping[str, Balance]) -> dict[str, Decimal]:
    differences: dict[str, Decimal] = {}
    for ccy in sorted({*ours, *shown}):
        there = shown[ccy].total if ccy in shown else ZERO
        difference = EXACT.subtract(there, ours.get(ccy, ZERO))
        if difference:
            differences[ccy] = difference
    return differences

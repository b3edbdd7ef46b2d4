"""Any other venue of ccxt, with what it declares: orders by its unified calls, judged warily."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from candela.brokers.codes.ruling import CodeTable, Fault, Ruling, Sense, content_of, judge
from candela.brokers.port import BrokerEvent, EventKind, KeyRights, NoInformation
from candela.brokers.reading import amount, instant, optional_amount, record_of, rows_of, text
from candela.brokers.spot import VenueBroker
from candela.brokers.wire import Wire
from candela.money import ZERO, decimal_of, plain
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    OrderRequest,
    Outcome,
    OutcomeKind,
    Quote,
    Side,
    VenueOrderState,
)
from candela.venues.door import ShapeError
from candela.venues.errors import VenueUnsupported

if TYPE_CHECKING:
    from candela.brokers.house import VenueHouse
    from candela.brokers.keys import VenueKey
    from candela.brokers.stream import Pace
    from candela.venues.classify import Answer

__all__ = ["GenericBroker", "generic_codes"]

_T = TypeVar("_T")
_NEEDED: Final = ("createOrder", "cancelOrder", "fetchOpenOrders", "fetchMyTrades", "fetchBalance")
_REFUSALS: Final = frozenset({"InsufficientFunds", "InvalidOrder", "BadSymbol", "BadRequest"})
_DEAD: Final = frozenset({"AuthenticationError", "PermissionDenied", "AccountSuspended"})
_STATES: Final = {
    "open": VenueOrderState.OPEN,
    "closed": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELED,
    "expired": VenueOrderState.EXPIRED,
    "rejected": VenueOrderState.REJECTED,
}
_PAGE: Final = 100
_PAGES: Final = 1_000
_TICK_SIZE: Final = 4


def _no_fault(_: object) -> Fault | None:
    return None


def generic_codes(venue: str) -> CodeTable:
    """Return the table of a venue whose codes are not known: HTTP status and body decide."""
    return CodeTable(venue=venue, fault_of=_no_fault)


class GenericBroker(VenueBroker):
    """One account at a venue without an adapter of its own.

    A refusal is believed only where the body is whole, the status is no 5xx, and ccxt names a
    refusal; all else is UNKNOWN and ends by evidence. Fills are found by asking only, and
    protective orders are watched here, not placed there.

    Raises
    ------
    VenueUnsupported
        The venue lacks a call that is needed; the message names it.
    """

    kinds: ClassVar[frozenset[OrderKind]] = frozenset({OrderKind.MARKET, OrderKind.LIMIT})

    def __init__(self, house: VenueHouse, keys: VenueKey, *, pace: Pace | None = None) -> None:
        has = cast("dict[str, object]", house.leader.has)
        missing = [name for name in _NEEDED if not has.get(name)]
        if not has.get("fetchOrder") and not has.get("fetchClosedOrders"):
            missing.append("fetchOrder")
        if missing:
            message = f"{house.venue} has no {', '.join(missing)} for accounts."
            raise VenueUnsupported(message, "Trade it on paper.")
        super().__init__(house, keys, pace=pace)
        # Numbers as the texts that the venue sent.
        self.wire.exchange.number = str

    async def place(self, request: OrderRequest, market_id: str) -> Outcome:
        """Send an order of a kind that the venue has."""
        del market_id
        is_limit = request.kind is OrderKind.LIMIT and request.price is not None
        price = plain(request.price) if is_limit and request.price is not None else None
        reply = await self.wire.send(
            "create_order",
            request.symbol,
            request.kind.value,
            request.side.value,
            plain(request.quantity),
            price,
            {"clientOrderId": request.client_id},
        )

        def read(_: Any) -> OrderReport:
            order = record_of(reply.value)
            if not order.get("status"):
                return OrderReport(
                    client_id=request.client_id,
                    venue_order_id=text(order, "id"),
                    symbol=request.symbol,
                    side=request.side,
                    state=VenueOrderState.OPEN,
                    quantity=request.quantity,
                    executed=ZERO,
                )
            return _report(order, request.client_id)

        return self.accepted(reply, read)

    async def withdraw(self, market_id: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Send a cancellation, by our id where the venue's is not known."""
        symbol = self.house.symbol_of(market_id)
        params = {} if venue_order_id is not None else {"clientOrderId": client_id}
        reply = await self.wire.send("cancel_order", venue_order_id, symbol, params)

        def nothing(_: Any) -> None:
            """Say no more than that it was taken."""

        return self.accepted(reply, nothing)

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where neither open nor past orders hold it."""
        has = cast("dict[str, object]", self.house.leader.has)
        if venue_order_id is not None and has.get("fetchOrder"):
            return await self._asked(
                f"order {client_id}",
                lambda order: _report(record_of(cast("object", order)), client_id),
                "fetch_order",
                venue_order_id,
                symbol,
                missing=lambda: None,
            )
        names = ["fetch_open_orders"]
        names += ["fetch_closed_orders"] if has.get("fetchClosedOrders") else []
        names += ["fetch_canceled_orders"] if has.get("fetchCanceledOrders") else []
        for name in names:
            rows = await self._asked(f"order {client_id}", rows_of, name, symbol)
            for row in rows:
                if row.get("clientOrderId") == client_id:
                    return self.reading("an order", partial(_report, row, client_id))
        if not has.get("fetchClosedOrders"):
            message = f"{self.venue} does not tell of past orders by our ids."
            raise NoInformation(message, "It ends by executions or by hand.")
        return None

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols, ours or not."""
        found: list[OrderReport] = []
        for symbol in sorted(symbols):
            rows = await self._asked(
                f"open orders of {symbol}", rows_of, "fetch_open_orders", symbol
            )
            found += [self.reading("an order", partial(_report, row, None)) for row in rows]
        return tuple(found)

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first; pages until one brings nothing."""
        found: dict[str, Execution] = {}
        start = since
        for _ in range(_PAGES):
            rows = await self._asked(
                f"executions of {symbol}",
                _executions,
                "fetch_my_trades",
                symbol,
                round(start.timestamp() * 1_000),
                _PAGE,
            )
            new = {one.trade_id: one for one in rows if one.trade_id not in found}
            found |= new
            if not new:
                kept = (
                    one
                    for one in found.values()
                    if one.executed_at >= since and venue_order_id in {None, one.venue_order_id}
                )
                return tuple(sorted(kept, key=lambda one: (one.executed_at, one.trade_id)))
            start = max(one.executed_at for one in new.values())
        message = f"{self.venue} has no end of executions of {symbol}."
        raise NoInformation(message, "Ask for a shorter span.")

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0; an empty answer says nothing."""

        def read(content: Any) -> Mapping[str, Balance]:
            totals = record_of(record_of(content).get("total"))
            if not totals:
                raise ShapeError("no balance at all came")
            free = record_of(content.get("free"))
            found: dict[str, Balance] = {}
            for name in totals:
                total = optional_amount(totals, name) or ZERO
                loose = optional_amount(free, name) if name in free else total
                if total:
                    found[name] = Balance(loose or ZERO, total - (loose or ZERO))
            return found

        return await self._asked("balances", read, "fetch_balance")

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""

        def read(content: Any) -> Quote:
            row = record_of(content)
            return Quote(symbol, amount(row, "bid"), amount(row, "ask"), self.house.clock.now())

        return await self._asked(f"prices of {symbol}", read, "fetch_ticker", symbol)

    async def rights(self) -> KeyRights:
        """Return nothing: no common call tells what a key may do."""
        return KeyRights()

    def read_rules(self, market: dict[str, Any], raw: object) -> InstrumentRules:
        """Read the rules that ccxt found."""
        del raw
        if self.house.leader.precisionMode != _TICK_SIZE:
            raise VenueUnsupported(
                f"{self.venue} does not tell its steps of price and quantity.",
                "Trade it on paper.",
            )
        steps, limits = record_of(market["precision"]), record_of(market["limits"])
        sizes = record_of(limits.get("amount") or {})
        return InstrumentRules(
            symbol=str(market["symbol"]),
            base=str(market["base"]),
            quote=str(market["quote"]),
            lot=optional_amount(steps, "amount") or ZERO,
            tick=optional_amount(steps, "price") or ZERO,
            minimum_quantity=optional_amount(sizes, "min") or ZERO,
            maximum_quantity=optional_amount(sizes, "max") or ZERO,
            minimum_notional=optional_amount(record_of(limits.get("cost") or {}), "min") or ZERO,
            taker_fee=decimal_of(float(market.get("taker") or 0)),
            maker_fee=decimal_of(float(market.get("maker") or 0)),
            is_trading=market.get("active") is not False,
            kinds=self.kinds,
        )

    async def fresh_record(self, market: dict[str, Any]) -> object:
        """Return what is known: the common calls load all markets or none."""
        return market

    def read_message(self, message: object) -> Sequence[BrokerEvent]:
        """Read nothing: no stream is listened to."""
        del message
        return ()

    def probe_message(self) -> dict[str, Any]:
        """Return nothing to say."""
        return {}

    async def events(self) -> AsyncIterator[BrokerEvent]:
        """Yield that asking may begin, and nothing more: streams differ too much by venue."""
        yield BrokerEvent(EventKind.CONNECTED)
        await asyncio.Event().wait()

    async def _asked(
        self,
        what: str,
        read: Callable[[Any], _T],
        method: str,
        *args: Any,
        missing: Callable[[], _T] | None = None,
    ) -> _T:
        return await self.wire.ask(what, read, method, *args, missing=missing, reads_value=True)

    def _wired(self, house: VenueHouse, keys: VenueKey) -> Wire:
        return Wire(house, keys, self.stream.heard, rule=_rule(house.codes))


def _rule(codes: CodeTable) -> Callable[[Answer, BaseException | None], Ruling]:
    def rule(answer: Answer, failure: BaseException | None) -> Ruling:
        ruling = judge(codes, answer)
        if failure is None or ruling.kind is OutcomeKind.THROTTLED:
            return ruling
        names = {kind.__name__ for kind in type(failure).__mro__}
        words = f"HTTP {answer.status} from {answer.place} ({type(failure).__name__})"
        is_whole = content_of(answer) is not None
        if not is_whole or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Ruling(OutcomeKind.UNKNOWN, str(answer.status), words)
        if "OrderNotFound" in names:
            return Ruling(OutcomeKind.REFUSED, "not found", words, sense=Sense.MISSING)
        if "InvalidNonce" in names:
            return Ruling(OutcomeKind.REFUSED, "time", words, sense=Sense.CLOCK)
        kind = OutcomeKind.UNKNOWN
        # The status says it where ccxt, after a success, believes in too many requests.
        if answer.status == HTTPStatus.UNAUTHORIZED or (
            "NetworkError" not in names and names & _DEAD
        ):
            kind = OutcomeKind.CREDENTIALS_DEAD
        elif "NetworkError" not in names and names & _REFUSALS:
            kind = OutcomeKind.REFUSED
        return Ruling(kind, str(answer.status), words)

    return rule


def _report(row: dict[str, Any], client_id: str | None) -> OrderReport:
    status = text(row, "status")
    if status not in _STATES:
        raise ShapeError(f"an order's status is {status!r}")
    quantity, executed = amount(row, "amount"), optional_amount(row, "filled") or ZERO
    state = _STATES[status]
    if state is VenueOrderState.FILLED and executed < quantity:
        state = VenueOrderState.CANCELED
    return OrderReport(
        client_id=str(row.get("clientOrderId") or "") or client_id,
        venue_order_id=text(row, "id"),
        symbol=text(row, "symbol"),
        side=Side(text(row, "side")),
        state=state,
        quantity=quantity,
        executed=executed,
        price=optional_amount(row, "price"),
        at=instant(row["timestamp"]) if row.get("timestamp") else None,
    )


def _executions(content: object) -> list[Execution]:
    return [_execution(row) for row in rows_of(content)]


def _execution(row: dict[str, Any]) -> Execution:
    fee = record_of(row.get("fee") or {})
    symbol = text(row, "symbol")
    return Execution(
        trade_id=text(row, "id"),
        venue_order_id=text(row, "order"),
        client_id=None,
        symbol=symbol,
        side=Side(text(row, "side")),
        quantity=amount(row, "amount"),
        price=amount(row, "price"),
        fee=optional_amount(fee, "cost") or ZERO,
        fee_ccy=str(fee.get("currency") or symbol.rpartition("/")[2]),
        is_maker=row.get("takerOrMaker") == "maker",
        executed_at=instant(row.get("timestamp")),
    )

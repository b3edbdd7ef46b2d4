"""Kraken spot: its requests and answers in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, cast

from candela.brokers.port import BrokerEvent, EventKind, KeyRights, NoInformation
from candela.brokers.reading import amount, optional_amount, record_of, rows_of, text, texts_of
from candela.brokers.spot import VenueBroker
from candela.money import ZERO, decimal_of, plain
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    OrderRequest,
    Outcome,
    Quote,
    Side,
    VenueOrderState,
)
from candela.venues.door import ShapeError
from candela.venues.limits import VenueLimit

__all__ = ["KrakenBroker"]

_STATES: Final = {
    "pending": VenueOrderState.OPEN,
    "open": VenueOrderState.OPEN,
    "closed": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELED,
    "expired": VenueOrderState.EXPIRED,
    # those of the stream
    "pending_new": VenueOrderState.OPEN,
    "new": VenueOrderState.OPEN,
    "partially_filled": VenueOrderState.OPEN,
    "filled": VenueOrderState.FILLED,
}
_PAGE: Final = 50
_PAGES: Final = 1_000


class KrakenBroker(VenueBroker):
    """One account at Kraken, its spot orders.

    Every private request carries a rising nonce, so that one leaves after the other; a key that
    something else uses too is refused now and then. The venue has no playground for spot orders.
    """

    kinds: ClassVar[frozenset[OrderKind]] = frozenset(
        {OrderKind.MARKET, OrderKind.LIMIT, OrderKind.LIMIT_MAKER, OrderKind.IOC}
    )
    # The venue counts requests by key: 15 at most, one less each three seconds.
    # Source: Kraken's API documentation, "REST Rate Limits", of the lowest tier.
    own_limit: ClassVar[VenueLimit | None] = VenueLimit(15, window_s=45)
    one_at_a_time: ClassVar[bool] = True
    # Each send carries a deadline so far ahead, after which the engine refuses it.
    receive_s: ClassVar[float] = 10.0
    engine_s: ClassVar[float] = 5.0
    lag_s: ClassVar[float] = 15.0

    async def place(self, request: OrderRequest, market_id: str) -> Outcome:
        """Send an order of a kind that the venue has."""
        deadline = self.venue_now() + timedelta(seconds=self.receive_s)
        params = {
            "pair": market_id,
            "type": request.side.value,
            "ordertype": "market" if request.kind is OrderKind.MARKET else "limit",
            "volume": plain(request.quantity),
            "cl_ord_id": request.client_id,
            "deadline": deadline.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        flags = ["fciq"]
        if request.kind is not OrderKind.MARKET and request.price is not None:
            params["price"] = plain(request.price)
        if request.kind is OrderKind.LIMIT_MAKER:
            flags.append("post")
        if request.kind is OrderKind.IOC:
            params["timeinforce"] = "IOC"
        params["oflags"] = ",".join(flags)
        reply = await self.wire.send("private_post_addorder", params)

        def read(content: Any) -> OrderReport:
            ids = texts_of(record_of(record_of(content).get("result")).get("txid"))
            if len(ids) != 1:
                raise ShapeError(f"{len(ids)} order ids came instead of one")
            return OrderReport(
                client_id=request.client_id,
                venue_order_id=ids[0],
                symbol=request.symbol,
                side=request.side,
                state=VenueOrderState.OPEN,
                quantity=request.quantity,
                executed=ZERO,
                price=request.price,
            )

        return self.accepted(reply, read)

    async def withdraw(self, market_id: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Send a cancellation."""
        del market_id
        params = (
            {"txid": venue_order_id} if venue_order_id is not None else {"cl_ord_id": client_id}
        )
        reply = await self.wire.send("private_post_cancelorder", params)

        def read(content: Any) -> None:
            amount(record_of(record_of(content).get("result")), "count")

        return self.accepted(reply, read)

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where neither open nor closed orders hold it."""
        del symbol
        if venue_order_id is not None:
            rows = await self._orders(
                f"order {client_id}", "private_post_queryorders", {"txid": venue_order_id}, ""
            )
            return next((one for one in rows if one.venue_order_id == venue_order_id), None)
        named = {"cl_ord_id": client_id}
        sections = (("private_post_openorders", "open"), ("private_post_closedorders", "closed"))
        for method, section in sections:
            rows = await self._orders(f"order {client_id}", method, named, section)
            # A venue that did not heed the filter would show others.
            if found := next((one for one in rows if one.client_id == client_id), None):
                return found
        return None

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols, ours or not."""
        rows = await self._orders("open orders", "private_post_openorders", {}, "open")
        return tuple(one for one in rows if one.symbol in symbols)

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first, every page of them."""
        await self.house.ready(self.wire.exchange)
        # The venue leaves out what happened at the very start.
        start = plain(Decimal(str(since.timestamp())) - 1)
        found: dict[str, Execution] = {}
        for page in range(_PAGES):
            params = {"start": start, "ofs": str(page * _PAGE)}

            def read(content: Any) -> tuple[int, dict[str, Execution]]:
                result = record_of(record_of(content).get("result"))
                trades = record_of(result.get("trades"))
                rows = {name: self._execution(name, record_of(row)) for name, row in trades.items()}
                return int(amount(result, "count")), rows

            count, rows = await self.wire.ask(
                f"executions of {symbol}", read, "private_post_tradeshistory", params
            )
            found |= rows
            if not rows and len(found) < count:
                message = f"{self.venue} showed {len(found)} of {count} executions."
                raise NoInformation(message, "It is asked again later.")
            if not rows or len(found) >= count:
                break
        kept = (
            one
            for one in found.values()
            if one.symbol == symbol
            and one.executed_at >= since
            and venue_order_id in {None, one.venue_order_id}
        )
        return tuple(sorted(kept, key=lambda one: (one.executed_at, one.trade_id)))

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""

        def read(content: Any) -> Mapping[str, Balance]:
            found: dict[str, Balance] = {}
            for name, row in record_of(record_of(content).get("result")).items():
                total = amount(record_of(row), "balance")
                locked = optional_amount(record_of(row), "hold_trade") or ZERO
                currency = self.house.currency(name)
                if total or locked:
                    before = found.get(currency, Balance(ZERO))
                    free = before.free + total - locked
                    found[currency] = Balance(free, before.locked + locked)
            return found

        return await self.wire.ask("balances", read, "private_post_balanceex", {})

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        params = {"pair": await self.market_id(symbol)}

        def read(content: Any) -> Quote:
            rows = list(record_of(record_of(content).get("result")).values())
            if len(rows) != 1:
                raise ShapeError(f"{len(rows)} prices came instead of one")
            row = record_of(rows[0])
            # Each is price, whole lots, lots.
            sides = {"bid": row["b"][0], "ask": row["a"][0]}
            return Quote(symbol, amount(sides, "bid"), amount(sides, "ask"), self.house.clock.now())

        return await self.wire.ask(f"prices of {symbol}", read, "public_get_ticker", params)

    async def rights(self) -> KeyRights:
        """Return what the key may do."""

        def read(content: Any) -> KeyRights:
            result = record_of(record_of(content).get("result"))
            granted = texts_of(result["permissions"])
            addresses = texts_of(result.get("ip_allowlist"))
            return KeyRights(
                can_trade="modify-trades" in granted,
                can_withdraw=any(one.startswith("withdraw") for one in granted),
                is_bound_to_address=bool(addresses),
            )

        return await self.wire.ask("the key's rights", read, "private_post_getapikeyinfo", {})

    def read_rules(self, market: dict[str, Any], raw: object) -> InstrumentRules:
        """Read the rules of a market from the venue's own record."""
        row = record_of(raw)
        return InstrumentRules(
            symbol=str(market["symbol"]),
            base=str(market["base"]),
            quote=str(market["quote"]),
            lot=Decimal(1).scaleb(-int(amount(row, "lot_decimals"))),
            tick=optional_amount(row, "tick_size")
            or Decimal(1).scaleb(-int(amount(row, "pair_decimals"))),
            minimum_quantity=optional_amount(row, "ordermin") or ZERO,
            minimum_notional=optional_amount(row, "costmin") or ZERO,
            taker_fee=decimal_of(float(market.get("taker") or 0)),
            maker_fee=decimal_of(float(market.get("maker") or 0)),
            is_trading=row.get("status", "online") == "online",
            kinds=self.kinds,
        )

    async def fresh_record(self, market: dict[str, Any]) -> object:
        """Ask the venue for its record of one market."""

        def read(content: Any) -> object:
            rows = record_of(record_of(content).get("result"))
            return record_of(rows[str(market["id"])])

        return await self.wire.ask(
            f"the rules of {market['symbol']}",
            read,
            "public_get_assetpairs",
            {"pair": market["id"]},
        )

    def read_message(self, message: object) -> Sequence[BrokerEvent]:
        """Read a message of the private stream.

        Updates leave out what has not changed; such a one says that the account must be asked.
        """
        fields = record_of(message)
        if fields.get("method") == "subscribe":
            is_done = fields.get("success") is True
            return [BrokerEvent(EventKind.CONNECTED if is_done else EventKind.LOST)]
        if fields.get("channel") != "executions":
            return []
        events: list[BrokerEvent] = []
        for row in rows_of(fields.get("data")):
            if not {"symbol", "side", "order_status", "order_qty"} <= row.keys():
                events.append(BrokerEvent(EventKind.CONNECTED))
                continue
            if row.get("exec_type") == "trade":
                execution = _streamed(row)
                events.append(BrokerEvent(EventKind.EXECUTION, execution=execution))
            report = OrderReport(
                client_id=str(row.get("cl_ord_id") or "") or None,
                venue_order_id=text(row, "order_id"),
                symbol=text(row, "symbol"),
                side=Side(text(row, "side")),
                state=_state(text(row, "order_status")),
                quantity=amount(row, "order_qty"),
                executed=optional_amount(row, "cum_qty") or ZERO,
                price=optional_amount(row, "limit_price"),
                at=_written(row),
            )
            events.append(BrokerEvent(EventKind.ORDER, order=report))
        return events

    def probe_message(self) -> dict[str, Any]:
        """Return a message that the venue answers on the stream's socket."""
        return {"method": "ping"}

    async def _orders(
        self, what: str, method: str, params: dict[str, str], section: str
    ) -> list[OrderReport]:
        await self.house.ready(self.wire.exchange)

        def read(content: Any) -> list[OrderReport]:
            result = record_of(record_of(content).get("result"))
            rows = record_of(result.get(section)) if section else result
            return [self._report(name, record_of(row)) for name, row in rows.items()]

        def none() -> list[OrderReport]:
            return []

        return await self.wire.ask(what, read, method, params, missing=none)

    def _report(self, order_id: str, row: dict[str, Any]) -> OrderReport:
        described = record_of(row.get("descr"))
        executed, quantity = amount(row, "vol_exec"), amount(row, "vol")
        state = _state(text(row, "status"))
        if state is VenueOrderState.FILLED and executed < quantity:
            # Closed only says that it is over.
            state = VenueOrderState.CANCELED
        closed_at = row.get("closetm") or row.get("opentm")
        return OrderReport(
            client_id=str(row.get("cl_ord_id") or "") or None,
            venue_order_id=order_id,
            symbol=self._symbol(text(described, "pair")),
            side=Side(text(described, "type")),
            state=state,
            quantity=quantity,
            executed=executed,
            price=optional_amount(described, "price"),
            at=_seconds(closed_at) if closed_at else None,
        )

    def _execution(self, trade_id: str, row: dict[str, Any]) -> Execution:
        symbol = self._symbol(text(row, "pair"))
        return Execution(
            trade_id=trade_id,
            venue_order_id=text(row, "ordertxid"),
            client_id=None,
            symbol=symbol,
            side=Side(text(row, "type")),
            quantity=amount(row, "vol"),
            price=amount(row, "price"),
            fee=amount(row, "fee"),
            # Each order asks for its fee in the quote currency.
            fee_ccy=symbol.rpartition("/")[2],
            is_maker=row.get("maker") is True,
            executed_at=_seconds(row.get("time")),
        )

    def _symbol(self, name: str) -> str:
        found = self.house.symbol_of(name)
        if found != name:
            return found
        # Orders are shown with the short name of their pair.
        markets = cast("dict[str, dict[str, Any]]", self.house.leader.markets or {})
        short = (one for one in markets.values() if one["info"].get("altname") == name)
        return next((str(one["symbol"]) for one in short), name)


def _streamed(row: dict[str, Any]) -> Execution:
    fees = rows_of(row.get("fees") or [])
    quote = text(row, "symbol").rpartition("/")[2]
    return Execution(
        trade_id=text(row, "exec_id"),
        venue_order_id=text(row, "order_id"),
        client_id=str(row.get("cl_ord_id") or "") or None,
        symbol=text(row, "symbol"),
        side=Side(text(row, "side")),
        quantity=amount(row, "last_qty"),
        price=amount(row, "last_price"),
        fee=amount(fees[0], "qty") if fees else ZERO,
        fee_ccy=text(fees[0], "asset") if fees else quote,
        is_maker=row.get("liquidity_ind") == "m",
        executed_at=_written(row),
    )


def _state(name: str) -> VenueOrderState:
    if name not in _STATES:
        raise ShapeError(f"an order's status is {name!r}")
    return _STATES[name]


def _seconds(value: object) -> datetime:
    seconds = amount({"time": value}, "time")
    if not 0 < seconds < Decimal(10) ** 11:
        raise ShapeError(f"a time is {value!r}")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1_000_000))


def _written(row: dict[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(text(row, "timestamp"))
    except ValueError as error:
        raise ShapeError(f"a time is {row.get('timestamp')!r}") from error
    return at.astimezone(UTC)

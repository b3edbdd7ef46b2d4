"""Bybit spot, unified accounts: its requests and answers in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from candela.brokers.port import BrokerEvent, EventKind, KeyRights, NoInformation
from candela.brokers.reading import (
    amount,
    flag,
    instant,
    optional_amount,
    record_of,
    rows_of,
    text,
    texts_of,
)
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
    OutcomeKind,
    Quote,
    Side,
    VenueOrderState,
)
from candela.venues.door import Environment, ShapeError

if TYPE_CHECKING:
    from candela.brokers.house import VenueHouse
    from candela.brokers.keys import VenueKey
    from candela.brokers.stream import Pace

__all__ = ["BybitBroker"]

_TIMES_IN_FORCE: Final = {
    OrderKind.LIMIT: "GTC",
    OrderKind.LIMIT_MAKER: "PostOnly",
    OrderKind.IOC: "IOC",
}
_STATES: Final = {
    "Created": VenueOrderState.OPEN,
    "New": VenueOrderState.OPEN,
    "PartiallyFilled": VenueOrderState.OPEN,
    "Untriggered": VenueOrderState.OPEN,
    "Triggered": VenueOrderState.OPEN,
    "Filled": VenueOrderState.FILLED,
    "Cancelled": VenueOrderState.CANCELED,
    "PartiallyFilledCanceled": VenueOrderState.CANCELED,
    "Deactivated": VenueOrderState.CANCELED,
    "Rejected": VenueOrderState.REJECTED,
}
# The span that the venue gives executions of at once.
_WINDOW: Final = timedelta(days=7)
_PAGES: Final = 1_000


class BybitBroker(VenueBroker):
    """One unified account at Bybit, its spot orders.

    The answer to a send holds the order's ids only, so that it is read back once by its client id.
    """

    kinds: ClassVar[frozenset[OrderKind]] = frozenset({OrderKind.MARKET, *_TIMES_IN_FORCE})
    watches: ClassVar[tuple[str, ...]] = ("watch_orders", "watch_my_trades")
    # The venue documents no limit; matching is asynchronous behind the answer.
    engine_s: ClassVar[float] = 20.0
    lag_s: ClassVar[float] = 10.0

    def __init__(self, house: VenueHouse, keys: VenueKey, *, pace: Pace | None = None) -> None:
        super().__init__(house, keys, pace=pace)
        # The kind of account, which ccxt would ask for before it subscribes.
        self.wire.exchange.options |= {
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        }

    async def place(self, request: OrderRequest, market_id: str) -> Outcome:
        """Send an order of a kind that the venue has."""
        params = {
            "category": "spot",
            "symbol": market_id,
            "side": request.side.capitalize(),
            "orderType": "Market" if request.kind is OrderKind.MARKET else "Limit",
            "qty": plain(request.quantity),
            "orderLinkId": request.client_id,
        }
        if request.kind is OrderKind.MARKET:
            # Without it a market buy's quantity is of the quote currency; and it never has a price.
            params["marketUnit"] = "baseCoin"
        else:
            params["timeInForce"] = _TIMES_IN_FORCE[request.kind]
            if request.price is not None:
                params["price"] = plain(request.price)
        reply = await self.wire.send("private_post_v5_order_create", params)

        def read(content: Any) -> OrderReport:
            result = record_of(record_of(content).get("result"))
            if result.get("orderLinkId") not in {request.client_id, "", None}:
                raise ShapeError("another order came than was sent")
            return OrderReport(
                client_id=request.client_id,
                venue_order_id=text(result, "orderId"),
                symbol=request.symbol,
                side=request.side,
                state=VenueOrderState.OPEN,
                quantity=request.quantity,
                executed=ZERO,
                price=request.price,
            )

        outcome = self.accepted(reply, read)
        if outcome.kind is not OutcomeKind.ACCEPTED or outcome.report is None:
            return outcome
        try:
            order_id = outcome.report.venue_order_id
            found = await self.find(request.symbol, request.client_id, order_id)
        except NoInformation:
            # It was accepted all the same; what became of it comes by stream or sweep.
            return outcome
        return outcome if found is None else Outcome(OutcomeKind.ACCEPTED, report=found)

    async def withdraw(self, market_id: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Send a cancellation; the answer tells that it was taken, not that it worked."""
        params = {"category": "spot", "symbol": market_id}
        if venue_order_id is not None:
            params["orderId"] = venue_order_id
        else:
            params["orderLinkId"] = client_id
        reply = await self.wire.send("private_post_v5_order_cancel", params)

        def read(content: Any) -> None:
            text(record_of(record_of(content).get("result")), "orderId")

        return self.accepted(reply, read)

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where neither open nor past orders hold it."""
        del venue_order_id  # ours finds it as well
        params = {"category": "spot", "symbol": await self.market_id(symbol)}
        params["orderLinkId"] = client_id
        for method in ("private_get_v5_order_realtime", "private_get_v5_order_history"):
            rows = await self.wire.ask(
                f"order {client_id}", _listed, method, params, missing=_none_listed
            )
            reports = self._reports(rows)
            if found := next((one for one in reports if one.client_id == client_id), None):
                return found
            if reports:
                # Not "none": one was shown for this id, and cannot be told to be it.
                message = f"{self.venue} showed another order than {client_id}."
                raise NoInformation(message, "It is asked again later.")
        return None

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols, ours or not."""
        found: list[OrderReport] = []
        for symbol in sorted(symbols):
            params = {"category": "spot", "symbol": await self.market_id(symbol), "openOnly": "0"}
            rows = await self._pages(
                f"open orders of {symbol}", "private_get_v5_order_realtime", params, 50
            )
            reports = self._reports(rows)
            found += [one for one in reports if one.state is VenueOrderState.OPEN]
        return tuple(found)

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first, every page of them."""
        market_id = await self.market_id(symbol)
        start, now = since.astimezone(UTC), self.house.clock.now() + timedelta(minutes=1)
        found: dict[str, Execution] = {}
        while start <= now:
            end = start + _WINDOW - timedelta(milliseconds=1)
            params = {
                "category": "spot",
                "symbol": market_id,
                "startTime": _ms(start),
                "endTime": _ms(end),
            }
            if venue_order_id is not None:
                params["orderId"] = venue_order_id
            rows = await self._pages(
                f"executions of {symbol}", "private_get_v5_execution_list", params, 100
            )
            found |= {one.trade_id: one for one in self._executions(rows)}
            start += _WINDOW
        kept = (
            one
            for one in found.values()
            if one.executed_at >= since and venue_order_id in {None, one.venue_order_id}
        )
        return tuple(sorted(kept, key=lambda one: (one.executed_at, one.trade_id)))

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0."""

        def read(content: Any) -> Mapping[str, Balance]:
            accounts = rows_of(record_of(record_of(content).get("result")).get("list"))
            if len(accounts) != 1:
                raise ShapeError(f"{len(accounts)} accounts came instead of one")
            found: dict[str, Balance] = {}
            for row in rows_of(accounts[0].get("coin")):
                total, locked = amount(row, "walletBalance"), optional_amount(row, "locked") or ZERO
                if total or locked:
                    found[self.house.currency(text(row, "coin"))] = Balance(total - locked, locked)
            return found

        return await self.wire.ask(
            "balances", read, "private_get_v5_account_wallet_balance", {"accountType": "UNIFIED"}
        )

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        params = {"category": "spot", "symbol": await self.market_id(symbol)}

        def read(content: Any) -> Quote:
            rows = _listed(content)
            if len(rows) != 1:
                raise ShapeError(f"{len(rows)} prices came instead of one")
            bid, ask = amount(rows[0], "bid1Price"), amount(rows[0], "ask1Price")
            if bid <= 0 or ask <= 0:
                raise ShapeError("one side of the book is empty")
            return Quote(symbol, bid, ask, self.house.clock.now())

        return await self.wire.ask(
            f"prices of {symbol}", read, "public_get_v5_market_tickers", params
        )

    async def rights(self) -> KeyRights:
        """Return what the key may do; its demo knows nothing of keys."""
        if self.house.environment is Environment.DEMO:
            return KeyRights()

        def read(content: Any) -> KeyRights:
            result = record_of(record_of(content).get("result"))
            permissions = record_of(result.get("permissions"))
            wallet = texts_of(permissions.get("Wallet"))
            addresses = texts_of(result.get("ips"))
            return KeyRights(
                can_trade=result.get("readOnly") == 0 and bool(permissions.get("Spot")),
                can_withdraw="Withdraw" in wallet,
                is_bound_to_address=bool(addresses) and "*" not in addresses,
            )

        return await self.wire.ask("the key's rights", read, "private_get_v5_user_query_api", {})

    def read_rules(self, market: dict[str, Any], raw: object) -> InstrumentRules:
        """Read the rules of a market from the venue's own record."""
        row = record_of(raw)
        lot, price = record_of(row.get("lotSizeFilter")), record_of(row.get("priceFilter"))
        maximum = [optional_amount(lot, name) for name in ("maxOrderQty", "maxMarketOrderQty")]
        return InstrumentRules(
            symbol=str(market["symbol"]),
            base=str(market["base"]),
            quote=str(market["quote"]),
            lot=amount(lot, "basePrecision"),
            tick=amount(price, "tickSize"),
            minimum_quantity=optional_amount(lot, "minOrderQty") or ZERO,
            maximum_quantity=min((one for one in maximum if one is not None), default=ZERO),
            minimum_notional=optional_amount(lot, "minOrderAmt") or ZERO,
            taker_fee=decimal_of(float(market.get("taker") or 0)),
            maker_fee=decimal_of(float(market.get("maker") or 0)),
            is_trading=row.get("status") == "Trading",
            kinds=self.kinds,
        )

    async def fresh_record(self, market: dict[str, Any]) -> object:
        """Ask the venue for its record of one market."""

        def read(content: Any) -> object:
            rows = _listed(content)
            if len(rows) != 1 or rows[0].get("symbol") != market["id"]:
                raise ShapeError("another symbol came than was asked for")
            return rows[0]

        return await self.wire.ask(
            f"the rules of {market['symbol']}",
            read,
            "public_get_v5_market_instruments_info",
            {"category": "spot", "symbol": market["id"]},
        )

    def read_message(self, message: object) -> Sequence[BrokerEvent]:
        """Read a message of the private stream."""
        fields = record_of(message)
        if fields.get("op") == "subscribe" and fields.get("success") is True:
            return [BrokerEvent(EventKind.CONNECTED)]
        topic = str(fields.get("topic") or "")
        if not topic.startswith(("order", "execution")):
            return []
        rows = [row for row in rows_of(fields.get("data")) if row.get("category") == "spot"]
        if topic.startswith("order"):
            return [BrokerEvent(EventKind.ORDER, order=self._report(row)) for row in rows]
        return [
            BrokerEvent(EventKind.EXECUTION, execution=self._execution(row))
            for row in rows
            if row.get("execType") in {"Trade", None}
        ]

    def probe_message(self) -> dict[str, Any]:
        """Return a message that the venue answers on the stream's socket."""
        return {"op": "ping"}

    def _reports(self, rows: Sequence[dict[str, Any]]) -> list[OrderReport]:
        return self.reading("orders", lambda: [self._report(row) for row in rows])

    def _executions(self, rows: Sequence[dict[str, Any]]) -> list[Execution]:
        def read() -> list[Execution]:
            trades = [row for row in rows if row.get("execType") in {"Trade", None}]
            return [self._execution(row) for row in trades]

        return self.reading("executions", read)

    def _report(self, row: dict[str, Any]) -> OrderReport:
        status = text(row, "orderStatus")
        if status not in _STATES:
            raise ShapeError(f"an order's status is {status!r}")
        at = row.get("updatedTime") or row.get("createdTime")
        return OrderReport(
            client_id=str(row.get("orderLinkId") or "") or None,
            venue_order_id=text(row, "orderId"),
            symbol=self.house.symbol_of(text(row, "symbol")),
            side=Side(text(row, "side").lower()),
            state=_STATES[status],
            quantity=amount(row, "qty"),
            executed=optional_amount(row, "cumExecQty") or ZERO,
            price=optional_amount(row, "price"),
            at=instant(at) if at is not None else None,
        )

    def _execution(self, row: dict[str, Any]) -> Execution:
        symbol = self.house.symbol_of(text(row, "symbol"))
        side = Side(text(row, "side").lower())
        base, _, quote = symbol.partition("/")
        # What is bought pays in itself, where the venue does not name the currency.
        fee_ccy = str(row.get("feeCurrency") or "") or (base if side is Side.BUY else quote)
        return Execution(
            trade_id=text(row, "execId"),
            venue_order_id=text(row, "orderId"),
            client_id=str(row.get("orderLinkId") or "") or None,
            symbol=symbol,
            side=side,
            quantity=amount(row, "execQty"),
            price=amount(row, "execPrice"),
            fee=optional_amount(row, "execFee") or ZERO,
            fee_ccy=self.house.currency(fee_ccy),
            is_maker=flag(row, "isMaker"),
            executed_at=instant(row.get("execTime")),
        )

    async def _pages(
        self, what: str, method: str, params: dict[str, str], size: int
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(_PAGES):
            asked = {**params, "limit": str(size)} | ({"cursor": cursor} if cursor else {})
            page, cursor = await self.wire.ask(what, _page, method, asked)
            rows += page
            if not cursor or not page:
                return rows
        message = f"{self.venue} has no end of {what}."
        raise NoInformation(message, "Ask for a shorter span.")


def _listed(content: Any) -> list[dict[str, Any]]:
    return rows_of(record_of(record_of(content).get("result")).get("list"))


def _none_listed() -> list[dict[str, Any]]:
    return []


def _page(content: Any) -> tuple[list[dict[str, Any]], str]:
    result = record_of(record_of(content).get("result"))
    return rows_of(result.get("list")), str(result.get("nextPageCursor") or "")


def _ms(at: datetime) -> str:
    return str(round(at.timestamp() * 1_000))

"""Binance spot: its requests and answers in our words, of the venue, its testnet and its demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

from candela.brokers.binance_words import (
    SPOT_ORDER_TYPES,
    event_of,
    execution_of,
    report_of,
    rules_of,
)
from candela.brokers.port import BrokerEvent, KeyRights, NoInformation
from candela.brokers.reading import amount, flag, record_of, rows_of, text
from candela.brokers.spot import VenueBroker
from candela.brokers.stream import PROBE
from candela.money import plain
from candela.orders.words import (
    Balance,
    Execution,
    InstrumentRules,
    OrderKind,
    OrderReport,
    OrderRequest,
    Outcome,
    Quote,
)
from candela.venues.door import Environment, ShapeError

__all__ = ["BinanceBroker"]

_PAGE: Final = 1_000
# The span that the venue gives trades of at once.
_WINDOW: Final = timedelta(hours=24)
_PAGES: Final = 1_000
# The open orders of one symbol weigh 6, those of all together 80.
_FEW_SYMBOLS: Final = 13


class BinanceBroker(VenueBroker):
    """One spot account at Binance.

    Requests go as they are in the venue's documents, with ccxt signing and carrying them: amounts
    stay the texts that they are, and what came over the wire decides what an answer means.
    """

    kinds: ClassVar[frozenset[OrderKind]] = frozenset(SPOT_ORDER_TYPES)
    # Source: rest-api.md, "Timing security" and "General information": a request is looked at when
    # it comes and again before the engine; the engine gives an order up 10 s after it took it;
    # questions are answered from memory.
    receive_s: ClassVar[float] = 2.0
    engine_s: ClassVar[float] = 10.0
    lag_s: ClassVar[float] = 1.0

    async def place(self, request: OrderRequest, market_id: str) -> Outcome:
        """Send an order of a kind that the venue has."""
        kind = request.kind
        params: dict[str, str] = {
            "symbol": market_id,
            "side": request.side.upper(),
            "type": SPOT_ORDER_TYPES[kind],
            "quantity": plain(request.quantity),
            "newClientOrderId": request.client_id,
            "newOrderRespType": "FULL",
            "recvWindow": _RECEIVE_MS,
        }
        if kind in {OrderKind.LIMIT, OrderKind.IOC}:
            params["timeInForce"] = "IOC" if kind is OrderKind.IOC else "GTC"
        if kind in {OrderKind.STOP_LOSS_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}:
            params["timeInForce"] = "GTC"
        # A price is of limits only: a market order with one is another order at some venues.
        if request.price is not None and kind not in _WITHOUT_PRICE:
            params["price"] = plain(request.price)
        if request.stop_price is not None:
            params["stopPrice"] = plain(request.stop_price)
        reply = await self.wire.send("private_post_order", params)

        return self.accepted(reply, lambda content: self._report(content, request.client_id))

    async def withdraw(self, market_id: str, client_id: str, venue_order_id: str | None) -> Outcome:
        """Send a cancellation."""
        params = {"symbol": market_id, "recvWindow": _RECEIVE_MS}
        if venue_order_id is not None:
            params["orderId"] = venue_order_id
        else:
            params["origClientOrderId"] = client_id
        reply = await self.wire.send("private_delete_order", params)
        return self.accepted(reply, lambda content: self._report(content, client_id))

    async def find(
        self, symbol: str, client_id: str, venue_order_id: str | None = None
    ) -> OrderReport | None:
        """Return the order, or None where the venue says that it does not know it.

        Under the venue's number another order than that of the client id may come.
        """
        market_id = await self.market_id(symbol)
        names: list[tuple[dict[str, str], str | None]] = [
            ({"origClientOrderId": client_id}, client_id)
        ]
        if venue_order_id is not None:
            names.append(({"orderId": venue_order_id}, None))
        for name, expected in names:
            found = await self.wire.ask(
                f"order {client_id}",
                partial(self._report, client_id=expected),
                "private_get_order",
                {"symbol": market_id, **name},
                missing=lambda: None,
            )
            if found is not None:
                return found
        return None

    async def open_orders(self, symbols: frozenset[str]) -> tuple[OrderReport, ...]:
        """Return every open order of these symbols, ours or not."""
        if len(symbols) > _FEW_SYMBOLS:
            reports = await self.wire.ask(
                "all open orders",
                lambda rows: [self._report(row) for row in rows_of(rows)],
                "private_get_openorders",
                {},
            )
            return tuple(report for report in reports if report.symbol in symbols)
        found: list[OrderReport] = []
        for symbol in sorted(symbols):
            params = {"symbol": await self.market_id(symbol)}
            found += await self.wire.ask(
                f"open orders of {symbol}",
                lambda rows: [self._report(row) for row in rows_of(rows)],
                "private_get_openorders",
                params,
            )
        return tuple(found)

    async def executions(
        self, symbol: str, since: datetime, venue_order_id: str | None = None
    ) -> tuple[Execution, ...]:
        """Return all executions since an instant, oldest first.

        Windows of a day until one holds something, then by trade id until a page is empty: a page
        that is merely short proves no end.

        Raises
        ------
        NoInformation
            A page did not come, or there is no end of them.
        """
        market_id = await self.market_id(symbol)
        first: list[Execution] = []
        if venue_order_id is not None:
            first = await self._trades(symbol, {"symbol": market_id, "orderId": venue_order_id})
        else:
            start, now = since.astimezone(UTC), self.venue_now()
            while not first and start <= now:
                end = start + _WINDOW - timedelta(milliseconds=1)
                span = {"startTime": _ms(start), "endTime": _ms(end)}
                first = await self._trades(symbol, {"symbol": market_id, **span})
                start += _WINDOW
        found = {int(one.trade_id): one for one in first}
        page = first
        for _ in range(_PAGES):
            if not page:
                kept = [one for _, one in sorted(found.items()) if one.executed_at >= since]
                return tuple(kept)
            params = {"symbol": market_id, "fromId": str(max(found) + 1)}
            if venue_order_id is not None:
                params["orderId"] = venue_order_id
            page = await self._trades(symbol, params)
            found |= {int(one.trade_id): one for one in page}
        message = f"{self.venue} has no end of executions of {symbol} since {since:%Y-%m-%d}."
        raise NoInformation(message, "Ask for a shorter span.")

    async def balances(self) -> Mapping[str, Balance]:
        """Return all balances that are not 0.

        An empty list is believed only where the venue's list with all its zeros says the same.
        """
        some = await self.wire.ask(
            "balances", _balances, "private_get_account", {"omitZeroBalances": "true"}
        )
        if some:
            return some
        return await self.wire.ask("balances", self._all_zero, "private_get_account", {})

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        params = {"symbol": await self.market_id(symbol)}

        def read(content: Any) -> Quote:
            row = record_of(content)
            bid, ask = amount(row, "bidPrice"), amount(row, "askPrice")
            if bid <= 0 or ask <= 0:
                raise ShapeError("one side of the book is empty")
            return Quote(symbol, bid, ask, self.house.clock.now())

        return await self.wire.ask(
            f"prices of {symbol}", read, "public_get_ticker_bookticker", params
        )

    async def rights(self) -> KeyRights:
        """Return what the key may do; the playgrounds know nothing of keys."""
        if self.house.environment is not Environment.LIVE:
            return await self.wire.ask(
                "the account",
                lambda content: KeyRights(can_trade=flag(record_of(content), "canTrade")),
                "private_get_account",
                {"omitZeroBalances": "true"},
            )

        def read(content: Any) -> KeyRights:
            row = record_of(content)
            return KeyRights(
                can_trade=flag(row, "enableSpotAndMarginTrading"),
                can_withdraw=flag(row, "enableWithdrawals"),
                is_bound_to_address=flag(row, "ipRestrict"),
            )

        return await self.wire.ask("the key's rights", read, "sapi_get_account_apirestrictions", {})

    def read_rules(self, market: dict[str, Any], raw: object) -> InstrumentRules:
        """Read the rules of a market from the venue's own record."""
        return rules_of(market, record_of(raw), self.kinds)

    async def fresh_record(self, market: dict[str, Any]) -> object:
        """Ask the venue for its record of one market."""

        def read(content: Any) -> object:
            rows = rows_of(record_of(content).get("symbols"))
            if len(rows) != 1 or rows[0].get("symbol") != market["id"]:
                raise ShapeError("another symbol came than was asked for")
            return rows[0]

        return await self.wire.ask(
            f"the rules of {market['symbol']}",
            read,
            "public_get_exchangeinfo",
            {"symbol": market["id"]},
        )

    def read_message(self, message: object) -> Sequence[BrokerEvent]:
        """Read a message of the user data stream."""
        return event_of(message, self.house.symbol_of)

    def probe_message(self) -> dict[str, Any]:
        """Return a message that the venue answers on the stream's socket."""
        return {"id": PROBE, "method": "ping"}

    def _report(self, content: Any, client_id: str | None = None) -> OrderReport:
        report = report_of(record_of(content), self.house.symbol_of)
        if client_id is not None and report.client_id != client_id:
            raise ShapeError("another order came than was asked for")
        return report

    async def _trades(self, symbol: str, params: dict[str, str]) -> list[Execution]:
        def read(content: Any) -> list[Execution]:
            return [execution_of(row, symbol) for row in rows_of(content)]

        return await self.wire.ask(
            f"executions of {symbol}", read, "private_get_mytrades", {**params, "limit": str(_PAGE)}
        )

    def _all_zero(self, content: Any) -> Mapping[str, Balance]:
        if not rows_of(record_of(content).get("balances")):
            raise ShapeError("no balance at all came, not even zeros")
        return _balances(content)


_RECEIVE_MS: Final = f"{BinanceBroker.receive_s * 1_000:.0f}"
_WITHOUT_PRICE: Final = frozenset({OrderKind.MARKET, OrderKind.STOP_LOSS, OrderKind.TAKE_PROFIT})


def _balances(content: Any) -> dict[str, Balance]:
    found: dict[str, Balance] = {}
    for row in rows_of(record_of(content).get("balances")):
        balance = Balance(amount(row, "free"), amount(row, "locked"))
        if balance.free or balance.locked:
            found[text(row, "asset")] = balance
    return found


def _ms(at: datetime) -> str:
    return str(round(at.timestamp() * 1_000))

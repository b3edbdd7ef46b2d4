"""Market streams: candles, trades and best prices, a message a step of the replayed price."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from sandbox.answers import text
from sandbox.bars import BAR_MS, STEPS, in_units
from sandbox.listing import INTERVALS

if TYPE_CHECKING:
    from aiohttp import web

    from sandbox.bars import Bar
    from sandbox.listing import Symbol
    from sandbox.rest import Rest
    from sandbox.sockets import Socket, Sockets

__all__ = ["MarketStreams"]

_MOST_STREAMS: Final = 1_024
_PLAIN: Final = frozenset({"trade", "aggTrade", "bookTicker", "ticker", "miniTicker"})


class MarketStreams:
    """Serve stream subscriptions."""

    def __init__(self, rest: Rest, sockets: Sockets) -> None:
        self._engine = rest.engine
        self._listing = rest.engine.listing
        self._sockets = sockets
        self._wanted: dict[str, dict[str, list[Socket]]] = {}
        self._sent: dict[str, int] = {}

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold a connection; streams may be named in its address."""
        is_combined = request.path.startswith("/stream")
        named = request.rel_url.query.get("streams", "") if is_combined else request.path[4:]
        streams = [one for one in named.split("/") if "@" in one]

        def greet(socket: Socket) -> None:
            socket.is_combined = is_combined
            self._subscribe(socket, streams)

        try:
            return await self._sockets.serve(request, "market", self._hear, greet)
        finally:
            self._collect()

    def _hear(self, socket: Socket, message: str) -> None:
        try:
            asked = cast("dict[str, Any]", json.loads(message))
            method, number = asked.get("method"), asked.get("id")
            streams = [str(one) for one in asked.get("params", [])]
        except (ValueError, AttributeError, TypeError):
            socket.send({"error": {"code": 3, "msg": "Invalid JSON: expected value"}})
            return
        if method == "SUBSCRIBE":
            if len(socket.streams) + len(streams) > _MOST_STREAMS:
                socket.send({"error": {"code": 2, "msg": "Too many streams"}, "id": number})
                return
            socket.send({"result": None, "id": number})
            self._subscribe(socket, streams)
        elif method == "UNSUBSCRIBE":
            socket.streams.difference_update(streams)
            self._collect()
            socket.send({"result": None, "id": number})
        elif method == "LIST_SUBSCRIPTIONS":
            socket.send({"result": sorted(socket.streams), "id": number})
        else:
            message = f"Invalid request: unknown variant {method}"
            socket.send({"error": {"code": 2, "msg": message}, "id": number})

    def _subscribe(self, socket: Socket, streams: list[str]) -> None:
        socket.streams.update(streams)
        self._collect()
        for stream in streams:
            name, _, kind = stream.partition("@")
            symbol = self._listing.symbols.get(name.upper())
            if symbol is not None:
                number = symbol.step_number(self._engine.clock.now_ms())
                self._tell(symbol, kind, number, [socket], is_first=True)

    def _collect(self) -> None:
        wanted: dict[str, dict[str, list[Socket]]] = {}
        for socket in self._sockets.open:
            for stream in socket.streams:
                name, _, kind = stream.partition("@")
                wanted.setdefault(name.upper(), {}).setdefault(kind, []).append(socket)
        now = self._engine.clock.now_ms()
        for name in wanted.keys() - self._wanted.keys():
            if (symbol := self._listing.symbols.get(name)) is not None:
                self._sent[name] = symbol.step_number(now)
        self._wanted = wanted

    def tick(self) -> None:
        """Tell every step since the last time."""
        now = self._engine.clock.now_ms()
        for name, kinds in self._wanted.items():
            symbol = self._listing.symbols.get(name)
            if symbol is None:
                continue
            last = symbol.step_number(now)
            first = self._sent[name] + 1
            self._sent[name] = max(last, self._sent[name])
            if symbol.status != "TRADING":
                continue
            for number in range(first, last + 1):
                for kind, sockets in kinds.items():
                    self._tell(symbol, kind, number, sockets)

    def _tell(
        self,
        symbol: Symbol,
        kind: str,
        number: int,
        sockets: list[Socket],
        *,
        is_first: bool = False,
    ) -> None:
        for event in self._events(symbol, kind, number, is_first=is_first):
            stream = f"{symbol.name.lower()}@{kind}"
            for socket in sockets:
                content = {"stream": stream, "data": event} if socket.is_combined else event
                self._sockets.push(socket, content, kind, symbol.name)

    def _events(
        self, symbol: Symbol, kind: str, number: int, *, is_first: bool
    ) -> list[dict[str, Any]]:
        at_ms = symbol.step_ms(number)
        if kind.startswith("kline_"):
            return self._klines(symbol, kind[6:], at_ms, is_first=is_first)
        if kind not in _PLAIN:
            return []
        price = text(symbol.price_at(number))
        if kind == "bookTicker":
            bid, ask = symbol.quote_at(number)
            quantity = text(symbol.step * 100_000)
            event = {"u": number, "s": symbol.name}
            return [{**event, "b": text(bid), "B": quantity, "a": text(ask), "A": quantity}]
        head = {"e": kind, "E": at_ms, "s": symbol.name}
        trade = {"p": price, "q": text(symbol.step), "T": at_ms, "m": number % 2 == 0, "M": True}
        if kind == "trade":
            return [{**head, "t": number + 1, **trade}]
        if kind == "aggTrade":
            return [{**head, "a": number + 1, "f": number + 1, "l": number + 1, **trade}]
        return [self._day(symbol, kind, number, at_ms)]

    def _klines(
        self, symbol: Symbol, interval: str, at_ms: int, *, is_first: bool
    ) -> list[dict[str, Any]]:
        minutes = INTERVALS.get(interval)
        if minutes is None:
            return []
        span = minutes * BAR_MS
        current = at_ms // span
        found: list[dict[str, Any]] = []
        if at_ms % span == 0 and not is_first:
            for at, bar in symbol.bars(current - 1, 1, minutes, at_ms):
                found.append(_kline_event(symbol, interval, at, span, bar, at_ms, is_closed=True))
        for at, bar in symbol.bars(current, 1, minutes, at_ms):
            found.append(_kline_event(symbol, interval, at, span, bar, at_ms, is_closed=False))
        return found

    @staticmethod
    def _day(symbol: Symbol, kind: str, number: int, at_ms: int) -> dict[str, Any]:
        bar, since = symbol.day(at_ms)
        decimals = symbol.replay.series.tick_decimals
        opened, high, low, last = (in_units(value, decimals) for value in bar[:4])
        turnover = f"{bar.volume * float(last):.8f}"
        event: dict[str, Any] = {
            "e": "24hrTicker" if kind == "ticker" else "24hrMiniTicker",
            "E": at_ms,
            "s": symbol.name,
            "c": text(last),
            "o": text(opened),
            "h": text(high),
            "l": text(low),
            "v": f"{bar.volume:.8f}",
            "q": turnover,
        }
        if kind == "miniTicker":
            return event
        bid, ask = symbol.quote_at(number)
        quantity = text(symbol.step * 100_000)
        return event | {
            "p": text(last - opened),
            "P": f"{(last - opened) / opened * 100:.3f}",
            "w": text(last),
            "x": text(opened),
            "Q": text(symbol.step),
            "b": text(bid),
            "B": quantity,
            "a": text(ask),
            "A": quantity,
            "O": since,
            "C": at_ms,
            "F": 1,
            "L": number + 1,
            "n": number + 1,
        }


def _kline_event(
    symbol: Symbol, interval: str, at: int, span: int, bar: Bar, now_ms: int, *, is_closed: bool
) -> dict[str, Any]:
    decimals = symbol.replay.series.tick_decimals
    opened, high, low, close = (text(in_units(value, decimals)) for value in bar[:4])
    volume = round(bar.volume, symbol.replay.series.lot_decimals)
    turnover = volume * float(close)
    return {
        "e": "kline",
        "E": now_ms,
        "s": symbol.name,
        "k": {
            "t": at,
            "T": at + span - 1,
            "s": symbol.name,
            "i": interval,
            "f": 1,
            "L": STEPS,
            "o": opened,
            "c": close,
            "h": high,
            "l": low,
            "v": f"{volume:.8f}",
            "n": STEPS,
            "x": is_closed,
            "q": f"{turnover:.8f}",
            "V": f"{volume / 2:.8f}",
            "Q": f"{turnover / 2:.8f}",
            "B": "0",
        },
    }

"""What anybody may ask: time, symbols, candles, prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.answers import Refusal, as_json, refuse_missing, text
from sandbox.bars import STEPS, in_units
from sandbox.calls import Reply, whole
from sandbox.listing import INTERVALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sandbox.calls import Call
    from sandbox.engine import Engine
    from sandbox.limits import Limits
    from sandbox.listing import Symbol

__all__ = ["Public"]

_MOST_BARS: Final = 1_000
_USUAL_BARS: Final = 500


class Public:
    """Answers to questions that need no key."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._listing = engine.listing
        self._clock = engine.clock
        self.routes: dict[tuple[str, str], Callable[[Call], Reply]] = {
            ("GET", "/api/v3/ping"): lambda _: Reply("{}"),
            ("GET", "/api/v3/time"): self._time,
            ("GET", "/api/v3/exchangeInfo"): self._exchange_info,
            ("GET", "/api/v3/klines"): self._klines,
            ("GET", "/api/v3/uiKlines"): self._klines,
            ("GET", "/api/v3/ticker/price"): self._each(self._price),
            ("GET", "/api/v3/ticker/bookTicker"): self._each(self._book),
            ("GET", "/api/v3/ticker/24hr"): self._each(self._day),
            ("GET", "/api/v3/avgPrice"): self._average,
            ("GET", "/api/v3/depth"): self._depth,
            ("GET", "/api/v3/trades"): self._trades,
            ("GET", "/api/v3/aggTrades"): self._aggregated,
            # Other markets of the exchange list nothing here.
            ("GET", "/fapi/v1/exchangeInfo"): self._no_symbols,
            ("GET", "/dapi/v1/exchangeInfo"): self._no_symbols,
            ("GET", "/eapi/v1/exchangeInfo"): self._no_symbols,
            ("GET", "/sapi/v1/margin/allPairs"): lambda _: Reply("[]"),
            ("GET", "/sapi/v1/margin/isolated/allPairs"): lambda _: Reply("[]"),
        }

    def _time(self, _call: Call) -> Reply:
        return Reply.of({"serverTime": self._clock.told_ms()})

    def _no_symbols(self, _call: Call) -> Reply:
        return Reply.of(
            {
                "timezone": "UTC",
                "serverTime": self._clock.told_ms(),
                "rateLimits": [],
                "exchangeFilters": [],
                "assets": [],
                "symbols": [],
            }
        )

    def _exchange_info(self, call: Call) -> Reply:
        wanted = call.params.get("symbol")
        if wanted:
            described = as_json([self._listing.find(wanted).information()])
        elif names := _names(call):
            described = as_json([self._listing.find(name).information() for name in names])
        else:
            described = self._listing.described()
        head = as_json(
            {
                "timezone": "UTC",
                "serverTime": self._clock.told_ms(),
                "rateLimits": [
                    _limit("REQUEST_WEIGHT", "MINUTE", 1, self._limits.weight),
                    _limit("ORDERS", "SECOND", 10, self._limits.orders_10s),
                    _limit("ORDERS", "DAY", 1, self._limits.orders_day),
                ],
                "exchangeFilters": [],
            }
        )
        return Reply(f'{head[:-1]},"symbols":{described}}}')

    def _klines(self, call: Call) -> Reply:
        symbol = self._symbol(call)
        interval = call.params.get("interval", "")
        if not interval:
            refuse_missing("interval")
        if interval not in INTERVALS:
            raise Refusal(-1120, "Invalid interval.")
        params = call.params
        limit = min(whole(params, "limit", _USUAL_BARS) or _USUAL_BARS, _MOST_BARS)
        start, end = whole(params, "startTime"), whole(params, "endTime")
        return Reply.of(symbol.klines(interval, start, end, limit, self._clock.now_ms()))

    def _each(self, describe: Callable[[Symbol], dict[str, Any]]) -> Callable[[Call], Reply]:
        def answer(call: Call) -> Reply:
            wanted = call.params.get("symbol")
            if wanted:
                return Reply.of(describe(self._listing.find(wanted)))
            names = _names(call) or list(self._listing.symbols)
            return Reply.of([describe(self._listing.find(name)) for name in names])

        return answer

    def _price(self, symbol: Symbol) -> dict[str, Any]:
        return {"symbol": symbol.name, "price": text(self._last(symbol))}

    def _last(self, symbol: Symbol) -> Decimal:
        return symbol.price_at(symbol.step_number(self._clock.now_ms()))

    def _book(self, symbol: Symbol) -> dict[str, Any]:
        bid, ask = self._engine.quote(symbol)
        quantity = text(_depth_quantity(symbol))
        return {
            "symbol": symbol.name,
            "bidPrice": text(bid),
            "bidQty": quantity,
            "askPrice": text(ask),
            "askQty": quantity,
        }

    def _day(self, symbol: Symbol) -> dict[str, Any]:
        now = self._clock.now_ms()
        bar, since = symbol.day(now)
        decimals = symbol.replay.series.tick_decimals
        opened, high, low, last = (in_units(value, decimals) for value in bar[:4])
        minutes = max(1, (now - since) // 60_000)
        volume = round(bar.volume, symbol.replay.series.lot_decimals)
        turnover = float(volume) * float(opened + last) / 2
        bid, ask = self._engine.quote(symbol)
        return {
            "symbol": symbol.name,
            "priceChange": text(last - opened),
            "priceChangePercent": f"{(last - opened) / opened * 100:.3f}",
            "weightedAvgPrice": f"{turnover / volume if volume else float(last):.8f}",
            "prevClosePrice": text(opened),
            "lastPrice": text(last),
            "lastQty": text(symbol.step),
            "bidPrice": text(bid),
            "bidQty": text(_depth_quantity(symbol)),
            "askPrice": text(ask),
            "askQty": text(_depth_quantity(symbol)),
            "openPrice": text(opened),
            "highPrice": text(high),
            "lowPrice": text(low),
            "volume": f"{volume:.8f}",
            "quoteVolume": f"{turnover:.8f}",
            "openTime": since,
            "closeTime": now,
            "firstId": 1,
            "lastId": minutes * STEPS,
            "count": minutes * STEPS,
        }

    def _average(self, call: Call) -> Reply:
        symbol = self._symbol(call)
        step = symbol.step_number(self._clock.now_ms())
        prices = [symbol.price_at(one) for one in range(max(0, step - 5 * STEPS + 1), step + 1)]
        average = sum(prices[1:], prices[0]) / len(prices)
        return Reply.of({"mins": 5, "price": text(average), "closeTime": self._clock.now_ms()})

    def _depth(self, call: Call) -> Reply:
        symbol = self._symbol(call)
        levels = min(whole(call.params, "limit", 100) or 100, 5_000)
        bid, ask = self._engine.quote(symbol)
        quantity = text(_depth_quantity(symbol))
        levels = min(levels, max(1, int(bid / symbol.tick) - 1))
        return Reply.of(
            {
                "lastUpdateId": symbol.step_number(self._clock.now_ms()) + 1,
                "bids": [[text(bid - symbol.tick * one), quantity] for one in range(levels)],
                "asks": [[text(ask + symbol.tick * one), quantity] for one in range(levels)],
            }
        )

    def _trades(self, call: Call) -> Reply:
        symbol = self._symbol(call)
        limit = min(whole(call.params, "limit", _USUAL_BARS) or _USUAL_BARS, _MOST_BARS)
        return Reply.of(
            [
                {
                    "id": number + 1,
                    "price": text(price),
                    "qty": text(symbol.step),
                    "quoteQty": text(symbol.step * price),
                    "time": symbol.step_ms(number),
                    "isBuyerMaker": number % 2 == 0,
                    "isBestMatch": True,
                }
                for number, price in self._recent(symbol, limit)
            ]
        )

    def _aggregated(self, call: Call) -> Reply:
        symbol = self._symbol(call)
        limit = min(whole(call.params, "limit", _USUAL_BARS) or _USUAL_BARS, _MOST_BARS)
        return Reply.of(
            [
                {
                    "a": number + 1,
                    "p": text(price),
                    "q": text(symbol.step),
                    "f": number + 1,
                    "l": number + 1,
                    "T": symbol.step_ms(number),
                    "m": number % 2 == 0,
                    "M": True,
                }
                for number, price in self._recent(symbol, limit)
            ]
        )

    def _recent(self, symbol: Symbol, limit: int) -> list[tuple[int, Decimal]]:
        last = symbol.step_number(self._clock.now_ms())
        return [(one, symbol.price_at(one)) for one in range(max(0, last - limit + 1), last + 1)]

    def _symbol(self, call: Call) -> Symbol:
        if not call.symbol:
            refuse_missing("symbol")
        return self._listing.find(call.symbol)


def _names(call: Call) -> list[str]:
    sent = call.params.get("symbols", "").strip("[]")
    return [one.strip().strip('"') for one in sent.split(",") if one.strip()]


def _depth_quantity(symbol: Symbol) -> Decimal:
    return symbol.step * 100_000 if symbol.liquidity is None else symbol.liquidity


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}

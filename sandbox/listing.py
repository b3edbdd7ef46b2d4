"""The symbols that the venue lists, their filters, and the prices they stand at."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sandbox.answers import Refusal, as_json, text
from sandbox.bars import BAR_MS, STEPS, Bar, Replay, in_units, kline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.bars import Series

__all__ = ["INTERVALS", "ORDER_TYPES", "STEP_MS", "Listing", "Symbol", "generated", "new_symbol"]

INTERVALS: Final = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1_440,
}
"""Minutes of each interval."""
ORDER_TYPES: Final = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STEP_MS: Final = BAR_MS // STEPS
_DAY: Final = 1_440


@dataclass(slots=True)
class Symbol:
    """One symbol: its filters, which may change while the venue runs, and its prices.

    Parameters
    ----------
    status
        TRADING, or BREAK where trading is halted.
    spread
        Ticks between best bid and best ask.
    liquidity
        Units of the base that one order can take at once; None for any amount.
    """

    base: str
    quote: str
    replay: Replay
    tick: Decimal
    step: Decimal
    min_notional: Decimal = Decimal(5)
    max_quantity: Decimal = Decimal(9_000)
    max_market_quantity: Decimal = Decimal(9_000)
    max_orders: int = 1_000
    max_stops: int = 200
    status: str = "TRADING"
    spread: int = 1
    liquidity: Decimal | None = None
    last_trade: int = 0
    name: str = field(init=False)
    seen_step: int = field(init=False, default=-1)
    _walked: tuple[int, list[int]] = field(init=False, default=(-1, []), repr=False)
    _day: tuple[int, Bar] = field(init=False, default=(-1, Bar(0, 0, 0, 0, 0.0)), repr=False)

    def __post_init__(self) -> None:
        self.name = f"{self.base}{self.quote}"

    @property
    def pair(self) -> str:
        """The symbol as people and ccxt write it."""
        return f"{self.base}/{self.quote}"

    def step_number(self, ms: int) -> int:
        """Return the number of the price step that holds an instant, counted from the anchor."""
        return (ms - self.replay.anchor_ms) // STEP_MS

    def step_ms(self, number: int) -> int:
        """Return when a price step begins."""
        return self.replay.anchor_ms + number * STEP_MS

    def price_at(self, number: int) -> Decimal:
        """Return the price of a step."""
        bar, step = divmod(number, STEPS)
        if self._walked[0] != bar:
            self._walked = bar, self.replay.walk(bar)
        return in_units(self._walked[1][step], self.replay.series.tick_decimals)

    def quote_at(self, number: int) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask of a step."""
        price = self.price_at(number)
        bid = price - self.tick * (self.spread // 2)
        return bid, bid + self.tick * self.spread

    def unfinished(self, ms: int) -> Bar:
        """Return the minute that is under way, as far as it has come."""
        number = self.replay.number(ms)
        whole = self.replay.bar(number)
        done = (self.step_number(ms) % STEPS) + 1
        walked = self.replay.walk(number)[:done]
        volume = whole.volume * done / STEPS
        return Bar(walked[0], max(walked), min(walked), walked[-1], volume)

    def bars(self, first: int, count: int, minutes: int, now_ms: int) -> list[tuple[int, Bar]]:
        """Return bars of so many minutes: opening time and values, up to the one under way.

        Parameters
        ----------
        first
            Number of the first bar, in bars of that length since 1970.
        """
        replay, span = self.replay, minutes * BAR_MS
        current = replay.number(now_ms)
        found: list[tuple[int, Bar]] = []
        for number in range(first, first + count):
            at = number * span
            start = max(0, replay.number(at))
            end = min(replay.number(at + span - 1), current)
            if at > now_ms:
                break
            if end < start:
                continue
            parts = [replay.bar(one) for one in range(start, min(end, current - 1) + 1)]
            if end == current:
                parts.append(self.unfinished(now_ms))
            if parts:
                found.append((at, _joined(parts)))
        return found

    def klines(
        self, interval: str, start: int | None, end: int | None, limit: int, now_ms: int
    ) -> list[list[Any]]:
        """Return a page of candles as the venue does: from start on, else the newest ones."""
        minutes = INTERVALS[interval]
        span = minutes * BAR_MS
        last = min(now_ms, now_ms if end is None else end) // span
        oldest = self.replay.anchor_ms // span
        first = last - limit + 1 if start is None else max(-(-start // span), oldest)
        first = max(first, oldest)
        count = min(limit, last - first + 1)
        series = self.replay.series
        return [
            kline(at, span, bar, series.tick_decimals, series.lot_decimals)
            for at, bar in self.bars(first, count, minutes, now_ms)
        ]

    def day(self, now_ms: int) -> tuple[Bar, int]:
        """Return the last 24 hours as one bar, and when they began."""
        current = self.replay.number(now_ms)
        start = max(0, current - _DAY)
        now = self.unfinished(now_ms)
        if self._day[0] != current:
            parts = [self.replay.bar(one) for one in range(start, current)] or [now]
            self._day = current, _joined(parts)
        return _joined([self._day[1], now]), self.replay.anchor_ms + start * BAR_MS

    def information(self) -> dict[str, Any]:
        """Return the symbol's entry of exchangeInfo."""
        return {
            "symbol": self.name,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ORDER_TYPES,
            "icebergAllowed": False,
            "ocoAllowed": True,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER"],
        }

    def filters(self) -> list[dict[str, Any]]:
        """Return what an order of this symbol must keep to."""
        tick, step = text(self.tick), text(self.step)
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": step,
                "maxQty": text(self.max_quantity),
                "stepSize": step,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": text(self.max_market_quantity),
                "stepSize": "0.00000000",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_stops},
        ]


def _joined(parts: list[Bar]) -> Bar:
    return Bar(
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
    )


@dataclass(slots=True)
class Listing:
    """All symbols by their name, and the large answer that describes them."""

    symbols: dict[str, Symbol] = field(default_factory=dict[str, Symbol])
    _text: str | None = None

    def add(self, symbols: Iterable[Symbol]) -> None:
        """List more symbols."""
        for symbol in symbols:
            self.symbols[symbol.name] = symbol
        self._text = None

    def find(self, name: str) -> Symbol:
        """Return a symbol.

        Raises
        ------
        Refusal
            It is not listed.
        """
        found = self.symbols.get(name)
        if found is None:
            raise Refusal(-1121, "Invalid symbol.")
        return found

    def changed(self) -> None:
        """Describe the symbols anew: a filter or a state was changed."""
        self._text = None

    def described(self) -> str:
        """Return the JSON list of all symbols, which is made once."""
        if self._text is None:
            self._text = as_json([one.information() for one in self.symbols.values()])
        return self._text


def new_symbol(pair: str, series: Series, anchor_ms: int, turn: int = 0) -> Symbol:
    """Return a symbol that replays a series."""
    base, _, quote = pair.partition("/")
    return Symbol(
        base=base,
        quote=quote,
        replay=Replay(series, anchor_ms, turn),
        tick=in_units(1, series.tick_decimals),
        step=in_units(1, series.lot_decimals),
    )


def generated(count: int, series: Series, anchor_ms: int) -> list[Symbol]:
    """Return made-up symbols, all on one series, each turned a little further."""
    return [
        new_symbol(f"GEN{number:04d}/USDT", series, anchor_ms, turn=number * 7)
        for number in range(1, count + 1)
    ]

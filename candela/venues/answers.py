"""What a venue's public calls give: candle pages, listed symbols and tickers, typed and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl

from candela.venues.door import WIDTH, Call, ShapeError
from candela.venues.server_clock import CLOSE_MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.market.timeframe import Timeframe
    from candela.venues.server_clock import ServerClock

__all__ = ["PAGE_SCHEMA", "BestPrices", "CandlePage", "ListedSymbol", "Ticker", "read_page"]

PAGE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "row": pl.Int64(),
    "line": pl.Int64(),
    "time": pl.Datetime("us", "UTC"),
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Float64(),
}
"""What the data contract judges: ``row`` counts the answer's rows from 1, in its own order."""

# Instants outside are no candle's time, and would not fit a timestamp.
_OLDEST_MS: Final = 0
_NEWEST_MS: Final = 32_503_680_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CandlePage:
    """One answer of candles.

    Parameters
    ----------
    frame
        (n,) rows of PAGE_SCHEMA, oldest first: those in the asked span that are closed, and those
        whose time cannot be read. Values are as the venue sent them, unjudged.
    oldest_at
        Start of the oldest candle that the venue sent at or after `since`, closed or not.
    follower_at
        Start of the first candle in the answer that is past the asked span or still open: between
        the page's last row and it, the venue has nothing. None where there is no such candle.
    dropped
        Rows outside the asked span.
    server_at
        The venue's time at the answer, at the earliest that it can have been.
    digest
        sha256 of the answer's bytes, ``sha256:<hex>``.
    """

    frame: pl.DataFrame
    oldest_at: datetime | None
    follower_at: datetime | None
    dropped: int
    server_at: datetime
    digest: str
    rows_read: int


@dataclass(frozen=True, slots=True)
class ListedSymbol:
    """A symbol that a venue lists; prices and amounts in units of quote and base."""

    symbol: str
    kind: str
    base: str | None
    quote: str | None
    is_active: bool
    price_tick: float | None
    amount_step: float | None
    minimum_cost: float | None


@dataclass(frozen=True, slots=True)
class Ticker:
    """A symbol's last 24 hours.

    Parameters
    ----------
    quote_volume
        Turnover in the quote currency.
    change_ratio
        Rise over the 24 hours: 0.05 is five percent.
    """

    symbol: str
    last: float | None
    quote_volume: float | None
    change_ratio: float | None


@dataclass(frozen=True, slots=True)
class BestPrices:
    """The best bid and ask of a symbol, quote per base."""

    symbol: str
    bid: Decimal
    ask: Decimal


def read_page(
    rows: Sequence[Sequence[Any]],
    call: Call,
    clock: ServerClock,
    timeframe: Timeframe,
    span: tuple[datetime, datetime],
) -> CandlePage:
    """Sort an answer's rows into closed candles of the asked span and the rest.

    Parameters
    ----------
    span
        [from, to) that was asked for.

    Raises
    ------
    ShapeError
        A row has not six values.
    """
    since, until = span
    answer = call.answers[-1]
    server_at = clock.at_answer(answer.headers.get("date"), answer.received_at)
    closed_before = server_at - CLOSE_MARGIN - timeframe.delta
    kept: list[tuple[object, ...]] = []
    oldest: datetime | None = None
    follower: datetime | None = None
    dropped = 0
    for number, row in enumerate(rows, start=1):
        if len(row) < WIDTH:
            raise ShapeError(f"a candle has {len(row)} values instead of six")
        at = _instant(row[0])
        values = tuple(_number(value) for value in row[1:WIDTH])
        if at is None:
            kept.append((number, None, None, *values))
            continue
        if at < since:
            dropped += 1
            continue
        oldest = at if oldest is None else min(oldest, at)
        if at >= until or at > closed_before:
            follower = at if follower is None else min(follower, at)
            dropped += at >= until
            continue
        kept.append((number, None, at, *values))
    frame = pl.DataFrame(kept, schema=PAGE_SCHEMA, orient="row", strict=False)
    return CandlePage(
        frame=frame.sort("time", maintain_order=True, nulls_last=True),
        oldest_at=oldest,
        follower_at=follower,
        dropped=dropped,
        server_at=server_at,
        digest=call.digest(),
        rows_read=len(rows),
    )


def faults_of(page: CandlePage, timeframe: Timeframe) -> int:
    """Count rows that no venue means to send: unreadable values, times beside the grid.

    Such rows are asked for once more, in case the answer was damaged on its way; what stays as it
    is goes to the data contract, which refuses it by name.
    """
    frame = page.frame
    if frame.height == 0:
        return 0
    beside = (pl.col("time").dt.epoch("us") - timeframe.origin_s * 1_000_000) % (
        timeframe.seconds * 1_000_000
    ) != 0
    bad = pl.any_horizontal(
        *(pl.col(name).is_null() | ~pl.col(name).is_finite() for name in ("open", "high", "low")),
        pl.col("close").is_null() | ~pl.col("close").is_finite(),
        pl.col("time").is_null() | beside,
    )
    count = cast("int", frame.select(bad.fill_null(value=True).sum()).item())
    # A venue without volumes sends none at all; one that is missing among others is damage.
    missing = frame["volume"].null_count()
    return count + (missing if missing < frame.height else 0)


def symbols_of(markets: object, *, has_ticks: bool) -> list[ListedSymbol]:
    """Read ccxt's markets.

    Parameters
    ----------
    has_ticks
        Whether the exchange gives precision as a step; counts of digits are no step.

    Raises
    ------
    ShapeError
        There is none: a venue without any symbol is a damaged answer.
    """
    if not isinstance(markets, dict) or not markets:
        raise ShapeError("no symbol is listed")
    listed = [
        _symbol(cast("dict[str, Any]", market), has_ticks=has_ticks)
        for market in cast("dict[str, object]", markets).values()
        if isinstance(market, dict)
    ]
    return sorted(listed, key=lambda one: one.symbol)


def tickers_of(tickers: object) -> list[Ticker]:
    """Read ccxt's tickers.

    Raises
    ------
    ShapeError
        There is none.
    """
    if not isinstance(tickers, dict) or not tickers:
        raise ShapeError("no ticker came")
    found: list[Ticker] = []
    for symbol, ticker in cast("dict[str, dict[str, Any]]", tickers).items():
        last, percent = _number(ticker.get("last")), _number(ticker.get("percentage"))
        turnover, base = _number(ticker.get("quoteVolume")), _number(ticker.get("baseVolume"))
        if turnover is None and base is not None:
            price = _number(ticker.get("vwap")) or last
            turnover = base * price if price is not None else None
        change = percent / 100 if percent is not None else None
        found.append(Ticker(symbol, last, turnover, change))
    return sorted(found, key=lambda one: one.symbol)


def best_prices_of(tickers: object) -> list[BestPrices]:
    """Read ccxt's tickers for their best prices; a symbol without both of them is left out.

    Raises
    ------
    ShapeError
        There is none: whoever asks names symbols that are listed.
    """
    if not isinstance(tickers, dict) or not tickers:
        raise ShapeError("no price came")
    found: list[BestPrices] = []
    for symbol, ticker in cast("dict[str, dict[str, Any]]", tickers).items():
        bid, ask = _positive(ticker.get("bid")), _positive(ticker.get("ask"))
        if bid is not None and ask is not None and bid <= ask:
            # ccxt has parsed them; the shortest text of a float is the one the venue sent.
            found.append(BestPrices(symbol, Decimal(repr(bid)), Decimal(repr(ask))))
    return found


_KINDS: Final = {"spot": "spot", "swap": "perpetual", "future": "future", "option": "option"}


def _symbol(market: dict[str, Any], *, has_ticks: bool) -> ListedSymbol:
    precision = cast("dict[str, Any]", (market.get("precision") or {}) if has_ticks else {})
    limits = cast("dict[str, Any]", market.get("limits") or {})
    cost = cast("dict[str, Any]", limits.get("cost") or {})
    return ListedSymbol(
        symbol=str(market["symbol"]),
        kind=_KINDS.get(str(market.get("type")), "other"),
        base=market.get("base"),
        quote=market.get("quote"),
        # ccxt leaves it open where a venue does not say; what is listed can be traded.
        is_active=market.get("active") is not False,
        price_tick=_positive(precision.get("price")),
        amount_step=_positive(precision.get("amount")),
        minimum_cost=_positive(cost.get("min")),
    )


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not _OLDEST_MS < value < _NEWEST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and math.isfinite(number) and number > 0 else None

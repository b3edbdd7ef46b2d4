"""The candles that are replayed: whole ticks, no holes, a price at every step, for ever."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from candela.errors import DataError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "BAR_MS",
    "STEPS",
    "BadReplay",
    "Bar",
    "NoReplay",
    "Replay",
    "Series",
    "decimals_of",
    "in_units",
    "kline",
    "read_series",
    "sample_series",
    "series_of",
]

BAR_MS: Final = 60_000
STEPS: Final = 12
"""A bar is walked in twelve steps: open, one extreme, the other, close, and what lies between."""
_SAMPLE: Final = Path(__file__).parents[1] / "data" / "sample"
_FILES: Final = {
    "BTC": "BTC-BUSD_1m_2022-12-13",
    "ADA": "ADA-USDT-perp_1m_2022-12-13",
    "ETH": "ETH-EUR_1h",
}
_VALUES: Final = ("open", "high", "low", "close", "volume")
_FEWEST: Final = 2
_LARGE, _SMALL = 2, 0


class NoReplay(NotFound):
    """There are no candles to replay for a symbol."""

    code = "no_replay"


class BadReplay(DataError):
    """The candles cannot be replayed."""

    code = "bad_replay"


class Bar(NamedTuple):
    """One bar in whole ticks, its volume in units of the base."""

    open: int
    high: int
    low: int
    close: int
    volume: float


def decimals_of(price: float) -> tuple[int, int]:
    """Return the decimals of tick and lot that a price of that size has on a real venue.

    Together at most eight, so that price times quantity is exact with eight decimals.
    """
    size = math.floor(math.log10(price))
    tick = 2 if size >= _LARGE else 3 if size >= _SMALL else min(8, 3 - size)
    return tick, max(0, min(size + 1, 8 - tick, 5))


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of equal length in whole ticks; minutes that the source lacks are flat and empty.

    Parameters
    ----------
    ticks
        (n, 4) open, high, low, close.
    bar_ms
        Length of a bar, a whole number of minutes.
    """

    ticks: npt.NDArray[np.int64]
    volumes: npt.NDArray[np.float64]
    first_ms: int
    bar_ms: int
    tick_decimals: int
    lot_decimals: int

    @property
    def minutes(self) -> int:
        """How many minutes the bars cover."""
        return len(self.volumes) * (self.bar_ms // BAR_MS)


def series_of(frame: pl.DataFrame) -> Series:
    """Return candles as a series.

    Parameters
    ----------
    frame
        Columns time (start, UTC), open, high, low, close, volume, oldest first.

    Raises
    ------
    BadReplay
        Fewer than two candles, a price that is none, or candles shorter than a minute.
    """
    lacking = {"time", *_VALUES} - set(frame.columns)
    if lacking or frame.height < _FEWEST:
        message = (
            f"Candles with {frame.height} rows and columns {frame.columns} cannot be replayed."
        )
        raise BadReplay(message, "At least two rows of time, open, high, low, close and volume.")
    frame = frame.drop_nulls(["time", *_VALUES]).unique("time", keep="last").sort("time")
    times = frame["time"].dt.epoch("ms").to_numpy()
    bar_ms = int(np.diff(times).min()) if len(times) >= _FEWEST else 0
    values = frame.select(_VALUES).to_numpy().astype(np.float64)
    is_odd = bar_ms < BAR_MS or bar_ms % BAR_MS or times[0] % BAR_MS
    if is_odd or np.any((times - times[0]) % bar_ms):
        message = f"Candles {bar_ms / 1_000:g} s apart are no bars of whole minutes."
        raise BadReplay(message, "Replay candles of 1m or longer, all of one timeframe.")
    if not np.all(np.isfinite(values)) or np.any(values[:, :4] <= 0):
        raise BadReplay("A candle has a price that is not above 0.", "Check the file first.")
    numbers = (times - times[0]) // bar_ms
    count = int(numbers[-1]) + 1
    place = np.searchsorted(numbers, np.arange(count), side="right") - 1
    is_there = numbers[place] == np.arange(count)
    filled = values[place]
    filled[~is_there, :4] = values[place[~is_there], 3:4]
    filled[~is_there, 4] = 0.0
    tick_decimals, lot_decimals = decimals_of(float(np.median(values[:, 3])))
    ticks = np.maximum(np.rint(filled[:, :4] * 10**tick_decimals), 1).astype(np.int64)
    ticks[:, 1] = ticks.max(axis=1)
    ticks[:, 2] = ticks.min(axis=1)
    return Series(ticks, filled[:, 4].copy(), int(times[0]), bar_ms, tick_decimals, lot_decimals)


def read_series(path: Path) -> Series:
    """Read a Parquet or CSV file with columns time, open, high, low, close, volume.

    Times of a CSV file are milliseconds since 1970 or ISO 8601 in UTC.

    Raises
    ------
    NoReplay
        The file is not there.
    BadReplay
        It holds something else.
    """
    if not path.is_file():
        raise NoReplay(f"{path} is not there.", "Name a CSV or Parquet file with candles.")
    try:
        frame = _opened(path)
        if "time" in frame.columns and frame.schema["time"].is_numeric():
            frame = frame.with_columns(pl.from_epoch(pl.col("time").cast(pl.Int64), "ms"))
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as candles: {str(error).splitlines()[0]}"
        raise BadReplay(message, "CSV or Parquet: time, open, high, low, close, volume.") from None
    return series_of(frame)


def _opened(path: Path) -> pl.DataFrame:
    if path.suffix != ".csv":
        return pl.read_parquet(path)
    return pl.read_csv(path, try_parse_dates=True)


def sample_series(symbol: str) -> Series:
    """Return the shipped candles that stand for a symbol: those of its base currency.

    Raises
    ------
    NoReplay
        None ship for it.
    """
    base = symbol.partition("/")[0]
    name = _FILES.get(base)
    if name is None:
        message = f"No candles ship for {symbol}."
        raise NoReplay(message, f"Name a file for it; there are: {', '.join(_FILES)}.")
    return read_series(_SAMPLE / f"{name}.parquet")


@dataclass(frozen=True, slots=True)
class Replay:
    """A series laid on the venue's time; after its end it begins anew, times go on.

    Parameters
    ----------
    anchor_ms
        Venue time at which minute 0 of the series opens; there are no candles before it.
    turn
        Minutes by which the series is turned, so that symbols that share one move apart.
    """

    series: Series
    anchor_ms: int
    turn: int = 0

    def number(self, ms: int) -> int:
        """Return the number of the minute that holds an instant."""
        return (ms - self.anchor_ms) // BAR_MS

    def bar(self, number: int) -> Bar:
        """Return the minute of a number, counted from the anchor."""
        series = self.series
        ratio = series.bar_ms // BAR_MS
        row, part = divmod((number + self.turn) % series.minutes, ratio)
        opened, high, low, close = (int(value) for value in series.ticks[row])
        whole = Bar(opened, high, low, close, float(series.volumes[row]))
        if ratio == 1:
            return whole
        edges = _path(whole, [part / ratio, (part + 1) / ratio])
        # An extreme that lies inside the part is not lost.
        inside = [
            _path(whole, [turn])[0] for turn in (1 / 3, 2 / 3) if part < turn * ratio < part + 1
        ]
        seen = [*edges, *inside]
        return Bar(edges[0], max(seen), min(seen), edges[1], whole.volume / ratio)

    def walk(self, number: int) -> list[int]:
        """Return the prices of a minute's steps, in ticks."""
        return _path(self.bar(number), _PLACES)


_PLACES: Final = [
    *(place / 12 for place in range(STEPS - 1)),
    1.0,
]


def _path(bar: Bar, places: Sequence[float]) -> list[int]:
    """Return prices at places 0..1: down first in a rising bar, up first in a falling one."""
    first, second = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    knots = (bar.open, first, second, bar.close)
    prices: list[int] = []
    for place in places:
        leg = min(2, int(place * 3 + 1e-9))
        share = place * 3 - leg
        start, end = knots[leg], knots[leg + 1]
        prices.append(round(start + (end - start) * share))
    return prices


def in_units(ticks: int, decimals: int) -> Decimal:
    """Return a number of ticks as a price."""
    return Decimal(ticks).scaleb(-decimals)


def kline(at_ms: int, span_ms: int, bar: Bar, tick_decimals: int, lot_decimals: int) -> list[Any]:
    """Return a bar as the venue's array of twelve."""
    prices = [f"{in_units(value, tick_decimals):.8f}" for value in bar[:4]]
    volume = round(bar.volume, lot_decimals)
    turnover = volume * bar.close / 10**tick_decimals
    count = STEPS if volume else 0
    return [
        at_ms,
        *prices,
        f"{volume:.8f}",
        at_ms + span_ms - 1,
        f"{turnover:.8f}",
        count * (span_ms // BAR_MS),
        f"{volume / 2:.8f}",
        f"{turnover / 2:.8f}",
        "0",
    ]

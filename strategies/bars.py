"""Bars: the candles of an instrument as arrays, which a strategy reads and cannot change.

Also bars of a longer timeframe, seen from those they are made of: closed ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from candela.errors import DataError, StrategyError
from candela.market.arrays import frozen_floats, frozen_rows
from candela.market.digest import digest_of_candles
from candela.market.timeframe import Timeframe
from strategies.memory import Memory, remember, sealed

if TYPE_CHECKING:
    import polars as pl


__all__ = ["COLUMNS", "BadBars", "BadTimeframe", "Bars", "HigherBars"]

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

COLUMNS: Final = ("open", "high", "low", "close", "volume")
_SECOND: Final = 1_000_000
_EMPTY: Final[Mapping[str, Bars]] = {}


class BadBars(DataError):
    """Arrays that make no bars: lengths, order of time or values."""

    code = "bad_bars"


class Bars:
    """(n,) candles of one instrument and timeframe, oldest first, all closed.

    Parameters
    ----------
    time
        (n,) int64 microseconds since 1970 UTC, the start of each bar, rising.
    open, high, low, close, volume
        (n,) float64; prices in quote per base, volume in base. Bars of another instrument, put
        on the same times, are NaN where that one had no candle.
    others
        Further instruments on the same times, by name.

    Notes
    -----
    The arrays are read-only views: a strategy that wrote into them would change what the next one
    sees. Slicing shares memory and forgets indicators.
    """

    __slots__ = (
        "close", "high", "instrument", "kept", "low", "memory", "open", "others", "time",
        "timeframe", "volume",
    )  # fmt: skip

    def __init__(
        self,
        *,
        time: Times,
        open: Floats,  # noqa: A002 - the word of the trade
        high: Floats,
        low: Floats,
        close: Floats,
        volume: Floats,
        timeframe: Timeframe,
        instrument: str = "",
        others: Mapping[str, Bars] = _EMPTY,
    ) -> None:
        self.time = frozen_rows(time)
        rows = len(self.time)
        self.open = _frozen(open, "open", rows)
        self.high = _frozen(high, "high", rows)
        self.low = _frozen(low, "low", rows)
        self.close = _frozen(close, "close", rows)
        self.volume = _frozen(volume, "volume", rows)
        self.timeframe = timeframe
        self.instrument = instrument
        self.others = others
        columns = [self.time, self.open, self.high, self.low, self.close, self.volume]
        for other in others.values():
            columns += [other.time, other.open, other.high, other.low, other.close, other.volume]
        self.memory = Memory(columns=columns)
        self.kept: dict[str, object] = {}
        """What simulations prepare once for all runs on these bars.

        It stands for these bars where results are remembered: no other bars have it, though they
        may share arrays, and it does not hold the bars that hold the memory."""

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, timeframe: Timeframe | str, instrument: str = ""
    ) -> Bars:
        """Take a candle frame: columns time, open, high, low, close, volume, oldest first.

        Raises
        ------
        BadBars
            Times do not rise, or a price is absent, not positive or infinite.
        """
        bars = cls(
            time=frame["time"].dt.cast_time_unit("us").to_physical().to_numpy(),
            open=frame["open"].to_numpy(),
            high=frame["high"].to_numpy(),
            low=frame["low"].to_numpy(),
            close=frame["close"].to_numpy(),
            volume=frame["volume"].fill_null(float("nan")).to_numpy(),
            timeframe=Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe,
            instrument=instrument,
        )
        bars.check()
        return bars

    def check(self) -> None:
        """Refuse bars that no simulation could use.

        Raises
        ------
        BadBars
            Times do not rise, or a price is absent, not positive or infinite.
        """
        falls = np.flatnonzero(np.diff(self.time) <= 0)
        if falls.size:
            message = f"Bar {falls[0] + 1} at {self.at(int(falls[0]) + 1)} does not come later."
            raise BadBars(message, "Sort the candles by time and keep one for each.")
        for name in COLUMNS[:4]:
            values = getattr(self, name)
            bad = np.flatnonzero(~((values > 0) & (values < np.inf)))
            if bad.size:
                row = int(bad[0])
                value = values[row]
                message = f"Bar {row} at {self.at(row)} has {name} {value}."
                raise BadBars(message, "Prices are positive numbers; check the candles.")

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: slice) -> Bars:
        return Bars(
            time=self.time[rows],
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            timeframe=self.timeframe,
            instrument=self.instrument,
            others={name: other[rows] for name, other in self.others.items()},
        )

    def at(self, row: int) -> str:
        """Return the start of a bar as text, in UTC."""
        instant = datetime.fromtimestamp(int(self.time[row]) / 1_000_000, UTC)
        return instant.isoformat(timespec="seconds").replace("+00:00", "Z")

    def higher(self, timeframe: Timeframe | str) -> HigherBars:
        """Return the bars rolled up to a longer timeframe; only closed ones are ever seen."""
        wanted = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
        return remember(("higher", wanted.seconds), self.kept, lambda: HigherBars(self, wanted))

    def other(self, instrument: str) -> Bars:
        """Return another instrument's bars on the same times.

        Raises
        ------
        BadBars
            These bars came without it.
        """
        found = self.others.get(instrument)
        if found is None:
            have = ", ".join(sorted(self.others)) or "none"
            message = f"These bars come without {instrument}; there are: {have}."
            raise BadBars(message, "Name it among the instruments that the strategy reads.")
        return found

    @property
    def typical(self) -> Floats:
        """(n,) mean of high, low and close, quote per base."""
        return remember(
            "typical",
            self.kept,
            lambda: sealed((self.high + self.low + self.close) / 3.0),
        )

    @property
    def digest(self) -> str:
        """The sha256 of times and values, as of `candela.market.digest` (others not counted)."""
        return digest_of_candles(self.time, (getattr(self, name) for name in COLUMNS))


def _frozen(values: Floats, name: str, rows: int) -> Floats:
    array = frozen_floats(values)
    if array.shape != (rows,):
        message = f"{name} has the shape {array.shape}, time has {rows:,} bars."
        raise BadBars(message, "Give one value for each bar.")
    return array


class BadTimeframe(StrategyError):
    """The timeframe is not made of whole bars of the one at hand."""

    code = "bad_timeframe"


class HigherBars:
    """The bars rolled up, and for each base bar the last one that had closed by its end.

    ``align`` brings what was computed on them back to the base bars. A first bucket that the bars
    enter in the middle is left out, so that the same bucket has one value from wherever the bars
    begin.

    Attributes
    ----------
    bars
        (m,) bars of the longer timeframe.
    last_closed
        (n,) row in ``bars`` of the last one closed at the end of each base bar, -1 before.
    """

    __slots__ = ("bars", "last_closed")

    def __init__(self, base: Bars, timeframe: Timeframe) -> None:
        if not base.timeframe.divides(timeframe) or timeframe <= base.timeframe:
            message = f"{timeframe} is not made of whole bars of {base.timeframe}."
            raise BadTimeframe(message, f"Give a multiple of {base.timeframe}.")
        length = timeframe.seconds * _SECOND
        step = base.timeframe.seconds * _SECOND
        origin = timeframe.origin_s * _SECOND
        bucket = (base.time - origin) // length
        firsts = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1))
        starts = bucket[firsts] * length + origin
        if len(firsts) and base.time[0] != starts[0]:
            firsts, starts = firsts[1:], starts[1:]
        ends_at = base.time + step
        # Closed: its end is not after the end of the base bar.
        self.last_closed = np.searchsorted(starts + length, ends_at, side="right") - 1
        known = int(self.last_closed[-1]) + 1 if len(self.last_closed) else 0
        stops = np.append(firsts[1:], len(base))[:known]
        firsts, starts = firsts[:known], starts[:known]
        self.bars = Bars(
            time=sealed(starts),
            open=sealed(base.open[firsts]),
            high=sealed(_reduce(np.maximum, base.high, firsts, stops)),
            low=sealed(_reduce(np.minimum, base.low, firsts, stops)),
            close=sealed(base.close[stops - 1]),
            volume=sealed(_reduce(np.add, base.volume, firsts, stops)),
            timeframe=timeframe,
            instrument=base.instrument,
        )

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.last_closed.nbytes + 6 * self.bars.time.nbytes

    def align(self, values: Floats) -> Floats:
        """Return, for each base bar, the value of the last closed longer bar; NaN before any."""
        if len(values) != len(self.bars):
            message = f"{len(values):,} values for {len(self.bars):,} bars of the longer timeframe."
            raise BadTimeframe(message, "Align what was computed from these very bars.")
        padded = np.append(np.asarray(values, dtype=np.float64), np.nan)
        return sealed(padded[self.last_closed])


def _reduce(
    combine: np.ufunc, values: Floats, firsts: npt.NDArray[np.intp], stops: npt.NDArray[np.intp]
) -> Floats:
    if not len(firsts):
        return np.empty(0)
    return combine.reduceat(values[: stops[-1]], firsts)

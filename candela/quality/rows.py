"""Rows: the columns of candles as plain arrays, the form in which the contract judges them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from candela.market.candle import VALUES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["EARLIEST_US", "LATEST_US", "NO_TIME", "Rows", "instant", "to_micros"]

NO_TIME: Final = np.iinfo(np.int64).min
"""Stands for an absent time among microseconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The years that the contract takes, so that every accepted time is also a Python datetime.
EARLIEST_US: Final = int((datetime(1700, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 1_000_000
LATEST_US: Final = int((datetime(9999, 12, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 1_000_000


def to_micros(at: datetime) -> int:
    """Return microseconds since the Unix epoch, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(micros: int) -> datetime | None:
    """Return the instant, or None where it is absent or beyond the years that are taken."""
    if EARLIEST_US <= micros <= LATEST_US:
        return _EPOCH + timedelta(microseconds=micros)
    return None


@dataclass(slots=True)
class Rows:
    """Candles of one series as arrays of one length.

    Parameters
    ----------
    time
        Microseconds since the Unix epoch, int64; NO_TIME where absent.
    open, high, low, close, volume
        float64; NaN where absent.
    row
        Number of the row in its source, int64, from 1.
    line
        Physical line, int64, or None.
    flags
        Bits of :class:`candela.market.candle.Flag` known before judging, int32, or None.
    """

    time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    row: NDArray[np.int64]
    line: NDArray[np.int64] | None = None
    flags: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.time)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Rows:
        """Return the rows that a mask, an index or a slice chooses."""
        return Rows(
            self.time[which],
            self.open[which],
            self.high[which],
            self.low[which],
            self.close[which],
            self.volume[which],
            self.row[which],
            None if self.line is None else self.line[which],
            None if self.flags is None else self.flags[which],
        )

    def column(self, name: str) -> NDArray[np.float64]:
        """Return prices or volume by name."""
        values: NDArray[np.float64] = getattr(self, name)
        return values

    def line_at(self, index: int) -> int | None:
        """Return the physical line of a row, where there are lines."""
        return None if self.line is None else int(self.line[index])

    @staticmethod
    def empty() -> Rows:
        """Return no rows."""
        none = np.empty(0)
        index = np.empty(0, np.int64)
        return Rows(index, none, none, none, none, none, index)

    @staticmethod
    def of(
        time: NDArray[np.int64],
        values: Mapping[str, NDArray[np.float64]],
        row: NDArray[np.int64],
        line: NDArray[np.int64] | None = None,
        flags: NDArray[np.int32] | None = None,
    ) -> Rows:
        """Put columns together; ``values`` by the names of prices and volume."""
        return Rows(
            time,
            values["open"],
            values["high"],
            values["low"],
            values["close"],
            values["volume"],
            row,
            line,
            flags,
        )

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Join rows one after the other."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return Rows.empty()
        if len(parts) == 1:
            return parts[0]
        line = flags = None
        if any(part.line is not None for part in parts):
            line = np.concatenate(
                [np.zeros(len(one), np.int64) if one.line is None else one.line for one in parts]
            )
        if any(part.flags is not None for part in parts):
            flags = np.concatenate(
                [np.zeros(len(one), np.int32) if one.flags is None else one.flags for one in parts]
            )
        return Rows.of(
            np.concatenate([part.time for part in parts]),
            {name: np.concatenate([part.column(name) for part in parts]) for name in VALUES},
            np.concatenate([part.row for part in parts]),
            line,
            flags,
        )

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> Rows:
        """Read a frame with time, prices and volume; row, line and flags where it has them."""
        stamps = frame["time"].cast(pl.Datetime("us", "UTC")).to_physical()
        count = frame.height
        values = {
            name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in VALUES
        }
        row = np.arange(1, count + 1, dtype=np.int64)
        if "row" in frame.columns:
            row = frame["row"].cast(pl.Int64).to_numpy()
        line = flags = None
        if "line" in frame.columns and frame["line"].null_count() < count:
            line = frame["line"].cast(pl.Int64).fill_null(0).to_numpy()
        if "flags" in frame.columns:
            flags = frame["flags"].cast(pl.Int32).to_numpy()
        return Rows.of(stamps.fill_null(NO_TIME).to_numpy(), values, row, line, flags)

    def to_frame(self, *, has_volume: bool) -> pl.DataFrame:
        """Return a frame of CANDLE_SCHEMA; no volume becomes null."""
        count = len(self)
        volume = (
            pl.Series("volume", self.volume)
            if has_volume
            else pl.Series("volume", [None], dtype=pl.Float64).new_from_index(0, count)
        )
        flags = np.zeros(count, np.int32) if self.flags is None else self.flags
        return pl.DataFrame(
            [
                pl.Series("time", self.time).cast(pl.Datetime("us", "UTC")),
                pl.Series("open", self.open),
                pl.Series("high", self.high),
                pl.Series("low", self.low),
                pl.Series("close", self.close),
                volume,
                pl.Series("flags", flags),
            ]
        )

    def places(self) -> pl.DataFrame:
        """Return the row and line numbers beside :meth:`to_frame`."""
        line = (
            pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, len(self))
            if self.line is None
            else pl.Series("line", self.line)
        )
        return pl.DataFrame([pl.Series("row", self.row), line])

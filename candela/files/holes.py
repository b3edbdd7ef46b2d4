"""Holes: candles that are absent between two others of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from candela.quality.rows import instant, to_micros

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from candela.files.slices import Slice
    from candela.market.timeframe import Timeframe

__all__ = ["Hole", "HoleFinder"]

_MICROS: Final = 1_000_000
# A candle dated in the future is not where its time says.
_MISPLACED: Final = frozenset({"future_timestamp"})


@dataclass(frozen=True, slots=True)
class Hole:
    """Absent candles: the first, the last, how many, and the first row after them."""

    instrument: str
    row: int
    line: int | None
    first_missing: datetime
    last_missing: datetime
    missing: int

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the fields in the order that reports show them."""
        first, last = _iso(self.first_missing), _iso(self.last_missing)
        message = f"{self.missing} candles are absent before this row, {first} to {last}."
        return {
            "row": self.row,
            "line": self.line,
            "column": "timestamp",
            "check": "gap",
            "value": str(self.missing),
            "message": message,
            "instrument": self.instrument,
            "first_missing": first,
            "last_missing": last,
            "missing": self.missing,
        }


@dataclass(slots=True)
class HoleFinder:
    """Finds the holes of one series, slice by slice in rising order.

    Refused rows explain holes: one with a time fills its place on the grid; one without fills
    any place between the rows around it.
    """

    timeframe: Timeframe
    _last: int | None = None
    _last_row: int = 0
    _lost: list[int] = field(default_factory=list[int])

    def add(self, part: Slice) -> Iterator[Hole]:
        """Take the next slice and yield the holes that end in it."""
        time, row, line = _known(part, self.timeframe)
        self._lost += sorted(
            {one.row for one in part.refused if one.time is None and one.row is not None}
            | {one.row for one in part.refused if one.check in _MISPLACED and one.row}
        )
        if not len(time):
            return
        step = self.timeframe.seconds * _MICROS
        before = time[0] if self._last is None else self._last
        missing = np.diff(time, prepend=before) // step - 1
        rows_before = np.concatenate([[self._last_row], row[:-1]])
        for at in np.flatnonzero(missing > 0):
            number, absent = int(row[at]), int(missing[at])
            if self._explained(int(rows_before[at]), number, absent):
                continue
            first, last = instant(int(time[at]) - absent * step), instant(int(time[at]) - step)
            if first is not None and last is not None:
                at_line = int(line[at]) or None
                yield Hole(str(part.instrument), number, at_line, first, last, absent)
        self._last, self._last_row = int(time[-1]), int(row[-1])

    def _explained(self, one: int, other: int, missing: int) -> bool:
        if not self._lost:
            return False
        low, high = min(one, other), max(one, other)
        return sum(low < row < high for row in self._lost) >= missing


def _known(
    part: Slice, timeframe: Timeframe
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return times, rows and lines of all candles that the slice tells of, refused ones too."""
    time = part.accepted["time"].to_physical().to_numpy()
    row = part.places["row"].to_numpy()
    line = part.places["line"].fill_null(0).to_numpy()
    refused = [
        (to_micros(timeframe.floor(one.time)), one.row, one.line or 0)
        for one in part.refused
        if one.time is not None and one.row is not None and one.check not in _MISPLACED
    ]
    if not refused:
        return time, row, line
    more = np.array(refused, np.int64)
    time, row, line = (
        np.concatenate([column, more[:, at]]) for at, column in enumerate((time, row, line))
    )
    # An accepted row stands before refused ones of the same time.
    order = np.argsort(time, kind="stable")
    time, row, line = time[order], row[order], line[order]
    first = np.diff(time, prepend=time[0] - 1) > 0
    return time[first], row[first], line[first]


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")

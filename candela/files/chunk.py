"""Chunks: a stretch of rows of a file, typed, with the rows that could not be typed set apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from candela.quality.finding import Finding
from candela.quality.rows import NO_TIME, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from candela.files.series import BadKey
    from candela.quality.rows import Rows

__all__ = ["Chunk", "Fault", "Faults", "Loose", "Placer"]


@dataclass(slots=True)
class Fault:
    """A finding about a row that is not among the typed rows, and where it belongs.

    Parameters
    ----------
    series
        Number of the series; -1 where nothing tells.
    place
        Microseconds: the row's own time, else that of the last row before it; NO_TIME if none.
    """

    finding: Finding
    series: int
    place: int


@dataclass(slots=True)
class Chunk:
    """Rows in the order of the file; each is typed, or has at least one fault.

    Parameters
    ----------
    series
        Number of the series of each row, or of all rows.
    """

    rows: Rows
    series: NDArray[np.int32] | int
    faults: list[Fault]

    def part(self, number: int) -> Rows:
        """Return the rows of one series."""
        if isinstance(self.series, int):
            return self.rows if self.series == number else self.rows.take(slice(0, 0))
        return self.rows.take(self.series == number)

    def numbers(self) -> list[int]:
        """Return the numbers of the series that have rows here."""
        if isinstance(self.series, int):
            return [self.series]
        return [int(number) for number in np.unique(self.series)]


@dataclass(slots=True)
class Loose:
    """A finding and the position of its row in a stretch.

    Parameters
    ----------
    is_between
        The row itself is not in the stretch: it stands before the position.
    """

    finding: Finding
    at: int
    is_between: bool = False


_SAYS: Final = {
    "non_numeric": "{column} is not a number ({value!r}).",
    "out_of_range": "{column} is beyond what can be an instant ({value}).",
    "null": "{column} is absent.",
}


class Faults:
    """The faults of one stretch of rows, gathered by row and check.

    Parameters
    ----------
    row, line
        Numbers of the rows; no lines for Parquet.
    """

    def __init__(self, row: NDArray[np.int64], line: NDArray[np.int64] | None) -> None:
        self._row = row
        self._line = line
        self._found: dict[tuple[int, str], list[tuple[str, str, str | None]]] = {}
        self.bad = np.zeros(len(row), np.bool_)

    def add(self, at: int, check: str, column: str, value: str, message: str | None = None) -> None:
        """Note that a row breaks a check in a column."""
        self._found.setdefault((at, check), []).append((column, value[:80], message))
        self.bad[at] = True

    def add_mask(
        self, mask: NDArray[np.bool_], check: str, column: str, text: Callable[[int], str]
    ) -> None:
        """Note all rows of a mask; ``text`` gives what stands in a row."""
        for at in np.flatnonzero(mask):
            self.add(int(at), check, column, text(int(at)))

    def add_key(self, at: int, bad: BadKey) -> None:
        """Note that the key columns of a row name no series."""
        self.add(at, bad.check, bad.column, bad.value, bad.message)

    def findings(self, time: NDArray[np.int64]) -> list[Loose]:
        """Return the findings with the position of their row, in the order of rows."""
        out: list[Loose] = []
        for (at, check), entries in sorted(self._found.items()):
            column = ",".join(entry[0] for entry in entries)
            value = ",".join(entry[1] for entry in entries)
            message = entries[0][2]
            if message is None:
                says = _SAYS.get(check, "the time is in another unit than the file ({value}).")
                if check == "non_numeric" and column == "timestamp":
                    says = "timestamp is no time that can be read ({value!r})."
                message = says.format(column=column, value=value)
            line = None if self._line is None else int(self._line[at])
            stamp = int(time[at])
            at_time = None if stamp == NO_TIME else instant(stamp)
            row = int(self._row[at])
            out.append(Loose(Finding(row, line, column, check, value, message, at_time), at))
        return out


class Placer:
    """Give faults a place: the row's own time, else that of the last readable row before it."""

    def __init__(self) -> None:
        self._time = NO_TIME
        self._series = -1

    def place(
        self,
        findings: Sequence[Loose],
        time: NDArray[np.int64],
        series: NDArray[np.int32] | int,
        good: NDArray[np.bool_] | None,
        now_us: int,
    ) -> list[Fault]:
        """Place findings about rows of a stretch and remember where the stretch ended.

        Parameters
        ----------
        time, series
            Of all rows of the stretch, faulty ones too (series -1: unknown).
        good
            Rows whose time may stand for the place of the rows after them; None: all.
        """
        usable = (time != NO_TIME) & (time <= now_us)
        if good is not None:
            usable &= good
        spots = np.flatnonzero(usable)
        faults: list[Fault] = []
        for loose in findings:
            at = loose.at
            before = int(np.searchsorted(spots, at)) - 1
            last_time, last_series = self._time, self._series
            if before >= 0:
                last_time = int(time[spots[before]])
                last_series = series if isinstance(series, int) else int(series[spots[before]])
            own = NO_TIME if loose.is_between else int(time[at])
            if own != NO_TIME and own <= now_us:
                last_time = own
            number = -1
            if not loose.is_between:
                number = series if isinstance(series, int) else int(series[at])
            number = number if number >= 0 else last_series
            faults.append(Fault(loose.finding, number, last_time))
        if len(spots):
            self._time = int(time[spots[-1]])
            self._series = series if isinstance(series, int) else int(series[spots[-1]])
        return faults

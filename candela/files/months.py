"""Months: rows of one series, in the order they come, become judged calendar months."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from candela.quality.judge import settle
from candela.quality.neighbours import CONTEXT
from candela.quality.rows import EARLIEST_US, NO_TIME, Rows, to_micros
from candela.quality.sifting import sift

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from candela.files.chunk import Fault
    from candela.market.timeframe import Timeframe
    from candela.quality.finding import Finding

__all__ = ["Month", "MonthMaker", "month_start"]


def month_start(micros: int, *, later: int = 0) -> int:
    """Return the first instant of the month, or of one some months later, in microseconds."""
    at = datetime.fromtimestamp(micros // 1_000_000, UTC)
    months = at.year * 12 + at.month - 1 + later
    return to_micros(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))


@dataclass(slots=True)
class Month:
    """A judged month: its start in microseconds, the rows taken and the findings."""

    start: int
    rows: Rows
    refused: list[Finding]
    flagged: list[Finding]
    count: int


@dataclass(slots=True)
class MonthMaker:
    """Judges the rows of a series and gives out each month once, when it is complete.

    A month is complete when a later one has begun and holds enough good rows to be the
    surroundings of its last ones, so that what is found does not depend on where chunks end.
    """

    timeframe: Timeframe
    now_us: int
    has_volume: bool
    _good: list[Rows] = field(default_factory=list[Rows])
    _refused: list[tuple[int, Finding]] = field(default_factory=list["tuple[int, Finding]"])
    _before: Rows = field(default_factory=Rows.empty)
    _last_place: int = NO_TIME

    def feed(self, rows: Rows, faults: list[Fault]) -> Iterator[Month]:
        """Take rows in file order and yield the months that are complete."""
        self._refused += [(fault.place, fault.finding) for fault in faults]
        if not len(rows):
            return
        mask, findings = sift(rows, self.timeframe, self.now_us, has_volume=self.has_volume)
        if findings:
            places = self._places(rows)
            at = {int(number): index for index, number in enumerate(rows.row)}
            self._refused += [(int(places[at[one.row or 0]]), one) for one in findings]
        elif rows.time[-1] <= self.now_us:
            self._last_place = int(rows.time[-1])
        good = rows if mask is None else rows.take(mask)
        if len(good):
            self._good.append(good)
            yield from self._complete()

    def _places(self, rows: Rows) -> NDArray[np.int64]:
        """Return the time of each row, or that of the last usable one before it."""
        usable = (rows.time >= EARLIEST_US) & (rows.time <= self.now_us)
        index = np.maximum.accumulate(np.where(usable, np.arange(len(rows)), -1))
        places = np.where(index >= 0, rows.time[np.maximum(index, 0)], self._last_place)
        self._last_place = int(places[-1])
        return places

    def _complete(self) -> Iterator[Month]:
        lowest = min(int(part.time.min()) for part in self._good)
        highest = max(int(part.time.max()) for part in self._good)
        if month_start(highest) <= lowest:
            return
        rows = _sorted(Rows.concat(self._good))
        self._good = [rows]
        steps = np.diff(rows.time)
        if steps.min() > 0:
            if len(rows) <= CONTEXT:
                return
            edge = int(rows.time[-CONTEXT])
        else:
            times = rows.time[np.concatenate([[True], steps > 0])]
            if len(times) <= CONTEXT:
                return
            edge = int(times[-CONTEXT])
        border = month_start(edge)
        if border > lowest:
            yield from self._settled(rows, border)

    def finish(self) -> Iterator[Month]:
        """Yield what is left once the file has ended."""
        rows = _sorted(Rows.concat(self._good))
        if len(rows) or self._refused:
            yield from self._settled(rows, None)

    def _settled(self, rows: Rows, border: int | None) -> Iterator[Month]:
        cut = len(rows) if border is None else int(np.searchsorted(rows.time, border))
        # Unsorted equal times cannot straddle the border: it lies between two months.
        head, rest = rows.take(slice(0, cut)), rows.take(slice(cut, None))
        self._good = [rest] if len(rest) else []
        due = [item for item in self._refused if border is None or item[0] < border]
        self._refused = [] if border is None else [one for one in self._refused if one[0] >= border]
        first = head if len(head) else rest
        start = int(first.time[0]) if len(first) else self.now_us
        due = [(start if place == NO_TIME else place, one) for place, one in due]
        after = rest.take(_first_times(rest.time))
        done = settle(head, before=self._before, after=after, has_volume=self.has_volume)
        due += [(to_micros(one.time), one) for one in done.refused if one.time is not None]
        self._before = _tail(Rows.concat([self._before, done.rows]))
        yield from _split(done.rows, due, done.flagged)


def _sorted(rows: Rows) -> Rows:
    if len(rows) < 2 or np.diff(rows.time).min() >= 0:  # noqa: PLR2004
        return rows
    return rows.take(np.lexsort((rows.row, rows.time)))


def _first_times(time: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the places of the first CONTEXT distinct times, sorted times given."""
    reach = 2 * CONTEXT
    while True:
        part = time[:reach]
        places = np.flatnonzero(np.diff(part, prepend=part[:1] - 1) > 0)
        if len(places) >= CONTEXT or len(part) == len(time):
            return places[:CONTEXT]
        reach *= 2


def _tail(rows: Rows) -> Rows:
    part = rows.take(slice(-CONTEXT, None))
    # A copy, so that thirty rows do not keep a whole chunk in memory.
    part = part.take(np.arange(len(part)))
    part.flags = None
    part.line = None
    return part


def _split(
    rows: Rows, refused: list[tuple[int, Finding]], flagged: list[Finding]
) -> Iterator[Month]:
    starts = {month_start(place) for place, _ in refused}
    at = 0
    while at < len(rows):
        start = month_start(int(rows.time[at]))
        starts.add(start)
        at = int(np.searchsorted(rows.time, month_start(start, later=1)))
    by_month: dict[int, list[Finding]] = {}
    for place, finding in refused:
        by_month.setdefault(month_start(place), []).append(finding)
    marks: dict[int, list[Finding]] = {}
    for finding in flagged:
        if finding.time is not None:
            marks.setdefault(month_start(to_micros(finding.time)), []).append(finding)
    for start in sorted(starts):
        low = int(np.searchsorted(rows.time, start))
        high = int(np.searchsorted(rows.time, month_start(start, later=1)))
        findings = sorted(by_month.get(start, []), key=_row)
        count = high - low + len({one.row for one in findings})
        yield Month(start, rows.take(slice(low, high)), findings, marks.get(start, []), count)


def _row(finding: Finding) -> int:
    return finding.row or 0

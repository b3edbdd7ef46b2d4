"""Survey: what the times of a whole file say about its order and timeframe."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from candela.files.series import UNNAMED
from candela.files.unreadable import FileUnreadable
from candela.market.timeframe import Timeframe
from candela.quality.rows import EARLIEST_US, to_micros
from candela.quality.sifting import on_grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from candela.files.chunk import Fault
    from candela.files.options import Order
    from candela.files.series import SeriesTable
    from candela.quality.finding import Finding

__all__ = ["Survey", "Way", "months_of"]

Way = Literal["forward", "backward", "scattered"]
"""How a file can be read month by month: as it stands, from its end, or only by searching it."""

_SAMPLE: Final = 65_536
_MICROS: Final = 1_000_000
_HALF: Final = 0.5
# So many equal steps in a row are a timeframe of their own, not candles that are absent.
_RUN: Final = 30
_MOST: Final = 0.9
_SOME_STEPS: Final = 10
_TWICE: Final = 2
_MANIFOLD: Final = 10
_NO_MONTH: Final = -1_000_000


def months_of(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return months since 1970-01 of microseconds."""
    return time.astype("M8[us]").astype("M8[M]").astype(np.int64)


@dataclass(slots=True)
class _Course:
    """How the usable times of one series run through the file."""

    last: int | None = None
    ups: int = 0
    downs: int = 0
    months_rise: bool = True
    months_fall: bool = True
    steps: Counter[int] = field(default_factory=Counter[int])
    sample: list[NDArray[np.int64]] = field(default_factory=list["NDArray[np.int64]"])
    lost: list[int] = field(default_factory=list[int])
    runs: set[int] = field(default_factory=set[int])

    def add(self, time: NDArray[np.int64]) -> NDArray[np.int8]:
        """Take more times, in file order, and return the sign of the step to each."""
        first = time[0] if self.last is None else self.last
        steps = np.diff(time, prepend=first)
        signs = np.sign(steps).astype(np.int8)
        downs = int(np.count_nonzero(signs < 0))
        ups = int(np.count_nonzero(signs > 0))
        if downs and ups:
            months = np.diff(months_of(np.concatenate([[first], time])))
            self.months_rise &= bool((months >= 0).all())
            self.months_fall &= bool((months <= 0).all())
        elif ups or downs:
            ends = months_of(np.array([first, time[-1]]))
            self.months_rise &= bool(ends[1] >= ends[0])
            self.months_fall &= bool(ends[1] <= ends[0])
        self.runs |= _long_runs(steps)
        self.ups += ups
        self.downs += downs
        self.last = int(time[-1])
        room = _SAMPLE - sum(len(part) for part in self.sample)
        if room > 0:
            sizes, counts = np.unique(np.abs(steps[:room]), return_counts=True)
            self.steps.update(dict(zip(sizes.tolist(), counts.tolist(), strict=True)))
            del self.steps[0]
            self.sample.append(time[:room].copy())
        return signs

    def recount(self, times: list[NDArray[np.int64]]) -> None:
        """Count the steps anew, between sorted times."""
        steps = np.diff(np.unique(np.concatenate(times)))
        sizes, counts = np.unique(steps, return_counts=True)
        self.steps = Counter(dict(zip(sizes.tolist(), counts.tolist(), strict=True)))
        self.lost, self.runs = [], _long_runs(steps)

    def fill(self) -> None:
        """Count the steps anew with the rows that were set apart, as far as the sample reaches."""
        if not self.lost or not self.sample:
            return
        sample, lost = np.concatenate(self.sample), np.array(self.lost, np.int64)
        self.recount([sample, lost[(lost >= sample.min()) & (lost <= sample.max())]])


def _long_runs(steps: NDArray[np.int64]) -> set[int]:
    """Return the steps that stand many times in a row."""
    if len(steps) < _RUN:
        return set()
    sizes = np.abs(steps)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(sizes)) + 1])
    lengths = np.diff(starts, append=len(sizes))
    return set(np.unique(sizes[starts[lengths >= _RUN]]).tolist())


class Survey:
    """Gathers the times of a file in its order, chunk by chunk."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us
        self._courses: dict[int, _Course] = {}
        self._first_lost: Finding | None = None
        self._timeless = 0
        self.rows = 0

    def add(self, time: NDArray[np.int64], series: NDArray[np.int32] | int) -> NDArray[np.int8]:
        """Take times and series of rows in file order.

        Returns
        -------
        For each row -1, 0 or 1: its time is below, equal to or above that of the row of its
        series before it. Absent and future times are passed over, so that they disorder no other.
        """
        self.rows += len(time)
        if not len(time):
            return np.empty(0, np.int8)
        is_all = time.min() >= EARLIEST_US and time.max() <= self._now_us
        if isinstance(series, int):
            if is_all:
                return self._course(series).add(time)
            series = np.full(len(time), series, np.int32)
        usable = (time >= EARLIEST_US) & (time <= self._now_us) & (series >= 0)
        signs = np.zeros(len(time), np.int8)
        for number in np.unique(series[usable]):
            places = np.flatnonzero(usable & (series == number))
            signs[places] = self._course(int(number)).add(time[places])
        return signs

    def lose(self, faults: list[Fault]) -> None:
        """Take rows that were set apart, so that they leave no holes between the others."""
        for fault in faults:
            self._first_lost = self._first_lost or fault.finding
            at = fault.finding.time
            if at is None:
                self._timeless += 1
            elif fault.series in self._courses:
                lost = self._courses[fault.series].lost
                if len(lost) < _SAMPLE:
                    lost.append(to_micros(at))

    def bounded_months(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return months since 1970-01; unusable times stand before all others."""
        usable = (time >= EARLIEST_US) & (time <= self._now_us)
        return np.where(usable, months_of(np.where(usable, time, 0)), _NO_MONTH)

    def _course(self, number: int) -> _Course:
        return self._courses.setdefault(number, _Course())

    @property
    def is_newest_first(self) -> bool:
        """Whether the file runs back in time but for a few rows."""
        ups, downs = self._steps()
        return downs > 0 and downs >= _MANIFOLD * ups

    @property
    def is_shuffled(self) -> bool:
        """Whether so many steps go each way that neighbours in the file tell no timeframe."""
        ups, downs = self._steps()
        return min(ups, downs) * _MANIFOLD > max(ups, downs)

    def _steps(self) -> tuple[int, int]:
        courses = self._courses.values()
        return sum(one.ups for one in courses), sum(one.downs for one in courses)

    def recount(self, stamps: Iterable[tuple[NDArray[np.int64], NDArray[np.int32] | int]]) -> None:
        """Count the steps of a shuffled file anew, between sorted times: all of them in memory."""
        parts: dict[int, list[NDArray[np.int64]]] = {}
        for time, series in stamps:
            usable = (time >= EARLIEST_US) & (time <= self._now_us)
            numbers = np.full(len(time), series) if isinstance(series, int) else series
            for number in np.unique(numbers[usable]):
                parts.setdefault(int(number), []).append(time[usable & (numbers == number)])
        for number, times in parts.items():
            if number in self._courses:
                course = self._courses[number]
                course.recount([*times, np.array(course.lost, np.int64)])

    @property
    def has_late(self) -> bool:
        """Whether some rows go against the order of the file."""
        if self.is_newest_first:
            return any(one.ups for one in self._courses.values())
        return any(one.downs for one in self._courses.values())

    @property
    def order(self) -> Order:
        """The order of the file in a word."""
        if self.is_newest_first:
            return "mixed" if self.has_late else "descending"
        return "mixed" if self.has_late else "ascending"

    @property
    def way(self) -> Way:
        """How the file can be read month by month."""
        courses = self._courses.values()
        if self.is_newest_first:
            return "backward" if all(one.months_fall for one in courses) else "scattered"
        return "forward" if all(one.months_rise for one in courses) else "scattered"

    def timeframes(self, table: SeriesTable) -> list[Timeframe]:
        """Return the timeframe of each series: told by the file or the caller, or inferred.

        Raises
        ------
        FileUnreadable
            Too few rows to infer it, steps that are no timeframe, times off its grid, or series
            of several timeframes that nothing tells apart.
        """
        told = [timeframe for timeframe in table.timeframes if timeframe is not None]
        common = None if len(told) == len(table.timeframes) else self._infer()
        found: list[Timeframe] = []
        for number, timeframe in enumerate(table.timeframes):
            course = self._courses.get(number)
            if timeframe is None and common is not None and course is not None:
                instrument = table.instruments[number]
                name = "The file" if instrument == UNNAMED else str(instrument)
                _refuse_mixture(course, common, name)
            found.append(timeframe or common or told[0])
        for number, course in self._courses.items():
            if number < len(found):
                _refuse_off_grid(course, found[number])
        return found

    def _mostly_lost(self) -> FileUnreadable:
        first = self._first_lost
        assert first is not None  # noqa: S101 - asked only where rows were set apart
        return FileUnreadable(
            first.check,
            f"Too few rows can be read to infer the timeframe; the first that cannot:"
            f" {first.message}",
            "Compare the columns with what the file should hold.",
            column=first.column,
            value=first.value,
            line=first.line,
            row=first.row,
        )

    def _infer(self) -> Timeframe:
        steps = Counter[int]()
        for course in self._courses.values():
            course.fill()
            steps.update(course.steps)
        hint = "Say it with --timeframe, as in --timeframe 1m."
        if self._timeless > self.rows:
            raise self._mostly_lost()
        step, count = min(steps.items(), key=lambda item: (-item[1], item[0]), default=(0, 0))
        if count < _TWICE:
            if self._first_lost is not None:
                raise self._mostly_lost()
            message = f"The file has too few rows ({self.rows}) to infer its timeframe."
            if self.rows > _TWICE:
                message = (
                    f"Among the {self.rows} rows are too few different times to infer the timeframe"
                    " (absent, future and before 1700 left aside)."
                )
            raise FileUnreadable("unknown_timeframe", message, hint, column="timestamp")
        if step % _MICROS:
            message = f"The rows are {step / _MICROS:g} s apart, which is no timeframe."
            raise FileUnreadable(
                "unknown_timeframe", message, hint, column="timestamp", value=f"{step / _MICROS:g}"
            )
        return Timeframe(step // _MICROS)


def _refuse_mixture(course: _Course, common: Timeframe, name: str) -> None:
    """Refuse a file where a series, or a stretch of one, runs in steps that are not the file's."""
    other = min(course.runs - {0, common.seconds * _MICROS}, default=0)
    if other:
        message = (
            f"{name} has rows {common} apart, and a stretch of rows {other / _MICROS:g} s apart."
        )
        raise FileUnreadable(
            "mixed_timeframes",
            message,
            f"Split it; or, if candles are only absent there, say --timeframe {common}.",
            column="timestamp",
            value=f"{other / _MICROS:g}",
        )
    total = course.steps.total()
    if total < _SOME_STEPS:
        return
    step, count = course.steps.most_common(1)[0]
    if step == common.seconds * _MICROS or count < _MOST * total or min(course.steps) < step:
        return
    message = f"{name} has rows {step // _MICROS} s apart where other series have {common}."
    raise FileUnreadable(
        "mixed_timeframes",
        message,
        "Give the file a timeframe column, or split it.",
        column="timestamp",
        value=str(step // _MICROS),
    )


def _refuse_off_grid(course: _Course, timeframe: Timeframe) -> None:
    sample = np.concatenate(course.sample)
    off = np.flatnonzero(~on_grid(sample, timeframe))
    if len(off) <= _HALF * len(sample):
        return
    shown = str(sample[off[0]].astype("M8[us]"))
    message = f"Most times, as {shown}, are not on the grid of {timeframe} in UTC."
    raise FileUnreadable(
        "timestamp_off_grid",
        message,
        "Times must be the start of the candle in UTC; if the timeframe is another, say it with"
        " --timeframe.",
        column="timestamp",
        value=shown,
    )

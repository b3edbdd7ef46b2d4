"""Spool: typed rows of a file kept outside memory until the whole file has been seen."""

from __future__ import annotations

import tempfile
import weakref
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candela.files.chunk import Chunk
from candela.market.candle import VALUES
from candela.quality.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.files.chunk import Fault
    from candela.files.survey import Survey

__all__ = ["Spool"]

_IN_MEMORY: Final = 32 << 20
_GROUP_ROWS: Final = 500_000
_Columns = tuple[NDArray[Any], ...]
_KINDS: Final = (np.int64, *([np.float64] * 5), np.int64, np.int64, np.int32, np.int8)


class Spool:
    """Rows in file order, some 70 bytes each: in memory while few, then in a nameless file."""

    def __init__(self) -> None:
        self._kept: list[_Columns] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._spots: list[tuple[int, int]] = []
        self._faults: list[list[Fault]] = []
        self._finalizer: weakref.finalize[[], Spool] | None = None

    def add(self, chunk: Chunk, signs: NDArray[np.int8]) -> None:
        """Keep a chunk and the signs of its steps (see :meth:`Survey.add`)."""
        rows, count = chunk.rows, len(chunk.rows)
        line = np.zeros(count, np.int64) if rows.line is None else rows.line
        series = chunk.series
        if isinstance(series, int):
            series = np.full(count, series, np.int32)
        values = [rows.column(name) for name in VALUES]
        columns = (rows.time, *values, rows.row, line, series, signs)
        self._faults.append(chunk.faults)
        if self._file is None:
            self._kept.append(columns)
            self._bytes += sum(column.nbytes for column in columns)
            if self._bytes > _IN_MEMORY:
                self._spill()
        else:
            self._write(columns)

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by close()
        self._finalizer = weakref.finalize(self, self._file.close)
        for columns in self._kept:
            self._write(columns)
        self._kept = []

    def _write(self, columns: _Columns) -> None:
        if self._file is None:
            return
        self._spots.append((self._file.tell(), len(columns[0])))
        for column, kind in zip(columns, _KINDS, strict=True):
            self._file.write(np.ascontiguousarray(column, kind).tobytes())

    def close(self) -> None:
        """Give the space back."""
        self._kept = []
        if self._finalizer is not None:
            self._finalizer()

    def __len__(self) -> int:
        return len(self._faults)

    def _columns(self, number: int) -> _Columns:
        if self._file is None:
            return self._kept[number]
        offset, count = self._spots[number]
        self._file.seek(offset)
        return tuple(np.fromfile(self._file, kind, count) for kind in _KINDS)

    def stamps(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Yield times and series of all rows in file order."""
        for number in range(len(self)):
            columns = self._columns(number)
            yield columns[0], columns[-2]

    def chunks(
        self, survey: Survey, *, has_lines: bool
    ) -> Iterator[tuple[Chunk, NDArray[np.int8] | None]]:
        """Yield the rows so that the months of each series never go back.

        A file in random order is searched through once for every half million rows: slower, but
        with the same result and the same memory.
        """
        way = survey.way
        if way == "scattered":
            yield from self._searched(survey, has_lines=has_lines)
            return
        order = range(len(self)) if way == "forward" else range(len(self) - 1, -1, -1)
        for number in order:
            columns = self._columns(number)
            chunk = _chunk(columns, self._faults[number], has_lines=has_lines)
            yield chunk, columns[-1]

    def _searched(
        self, survey: Survey, *, has_lines: bool
    ) -> Iterator[tuple[Chunk, NDArray[np.int8] | None]]:
        counts: dict[tuple[int, int], int] = {}
        for number in range(len(self)):
            columns = self._columns(number)
            keys = np.stack([columns[-2].astype(np.int64), survey.bounded_months(columns[0])])
            found, sizes = np.unique(keys, axis=1, return_counts=True)
            for (series, month), size in zip(found.T.tolist(), sizes.tolist(), strict=True):
                counts[series, month] = counts.get((series, month), 0) + size
        faults = [fault for found in self._faults for fault in found]
        for series, first, last in _groups(counts):
            parts: list[_Columns] = []
            for number in range(len(self)):
                columns = self._columns(number)
                months = survey.bounded_months(columns[0])
                mask = (columns[-2] == series) & (months >= first) & (months <= last)
                if mask.any():
                    parts.append(tuple(column[mask] for column in columns))
            joined = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
            yield _chunk(joined, faults, has_lines=has_lines), joined[-1]
            faults = []


def _groups(counts: dict[tuple[int, int], int]) -> Iterator[tuple[int, int, int]]:
    """Yield series, first and last month of groups of months that fit in memory together."""
    series, first, last, rows = -1, 0, 0, 0
    for (number, month), size in sorted(counts.items()):
        if series >= 0 and (number != series or rows + size > _GROUP_ROWS):
            yield series, first, last
            series = -1
        if series < 0:
            series, first, rows = number, month, 0
        last = month
        rows += size
    if series >= 0:
        yield series, first, last


def _chunk(columns: _Columns, faults: list[Fault], *, has_lines: bool) -> Chunk:
    line = columns[7] if has_lines else None
    values: dict[str, NDArray[Any]] = dict(zip(VALUES, columns[1:6], strict=True))
    return Chunk(Rows.of(columns[0], values, columns[6], line), columns[8], faults)

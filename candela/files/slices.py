"""Slices: a candle file of any kind, read as judged calendar months of its series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from candela.files.months import MonthMaker
from candela.files.opening import open_file
from candela.files.options import Layout
from candela.files.series import UNNAMED, SeriesTable
from candela.files.spool import Spool
from candela.files.survey import Survey
from candela.files.textrows import TextRows
from candela.files.unreadable import FileUnreadable
from candela.market.candle import Flag
from candela.quality.rows import Rows, to_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from candela.clock import Clock
    from candela.files.chunk import Chunk, Fault
    from candela.files.months import Month
    from candela.files.opening import Opened
    from candela.files.options import ReadOptions
    from candela.files.parquetrows import ParquetRows
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.quality.finding import Finding

__all__ = ["Slice", "SliceReader", "read_slices"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slice:
    """The candles of one series in one calendar month (UTC), judged.

    Parameters
    ----------
    month
        The first instant of the month.
    accepted
        CANDLE_SCHEMA, sorted, each time once; empty where every row was refused.
    refused, flagged
        One finding per row and check.
    rows
        Rows of the file that belong here: those accepted and those with a refusal. A row without
        a usable time belongs to the month of the row before it.
    places
        ``row`` and ``line`` of the accepted rows, in their order.
    """

    instrument: Instrument
    timeframe: Timeframe
    month: datetime
    accepted: pl.DataFrame
    refused: list[Finding]
    flagged: list[Finding]
    rows: int
    places: pl.DataFrame


class SliceReader:
    """Slices of a file, one for each series and month, months of a series in rising order.

    Attributes
    ----------
    layout
        What was detected.
    digest
        sha256 of the bytes of the file, in hexadecimal.
    rows_total
        Data rows of the file.
    bytes_done, bytes_total
        How far reading has come, in bytes of the file.
    """

    def __init__(
        self,
        layout: Layout,
        digest: str,
        survey: Survey,
        table: SeriesTable,
        stream: Iterator[tuple[Chunk, NDArray[np.int8] | None]],
        *,
        now_us: int,
        bytes_total: int,
        rows_total: int,
        tail_row: int | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.layout = layout
        self.digest = digest
        self.rows_total = rows_total
        self.bytes_total = bytes_total
        self.rows_done = 0
        self._survey = survey
        self._stream = stream
        self._tail_row = tail_row
        self._spool = spool
        self._instruments = table.instruments
        self._timeframes = survey.timeframes(table)
        layout.instruments = [str(one) for one in table.instruments if one != UNNAMED]
        layout.timeframes = [str(one) for one in dict.fromkeys(self._timeframes)]
        layout.order = survey.order
        self._makers = [
            MonthMaker(timeframe, now_us, layout.has_volume) for timeframe in self._timeframes
        ]

    @property
    def bytes_done(self) -> int:
        """Bytes of the file whose rows have been given out."""
        if self.rows_done >= self.rows_total:
            return self.bytes_total
        return self.bytes_total * self.rows_done // self.rows_total

    def __iter__(self) -> Iterator[Slice]:
        """Yield the slices; a reader can be gone through once."""
        for chunk, signs in self._stream:
            rows = self._flagged(chunk.rows, signs)
            whole = replace(chunk, rows=rows)
            faults = self._sorted_faults(chunk.faults)
            for number in sorted({*whole.numbers(), *faults}):
                part = whole.part(number)
                for month in self._makers[number].feed(part, faults.get(number, [])):
                    yield self._slice(number, month)
        for number, maker in enumerate(self._makers):
            for month in maker.finish():
                yield self._slice(number, month)
        self.close()

    def close(self) -> None:
        """Give back what the reader holds outside memory."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _sorted_faults(self, faults: list[Fault]) -> dict[int, list[Fault]]:
        found: dict[int, list[Fault]] = {}
        for fault in faults:
            # A row that names no series stands with the first one: it must stand somewhere.
            found.setdefault(max(fault.series, 0), []).append(fault)
        return found

    def _flagged(self, rows: Rows, signs: NDArray[np.int8] | None) -> Rows:
        """Mark the rows that go against the order of the file, and the line that has no end."""
        flags = None
        if signs is not None and self._survey.has_late:
            late = signs > 0 if self._survey.is_newest_first else signs < 0
            if late.any():
                flags = np.where(late, np.int32(Flag.OUT_OF_ORDER), np.int32(0))
        if self._tail_row is not None and len(rows):
            tail = rows.row == self._tail_row
            if tail.any():
                flags = np.zeros(len(rows), np.int32) if flags is None else flags
                flags = flags | np.where(tail, np.int32(Flag.TRUNCATED_TAIL), np.int32(0))
        return rows if flags is None else replace(rows, flags=flags)

    def _slice(self, number: int, month: Month) -> Slice:
        self.rows_done += month.count
        return Slice(
            instrument=self._instruments[number],
            timeframe=self._timeframes[number],
            month=_EPOCH + timedelta(microseconds=month.start),
            accepted=month.rows.to_frame(has_volume=self.layout.has_volume),
            refused=month.refused,
            flagged=month.flagged,
            rows=month.count,
            places=month.rows.places(),
        )


def read_slices(
    path: Path,
    options: ReadOptions,
    clock: Clock,
    *,
    is_named: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SliceReader:
    """Open a candle file and judge it month by month.

    A text file is read to its end before the first slice, so that a file cut off in the middle
    gives one error and no slices. A Parquet file in rising order is read as it goes.

    Parameters
    ----------
    is_named
        False: a file that does not tell its instrument is read all the same, under
        :data:`candela.files.series.UNNAMED`.
    progress
        Called with bytes read and bytes of the file while a text file is read.

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken; also while iterating, where a Parquet file turns out
        to be damaged inside.
    """
    opened = open_file(path)
    try:
        table = SeriesTable(options, is_named=is_named)
        now_us = to_micros(clock.now())
        if opened.kind == "parquet":
            # Imported here: text files need none of its 30 MB.
            from candela.files.parquetrows import ParquetRows

            rows = ParquetRows(path, options, table, now_us)
            source = _Source(opened, options, table, now_us)
            return _read_parquet(rows, source)
        text = TextRows(opened, options, table, now_us)
        return _read_text(text, _Source(opened, options, table, now_us), progress)
    finally:
        opened.close()


@dataclass(frozen=True, slots=True)
class _Source:
    opened: Opened
    options: ReadOptions
    table: SeriesTable
    now_us: int

    def timeframe_from(self) -> Literal["option", "column", "inferred"]:
        if self.options.timeframe is not None:
            return "option"
        told = self.table.timeframes
        return "column" if told and told[0] is not None else "inferred"

    def refuse_nameless(self, faults: list[Fault], rows: int) -> None:
        """Refuse a file of which not one row names a series."""
        if self.table.instruments:
            return
        first = faults[0].finding
        raise FileUnreadable(
            first.check,
            f"No row can be read; the first: {first.message}",
            "Compare the columns with what the file should hold.",
            column=first.column,
            value=first.value,
            line=first.line,
            row=first.row,
            rows=rows,
        )


def _read_text(
    text: TextRows, source: _Source, progress: Callable[[int, int], None] | None
) -> SliceReader:
    raw = source.opened.raw
    survey, spool = Survey(source.now_us), Spool()
    try:
        faults: list[Fault] = []
        for chunk in text.chunks():
            spool.add(chunk, survey.add(chunk.rows.time, chunk.series))
            survey.lose(chunk.faults)
            faults = faults or chunk.faults
            if progress is not None:
                progress(raw.done, raw.total)
        source.refuse_nameless(faults, text.rows)
        if survey.is_shuffled:
            survey.recount(spool.stamps())
        dialect = text.dialect
        layout = Layout(
            format="csv",
            name=dialect.name,
            compression=source.opened.compression,
            encoding=text.encoding,
            separator=dialect.separator,
            decimal=dialect.decimal,
            header_line=dialect.header_line,
            skipped_lines=dialect.skipped,
            columns=dialect.names,
            ignored=dialect.ignored,
            time=dialect.rule.label,
            timeframe_from=source.timeframe_from(),
            has_volume=text.has_volume,
        )
        stream = spool.chunks(survey, has_lines=True)
        return SliceReader(
            layout,
            raw.digest(),
            survey,
            source.table,
            stream,
            now_us=source.now_us,
            bytes_total=raw.total,
            rows_total=text.rows,
            tail_row=text.tail_row,
            spool=spool,
        )
    except BaseException:
        spool.close()
        raise


def _read_parquet(rows: ParquetRows, source: _Source) -> SliceReader:
    """Look through the times first, then read month by month, or by way of a spool."""
    survey = Survey(source.now_us)
    for time, series in rows.stamps():
        survey.add(time, series)
    layout = Layout(
        format="parquet",
        columns=rows.names,
        ignored=rows.ignored,
        time=rows.rule.label,
        timeframe_from=source.timeframe_from(),
        has_volume=rows.has_volume,
    )
    if survey.is_shuffled:
        survey.recount(rows.stamps())
    spool = None
    if not source.table.instruments:
        source.refuse_nameless([fault for one in rows.chunks() for fault in one.faults], rows.rows)
    if survey.way == "forward":
        stream = _signed(rows.chunks(), survey, source.now_us)
    else:
        spool = Spool()
        again = Survey(source.now_us)
        for chunk in rows.chunks():
            spool.add(chunk, again.add(chunk.rows.time, chunk.series))
        stream = spool.chunks(survey, has_lines=False)
    return SliceReader(
        layout,
        source.opened.raw.digest(),
        survey,
        source.table,
        stream,
        now_us=source.now_us,
        bytes_total=source.opened.raw.total,
        rows_total=rows.rows,
        spool=spool,
    )


def _signed(
    chunks: Iterator[Chunk], survey: Survey, now_us: int
) -> Iterator[tuple[Chunk, NDArray[np.int8] | None]]:
    """Add the signs of the steps, where some go back at all."""
    again = Survey(now_us)
    for chunk in chunks:
        yield chunk, again.add(chunk.rows.time, chunk.series) if survey.has_late else None

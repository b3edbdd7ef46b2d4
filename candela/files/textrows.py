"""Text rows: blocks of a text file become typed rows, quickly if clean, else line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from candela.files.chunk import Chunk, Faults, Loose, Placer
from candela.files.dialect import ABSENT, REMARKS, detect, is_remark, split_line
from candela.files.keys import number_series
from candela.files.names import normal
from candela.files.series import KEYS
from candela.files.textblocks import TextBlocks
from candela.files.unreadable import FileUnreadable
from candela.market.candle import VALUES
from candela.quality.finding import Finding
from candela.quality.rows import NO_TIME, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from candela.files.opening import Opened
    from candela.files.options import ReadOptions
    from candela.files.series import SeriesTable

__all__ = ["TextRows"]

_DIGITS: Final = frozenset("0123456789")
_TO_POINT: Final = bytes.maketrans(b",", b".")
# Old programs end a text file with Ctrl-Z.
_BLANK: Final = b" \t\x1a"
_REMARKS: Final = tuple(mark.encode() for mark in REMARKS)
_MARKS: Final = tuple(b"\n" + mark.encode() for mark in REMARKS)


class TextRows:
    """The rows of a text file, chunk by chunk, in its order.

    Raises
    ------
    FileUnreadable
        The dialect cannot be told, or the file is cut or damaged.
    """

    def __init__(
        self, opened: Opened, options: ReadOptions, table: SeriesTable, now_us: int
    ) -> None:
        self._blocks = TextBlocks(opened)
        self.encoding = self._blocks.encoding
        self.dialect = detect(self._blocks.first, options)
        self._table = table
        self._now_us = now_us
        self._placer = Placer()
        self._row = 0
        at = self.dialect.columns.at
        self._values = [name for name in VALUES if name in at]
        self._keys = [name for name in KEYS if name in at]
        self.tail_row: int | None = None
        self.has_volume = False

    @property
    def rows(self) -> int:
        """Data rows read so far."""
        return self._row

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of the file, each once, typed or as a fault."""
        line = 1
        skip = self.dialect.data_line - 1
        for whole in self._blocks:
            block, lines = whole, whole.count(b"\n")
            if skip:
                block = _after_lines(whole, skip)
                passed = min(skip, lines)
                skip -= passed
                line, lines = line + passed, lines - passed
            tail = b""
            if not block.endswith(b"\n"):
                # Only the last block of a file ends without a line end.
                cut = block.rfind(b"\n") + 1
                block, tail = block[:cut], block[cut:]
            if block:
                yield self._fast(block, lines, line) or self._careful(block, line)
            line += lines
            if tail.strip(_BLANK):
                yield self._tail(tail, line)

    def _fast(self, block: bytes, count: int, line: int) -> Chunk | None:
        """Read a block that is clean throughout; None if it is not."""
        frame = self._parsed(block, count) if self._is_plain(block, count) else None
        if frame is None:
            return None
        columns, rule = self.dialect.columns, self.dialect.rule
        row = np.arange(self._row + 1, self._row + 1 + count, dtype=np.int64)
        lines = np.arange(line, line + count, dtype=np.int64)
        faults = Faults(row, lines)
        stamps = frame[f"c{columns.at['time']}"]
        if stamps.dtype == pl.Int64:
            time, odd_times = rule.from_epochs(stamps.to_numpy())
            for place, check in odd_times.items():
                faults.add(place, check, "timestamp", str(stamps[place]))
        else:
            texts = stamps.str.strip_chars()
            if columns.clock is not None:
                texts = texts + " " + frame[f"c{columns.clock}"].str.strip_chars()
            time, odd_times = rule.from_texts(texts)
            if odd_times:
                return None
        values = {name: frame[f"c{columns.at[name]}"].to_numpy() for name in self._values}
        keys = {name: frame[f"c{columns.at[name]}"].str.strip_chars() for name in self._keys}
        return self._chunk(row, lines, time, values, keys, faults, [])

    def _is_plain(self, block: bytes, count: int) -> bool:
        """Whether a block may be cut at each separator: no quotes, remarks, odd line ends."""
        mark = self.dialect.separator.encode()
        if b'"' in block or b"\r" in block or block.count(mark) != count * (self.dialect.width - 1):
            return False
        if block.startswith(_REMARKS) or any(mark in block for mark in _MARKS):
            return False
        return self.dialect.decimal == "." or b"." not in block

    def _parsed(self, block: bytes, count: int) -> pl.DataFrame | None:
        """Return the columns that are needed, None if anything in them is absent or unreadable."""
        dialect, at = self.dialect, self.dialect.columns.at
        if dialect.decimal == ",":
            block = block.translate(_TO_POINT)
        kinds: dict[int, type[pl.DataType]] = {at[name]: pl.Float64 for name in self._values}
        if dialect.rule.unit is not None and dialect.columns.clock is None:
            kinds[at["time"]] = pl.Int64
        schema = {f"c{place}": kinds.get(place, pl.String) for place in range(dialect.width)}
        wanted = {at[name] for name in ("time", *self._values, *self._keys)}
        if dialect.columns.clock is not None:
            wanted.add(dialect.columns.clock)
        try:
            frame = pl.read_csv(
                block,
                has_header=False,
                separator=dialect.separator,
                schema=schema,
                columns=sorted(wanted),
                quote_char=None,
                infer_schema=False,
            )
        except pl.exceptions.PolarsError:
            # The careful way finds out which cells are at fault.
            return None
        if frame.height != count or any(series.null_count() for series in frame):
            return None
        # A short line shows as a null in the last column, if that is read at all.
        is_even = dialect.width - 1 in wanted or _is_even(
            block, dialect.separator.encode(), dialect.width, count
        )
        return frame if is_even else None

    def _careful(self, block: bytes, line: int) -> Chunk:
        """Read a block line by line, setting apart what cannot be read."""
        width, separator = self.dialect.width, self.dialect.separator
        time = self.dialect.columns.at["time"]
        table: list[list[str]] = []
        rows: list[int] = []
        lines: list[int] = []
        ragged: list[Finding] = []
        for number, text in enumerate(block.decode("utf-8", "replace").split("\n"), line):
            if not text.strip() or is_remark(text):
                continue
            fields = split_line(text, separator)
            is_even = len(fields) == width
            if is_even and fields[time][:1] not in _DIGITS and self._is_header(fields, number):
                self.dialect.skipped.append(number)
                continue
            self._row += 1
            if is_even:
                table.append(fields)
                rows.append(self._row)
                lines.append(number)
            else:
                ragged.append(_ragged(self._row, number, text, len(fields), width))
        self._row -= len(rows) + len(ragged)
        return self._typed(table, rows, lines, ragged)

    def _is_header(self, fields: list[str], line: int) -> bool:
        """Whether a line is the header once more, as where files were joined.

        Raises
        ------
        FileUnreadable
            It names the same columns in another order, which holds for what follows it.
        """
        header = [normal(text) for text in self.dialect.header]
        names = [normal(text) for text in fields]
        if not header or names == header:
            return bool(header)
        if sorted(names) != sorted(header):
            return False
        message = f"Line {line} is another header, with the columns in another order."
        raise FileUnreadable(
            "wrong_header",
            message,
            "The file was joined from several; import each of them.",
            column="header",
            value=",".join(fields)[:200],
            line=line,
        )

    def _typed(
        self, table: list[list[str]], rows: list[int], lines: list[int], ragged: list[Finding]
    ) -> Chunk:
        row = np.array(rows, np.int64)
        line = np.array(lines, np.int64)
        faults = Faults(row, line)
        at, columns = self.dialect.columns.at, self.dialect.columns

        def column(place: int) -> pl.Series:
            return pl.Series([fields[place] for fields in table], dtype=pl.String)

        raw = column(at["time"])
        stamps = _absent_to_null(raw)
        if columns.clock is not None:
            clock = column(columns.clock)
            raw = raw + " " + clock
            stamps = stamps + " " + _absent_to_null(clock)
        time, odd_times = self.dialect.rule.from_texts(stamps)
        for place, check in sorted(odd_times.items()):
            faults.add(place, check, "timestamp", raw[place])
        values: dict[str, NDArray[np.float64]] = {}
        for name in self._values:
            texts = column(at[name])
            present = _absent_to_null(texts)
            numbers = _numbers(present, self.dialect.decimal)
            unread = (numbers.is_null() & present.is_not_null()).to_numpy()
            faults.add_mask(unread, "non_numeric", name, texts.__getitem__)
            values[name] = numbers.fill_null(float("nan")).to_numpy()
        keys = {name: _absent_to_null(column(at[name])) for name in self._keys}
        return self._chunk(row, line, time, values, keys, faults, ragged)

    def _chunk(
        self,
        row: NDArray[np.int64],
        line: NDArray[np.int64],
        time: NDArray[np.int64],
        values: dict[str, NDArray[np.float64]],
        keys: dict[str, pl.Series],
        faults: Faults,
        ragged: list[Finding],
    ) -> Chunk:
        series = number_series(keys, len(row), self._table, faults)
        if "volume" not in values:
            values["volume"] = np.full(len(row), np.nan)
        self.has_volume = self.has_volume or bool((~np.isnan(values["volume"])).any())
        self._row += len(row) + len(ragged)
        findings = faults.findings(time)
        good = ~faults.bad if faults.bad.any() else None
        findings += _between(ragged, row)
        placed = self._placer.place(findings, time, series, good, self._now_us)
        rows = Rows.of(time, values, row, line)
        if good is not None:
            rows = rows.take(good)
            series = series if isinstance(series, int) else series[good]
        return Chunk(rows, series, placed)

    def _tail(self, tail: bytes, line: int) -> Chunk:
        """Read a last line without a line end: it may have been cut anywhere."""
        before = self._row
        had_volume = self.has_volume
        chunk = self._careful(tail, line)
        if self._row == before:
            return chunk
        complete = len(chunk.rows) == 1 and int(chunk.rows.time[0]) != NO_TIME
        needed = [name for name in self._values if name != "volume" or had_volume]
        if complete and not any(np.isnan(chunk.rows.column(name)[0]) for name in needed):
            self.tail_row = self._row
            return chunk
        text = tail.decode("utf-8", "replace").strip()
        message = "the file ends in the middle of this line; what followed is lost."
        finding = Finding(self._row, line, "file", "truncated_file", text[:80], message)
        # It stands where the rows before it stand, whatever the pieces of it say.
        empty = np.empty(0, np.int64)
        placed = self._placer.place(
            [Loose(finding, 0)],
            np.array([NO_TIME]),
            np.array([-1], np.int32),
            None,
            self._now_us,
        )
        rows = chunk.rows.take(slice(0, 0))
        return Chunk(rows, empty.astype(np.int32), placed)


def _after_lines(block: bytes, count: int) -> bytes:
    at = 0
    for _ in range(count):
        found = block.find(b"\n", at)
        if found < 0:
            return b""
        at = found + 1
    return block[at:]


def _is_even(block: bytes, mark: bytes, width: int, count: int) -> bool:
    """Whether every line has the same number of separators."""
    codes = np.frombuffer(block, np.uint8)
    marks = np.flatnonzero(codes == mark[0])
    ends = np.flatnonzero(codes == ord("\n"))
    return bool((np.searchsorted(marks, ends) == np.arange(1, count + 1) * (width - 1)).all())


def _absent_to_null(texts: pl.Series) -> pl.Series:
    return pl.select(pl.when(~texts.str.to_lowercase().is_in(list(ABSENT))).then(texts)).to_series()


def _numbers(texts: pl.Series, decimal: str) -> pl.Series:
    if decimal == ",":
        texts = pl.select(
            pl.when(~texts.str.contains(".", literal=True)).then(
                texts.str.replace(",", ".", literal=True)
            )
        ).to_series()
    return texts.cast(pl.Float64, strict=False)


def _ragged(row: int, line: int, text: str, fields: int, width: int) -> Finding:
    message = f"the line has {fields} fields where the file has {width} columns."
    return Finding(row, line, "file", "ragged_row", text.strip()[:80], message)


def _between(ragged: list[Finding], row: NDArray[np.int64]) -> list[Loose]:
    """Say where among the typed rows the ragged ones stood."""
    return [
        Loose(finding, int(np.searchsorted(row, finding.row or 0)), is_between=True)
        for finding in ragged
    ]

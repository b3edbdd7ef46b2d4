"""Parquet rows: record batches of a Parquet file become typed rows."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from candela.files.chunk import Chunk, Faults, Placer
from candela.files.dialect import ABSENT
from candela.files.keys import number_series
from candela.files.names import map_hint, match_names
from candela.files.series import KEYS
from candela.files.times import TimeRule, rule_for_epochs, rule_for_texts
from candela.files.typedtimes import from_timestamps, refuse_tiny_span
from candela.files.unreadable import FileUnreadable
from candela.market.candle import VALUES
from candela.quality.rows import NO_TIME, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from candela.files.options import ReadOptions
    from candela.files.series import SeriesTable

__all__ = ["ParquetRows", "count_rows", "open_parquet", "parquet_frame"]

_BATCH: Final = 131_072
_BUFFER: Final = 1 << 20
_SAMPLE: Final = 1_000
_AGAIN: Final = "Get the file again from its source."
_WHOLE: Final = 2.0**62


class ParquetRows:
    """The rows of a Parquet file, batch by batch, in its order.

    Batches go from Arrow to numpy by way of polars: Arrow's own way would load pandas.

    Raises
    ------
    FileUnreadable
        It cannot be decoded, or lacks columns, or has times that cannot be read.
    """

    def __init__(self, path: Path, options: ReadOptions, table: SeriesTable, now_us: int) -> None:
        self._path = path
        self._table = table
        self._now_us = now_us
        self._file = open_parquet(path)
        self.rows: int = self._file.metadata.num_rows
        schema = self._file.schema_arrow
        self.columns = match_names(schema.names, options.columns)
        at = self.columns.at
        if self.columns.missing or self.columns.volumes:
            raise _missing(schema.names, self.columns.missing or ["volume"], self.rows)
        self.names: dict[str, str] = {thing: schema.names[place] for thing, place in at.items()}
        read = set(self.names.values())
        self.ignored: list[str] = [name for name in schema.names if name not in read]
        self._values = [name for name in VALUES if name in at]
        self._keys = [name for name in KEYS if name in at]
        for thing in ("time", *self._values, *self._keys):
            _refuse_kind(schema.field(at[thing]), thing)
        if not self.rows:
            message = f"{path.name} has columns but no rows."
            raise FileUnreadable("empty_file", message, _AGAIN)
        self.rule = self._time_rule(options)
        self.has_volume = "volume" in at and self._reports_volume()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _batches(self, things: list[str]) -> Iterator[pa.RecordBatch]:
        names = [self.names[thing] for thing in things]
        try:
            for batch in self._file.iter_batches(_BATCH, columns=names, use_threads=False):
                # Damaged texts must not get further: what reads them trusts them to be UTF-8.
                batch.validate(full=True)
                # In the order asked for, not in that of the file.
                yield batch.select(names)
        except (pa.ArrowException, OSError, ValueError) as error:
            message = f"{self._path.name} is damaged: {_first_line(error)}."
            raise FileUnreadable("not_parquet", message, _AGAIN) from error

    def _first(self, thing: str) -> pl.Series:
        batch = next(iter(self._batches([thing])))
        return _series(batch, 0)

    def _time_rule(self, options: ReadOptions) -> TimeRule:
        first = self._first("time")
        kind = first.dtype
        if isinstance(kind, pl.Datetime):
            refuse_tiny_span(first, self.rows)
            zone = "" if kind.time_zone else ", UTC assumed"
            return TimeRule(None, f"timestamp[{kind.time_unit}]{zone}")
        if kind == pl.Date:
            return TimeRule(None, "date, UTC assumed")
        if not kind.is_numeric():
            sample = _texts(first).drop_nulls().head(_SAMPLE).to_list()
            return rule_for_texts(sample, self.columns.unit, options.unit)
        numbers = first.cast(pl.Float64).drop_nulls().head(_SAMPLE)
        sample = [int(number) for number in numbers.filter(numbers.is_finite())]
        return rule_for_epochs(sample, self.columns.unit, options.unit)

    def _reports_volume(self) -> bool:
        for batch in self._batches(["volume"]):
            column = _series(batch, 0).drop_nulls()
            if len(column) and not column.dtype.is_float():
                return True
            # NaN is how some writers say null.
            if len(column) and not column.is_nan().all():
                return True
        return False

    def stamps(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32] | int]]:
        """Yield times and series of all rows in file order, without reading the rest."""
        rule = self._fresh_rule()
        things = ["time", *self._keys]
        for batch in self._batches(things):
            faults = Faults(np.zeros(len(batch), np.int64), None)
            time = _times(_series(batch, 0), rule, faults)
            yield time, self._numbers(batch, things, faults)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of the file, each once, typed or as a fault."""
        rule, placer, row = self._fresh_rule(), Placer(), 0
        things = ["time", *self._values, *self._keys]
        for batch in self._batches(things):
            count = len(batch)
            numbers = np.arange(row + 1, row + 1 + count, dtype=np.int64)
            faults = Faults(numbers, None)
            time = _times(_series(batch, 0), rule, faults)
            values = {
                name: _floats(_series(batch, at), name, faults)
                for at, name in enumerate(self._values, 1)
            }
            if "volume" not in values:
                values["volume"] = np.full(count, np.nan)
            series = self._numbers(batch, things, faults)
            rows = Rows.of(time, values, numbers)
            good = ~faults.bad if faults.bad.any() else None
            placed = placer.place(faults.findings(time), time, series, good, self._now_us)
            if good is not None:
                rows = rows.take(good)
                series = series if isinstance(series, int) else series[good]
            row += count
            yield Chunk(rows, series, placed)

    def _fresh_rule(self) -> TimeRule:
        """Return the rule for another pass: it remembers the last time it read."""
        return TimeRule(self.rule.unit, self.rule.label, self.rule.formats)

    def _numbers(
        self, batch: pa.RecordBatch, things: list[str], faults: Faults
    ) -> NDArray[np.int32] | int:
        columns = {name: batch.column(things.index(name)) for name in self._keys}
        constants = {name: _constant(column) for name, column in columns.items()}
        if all(constants.values()):
            keys = {name: pl.Series([value], dtype=pl.String) for name, value in constants.items()}
        else:
            keys = {name: _texts(_series(batch, things.index(name))) for name in columns}
        return number_series(keys, len(batch), self._table, faults)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file so that it is read in small pieces.

    Raises
    ------
    FileUnreadable
        It is cut off or damaged.
    """
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        if not texts:
            return file
        file.close()
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER, read_dictionary=texts)
    except (pa.ArrowException, OSError, ValueError) as error:
        if not _ends_well(path):
            message = f"{path.name} is cut off: a Parquet file ends with PAR1."
            raise FileUnreadable("truncated_file", message, _AGAIN) from error
        message = f"{path.name} is damaged: {_first_line(error)}."
        raise FileUnreadable("not_parquet", message, _AGAIN) from error


def _ends_well(path: Path) -> bool:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 4))
        return stream.read(4) == b"PAR1" and size > 8  # noqa: PLR2004


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200].rstrip(".")


def count_rows(path: Path) -> int:
    """Return how many rows a Parquet file has, as its end says.

    Raises
    ------
    FileUnreadable
        It is cut off or damaged.
    """
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def parquet_frame(path: Path) -> pl.DataFrame:
    """Return a small Parquet file as one frame.

    Raises
    ------
    FileUnreadable
        It is cut off or damaged.
    """
    file = open_parquet(path)
    try:
        table = file.read(use_threads=False)
        table.validate(full=True)
        return pl.DataFrame(pl.from_arrow(table))
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"{path.name} is damaged: {_first_line(error)}."
        raise FileUnreadable("not_parquet", message, _AGAIN) from error
    finally:
        file.close()


def _missing(names: list[str], missing: list[str], rows: int) -> FileUnreadable:
    shown = ",".join(names)[:200]
    return FileUnreadable(
        "wrong_header",
        f"The columns ({shown}) name no {', '.join(missing)}.",
        map_hint(missing),
        column="header",
        value=shown,
        rows=rows,
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _refuse_kind(field: pa.Field, thing: str) -> None:
    kind = field.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if is_number or pa.types.is_decimal(kind) or _is_text(kind) or pa.types.is_null(kind):
        return
    if thing == "time" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return
    message = f"The column {field.name!r} is of type {kind}, which is no {thing}."
    raise FileUnreadable(
        "wrong_header", message, "Write numbers as numbers.", column="header", value=field.name
    )


def _series(batch: pa.RecordBatch, at: int) -> pl.Series:
    frame = pl.from_arrow(batch.select([at]))
    return frame.to_series() if isinstance(frame, pl.DataFrame) else frame


def _constant(column: pa.Array) -> str | None:
    """Return the one text of a column, None if it has several, nulls, or none."""
    if not isinstance(column, pa.DictionaryArray) or column.null_count:
        return None
    if len(column.dictionary) != 1:
        return None
    return str(column.dictionary[0].as_py()).strip()


def _texts(column: pl.Series) -> pl.Series:
    """Return trimmed texts, null where absent."""
    texts = column.cast(pl.String).str.strip_chars()
    return pl.select(pl.when(~texts.str.to_lowercase().is_in(list(ABSENT))).then(texts)).to_series()


def _times(column: pl.Series, rule: TimeRule, faults: Faults) -> NDArray[np.int64]:
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        return from_timestamps(column)
    if not column.dtype.is_numeric():
        time, odd = rule.from_texts(_texts(column))
    else:
        epochs, odd = _whole(column)
        time, strays = rule.from_epochs(epochs)
        odd |= strays
    for at, check in sorted(odd.items()):
        faults.add(at, check, "timestamp", str(column[at]))
    return time


def _floats(column: pl.Series, name: str, faults: Faults) -> NDArray[np.float64]:
    if column.dtype == pl.Float64:
        return column.to_numpy()
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    texts = _texts(column)
    numbers = texts.cast(pl.Float64, strict=False)
    unread = (numbers.is_null() & texts.is_not_null()).to_numpy()
    faults.add_mask(unread, "non_numeric", name, texts.__getitem__)
    return numbers.fill_null(float("nan")).to_numpy()


def _whole(column: pl.Series) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Return whole numbers, NO_TIME where absent; fractions are faults."""
    if column.dtype.is_signed_integer():
        return column.cast(pl.Int64).fill_null(NO_TIME).to_numpy(), {}
    numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    safe = np.where(np.abs(numbers) < _WHOLE, numbers, 0.5)
    is_whole = safe == np.floor(safe)
    epochs = np.where(is_whole, safe, 0).astype(np.int64)
    odd = np.flatnonzero(~is_whole & ~np.isnan(numbers))
    return np.where(is_whole, epochs, NO_TIME), {int(at): "non_numeric" for at in odd}

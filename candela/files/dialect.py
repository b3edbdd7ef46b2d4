"""Dialect: separator, decimal mark, header and columns of a text file, from its beginning."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from candela.files.headerless import choose_bare
from candela.files.names import Columns, match_names, normal
from candela.files.times import rule_for_texts
from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from candela.files.options import ReadOptions
    from candela.files.times import TimeRule

__all__ = ["ABSENT", "Dialect", "detect", "is_data", "is_remark", "split_line"]

SEPARATORS: Final = (",", ";", "\t", "|")
ABSENT: Final = frozenset({"", "null", "none", "nan"})
"""Texts, in lower case, that stand for an absent value."""
REMARKS: Final = ("#", "//", "%")

_BANNER_LINES: Final = 50
_SAMPLE: Final = 1_000
_MANY: Final = 5
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_POINT: Final = re.compile(r"[+-]?\d+\.\d+")
_TIME_LIKE: Final = re.compile(r"\d{4}[-/.]\d\d|\d{2}[-/.]\d\d[-/.]\d{4}|\d{8,}")
_NUMBERS: Final = ("open", "high", "low", "close", "volume")


@dataclass(slots=True)
class Dialect:
    """How a text file is to be cut into rows and its rows into values.

    Parameters
    ----------
    data_line
        The physical line (from 1) on which data begin.
    header
        The fields of the header; empty where there is none.
    """

    separator: str
    decimal: str
    width: int
    data_line: int
    header: list[str]
    header_line: int | None
    skipped: list[int]
    columns: Columns
    name: str
    rule: TimeRule
    names: dict[str, str] = field(default_factory=dict[str, str])
    ignored: list[str] = field(default_factory=list[str])


def is_remark(line: str) -> bool:
    """Whether a line holds a remark and no data."""
    return line.lstrip().startswith(REMARKS)


def split_line(line: str, separator: str) -> list[str]:
    """Cut a line into trimmed fields; quotes may hold separators."""
    if '"' in line:
        try:
            return [text.strip() for text in next(csv.reader([line], delimiter=separator))]
        except (csv.Error, StopIteration):
            return [line]
    return [text.strip() for text in line.split(separator)]


def detect(lines: list[str], options: ReadOptions) -> Dialect:
    """Find out the dialect from the first lines.

    Raises
    ------
    FileUnreadable
        Time, prices and volume cannot be told apart, or numbers and times cannot be read.
    """
    useful = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not is_remark(line)
    ]
    if not useful:
        message = "The file has no data: only blank lines and remarks."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    for place, (number, line) in enumerate(useful[:_BANNER_LINES]):
        for separator in SEPARATORS:
            fields = split_line(line, separator)
            if len(fields) < _MANY or is_data(fields):
                continue
            columns = match_names(fields, options.columns) if _is_named(fields, options) else None
            if columns is not None and not columns.missing:
                rest = useful[place + 1 :]
                return _finish(
                    separator, fields, number, columns, "named columns", useful, rest, options
                )
        best = max(SEPARATORS, key=lambda mark: len(split_line(line, mark)))
        if is_data(split_line(line, best)):
            return _bare(best, useful, place, options)
    raise _no_header(useful, options)


def _is_named(fields: list[str], options: ReadOptions) -> bool:
    """Whether a line can be the header that a mapping speaks of, so that its errors are told."""
    wanted = {normal(name) for name in options.columns.values() if name}
    return not wanted or bool(wanted & {normal(text) for text in fields})


def is_data(fields: list[str]) -> bool:
    """Whether the fields of a line look like a candle and not like names."""
    if len(fields) < _MANY:
        return False
    numbers = sum(bool(_NUMBER.fullmatch(text)) for text in fields)
    times = sum(bool(_TIME_LIKE.match(text)) for text in fields[:2])
    return numbers >= 4 or (numbers >= 3 and times > 0)  # noqa: PLR2004


def _bare(
    separator: str, useful: list[tuple[int, str]], place: int, options: ReadOptions
) -> Dialect:
    """Read a file whose data begin without a header that was understood."""
    number, line = useful[place]
    width = len(split_line(line, separator))
    if place:
        above = split_line(useful[place - 1][1], separator)
        if len(above) == width:
            raise _wrong_header(above, useful[place - 1][0], options, rows=0)
    rest = useful[place:]
    if options.columns:
        positions = {thing: name for thing, name in options.columns.items() if name}
        names = [str(at) for at in range(1, width + 1)]
        columns = match_names(names, positions | {"volume": options.columns.get("volume", "")})
        if columns.missing:
            raise _wrong_header(names, number, options, rows=0)
        return _finish(separator, [], None, columns, "given columns", useful, rest, options)
    decimal = _decimal(
        [text for _, row in rest[:_SAMPLE] for text in split_line(row, separator)[1:]],
        separator,
        options,
    )
    sample = [
        [_number(text, decimal) for text in fields]
        for _, row in rest[:_SAMPLE]
        if len(fields := split_line(row, separator)) == width
    ]
    layout = choose_bare(sample, width, number)
    columns = Columns(layout.at(), [], unit=layout.unit)
    return _finish(separator, [], None, columns, layout.name, useful, rest, options, width)


def _number(text: str, decimal: str) -> float | None:
    try:
        return float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return None


def _finish(
    separator: str,
    header: list[str],
    header_line: int | None,
    columns: Columns,
    name: str,
    useful: list[tuple[int, str]],
    rest: list[tuple[int, str]],
    options: ReadOptions,
    width: int | None = None,
) -> Dialect:
    if not rest:
        message = "The file has a header but no data rows."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    width = width or len(header) or len(split_line(rest[0][1], separator))
    sample = [split_line(line, separator) for _, line in rest[:_SAMPLE]]
    fitting = [fields for fields in sample if len(fields) == width]
    if not fitting:
        message = f"The header has {width} columns, the first rows have {len(sample[0])}."
        raise FileUnreadable(
            "ragged_row",
            message,
            "Separator and decimal mark may be the same; write the file with other ones.",
            line=rest[0][0],
            row=1,
            value=rest[0][1][:80],
        )
    if columns.volumes:
        _choose_volume(columns, header, fitting, header_line)
    decimal = _decimal(
        [
            fields[columns.at[thing]]
            for fields in fitting
            for thing in _NUMBERS
            if thing in columns.at
        ],
        separator,
        options,
    )
    _some_numbers(fitting, columns, decimal, rest[0][0])
    cells = [_time_text(fields, columns) for fields in fitting]
    stamps = [text for text in cells if text.casefold() not in ABSENT]
    normals = [normal(text) for text in header]
    if {"unix", "date", "symbol"} <= set(normals):
        name = "cryptodatadownload"
    elif "close_time" in normals and columns.unit == "auto":
        name = "binance_klines"
    rule = rule_for_texts(stamps, columns.unit, options.unit)
    named = header or [str(at) for at in range(1, width + 1)]
    first = rest[0][0]
    read = set(columns.at.values()) | ({columns.clock} if columns.clock is not None else set[int]())
    return Dialect(
        separator=separator,
        decimal=decimal,
        width=width,
        data_line=first,
        header=header,
        header_line=header_line,
        skipped=[number for number, _ in useful if number < first and number != header_line],
        columns=columns,
        name=name,
        rule=rule,
        names={thing: named[at] for thing, at in columns.at.items()},
        ignored=[text for at, text in enumerate(named) if at not in read],
    )


def _time_text(fields: list[str], columns: Columns) -> str:
    text = fields[columns.at["time"]]
    return text if columns.clock is None else f"{text} {fields[columns.clock]}"


def _choose_volume(
    columns: Columns, header: list[str], rows: list[list[str]], header_line: int | None
) -> None:
    """Choose among volumes named after assets the one of the base, which the symbol begins with."""
    volumes, columns.volumes = columns.volumes, {}
    if len(volumes) == 1 and "symbol" not in columns.at:
        columns.at["volume"] = next(iter(volumes.values()))
        return
    symbol = rows[0][columns.at["symbol"]].casefold() if "symbol" in columns.at else ""
    fitting = [at for asset, at in volumes.items() if symbol.startswith(asset)]
    if len(fitting) != 1:
        message = f"It is open which of the columns {', '.join(header)} is the volume of the base."
        raise FileUnreadable(
            "wrong_header",
            message,
            "Name it with --columns volume=NAME.",
            column="header",
            value=",".join(header),
            line=header_line,
        )
    columns.at["volume"] = fitting[0]


def _decimal(cells: list[str], separator: str, options: ReadOptions) -> str:
    """Tell the decimal mark; three digits after a comma may as well be thousands."""
    if options.decimal is not None:
        return options.decimal
    if separator == ",":
        return "."
    commas = [text for text in cells if _COMMA.fullmatch(text)]
    points = [text for text in cells if _POINT.fullmatch(text)]
    if not commas or len(points) > len(commas):
        return "."
    if not points and all(len(text.rpartition(",")[2]) == 3 for text in commas):  # noqa: PLR2004
        message = f"In numbers such as {commas[0]!r} the comma may mean thousands or decimals."
        raise FileUnreadable(
            "non_numeric", message, "Write it with a point as decimal mark.", value=commas[0]
        )
    return ","


def _some_numbers(rows: list[list[str]], columns: Columns, decimal: str, line: int) -> None:
    """Refuse a file whose first thousand rows have not one readable price."""
    prices = [fields[columns.at[thing]] for fields in rows for thing in _NUMBERS[:4]]
    present = [text for text in prices if text.casefold() not in ABSENT]
    if present and all(_number(text, decimal) is None for text in present):
        message = f"Not one price of the first {len(rows)} rows is a number, as {present[0]!r}."
        raise FileUnreadable(
            "non_numeric",
            message,
            "Write plain numbers: no thousands separators, no units.",
            column="open",
            value=present[0][:80],
            line=line,
            row=1,
        )


def _no_header(useful: list[tuple[int, str]], options: ReadOptions) -> FileUnreadable:
    widths = [
        (len(split_line(line, mark)), -number, line, mark)
        for number, line in useful[:_BANNER_LINES]
        for mark in SEPARATORS
    ]
    _, number, line, mark = max(widths, key=lambda item: (item[0], item[1]))
    return _wrong_header(split_line(line, mark), -number, options, rows=0)


def _wrong_header(
    names: list[str], line: int, options: ReadOptions, *, rows: int
) -> FileUnreadable:
    shown = ",".join(names)[:200]
    columns = match_names(names, options.columns) if _is_named(names, options) else Columns({}, [])
    missing = columns.missing or ["time", "open", "high", "low", "close", "volume"]
    message = f"Line {line} ({shown}) names no {', '.join(missing)}."
    mapping = ",".join(f"{thing}=NAME" for thing in missing)
    return FileUnreadable(
        "wrong_header",
        message,
        f"Map the columns that are missing: --columns {mapping}.",
        column="header",
        value=shown,
        line=line,
        rows=rows,
    )

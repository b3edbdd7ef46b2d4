"""Dialect: separator, decimal mark, header and columns of a text file, from its beginning."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from candela.files.headerless import choose_bare
from candela.files.names import Columns, map_hint, match_names, normal
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


@dataclass(slots=True)
class _Start:
    """Where the rows begin and what their columns are."""

    separator: str
    header: list[str]
    header_line: int | None
    columns: Columns
    name: str
    above: list[int]
    rows: list[tuple[int, str]]

    @property
    def width(self) -> int:
        return len(self.header) or len(split_line(self.rows[0][1], self.separator))


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
    for place, (_, line) in enumerate(useful[:_BANNER_LINES]):
        start = _named(useful, place, options)
        if start is not None:
            return _finish(start, options)
        best = max(SEPARATORS, key=lambda mark: len(split_line(line, mark)))
        if is_data(split_line(line, best)):
            return _finish(_bare(best, useful, place, options), options)
    widest = max(useful[:_BANNER_LINES], key=lambda item: len(_widest(item[1])))
    unreadable = _wrong_header(_widest(widest[1]), widest[0], options)
    raise unreadable


def _widest(line: str) -> list[str]:
    return max((split_line(line, mark) for mark in SEPARATORS), key=len)


def _named(useful: list[tuple[int, str]], place: int, options: ReadOptions) -> _Start | None:
    """Read a line as the header, if it is one."""
    number, line = useful[place]
    for separator in SEPARATORS:
        fields = split_line(line, separator)
        if len(fields) < _MANY or is_data(fields):
            continue
        below = 1
        if stacked := _stacked([split_line(one, separator) for _, one in useful[place:][:3]]):
            fields, below = stacked, 3
        if not _is_named(fields, options):
            continue
        columns = match_names(fields, options.columns)
        if not columns.missing:
            lines = useful[: place + below]
            above = [at for at, _ in lines if at != number]
            rows = useful[place + below :]
            return _Start(separator, fields, number, columns, "named columns", above, rows)
    return None


def _stacked(lines: list[list[str]]) -> list[str] | None:
    """Return the header of yfinance, which has names, tickers and the index's name on 3 lines."""
    if [normal(fields[0]) for fields in lines[:2]] != ["price", "ticker"] or len(lines[2:]) != 1:
        return None
    names, tickers, index = lines
    if any(index[1:]) or not len(names) == len(tickers) == len(index):
        return None
    return [index[0], *names[1:]]


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
) -> _Start:
    """Read a file whose data begin without a header that was understood."""
    number, line = useful[place]
    width = len(split_line(line, separator))
    if place:
        above = split_line(useful[place - 1][1], separator)
        if len(above) == width:
            raise _wrong_header(above, useful[place - 1][0], options)
    rows = useful[place:]
    if options.columns:
        names = [str(at) for at in range(1, width + 1)]
        columns = match_names(names, {"volume": "", **options.columns})
        if columns.missing:
            raise _wrong_header(names, number, options)
        name = "given columns"
    else:
        layout = choose_bare(_sample(rows, separator, width, options), width, number)
        at = layout.at()
        clock = at.pop("clock", None)
        columns, name = Columns(at, [], unit=layout.unit, clock=clock), layout.name
    skipped = [above for above, _ in useful[:place]]
    return _Start(separator, [], None, columns, name, skipped, rows)


def _sample(
    rows: list[tuple[int, str]], separator: str, width: int, options: ReadOptions
) -> list[list[float | None]]:
    """Return the numbers of the first rows, None where a field is none."""
    cut = [split_line(line, separator) for _, line in rows[:_SAMPLE]]
    decimal = _decimal([text for fields in cut for text in fields[1:]], options)
    return [[_number(text, decimal) for text in fields] for fields in cut if len(fields) == width]


def _number(text: str, decimal: str) -> float | None:
    try:
        return float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return None


def _finish(start: _Start, options: ReadOptions) -> Dialect:
    """Look at the first rows for decimal mark and times, and refuse what no row can be read of."""
    columns, header, rows = start.columns, start.header, start.rows
    if not rows:
        message = "The file has a header but no data rows."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    fitting = _fitting(start)
    if columns.volumes:
        _choose_volume(columns, header, fitting, start.header_line)
    numbers = [columns.at[thing] for thing in _NUMBERS if thing in columns.at]
    cells = [fields[place] for fields in fitting for place in numbers]
    decimal = _decimal(cells, options)
    _some_numbers(fitting, columns, decimal, rows[0][0])
    stamps = [_time_text(fields, columns) for fields in fitting]
    stamps = [text for text in stamps if text.casefold() not in ABSENT]
    named = header or [str(at) for at in range(1, start.width + 1)]
    read = {*columns.at.values(), columns.clock}
    return Dialect(
        separator=start.separator,
        decimal=decimal,
        width=start.width,
        data_line=rows[0][0],
        header=header,
        header_line=start.header_line,
        skipped=start.above,
        columns=columns,
        name=_layout_name(start),
        rule=rule_for_texts(stamps, columns.unit, options.unit),
        names={thing: named[at] for thing, at in columns.at.items()},
        ignored=[text for at, text in enumerate(named) if at not in read],
    )


def _layout_name(start: _Start) -> str:
    normals = {normal(text) for text in start.header}
    if normals >= {"unix", "date", "symbol"}:
        return "cryptodatadownload"
    if "close_time" in normals and start.columns.unit == "auto":
        return "binance_klines"
    return start.name


def _fitting(start: _Start) -> list[list[str]]:
    """Return the fields of the first rows that have as many as the header."""
    sample = [split_line(line, start.separator) for _, line in start.rows[:_SAMPLE]]
    _end_alike(start.header, sample)
    fitting = [fields for fields in sample if len(fields) == start.width]
    if fitting:
        return fitting
    number, line = start.rows[0]
    if len(sample) == 1 and len(sample[0]) < start.width:
        message = f"The only row has {len(sample[0])} of {start.width} columns: it is cut off."
        raise FileUnreadable(
            "truncated_file",
            message,
            "Get the file again from its source.",
            line=number,
            row=1,
            value=line[:80],
            rows=1,
        )
    message = f"The header has {start.width} columns, the first rows have {len(sample[0])}."
    raise FileUnreadable(
        "ragged_row",
        message,
        "Separator and decimal mark may be the same; write the file with other ones.",
        line=number,
        row=1,
        value=line[:80],
    )


def _end_alike(header: list[str], rows: list[list[str]]) -> None:
    """Let the header end as the rows do, where only one of them ends in a separator."""
    # The last one may have been cut.
    widths = {len(fields) for fields in rows[:-1] or rows}
    if not header or len(widths) != 1:
        return
    (width,) = widths
    if width == len(header) + 1 and not any(fields[-1] for fields in rows[:-1] or rows):
        header.append("")
    elif width == len(header) - 1 and not header[-1]:
        header.pop()


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


def _decimal(cells: list[str], options: ReadOptions) -> str:
    """Tell the decimal mark; three digits after a comma may as well be thousands."""
    if options.decimal is not None:
        return options.decimal
    # Where commas separate, those in a field were quoted.
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


def _wrong_header(names: list[str], line: int, options: ReadOptions) -> FileUnreadable:
    shown = ",".join(names)[:200]
    columns = match_names(names, options.columns) if _is_named(names, options) else Columns({}, [])
    missing = columns.missing or ["time", "open", "high", "low", "close", "volume"]
    message = f"Line {line} ({shown}) names no {', '.join(missing)}."
    return FileUnreadable(
        "wrong_header",
        message,
        map_hint(missing),
        column="header",
        value=shown,
        line=line,
    )

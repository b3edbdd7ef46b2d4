"""What a person sees and what a script reads: text or one JSON object, progress on stderr."""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, TextIO, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from candela.errors import CandelaError

__all__ = ["JsonFlag", "Output", "make_printable", "report_error", "table"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_PLAIN_EVERY_S: Final = 5.0
# What a file holds must not steer the terminal that shows it.
_UNSEEN: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def make_printable(*streams: TextIO) -> None:
    """Let streams write any text: what their encoding lacks becomes an escape, not an error."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Output:
    """Print results; in JSON mode exactly one object reaches stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, data: object, text: str) -> None:
        """Print the result: ``data`` for scripts, ``text`` for people."""
        if self.as_json:
            _write_json(data)
        elif text:
            sys.stdout.write(text.rstrip("\n").translate(_UNSEEN) + "\n")

    def note(self, text: str) -> None:
        """Tell a person something on the way; scripts are spared it."""
        if not self.as_json:
            sys.stderr.write(text + "\n")

    @contextmanager
    def progress(self, what: str, unit: str = "rows") -> Generator[Callable[[float, int], None]]:
        """Show how far long work is; yields a function of (share 0..1, units or 0 if not counted).

        A terminal gets a bar with the rate and the time left; a file gets a line every few seconds;
        JSON mode nothing.
        """
        if self.as_json:
            yield lambda _share, _rows: None
        elif sys.stderr.isatty():
            with _bar(what, unit) as update:
                yield update
        else:
            yield _lines(what, unit)


@contextmanager
def _bar(what: str, unit: str) -> Generator[Callable[[float, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=1.0, pace="")

        def update(share: float, rows: int) -> None:
            rate = rows / max(time.monotonic() - started, 1e-6)
            pace = f"{rows:,} {unit}, {rate:,.0f} {unit}/s" if rows else ""
            progress.update(task, completed=share, pace=pace)

        yield update


def _lines(what: str, unit: str) -> Callable[[float, int], None]:
    started = last = time.monotonic()

    def update(share: float, rows: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _PLAIN_EVERY_S:
            return
        last = now
        left = (now - started) * (1 - share) / share if share > 0 else 0.0
        rate = rows / (now - started)
        pace = f" {rows:,} {unit}, {rate:,.0f} {unit}/s," if rows else ""
        sys.stderr.write(f"{what}: {share:.0%},{pace} {left:.0f} s left\n")

    return update


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a plain aligned table: numbers to the right, words to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([len(header), *(len(row[place]) for row in cells)])
        for place, header in enumerate(headers)
    ]
    is_number = [
        bool(rows)
        and all(isinstance(row[place], int | float) or row[place] is None for row in rows)
        for place in range(len(headers))
    ]

    def line(values: Sequence[str]) -> str:
        return "  ".join(
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, is_number, strict=True)
        ).rstrip()

    return "\n".join([line(headers), line(["-" * width for width in widths]), *map(line, cells)])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(cast("Iterable[object]", value))
    return str(value)


def report_error(error: CandelaError, *, as_json: bool) -> None:
    """Say what went wrong: words on stderr, or one object on stdout in JSON mode."""
    if as_json:
        _write_json({"error": error.as_dict()})
        return
    hint = f"\n  {error.hint}" if error.hint else ""
    sys.stderr.write(f"error: {error.message}{hint}\n".translate(_UNSEEN))


def _write_json(data: object) -> None:
    # Escapes of lone surrogates, which file names may hold, are JSON; those of bytes are not.
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(data, default=_plain, ensure_ascii=not is_unicode)
    sys.stdout.write(text + "\n")

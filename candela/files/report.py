"""Report: what is in a candle file, what is wrong with it and what is absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from candela.files.glance import glance
from candela.files.holes import HoleFinder
from candela.files.slices import read_slices
from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from candela.clock import Clock
    from candela.files.holes import Hole
    from candela.files.options import Layout, ReadOptions
    from candela.market.instrument import Instrument
    from candela.quality.finding import Finding

__all__ = ["FileReport", "check_file"]


@dataclass(slots=True)
class FileReport:
    """All findings about one file, in the order of its rows.

    Parameters
    ----------
    rows
        Data rows of the file.
    accepted
        How many of them would be stored.
    error
        Why the file cannot be read at all; then nothing of it is accepted.
    """

    file: str
    rows: int = 0
    accepted: int = 0
    refused: list[Finding] = field(default_factory=list["Finding"])
    flagged: list[Finding] = field(default_factory=list["Finding"])
    gaps: list[Hole] = field(default_factory=list["Hole"])
    error: FileUnreadable | None = None
    layout: Layout | None = None
    sha256: str | None = None

    @property
    def exit_code(self) -> int:
        """0: clean; 1: some finding; 2: not readable."""
        if self.error is not None:
            return 2
        return 1 if self.refused or self.flagged or self.gaps else 0

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "file": self.file,
            "rows": self.rows,
            "accepted": self.accepted,
            "refused": [one.as_dict() for one in self.refused],
            "flagged": [one.as_dict() for one in self.flagged],
            "gaps": [one.as_dict() for one in self.gaps],
            "error": None if self.error is None else self.error.error_dict(),
            "layout": {} if self.layout is None else self.layout.as_dict(),
            "sha256": self.sha256,
        }


def check_file(
    path: Path,
    options: ReadOptions,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> FileReport:
    """Judge a candle file without storing anything; a file need not tell its instrument.

    Parameters
    ----------
    progress
        Called with bytes done and bytes of the file.
    """
    report = FileReport(str(path))
    try:
        _gather(report, path, options, clock, progress)
    except FileUnreadable as error:
        rows, digest = glance(path)
        return FileReport(str(path), rows=error.rows or rows, error=error, sha256=digest)
    return report


def _gather(
    report: FileReport,
    path: Path,
    options: ReadOptions,
    clock: Clock,
    progress: Callable[[int, int], None] | None,
) -> None:
    finders: dict[tuple[Instrument, int], HoleFinder] = {}
    with read_slices(path, options, clock, is_named=False, progress=progress) as reader:
        report.sha256, report.layout = reader.digest, reader.layout
        for part in reader:
            report.rows += part.rows
            report.accepted += part.accepted.height
            report.refused += part.refused
            report.flagged += part.flagged
            key = (part.instrument, part.timeframe.seconds)
            finder = finders.setdefault(key, HoleFinder(part.timeframe))
            report.gaps += finder.add(part)
            if progress is not None:
                progress(reader.bytes_done, reader.bytes_total)
    report.refused.sort(key=_row)
    report.flagged.sort(key=_row)
    report.gaps.sort(key=lambda hole: hole.row)


def _row(finding: Finding) -> int:
    return finding.row or 0

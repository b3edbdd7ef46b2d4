"""Import of candle files: read, judged and stored month by month, resumable, exactly once."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from candela.candles.gaps import record_gaps
from candela.candles.prefetch import prefetch
from candela.candles.quarantine import quarantine
from candela.candles.series import Series
from candela.candles.store import Batch, CandleStore, Source, Written
from candela.files.slices import read_slices
from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import psycopg

    from candela.clock import Clock
    from candela.files.options import ReadOptions
    from candela.files.slices import Slice
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe

__all__ = ["ImportProgress", "ImportReport", "SeriesReport", "import_file"]


@dataclass(slots=True)
class SeriesReport:
    """What an import did to one series; counts are rows."""

    instrument: Instrument
    timeframe: Timeframe
    first_at: datetime | None = None
    last_at: datetime | None = None
    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    flagged: int = 0
    gaps_new: int = 0
    checks: Counter[str] = field(default_factory=Counter[str])


@dataclass(slots=True)
class ImportReport:
    """What an import did to each series, and whether the file had been imported before.

    Parameters
    ----------
    gaps_s
        How long it took to find and record the gaps, after the last candle was stored.
    """

    path: str
    digest: str
    series: dict[tuple[Instrument, Timeframe], SeriesReport]
    was_imported: bool = False
    gaps_s: float = 0.0

    @property
    def rows(self) -> int:
        """Data rows read."""
        return sum(one.read for one in self.series.values())

    @property
    def refused(self) -> int:
        """Rows refused into the quarantine."""
        return sum(one.refused for one in self.series.values())


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: rows stored, and the share of the file that was read."""

    rows: int
    share: float


def import_file(
    connection: psycopg.Connection,
    path: Path,
    options: ReadOptions,
    *,
    clock: Clock,
    run_id: str | None = None,
    again: bool = False,
    months: tuple[datetime, datetime] | None = None,
    progress: Callable[[ImportProgress], None] | None = None,
) -> ImportReport:
    """Import one file; killed at any moment it leaves whole months, and a new run goes on.

    Parameters
    ----------
    connection
        As candela_pipelines, not in a transaction.
    again
        Read the file though these bytes were imported before.
    months
        Import only what starts in [from, to), both at the start of a month; the file then does
        not count as imported.

    Raises
    ------
    FileUnreadable
        The file as a whole cannot be taken; the quarantine keeps the reason.
    """
    try:
        reader = read_slices(path, options, clock)
    except FileUnreadable as error:
        _keep_file_error(connection, path, error, run_id)
        raise
    report = ImportReport(str(path), reader.digest, {})
    if not again and months is None and _is_imported(connection, reader.digest, options):
        reader.close()
        report.was_imported = True
        return report
    store = CandleStore(connection, clock)
    source = Source("file", path.name, reader.digest, run_id)
    try:
        # The thread that reads ahead ends before the reader is closed.
        with reader, closing(prefetch(reader)) as slices:
            for batch, part in _batches(slices, source, months):
                _count(report, part, store.write(batch))
                if progress is not None:
                    share = reader.bytes_done / reader.bytes_total if reader.bytes_total else 1.0
                    progress(ImportProgress(report.rows, share))
    except FileUnreadable as error:
        _keep_file_error(connection, path, error, run_id)
        raise
    stored_at = time.monotonic()
    for one in report.series.values():
        _finish_series(connection, store, one, clock)
    report.gaps_s = time.monotonic() - stored_at
    if months is None:
        _remember(connection, report, clock)
    return report


def _count(report: ImportReport, part: Slice, written: Written) -> None:
    one = report.series.setdefault(
        (part.instrument, part.timeframe), SeriesReport(part.instrument, part.timeframe)
    )
    one.read += part.rows
    one.new += written.new
    one.changed += written.changed
    one.unchanged += written.unchanged
    one.refused += len({finding.row for finding in part.refused})
    one.flagged += len({finding.row for finding in part.flagged})
    one.checks.update(finding.check for finding in (*part.refused, *part.flagged))
    if part.accepted.height:
        first, last = part.accepted["time"][0], part.accepted["time"][-1]
        one.first_at = first if one.first_at is None else min(one.first_at, first)
        one.last_at = last if one.last_at is None else max(one.last_at, last)


def _finish_series(
    connection: psycopg.Connection, store: CandleStore, one: SeriesReport, clock: Clock
) -> None:
    if one.first_at is None or one.last_at is None:
        return
    series = Series(one.instrument, store.ensure_instrument(one.instrument), one.timeframe)
    change = record_gaps(
        connection, series, one.first_at, one.last_at + one.timeframe.delta, now=clock.now()
    )
    one.gaps_new = change.new


def _batches(
    slices: Iterable[Slice], source: Source, months: tuple[datetime, datetime] | None
) -> Iterator[tuple[Batch, Slice]]:
    """Turn slices into batches whose spans meet, so that a month without rows is known to be one.

    Each slice waits for the next of its series, which comes later in time, since only that tells
    how far the file answers.
    """
    waiting: dict[tuple[Instrument, Timeframe], tuple[Slice, bool]] = {}
    for part in slices:
        key = (part.instrument, part.timeframe)
        is_first = key not in waiting
        if not is_first:
            before, was_first = waiting[key]
            if _is_wanted(before, months):
                yield _batch(before, source, is_first=was_first, next_month=part.month), before
        waiting[key] = (part, is_first)
    for part, is_first in waiting.values():
        if _is_wanted(part, months):
            yield _batch(part, source, is_first=is_first, next_month=None), part


def _is_wanted(part: Slice, months: tuple[datetime, datetime] | None) -> bool:
    """Whether to store a month; those left out still tell how far their neighbours answer."""
    return months is None or months[0] <= part.month < months[1]


def _batch(part: Slice, source: Source, *, is_first: bool, next_month: datetime | None) -> Batch:
    """Return the batch of a month: from its start, or the first candle, to the next or the last."""
    times = part.accepted["time"]
    month_end = (part.month + timedelta(days=32)).replace(day=1)
    covered_from = times[0] if is_first and times.len() else part.month
    covered_to = times[-1] + part.timeframe.delta if times.len() else month_end
    return Batch(
        instrument=part.instrument,
        timeframe=part.timeframe,
        frame=part.accepted,
        covered_from=covered_from.astimezone(UTC),
        covered_to=(next_month or covered_to).astimezone(UTC),
        source=source,
        rows_read=part.rows,
        refused=tuple(part.refused),
        flagged_count=len({finding.row for finding in part.flagged}),
    )


def _is_imported(connection: psycopg.Connection, digest: str, options: ReadOptions) -> bool:
    name = str(options.instrument) if options.instrument else None
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM market.candle_files AS f WHERE f.source_digest = %s"
        " AND (%s::text IS NULL OR f.instrument = %s))",
        (digest, name, name),
    ).fetchone()
    return found is not None and bool(found[0])


def _remember(connection: psycopg.Connection, report: ImportReport, clock: Clock) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for one in report.series.values():
            if one.first_at is None or one.last_at is None:
                continue
            cursor.execute(
                "INSERT INTO market.candle_files"
                " (source_digest, path, instrument, timeframe_s, from_at, to_at, imported_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (source_digest, instrument, timeframe_s)"
                " DO UPDATE SET imported_at = excluded.imported_at",
                (
                    report.digest,
                    report.path,
                    str(one.instrument),
                    one.timeframe.seconds,
                    one.first_at,
                    one.last_at + one.timeframe.delta,
                    clock.now(),
                ),
            )


def _keep_file_error(
    connection: psycopg.Connection, path: Path, error: FileUnreadable, run_id: str | None
) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        # A name may hold bytes that are no text, which is then what the error is about.
        name = path.name.encode("utf-8", "backslashreplace").decode()
        source = Source("file", name, f"unread:{name}", run_id)
        quarantine(cursor, source, [error.finding])

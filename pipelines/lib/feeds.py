"""What feeds each partition, and which version of it: the plan that everything else compares to."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from candela.candles.sources import list_sources
from candela.files.options import ReadOptions
from pipelines.lib.partitions import SeriesKey, month_of, months_between, next_month

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import psycopg

    from candela.candles.sources import CandleSource

__all__ = [
    "Feed",
    "feeds_by_series",
    "feeds_of",
    "file_digest",
    "names_of",
    "options_of",
    "version",
]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Feed:
    """A source with what tells one state of it from another.

    Parameters
    ----------
    version
        sha256 of a file's bytes, ``missing`` where it is gone; the id of a venue.
    is_alone
        Whether the file feeds this series only, so that its name may be told to the reader.
    """

    source: CandleSource
    version: str
    is_alone: bool

    @property
    def series(self) -> SeriesKey:
        """The series that it feeds."""
        return SeriesKey(self.source.instrument, self.source.timeframe)

    @property
    def is_file(self) -> bool:
        """Whether the source is a file."""
        return self.source.kind == "file"

    def months(self, now: datetime) -> list[datetime]:
        """Return the months that it has something for, up to the present one."""
        until = self.source.until_at or now
        return list(months_between(self.source.since_at, min(until, now)))

    def covers(self, month: datetime) -> bool:
        """Whether it has something for the month."""
        until = self.source.until_at
        return month_of(self.source.since_at) <= month and (until is None or month < until)


def feeds_of(connection: psycopg.Connection) -> list[Feed]:
    """Return the active sources; every file is read once for its digest."""
    sources = list_sources(connection)
    shared = Counter(one.location for one in sources if one.kind == "file")
    versions: dict[str, str] = {}
    for one in sources:
        if one.location not in versions:
            versions[one.location] = (
                file_digest(Path(one.location)) if one.kind == "file" else one.location
            )
    return [Feed(one, versions[one.location], shared[one.location] == 1) for one in sources]


def feeds_by_series(feeds: Iterable[Feed]) -> Mapping[SeriesKey, list[Feed]]:
    """Return the feeds of each series, in the order in which they are to be taken."""
    found: dict[SeriesKey, list[Feed]] = {}
    for feed in feeds:
        found.setdefault(feed.series, []).append(feed)
    return found


def names_of(feeds: Iterable[Feed]) -> tuple[str, ...]:
    """Return the names under which the quarantine knows the files among the feeds."""
    return tuple(Path(feed.source.location).name for feed in feeds if feed.is_file)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, or ``missing``."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def options_of(feed: Feed) -> ReadOptions:
    """Return what the reader is told of a file: its series, where it has but one."""
    if not feed.is_alone:
        return ReadOptions()
    return ReadOptions(instrument=feed.source.instrument, timeframe=feed.source.timeframe)


def version(feeds: Iterable[Feed], month: datetime, now: datetime) -> str:
    """Return the version of a partition: it changes when its sources do.

    A venue's present month is never finished; its version tells so, and the schedule goes on.
    """
    parts = sorted(feed.version for feed in feeds if feed.covers(month))
    is_open = any(not feed.is_file for feed in feeds) and next_month(month) > now
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{digest}-open" if is_open else digest

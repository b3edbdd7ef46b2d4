"""The plan: which partitions are not materialised from what their sources are now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from candela.candles.filesources import add_file
from candela.files.unreadable import FileUnreadable
from pipelines.lib.feeds import feeds_by_series, feeds_of, options_of, version
from pipelines.lib.partitions import SERIES, SeriesKey, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import psycopg

    from candela.candles.sources import CandleSource
    from candela.clock import Clock
    from pipelines.lib.feeds import Feed
    from pipelines.lib.partitions import Span

__all__ = ["CANDLES", "DATA_VERSION", "Plan", "make_plan", "register_series"]

CANDLES = dg.AssetKey("candles")
DATA_VERSION = "dagster/data_version"


@dataclass(slots=True)
class Plan:
    """What is to be done.

    Parameters
    ----------
    spans
        Partitions that were never materialised, or from another version of their sources.
    done
        How many partitions are as their sources are.
    missing_files
        Sources whose file is gone; their candles stay.
    unreadable
        Changed files that cannot be taken any more, with the reason.
    """

    spans: list[Span] = field(default_factory=list["Span"])
    series: list[SeriesKey] = field(default_factory=list[SeriesKey])
    done: int = 0
    missing_files: list[CandleSource] = field(default_factory=list["CandleSource"])
    unreadable: list[FileUnreadable] = field(default_factory=list[FileUnreadable])

    @property
    def partitions(self) -> int:
        """How many partitions are to be materialised."""
        return sum(len(span.months) for span in self.spans)


def make_plan(
    instance: dg.DagsterInstance,
    connection: psycopg.Connection,
    clock: Clock,
    *,
    kinds: tuple[str, ...] = ("file", "exchange"),
) -> Plan:
    """Compare the sources with what is materialised.

    A file that changed is read for its span again first: it may have grown.
    """
    plan = Plan()
    feeds = feeds_of(connection)
    have = {
        key: tags.get(DATA_VERSION, "")
        for key, tags in instance.event_log_storage.get_latest_tags_by_partition(
            CANDLES, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION]
        ).items()
    }
    now = clock.now()
    changed = _changed_files(feeds, have, now)
    if changed:
        for path in changed:
            try:
                add_file(connection, path, options_of(_any_of(feeds, path)), clock=clock)
            except FileUnreadable as error:
                plan.unreadable.append(error)
        feeds = feeds_of(connection)
    for series, group in feeds_by_series(feeds).items():
        plan.series.append(series)
        plan.missing_files += [one.source for one in group if one.version == "missing"]
        usable = [one for one in group if one.version != "missing"]
        wanted: set[datetime] = set()
        for month in {month for one in usable for month in one.months(now)}:
            if _is_current(have.get(series.partition(month)), version(usable, month, now)):
                plan.done += 1
            elif any(one.source.kind in kinds for one in usable if one.covers(month)):
                wanted.add(month)
        plan.spans += spans_of(series, wanted)
    return plan


def _changed_files(feeds: Iterable[Feed], have: Mapping[str, str], now: datetime) -> set[Path]:
    """Return the files of series that were materialised before, from other bytes."""
    found: set[Path] = set()
    for series, group in feeds_by_series(feeds).items():
        for feed in group:
            if not feed.is_file or feed.version == "missing":
                continue
            for month in feed.months(now):
                known = have.get(series.partition(month))
                if known is not None and not _is_current(known, version(group, month, now)):
                    found.add(Path(feed.source.location))
    return found


def _is_current(known: str | None, wanted: str) -> bool:
    """Whether a partition is from the version; a run of many months names those of them all."""
    return known is not None and wanted in known.split("+")


def _any_of(feeds: Iterable[Feed], path: Path) -> Feed:
    return next(feed for feed in feeds if feed.source.location == str(path))


def register_series(instance: dg.DagsterInstance, series: Iterable[SeriesKey]) -> None:
    """Make series known to Dagster as partitions."""
    names = [str(one) for one in series]
    known = set(instance.get_dynamic_partitions(str(SERIES.name)))
    if new := [name for name in names if name not in known]:
        instance.add_dynamic_partitions(str(SERIES.name), new)

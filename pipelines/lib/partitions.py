"""Partitions: one is the candles of one series within one calendar month, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import dagster as dg

from candela.errors import DataError
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "MONTHS",
    "PARTITIONS",
    "SERIES",
    "BadSeriesKey",
    "SeriesKey",
    "Span",
    "month_key",
    "month_of",
    "months_between",
    "next_month",
    "selected",
    "spans_of",
]

RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"

SERIES: Final = dg.DynamicPartitionsDefinition(name="candle_series")
"""Series by name, such as ``bitvavo:BTC/EUR@1h``; registered by what adds a source."""

MONTHS: Final = dg.MonthlyPartitionsDefinition(start_date="1990-01", fmt="%Y-%m", end_offset=1)
"""Months from before the oldest files people have, up to and with the present one."""

PARTITIONS: Final = dg.MultiPartitionsDefinition({"month": MONTHS, "series": SERIES})
"""Keys are ``2024-01|bitvavo:BTC/EUR@1h``: Dagster joins dimensions in the order of their names."""


class BadSeriesKey(DataError):
    """The text is not the key of a series."""

    code = "bad_series_key"


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """A series by its name."""

    instrument: Instrument
    timeframe: Timeframe

    @classmethod
    def parse(cls, text: str) -> SeriesKey:
        """Read ``exchange:SYMBOL@timeframe``.

        Raises
        ------
        BadSeriesKey
            There is no timeframe behind an @.
        """
        instrument, at, timeframe = text.rpartition("@")
        if not at:
            message = f"{text!r} is not the key of a series."
            raise BadSeriesKey(message, "Write exchange:SYMBOL@timeframe, as bitvavo:BTC/EUR@1h.")
        return cls(Instrument.parse(instrument), Timeframe.parse(timeframe))

    def __str__(self) -> str:
        return f"{self.instrument}@{self.timeframe}"

    def partition(self, month: datetime) -> str:
        """Return the key of the series' partition of a month."""
        return f"{month_key(month)}|{self}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Months of one series that follow one another: what one run takes in one reading."""

    series: SeriesKey
    months: tuple[datetime, ...]

    @property
    def start(self) -> datetime:
        """Start of the first month."""
        return self.months[0]

    @property
    def end(self) -> datetime:
        """Start of the month after the last."""
        return next_month(self.months[-1])

    @property
    def keys(self) -> list[str]:
        """Keys of the partitions, in order of time."""
        return [self.series.partition(month) for month in self.months]

    def run_tags(self) -> dict[str, str]:
        """Return the tags by which Dagster knows the partitions of a run."""
        return {RANGE_START: self.keys[0], RANGE_END: self.keys[-1]}


def month_of(at: datetime) -> datetime:
    """Return the start of the month that holds the instant."""
    utc = at.astimezone(UTC)
    return datetime(utc.year, utc.month, 1, tzinfo=UTC)


def next_month(month: datetime) -> datetime:
    """Return the start of the month after."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def month_key(month: datetime) -> str:
    """Return the key of a month, such as ``2024-01``."""
    return month.strftime("%Y-%m")


def months_between(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the start of each month that [since, until) touches."""
    month = month_of(since)
    while month < until:
        yield month
        month = next_month(month)


def selected(partition_keys: Iterable[str]) -> list[Span]:
    """Return the spans that the keys of a run make up."""
    found: dict[SeriesKey, set[datetime]] = {}
    for key in partition_keys:
        month, _, series = key.partition("|")
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        found.setdefault(SeriesKey.parse(series), set()).add(start)
    return [span for series, months in sorted(found.items()) for span in spans_of(series, months)]


def spans_of(series: SeriesKey, months: Iterable[datetime]) -> list[Span]:
    """Return the months of a series as spans without holes, in order of time."""
    spans: list[list[datetime]] = []
    for month in sorted(set(months)):
        if spans and next_month(spans[-1][-1]) == month:
            spans[-1].append(month)
        else:
            spans.append([month])
    return [Span(series, tuple(part)) for part in spans]


def chunks(span: Span, size: int) -> Sequence[Span]:
    """Return the span in parts of at most ``size`` months."""
    return [
        Span(span.series, span.months[at : at + size]) for at in range(0, len(span.months), size)
    ]

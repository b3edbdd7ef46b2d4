"""The progress of one live series: which bar is due, which must be told as absent, pure of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from candela.venues.server_clock import CLOSE_MARGIN

if TYPE_CHECKING:
    from live.signals.definitions import SeriesKey

__all__ = ["GRACE", "SeriesProgress", "is_fresh"]

GRACE: Final = timedelta(seconds=8)
"""How long after its close a bar is waited for before it is told as missing."""
_REREAD: Final = 2
_LEAST_AGE: Final = timedelta(seconds=5)


def is_fresh(close_at: datetime, length: timedelta, now: datetime) -> bool:
    """Whether a bar that closed then may still be decided on."""
    return now - close_at <= max(_LEAST_AGE, length / 2)


@dataclass(slots=True)
class SeriesProgress:
    """Where a series is.

    Parameters
    ----------
    next_at
        Start of the first bar that was not told of.
    unread_from
        Start of the first bar that the venue has not answered for.
    """

    series: SeriesKey
    next_at: datetime
    unread_from: datetime

    @classmethod
    def begin(cls, series: SeriesKey, now: datetime) -> SeriesProgress:
        """Begin with the bar that closed last, if that may still be decided on."""
        length = series[1].delta
        newest = series[1].floor(now - CLOSE_MARGIN) - length
        is_late = not is_fresh(newest + length, length, now)
        first = newest + length if is_late else newest
        return cls(series, first, first)

    def due_at(self) -> datetime:
        """Return when the next bar can be asked for: closed, and no late trade can change it."""
        return self.next_at + self.series[1].delta + CLOSE_MARGIN

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return what to ask for: the bars that are due, and some before, which may be revised."""
        length = self.series[1].delta
        since = min(self.unread_from, self.next_at - _REREAD * length)
        return since, self.series[1].floor(now - CLOSE_MARGIN)

    def expected(self, covered_to: datetime) -> list[datetime]:
        """Return the bars to tell of, of those that the venue answered for."""
        found: list[datetime] = []
        at = self.next_at
        while at < covered_to:
            found.append(at)
            at += self.series[1].delta
        return found

    def answered(self, covered_to: datetime) -> None:
        """Note that the venue answered for all bars before an instant."""
        self.unread_from = max(self.unread_from, covered_to)
        self.next_at = max(self.next_at, covered_to)

    def overdue(self, now: datetime) -> datetime | None:
        """Return the bar that is not waited for any longer, and wait for the one after it."""
        if now < self.next_at + self.series[1].delta + GRACE:
            return None
        at = self.next_at
        self.next_at = at + self.series[1].delta
        return at

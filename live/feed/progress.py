"""The progress of one live series: which bar is due, which must be told as absent, pure of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from candela.venues.server_clock import CLOSE_MARGIN
from live.signals.age import oldest_age

if TYPE_CHECKING:
    from live.signals.definitions import SeriesKey

__all__ = ["GRACE", "SeriesProgress", "is_fresh"]

GRACE: Final = timedelta(seconds=8)
"""How long after its close the venue is given before a bar that it lacks is told as missing."""
_REREAD: Final = 2
# Longer than another executor takes to go on where one was killed.
_TAKEOVER: Final = timedelta(seconds=60)


def is_fresh(close_at: datetime, length: timedelta, now: datetime) -> bool:
    """Whether a series may begin with the bar that closed then."""
    return now - close_at <= max(_TAKEOVER, length / 2)


@dataclass(slots=True)
class SeriesProgress:
    """Where a series is.

    Parameters
    ----------
    next_at
        Start of the first bar that was not told of.
    unread_from
        Start of the first bar that the venue has not answered for.
    asked_at
        When it was asked last, by its own time, of the times that it answered.
    is_refused
        Whether it said that it has nothing of the series.
    """

    series: SeriesKey
    next_at: datetime
    unread_from: datetime
    asked_at: datetime | None = None
    is_refused: bool = False

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

    def asked(self, at: datetime) -> None:
        """Note that a question that was put then, by the venue's time, was answered."""
        self.asked_at = at if self.asked_at is None else max(self.asked_at, at)
        self.is_refused = False

    def overdue(self, now: datetime) -> tuple[datetime, Literal["missing", "stale"]] | None:
        """Return the bar that is not waited for any longer, and wait for the one after it.

        Missing is what the venue was asked for when it had had time enough, and does not have. One
        that nobody could ask for is waited for until it is too old to be decided on, then stale.
        """
        at, length = self.next_at, self.series[1].delta
        enough = at + length + GRACE
        latest = now if self.is_refused else self.asked_at
        if latest is not None and latest >= enough:
            why: Literal["missing", "stale"] = "missing"
        elif now >= max(enough, at + length + oldest_age(length)):
            why = "stale"
        else:
            return None
        self.next_at = at + length
        return at, why

"""Cron expressions of five fields in UTC: are they right, and which tick was the last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from backtest.ledger.refusals import BadCron

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cron"]

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# name, first and last value, words that stand for values from the first on
_FIELDS: Final[tuple[tuple[str, int, int, Sequence[str]], ...]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
# The 29th of February comes back after eight years at the latest.
_FARTHEST: Final = timedelta(days=8 * 366 + 1)
_SUNDAY_AGAIN: Final = 7
_HINT: Final = "Write minute hour day month weekday in UTC, as 30 6 * * 1-5 or */15 * * * *."


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression, read.

    Where both days are given, either is enough, as in every cron since Vixie's. Source: POSIX
    crontab (IEEE 1003.1); steps, names and 7 for Sunday as cron(5).
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    takes_either_day: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression of five fields.

        Raises
        ------
        BadCron
            A field is not right, or the expression never comes true.
        """
        parts = text.lower().split()
        if len(parts) != len(_FIELDS):
            raise BadCron(f"{text!r} has {len(parts)} fields, not five.", _HINT)
        fields = [_values(text, part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = fields
        found = cls(
            " ".join(parts),
            minutes,
            hours,
            days,
            months,
            frozenset(0 if day == _SUNDAY_AGAIN else day for day in weekdays),
            takes_either_day=not (parts[2].startswith("*") or parts[4].startswith("*")),
        )
        if found.last_tick(datetime(2008, 12, 31, tzinfo=UTC)) is None:
            raise BadCron(f"{text!r} never comes true: no month has such a day.", _HINT)
        return found

    def last_tick(self, until: datetime) -> datetime | None:
        """Return the last tick at or before an instant, None where there was none for eight years.

        Ticks are whole minutes.
        """
        at = until.astimezone(UTC).replace(second=0, microsecond=0)
        end = at - _FARTHEST
        while at >= end:
            if not self._has_day(at):
                at = at.replace(hour=0, minute=0) - timedelta(minutes=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0) - timedelta(minutes=1)
            elif at.minute not in self.minutes:
                at -= timedelta(minutes=1)
            else:
                return at
        return None

    def _has_day(self, at: datetime) -> bool:
        if at.month not in self.months:
            return False
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return (day or weekday) if self.takes_either_day else (day and weekday)


def _values(
    text: str, field: str, name: str, first: int, last: int, words: Sequence[str]
) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        start, dash, end = span.partition("-")
        if span == "*":
            low, high = first, last
        else:
            low = _number(text, start, name, first, words)
            # A step behind a single value counts on to the last one.
            high = _number(text, end, name, first, words) if dash else (last if slash else low)
        every = _number(text, step, name, 1, ()) if slash else 1
        if not (first <= low <= high <= last) or every < 1:
            message = f"{part!r} is no {name} of {text!r}: {first} to {last} in rising order."
            raise BadCron(message, _HINT)
        found |= set(range(low, high + 1, every))
    return frozenset(found)


def _number(text: str, given: str, name: str, first: int, words: Sequence[str]) -> int:
    if given in words:
        return first + words.index(given)
    if not (given.isascii() and given.isdigit()):
        raise BadCron(f"{given!r} is no {name} of {text!r}.", _HINT)
    return int(given)

"""Calendar days and trading hours on the wall clock of a zone, through changes of its offset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from candela.errors import ConfigError

__all__ = [
    "DAYS",
    "BadTradingHours",
    "HoursWindow",
    "UnknownZone",
    "day_bounds",
    "hours_open",
    "local_words",
    "trading_day",
    "window_of",
    "zone_named",
]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW: Final = re.compile(r"(\S+) (\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_S: Final = 86_400


class BadTradingHours(ConfigError):
    """The text says no trading hours."""

    code = "bad_trading_hours"


class UnknownZone(ConfigError):
    """No time zone has that name."""

    status = 422
    code = "unknown_zone"


@dataclass(frozen=True, slots=True)
class HoursWindow:
    """A span of the wall clock on some days of the week.

    Parameters
    ----------
    days
        On which it begins; 0 is Monday.
    start_s, end_s
        Seconds after midnight, the end outside; an end that is not after the start is on the next
        day.
    """

    days: frozenset[int]
    start_s: int
    end_s: int

    def holds(self, weekday: int, second: float) -> bool:
        """Return whether a time of the wall clock lies in the window."""
        if self.start_s < self.end_s:
            return weekday in self.days and self.start_s <= second < self.end_s
        is_evening = weekday in self.days and second >= self.start_s
        return is_evening or ((weekday - 1) % 7 in self.days and second < self.end_s)


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return a zone of the IANA database.

    Raises
    ------
    UnknownZone
        There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = "Write one of the IANA database, such as Europe/Madrid or UTC."
        raise UnknownZone(f"{name!r} is no time zone.", hint) from None


@cache
def window_of(text: str) -> HoursWindow:
    """Read ``mon-fri 09:00-17:30``, ``mon,wed 22:00-06:00`` or ``daily 00:00-24:00``.

    Raises
    ------
    BadTradingHours
        The text says no window.
    """
    hint = "Write it as 'mon-fri 09:00-17:30'; an end before the start is on the next day."
    found = _WINDOW.fullmatch(text.strip().lower())
    if found is None:
        raise BadTradingHours(f"{text!r} says no trading hours.", hint)
    hours = [int(number) for number in found.groups()[1:]]
    start, end = hours[0] * 3_600 + hours[1] * 60, hours[2] * 3_600 + hours[3] * 60
    if hours[1] > 59 or hours[3] > 59 or start >= _DAY_S or end > _DAY_S:  # noqa: PLR2004
        raise BadTradingHours(f"{text!r} names a time that no day has.", hint)
    return HoursWindow(frozenset(_days(found[1], text, hint)), start, end)


def hours_open(at: datetime, windows: tuple[str, ...], zone: str) -> bool:
    """Return whether an instant lies in one of the windows, on the wall clock of a zone.

    The wall clock decides: an hour that a change of offset skips is not traded, one that it
    repeats is traded twice.
    """
    local = at.astimezone(zone_named(zone))
    second = local.hour * 3_600 + local.minute * 60 + local.second + local.microsecond / 1e6
    return any(window_of(text).holds(local.weekday(), second) for text in windows)


def local_words(at: datetime, zone: str) -> str:
    """Return an instant as ``sun 2026-03-29 03:10:00 Europe/Madrid``."""
    local = at.astimezone(zone_named(zone))
    return f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M:%S} {zone}"


def trading_day(at: datetime, zone: str) -> date:
    """Return the calendar day of an instant in a zone, by which daily limits are counted."""
    return at.astimezone(zone_named(zone)).date()


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a calendar day and of the day after it, in UTC.

    A day has 23 or 25 hours where the offset changes.
    """
    return _first_instant(day, zone_named(zone)), _first_instant(
        day + timedelta(days=1), zone_named(zone)
    )


def _first_instant(day: date, zone: ZoneInfo) -> datetime:
    # In a gap, fold 0 reads midnight by the offset before it: the instant of the change or later.
    first = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    step = timedelta(minutes=15)
    while (first - step).astimezone(zone).date() >= day:
        first -= step
    return first


def _days(text: str, window: str, hint: str) -> set[int]:
    if text == "daily":
        return set(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise BadTradingHours(f"{window!r} names a day that no week has.", hint)
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 if dash else 0
        days |= {(start + ahead) % 7 for ahead in range(length + 1)}
    return days

"""How many bars a year has: around the clock, or in the sessions of a market."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from candela.errors import DataError
from candela.market.instrument import Instrument, likely_kind

__all__ = [
    "ALWAYS",
    "EQUITY",
    "FX",
    "METAL",
    "YEAR_S",
    "BadCalendar",
    "Calendar",
    "bars_per_year",
    "calendar_of",
]

_DAY_S: Final = 86_400
YEAR_S: Final = 365 * _DAY_S
"""A year in seconds: 365 days, not 365.25; vectorbt's convention."""


class BadCalendar(DataError):
    """The numbers of a calendar, or the timeframe asked of it, make no year."""

    code = "bad_calendar"


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a market trades, as far as annualising needs it.

    Parameters
    ----------
    name
        What a manifest shows.
    sessions
        Whole trading days a year.
    session_s
        Seconds of trading in each.
    daily
        Daily candles a year on the UTC grid, where a session may lie in two UTC days.
    """

    name: str
    sessions: int
    session_s: int
    daily: int

    def __post_init__(self) -> None:
        within = 0 < self.sessions <= 366 and 0 < self.daily <= 366  # noqa: PLR2004
        if not (within and 0 < self.session_s <= _DAY_S):
            message = (
                f"Calendar {self.name} has {self.sessions} sessions of {self.session_s} s and"
                f" {self.daily} daily candles a year."
            )
            raise BadCalendar(message, "A year has 1 to 366 days, a session 1 to 86,400 seconds.")


ALWAYS: Final = Calendar("24/7", sessions=365, session_s=_DAY_S, daily=365)
"""Around the clock: crypto."""

EQUITY: Final = Calendar("equity", sessions=252, session_s=23_400, daily=252)
"""Shares: 252 sessions of six and a half hours, as in New York."""

FX: Final = Calendar("fx", sessions=260, session_s=_DAY_S, daily=312)
"""Currencies: five days of 24 hours a week from Sunday evening, hence six UTC days."""

METAL: Final = Calendar("metal", sessions=260, session_s=82_800, daily=312)
"""Spot metals: as currencies, with an hour's pause a day."""

_BY_KIND: Final = {"equity": EQUITY, "fx": FX, "metal": METAL}


def calendar_of(instrument: str, kind: str | None = None) -> Calendar:
    """Return the calendar of an instrument; 24/7 where nothing better is known.

    Parameters
    ----------
    instrument
        Such as ``bitfinex:BTC/USD``.
    kind
        What the database or the venue says it is, such as ``spot`` or ``equity``; without it the
        symbol decides.

    Raises
    ------
    BadInstrument
        The text names no instrument.
    """
    symbol = Instrument.parse(instrument).symbol
    return _BY_KIND.get(likely_kind(symbol) if kind is None else kind, ALWAYS)


def bars_per_year(timeframe_s: float, calendar: Calendar = ALWAYS) -> float:
    """Return the number of bars of a timeframe in a year.

    Within a day a session has whole bars: 7 of an hour in six and a half hours. From a day on every
    bar that touches a trading day exists.

    Raises
    ------
    BadCalendar
        The timeframe is not a positive number of seconds.
    """
    if not 0 < timeframe_s < float("inf"):
        message = f"A timeframe of {timeframe_s} seconds has no bars in a year."
        raise BadCalendar(message, "Give the length of a bar in seconds, such as 3600.")
    if timeframe_s >= _DAY_S:
        return min(float(calendar.daily), YEAR_S / timeframe_s)
    if calendar.session_s == _DAY_S:
        return calendar.sessions * _DAY_S / timeframe_s
    return float(calendar.sessions * ceil(calendar.session_s / timeframe_s))

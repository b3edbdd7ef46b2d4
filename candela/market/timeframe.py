"""Timeframes: the length of a candle, its name and its UTC grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from candela.errors import DataError

__all__ = ["ROLLUPS", "Timeframe", "UnknownTimeframe"]

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PATTERN: Final = re.compile(r"([1-9][0-9]*)([smhdw])")
_LONGEST_S: Final = 366 * 86_400
# Weeks begin on Monday; the Unix epoch was a Thursday.
_MONDAY_OFFSET_S: Final = 4 * 86_400


class UnknownTimeframe(DataError):
    """The text is not a timeframe."""

    code = "unknown_timeframe"


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """The length of a candle in seconds, on a grid anchored at midnight UTC (Monday for weeks)."""

    seconds: int

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= _LONGEST_S:
            message = f"A timeframe lasts from one second to 366 days, not {self.seconds} s."
            raise UnknownTimeframe(message, "Write one such as 1m, 5m, 1h, 4h, 1d, 1w.")

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """Read a name such as ``1m``, ``4h`` or ``1d``.

        Raises
        ------
        UnknownTimeframe
            The text is not a whole number followed by s, m, h, d or w.
        """
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            message = f"{text!r} is not a timeframe."
            raise UnknownTimeframe(message, "Write a number and a unit: 1m, 5m, 1h, 4h, 1d, 1w.")
        return cls(int(match[1]) * _UNIT_SECONDS[match[2]])

    @property
    def name(self) -> str:
        """The shortest usual name, such as ``15m``; days are not turned into weeks but for 1w."""
        for unit in ("w", "d", "h", "m"):
            size = _UNIT_SECONDS[unit]
            if self.seconds % size == 0 and (unit != "w" or self.seconds == size):
                return f"{self.seconds // size}{unit}"
        return f"{self.seconds}s"

    def __str__(self) -> str:
        return self.name

    @property
    def delta(self) -> timedelta:
        """The length as a timedelta."""
        return timedelta(seconds=self.seconds)

    @property
    def origin_s(self) -> int:
        """Where the grid starts, in seconds since the Unix epoch."""
        return _MONDAY_OFFSET_S if self.seconds % _UNIT_SECONDS["w"] == 0 else 0

    def floor(self, at: datetime) -> datetime:
        """Return the start of the candle that contains the instant, in UTC."""
        since = int(at.timestamp()) - self.origin_s
        return datetime.fromtimestamp(since - since % self.seconds + self.origin_s, UTC)

    def divides(self, coarser: Timeframe) -> bool:
        """Whether whole candles of this length fill one of the coarser length."""
        return coarser.seconds % self.seconds == 0 and self.origin_s == 0


ROLLUPS: Final = tuple(Timeframe.parse(name) for name in ("5m", "15m", "1h", "4h", "1d"))
"""The timeframes that the database keeps rolled up, finest first."""

"""The venue's own clock: starts where it is put and runs at a chosen speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from candela.clock import Clock, SystemClock

__all__ = ["VenueClock", "instant", "milliseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """Return an instant in whole milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def instant(ms: int) -> datetime:
    """Return the instant of milliseconds since 1970."""
    return _EPOCH + ms * _MILLISECOND


@dataclass(slots=True)
class VenueClock:
    """Tell the venue's time.

    Parameters
    ----------
    start
        The venue's time when it opens.
    speed
        Venue seconds per second of the clock beneath.
    beneath
        The machine's clock, or one that a test moves by hand.
    skew_s
        How far the time that the venue tells is off the time by which it trades.
    """

    start: datetime
    speed: float = 1.0
    beneath: Clock = field(default_factory=SystemClock)
    skew_s: float = 0.0
    _began: datetime = field(init=False)
    _latest_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._began = self.beneath.now()

    def elapsed_s(self) -> float:
        """Return the seconds since the venue opened, not sped up; they never run backwards."""
        elapsed = (self.beneath.now() - self._began).total_seconds()
        self._latest_s = max(self._latest_s, elapsed)
        return self._latest_s

    def now_ms(self) -> int:
        """Return the time by which the venue trades."""
        return milliseconds(self.start) + round(self.elapsed_s() * self.speed * 1_000)

    def told_ms(self) -> int:
        """Return the time that the venue tells and checks requests by."""
        return self.now_ms() + round(self.skew_s * 1_000)

    def wall_ms(self) -> int:
        """Return the time of the clock beneath, with the venue's skew."""
        return milliseconds(self.beneath.now()) + round(self.skew_s * 1_000)

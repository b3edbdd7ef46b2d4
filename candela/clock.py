"""The clock port: the only way to ask for the time, always in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "FixedClock", "SystemClock"]


class Clock(Protocol):
    """Tell the present instant in UTC."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands where it was put, for tests and replays."""

    at: datetime

    def now(self) -> datetime:
        """Return the instant the clock was put at."""
        return self.at

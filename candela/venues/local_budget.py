"""The request budget of one process by itself: careful, since it cannot see the others."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candela.venues.limits import VenueLimit

__all__ = ["LocalBudget"]


class LocalBudget:
    """Grant weight within a part of the venue's limit, in the order of asking.

    Parameters
    ----------
    part
        How much of the venue's limit this process allows itself, 0..1.
    """

    def __init__(self, limit: VenueLimit, part: float) -> None:
        self._window_s = limit.window_s
        self._capacity = limit.capacity * part
        self._granted: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def reserve(self, weight: float, blocked_s: float, longest_s: float) -> float | None:
        """Return in how many seconds the weight may be spent, None where that is too late."""
        now = time.monotonic()
        weight = min(weight, self._capacity)
        start = now + blocked_s
        if self._granted:
            start = max(start, self._granted[-1][0])
        kept, total = deque(self._granted), self._sum
        while kept and (kept[0][0] <= start - self._window_s or total + weight > self._capacity):
            at, amount = kept.popleft()
            start = max(start, at + self._window_s)
            total -= amount
        if start - now > longest_s:
            return None
        kept.append((start, weight))
        # Summed anew, so that rounding does not add up over a long life.
        self._granted, self._sum = kept, sum(amount for _, amount in kept)
        return max(0.0, start - now)

"""When to ask a venue again: exponential backoff with jitter, and a bound."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

__all__ = ["RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how late a failed request is repeated.

    Parameters
    ----------
    attempts
        Tries in all, the first included.
    base_s, cap_s
        The n-th wait is drawn evenly from half to the whole of ``min(cap, base * 2**n)``: never
        at once, and never in step with other processes that failed at the same moment.
    throttled_s
        Wait after a 429 that does not say how long.
    banned_s
        Wait after a 418 that does not say how long; the shortest ban that Binance documents.
    confirm_empty
        How many further times an answer without any candle is asked for before it is believed.
    """

    attempts: int = 6
    base_s: float = 0.5
    cap_s: float = 30.0
    throttled_s: float = 10.0
    banned_s: float = 120.0
    confirm_empty: int = 1
    random: random.Random = field(
        default_factory=random.Random,  # noqa: S311 - jitter is no secret
        repr=False,
        compare=False,
    )

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, in seconds."""
        # The exponent is bounded so that a long outage cannot overflow the float.
        longest = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 30))
        return longest * (0.5 + self.random.random() / 2)

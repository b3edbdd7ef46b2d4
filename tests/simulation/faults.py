"""How often what goes wrong in a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

__all__ = ["Faults", "SendFault", "of_rate"]

SendFault = str
SENDS: tuple[SendFault, ...] = (
    "lost_before",  # F01: dropped on the way there
    "lost_after",  # F01: accepted, the answer dropped
    "error_after",  # F05: a 5xx though it was accepted
    "late",  # F02: -1007, and it executes up to ten seconds later
    "throttled",  # F25
    "refused",  # F29
)


@dataclass(frozen=True, slots=True)
class Faults:
    """Rates from 0 to 1 of one history.

    Parameters
    ----------
    send, ways
        Of submissions that go wrong, and in which of the ways above.
    question, cancel
        Of questions without a usable answer, of cancellations whose answer is lost.
    lag
        Of orders and executions that questions show later than they happened (F04, F09).
    lost, twice, early
        Of events of the stream: never come, come twice, come before the answer (F08, F11, F14).
    partial, expires
        Of orders that fill in parts, that end with a rest (F30).
    late_fill
        Of canceled orders that fill all the same, much later (F35).
    kill, stall
        For each pause of the executor, of being killed or stopped there (F06, F07, F22).
    cut, outage, dead_key, external
        For each bar, of the stream being cut, the venue away, the key refused for a while, and of
        somebody else moving money or trading by hand (F12, F33, F32, F20).
    """

    send: float = 0.0
    question: float = 0.0
    cancel: float = 0.0
    lag: float = 0.0
    lost: float = 0.0
    twice: float = 0.0
    early: float = 0.0
    partial: float = 0.3
    expires: float = 0.0
    late_fill: float = 0.0
    kill: float = 0.0
    stall: float = 0.0
    cut: float = 0.0
    outage: float = 0.0
    dead_key: float = 0.0
    external: float = 0.0
    halt: float = 0.0
    skew_s: float = 0.0
    ways: tuple[SendFault, ...] = SENDS

    def healed(self) -> Faults:
        """Return the same venue on a good day."""
        return replace(Faults(), skew_s=self.skew_s, partial=self.partial)


def of_rate(rate: float, random: Random) -> Faults:
    """Return faults around a rate; what hits a whole account is rarer than what hits a request."""
    if rate <= 0:
        return Faults()
    return Faults(
        send=rate,
        question=rate,
        cancel=2 * rate,
        lag=2 * rate,
        lost=rate,
        twice=rate,
        early=0.3,
        expires=rate / 2,
        late_fill=rate / 4,
        kill=rate / 200,
        stall=rate / 800,
        cut=rate / 3,
        outage=rate / 20,
        dead_key=rate / 60,
        external=rate / 5,
        halt=rate / 5,
        skew_s=random.choice((0.0, 0.0, random.uniform(-60, 60))),
    )

"""When an order whose answer was lost is proved absent: by evidence after the fence, never by time.

A question that was not answered usably is no evidence. Before the fence a venue that does not know
an order may still come to know it: the request may be under way, or the answer may lag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

__all__ = ["SEND_WITHIN_S", "Evidence", "Verdict", "fence_of", "judge", "pause_s"]

SEND_WITHIN_S: Final = 2.0
"""How long after an attempt was written it may still be signed; later it is not sent at all.

A process that was stopped between both would otherwise send what its successor proved absent.
"""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_MOST_DOUBLINGS: Final = 10


class Verdict(StrEnum):
    """What the evidence says of an attempt."""

    EXISTS = "exists"
    ABSENT = "absent"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a venue answered; None where it gave no usable answer.

    Parameters
    ----------
    asked_at
        When the first of the three questions was asked.
    is_known
        The venue knows the order by its client id.
    is_open
        It is among the open orders.
    has_executed
        It is among the executions since it was sent.
    """

    asked_at: datetime
    is_known: bool | None = None
    is_open: bool | None = None
    has_executed: bool | None = None


def fence_of(sent_at: datetime, fence_s: float) -> datetime:
    """Return the instant after which an order that the venue does not know was never accepted.

    Parameters
    ----------
    fence_s
        Of the broker: from signature to where no question lags any more.
    """
    return sent_at + timedelta(seconds=SEND_WITHIN_S + fence_s)


def judge(fence_at: datetime, evidence: Evidence) -> Verdict:
    """Return what is proved: existence by one yes, absence by three noes after the fence."""
    answers = (evidence.is_known, evidence.is_open, evidence.has_executed)
    if any(answers):
        return Verdict.EXISTS
    if evidence.asked_at >= fence_at and all(answer is False for answer in answers):
        return Verdict.ABSENT
    return Verdict.UNDECIDED


def pause_s(number: int, random: Callable[[], float], longest_s: float = _LONGEST_PAUSE_S) -> float:
    """Return how long to wait before asking again: doubling, with jitter, to a limit.

    Parameters
    ----------
    number
        From 0, of questions asked so far.
    random
        Gives a number from 0 to 1; many accounts of a venue that is back shall not ask at once.
    """
    whole = min(longest_s, _FIRST_PAUSE_S * 2.0 ** min(number, _MOST_DOUBLINGS))
    return whole * (0.5 + 0.5 * random())

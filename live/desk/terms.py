"""What a desk is told and what it tells: its patience, its figures, its alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from candela.errors import Conflict
from live.store.port import Booked, Lease

__all__ = [
    "Alarm",
    "Counts",
    "DeskNotReady",
    "DeskTerms",
    "Leases",
    "OnAlarm",
    "OnBooked",
]


class DeskNotReady(Conflict):
    """The desk takes no new intents now: it is starting, ending, or its key is refused."""

    code = "desk_not_ready"


@dataclass(frozen=True, slots=True)
class DeskTerms:
    """How patient a desk is; all in seconds.

    Parameters
    ----------
    reconcile_s
        Between two comparisons with the venue.
    overlap_s
        How far back of the last complete reading executions are read again: more than any lag of
        the venue's answers and any difference of clocks.
    settle_s
        How long an unexplained difference must stay the same before it is judged: more than any
        lag, so that no fill of ours can be the explanation.
    dead_key_s
        Between two tries of a key that was refused.
    alarm_s
        After which an attempt that is still not settled is told about.
    late_s
        Age of an intent from which halts are asked for again before it is sent.
    """

    reconcile_s: float = 30.0
    overlap_s: float = 180.0
    settle_s: float = 60.0
    dead_key_s: float = 300.0
    alarm_s: float = 120.0
    late_s: float = 2.0
    most_attempts: int = 60


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person should hear of, once.

    Parameters
    ----------
    code
        Stable: ``credentials_dead``, ``books_differ``, ``fills_differ``, ``late_fill``,
        ``unknown_order``, ``reappeared``, ``unresolved``, ``fills_missing``, ``broker_fault``,
        ``oversold``.
    """

    code: str
    words: str
    intent_id: UUID | None = None


Leases: TypeAlias = Callable[[], Lease | None]
"""Gives the lease of the account's shard, None once its local term is over."""
OnBooked: TypeAlias = Callable[[Booked], None]
OnAlarm: TypeAlias = Callable[[Alarm], None]

_EDGES = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0)


@dataclass(slots=True)
class Counts:
    """Figures of a desk since its start.

    Parameters
    ----------
    resolved
        Of attempts whose answer was lost: how many were resolved within so many seconds.
    """

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    absent: int = 0
    throttled: int = 0
    fills: int = 0
    late_fills: int = 0
    reconciles: int = 0
    adopted: int = 0
    lapsed: int = 0
    alarms: int = 0
    questions_unanswered: int = 0
    resolved: dict[float, int] = field(default_factory=dict[float, int])

    def note_resolved(self, seconds: float) -> None:
        """Count one resolution."""
        edge = next((edge for edge in _EDGES if seconds <= edge), float("inf"))
        self.resolved[edge] = self.resolved.get(edge, 0) + 1

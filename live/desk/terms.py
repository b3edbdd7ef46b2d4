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
        Between two looks at what is believed open.
    whole_s
        At most between two comparisons of the whole account.
    sweep_s
        At most between two readings of all executions; in between they are read where balances do
        not agree.
    gap_s, quiet_s
        At least between two comparisons of the whole that fills ask for, and from the last fill.
    spread_s
        Over how long the comparisons after a reconnection are spread.
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
    whole_s: float = 300.0
    sweep_s: float = 1_800.0
    gap_s: float = 180.0
    quiet_s: float = 10.0
    spread_s: float = 120.0
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

# Close together where a fence is over.
_FENCES = (12.0, 12.5, 13.0, 14.0, 14.25, 14.5, 14.75, 15.0, 16.0)
_EDGES = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, *_FENCES, 20.0, 30.0, 60.0, 300.0)


@dataclass(slots=True)
class Counts:
    """Figures of a desk since its start.

    Parameters
    ----------
    looks, reconciles, sweeps
        Rounds over what is believed open, over the whole, and those that read all executions.
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
    looks: int = 0
    reconciles: int = 0
    sweeps: int = 0
    adopted: int = 0
    lapsed: int = 0
    alarms: int = 0
    questions_unanswered: int = 0
    questions_without_room: int = 0
    resolved: dict[float, int] = field(default_factory=dict[float, int])

    def note_resolved(self, seconds: float) -> None:
        """Count one resolution."""
        edge = next((edge for edge in _EDGES if seconds <= edge), float("inf"))
        self.resolved[edge] = self.resolved.get(edge, 0) + 1

"""How patient a desk of bets is, and the figures that it keeps."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BetCounts", "BetPace"]


@dataclass(frozen=True, slots=True)
class BetPace:
    """How patient a desk is; all in seconds.

    Parameters
    ----------
    deadline_s
        After an expiry, until a result that did not come is called unknown.
    first_s, most_s
        Between two questions, the first time and at the most.
    slow_s
        Between two questions about what a person was told of already.
    margin_s
        About an expiry no conclusion is drawn from the balance.
    reconcile_s
        Between two comparisons with the broker.
    overlap_s
        How far back the statement is read again.
    dead_key_s
        Between two tries of a login that was refused.
    """

    deadline_s: float = 30.0
    first_s: float = 0.5
    most_s: float = 5.0
    slow_s: float = 30.0
    margin_s: float = 2.0
    reconcile_s: float = 30.0
    overlap_s: float = 3_600.0
    dead_key_s: float = 300.0


@dataclass(slots=True)
class BetCounts:
    """Figures of a desk since its start."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    absent: int = 0
    lapsed: int = 0
    settled: int = 0
    results_unknown: int = 0
    disputed: int = 0
    adopted: int = 0
    alarms: int = 0
    questions_unanswered: int = 0

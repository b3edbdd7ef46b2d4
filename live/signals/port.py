"""What bots get of signals, wherever they come from: the feed's port and its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

__all__ = ["SignalEvent", "SignalFeed", "SignalStatus"]

SignalStatus = Literal[
    "ok", "missing_bar", "quarantined_bar", "stale_bar", "failed", "too_few_bars"
]


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """What a definition decided on one bar, or why it decided nothing.

    Parameters
    ----------
    bar_at
        Start of the bar whose close was decided on.
    decision
        Keys of `live.signals.decision.decide_last`; empty where `status` is not ``ok``.
    known_at
        Reading candles as of this instant gives the bars that the evaluation saw.
    seq
        Number of the event in the outbox; 0 where it was read from the table.
    """

    definition_id: str
    bar_at: datetime
    status: SignalStatus
    decision: Mapping[str, Any]
    known_at: datetime
    seq: int = 0


class SignalFeed(Protocol):
    """Signals as they are stored, each at least once; those of one bar come together."""

    def batches(self) -> AsyncGenerator[tuple[SignalEvent, ...]]:
        """Yield signals for ever; those of a batch are done when the next is asked for."""
        ...

    async def missed(self, after: Mapping[str, datetime]) -> tuple[SignalEvent, ...]:
        """Return the signals of definitions on bars later than those given, oldest first."""
        ...

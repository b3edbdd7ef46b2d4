"""Events: what the outbox holds and what readers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["STREAMS", "OutboxEvent", "StreamEvent", "StreamName"]

StreamName = Literal["bars", "signals", "wanted", "orders", "user"]

STREAMS: Final[tuple[StreamName, ...]] = ("bars", "signals", "wanted", "orders", "user")
"""One a purpose; the outbox takes no other."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event before it is written.

    Parameters
    ----------
    key
        What it is about; a repetition has the same key.
    payload
        Ids and instants as JSON holds them; never a secret or a tenant's figures.
    """

    stream: StreamName
    key: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event that was committed.

    Parameters
    ----------
    seq
        Its number in the outbox: unique over all streams, and nearly in the order of commits.
    """

    seq: int
    stream: str
    key: str
    payload: Mapping[str, Any]

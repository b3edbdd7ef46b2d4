"""An event loop in virtual time: where nothing is ready, time jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["START", "VirtualClock", "VirtualLoop"]

START = datetime(2026, 1, 1, tzinfo=UTC)


class _NoSelector(selectors.BaseSelector):
    """Waits for nothing; a wait with a limit is time that passes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            message = "nothing will ever happen any more"
            raise RuntimeError(message)
        self.now_s += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[fileobj]


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines without ever waiting."""

    def __init__(self) -> None:
        self._virtual = _NoSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual.now_s


class VirtualClock:
    """The clock that goes with a virtual loop, ahead of or behind it by a constant."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew_s: float = 0.0) -> None:
        self._loop = loop
        self._start = START + timedelta(seconds=skew_s)

    def now(self) -> datetime:
        """Return the virtual instant."""
        return self._start + timedelta(seconds=self._loop.time())

"""A sleep that news ends."""

from __future__ import annotations

import asyncio

__all__ = ["Nap"]


class Nap:
    """Waits for news or for time, whichever is first; one waits, anybody wakes.

    A future and a timer, since an event with a timeout makes a task for each wait.
    """

    def __init__(self) -> None:
        self._sleeper: asyncio.Future[None] | None = None
        self._has_news = False

    def wake(self) -> None:
        """Tell that there is news."""
        self._has_news = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def take_news(self) -> bool:
        """Return whether there was news since this was asked last."""
        had_news, self._has_news = self._has_news, False
        return had_news

    async def sleep(self, seconds: float | None) -> bool:
        """Wait for news, or so long at most; return whether there was news."""
        if self._has_news:
            return True
        if seconds is not None and seconds <= 0:
            return False
        loop = asyncio.get_running_loop()
        self._sleeper = sleeper = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _expire, sleeper)
        try:
            await sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()
        return self._has_news


def _expire(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)

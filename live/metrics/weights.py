"""How much of a venue's request limit is used, as the venue itself said last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import redis.exceptions

from candela.bus import budget_keys
from candela.venues.limits import MAIN_POOL
from live.streams.opening import open_redis

__all__ = ["Weights"]

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 5.0


class Weights:
    """Read what all processes of this address have used, from where they share it.

    Parameters
    ----------
    venues
        Gives the venues that are asked at all.
    """

    def __init__(self, redis_url: str | None, venues: Callable[[], Iterable[str]]) -> None:
        self._redis: Any = None if redis_url is None else open_redis(redis_url)
        self._venues = venues
        self.used: dict[str, float] = {}
        """Weight of the present window, by venue; what is not known is absent."""

    async def run(self) -> None:
        """Read again and again, until cancelled."""
        while self._redis is not None:
            await self.read()
            await asyncio.sleep(_EVERY_S)

    async def read(self) -> None:
        """Read once; where Redis does not answer, nothing is known."""
        found: dict[str, float] = {}
        try:
            for venue in self._venues():
                said = await self._redis.get(budget_keys(venue, MAIN_POOL).observed)
                if said is not None:
                    found[venue] = float(said.split()[0])
        except (redis.exceptions.RedisError, OSError) as error:
            _LOG.debug("request weights are not known now: %s", type(error).__name__)
        self.used = found

    async def close(self) -> None:
        """Let go of Redis."""
        if self._redis is not None:
            await self._redis.aclose()

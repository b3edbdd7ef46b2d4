"""The request budget of a venue, shared by every process that asks it anything."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from candela.bus import budget_keys
from candela.venues import budget_script
from candela.venues.errors import BudgetExhausted
from candela.venues.limits import limit_of
from candela.venues.local_budget import LocalBudget

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis.asyncio

    from candela.venues.limits import VenueLimit

__all__ = ["RequestBudget"]

_LOG: Final = logging.getLogger(__name__)
# A window is cut into so many slices; what was granted in a slice is forgotten as a whole.
_SLICES: Final = 60
# How long Redis is left alone after it failed: each try costs a connection attempt.
_REDIS_REST_S: Final = 5.0
_CONNECTIONS: Final = 32
# How long one waits for its turn on them.
_TURN_S: Final = 30.0
# What one process may use by itself while it cannot see what the others do.
_LOCAL_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Grant:
    is_granted: bool
    wait_s: float
    blocked_s: float
    slice_number: int = 0


class RequestBudget:
    """Grant request weight of a venue so that no window of its length ever exceeds the share.

    Bound to the event loop that first uses it. Where Redis is lost, each process goes on by
    itself with a quarter of its share, and `mode` and the log say so.

    Parameters
    ----------
    redis_url
        The Redis or Valkey server shared by all processes; None for one process alone.
    share
        How much of what the venue allows may be used by all together, 0..1; the rest is for
        orders, and for requests that arrive closer together than they were sent.
    limits
        Limits by pool, in place of the venue's documented ones.
    """

    def __init__(
        self,
        venue: str,
        redis_url: str | None,
        *,
        share: float = 0.8,
        limits: Mapping[str, VenueLimit] | None = None,
    ) -> None:
        self._venue = venue
        self._share = share
        self._limits = dict(limits or {})
        self._redis_url = redis_url
        self._redis: redis.asyncio.Redis | None = None
        self._rest_until = 0.0
        self._local: dict[str, LocalBudget] = {}
        self._local_blocked_until = 0.0
        self.mode: Literal["shared", "local"] = "shared" if redis_url else "local"

    def limit(self, pool: str, rate_limit_ms: float) -> VenueLimit:
        """Return what the venue allows in a pool."""
        if pool not in self._limits:
            self._limits[pool] = limit_of(self._venue, pool, rate_limit_ms)
        return self._limits[pool]

    async def acquire(self, pool: str, limit: VenueLimit, weight: float, timeout_s: float) -> float:
        """Wait until the weight may be spent, and return how long that took, in seconds.

        Raises
        ------
        BudgetExhausted
            The budget, or a block by the venue, has no room within the time-out.
        CancelledError
            The caller was; the weight is given back.
        """
        started = time.monotonic()
        # A request heavier than all there is may go when nothing else does.
        weight = min(weight, limit.capacity * self._share)
        while True:
            left_s = timeout_s - (time.monotonic() - started)
            grant = await self._reserve(pool, limit, weight, max(0.0, left_s))
            if not grant.is_granted:
                raise self._exhausted(weight, grant, timeout_s)
            if grant.wait_s <= 0:
                return time.monotonic() - started
            due = time.monotonic() + grant.wait_s
            try:
                await asyncio.sleep(grant.wait_s)
            except asyncio.CancelledError:
                await self._release(pool, weight, grant)
                raise
            # A process that was stopped meanwhile has missed its slice, and a venue that has
            # begun to block meanwhile must not be asked: both ask again.
            is_late = time.monotonic() - due > limit.window_s / _SLICES
            if not is_late and await self.blocked_s() <= 0:
                return time.monotonic() - started

    async def observe(self, pool: str, used: float, left_s: float) -> None:
        """Take in what the venue itself says was used of its window, which ends in `left_s`."""
        if self._redis_url is None:
            return
        keys = budget_keys(self._venue, pool)
        await self._run(budget_script.OBSERVE, [keys.observed], [used, round(left_s * 1_000)])

    async def block(self, wait_s: float, reason: str) -> None:
        """Let no process ask the venue anything for a while; a longer block stays."""
        _LOG.warning("%s is left alone for %.1f s: %s", self._venue, wait_s, reason)
        self._local_blocked_until = max(self._local_blocked_until, time.monotonic() + wait_s)
        keys = budget_keys(self._venue, "")
        await self._run(budget_script.BLOCK, [keys.blocked], [round(wait_s * 1_000)])

    async def blocked_s(self) -> float:
        """Return how much longer the venue must be left alone, in seconds; 0 if not at all."""
        local = self._local_blocked_until - time.monotonic()
        answer = await self._run(
            budget_script.BLOCK_LEFT, [budget_keys(self._venue, "").blocked], []
        )
        return max(0.0, local, cast("int", answer or 0) / 1_000)

    async def close(self) -> None:
        """Give the connection back."""
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None

    async def _reserve(
        self, pool: str, limit: VenueLimit, weight: float, longest_s: float
    ) -> _Grant:
        keys = budget_keys(self._venue, pool)
        answer = await self._run(
            budget_script.RESERVE,
            [keys.spent, keys.observed, keys.blocked],
            [
                weight,
                limit.capacity * self._share,
                _SLICES,
                limit.window_s * 1_000 / _SLICES,
                round(longest_s * 1_000),
            ],
        )
        if answer is not None:
            granted, wait_ms, blocked_ms, number = cast("list[int]", answer)
            return _Grant(bool(granted), wait_ms / 1_000, blocked_ms / 1_000, number)
        local = self._local.setdefault(pool, LocalBudget(limit, self._share * _LOCAL_SHARE))
        blocked_s = max(0.0, self._local_blocked_until - time.monotonic())
        wait_s = local.reserve(weight, blocked_s, longest_s)
        return _Grant(wait_s is not None, wait_s or 0.0, blocked_s)

    async def _release(self, pool: str, weight: float, grant: _Grant) -> None:
        """Give back what will not be used; a grant of this process alone just passes."""
        if grant.slice_number:
            spent = budget_keys(self._venue, pool).spent
            await self._run(budget_script.RELEASE, [spent], [grant.slice_number, weight])

    async def _run(self, script: str, keys: list[str], values: list[float]) -> object | None:
        """Run a script on the server; None where there is none or it is lost."""
        if self._redis_url is None or time.monotonic() < self._rest_until:
            return None
        import redis.exceptions

        try:
            client = self._client()
            # redis-py's annotations leave the answer of a script open.
            answer = await cast("Any", client.register_script(script))(keys=keys, args=values)
        except (redis.exceptions.RedisError, OSError) as error:
            self._rest_until = time.monotonic() + _REDIS_REST_S
            if self.mode == "shared":
                _LOG.warning(
                    "The request budget of %s is not shared any more (%s): this process goes on"
                    " alone with %.0f %% of its share until Redis answers again.",
                    self._venue,
                    error,
                    _LOCAL_SHARE * 100,
                )
            self.mode = "local"
            return None
        if self.mode == "local":
            _LOG.warning("The request budget of %s is shared again.", self._venue)
            self.mode = "shared"
        return cast("object", answer)

    def _client(self) -> redis.asyncio.Redis:
        if self._redis is None:
            import redis.asyncio
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            assert self._redis_url is not None  # noqa: S101 - asked by the caller
            # Hundreds of accounts ask at once: they take turns on a few connections.
            pool = redis.asyncio.BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._redis_url,
                max_connections=_CONNECTIONS,
                timeout=_TURN_S,
                socket_timeout=2,
                socket_connect_timeout=1,
                # One quiet repeat covers a connection that the server closed while idle.
                retry=Retry(NoBackoff(), 1),
            )
            self._redis = redis.asyncio.Redis.from_pool(pool)
        return self._redis

    def _exhausted(self, weight: float, grant: _Grant, timeout_s: float) -> BudgetExhausted:
        why = (
            f"the venue asked to be left alone for {grant.blocked_s:.0f} s more"
            if grant.blocked_s > 0
            else f"others use it; room comes in {grant.wait_s:.0f} s"
        )
        message = (
            f"No room for a request of weight {weight:g} to {self._venue} within {timeout_s:.0f} s:"
            f" {why}."
        )
        return BudgetExhausted(message, "Run it again later; it goes on where it stopped.")

"""Guessing is slowed down: failed logins are counted by user and address in Redis."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from candela.bus import login_keys
from candela.errors import RateLimited

if TYPE_CHECKING:
    import redis.asyncio

__all__ = ["LIMITS", "Limits", "Throttle", "TooManyAttempts"]

_LOG: Final = logging.getLogger(__name__)
_PATIENCE_S: Final = 0.5
_REMEMBERED: Final = 50_000
# An attempt is counted before it is judged, so that many at once are not more than the limit; a
# good one is taken back. What is refused is not counted: it learnt nothing.
_ASK: Final = """
local tight = tonumber(redis.call('GET', KEYS[4]) or '0') >= tonumber(ARGV[7])
local limits = {tonumber(ARGV[1]), tonumber(tight and ARGV[3] or ARGV[2]), tonumber(ARGV[4])}
local wait, which = 0, 0
for i = 1, 3 do
    if tonumber(redis.call('GET', KEYS[i]) or '0') >= limits[i] then
        local left = redis.call('PTTL', KEYS[i])
        if left > wait then wait, which = left, i end
    end
end
if which > 0 then return {which, wait} end
for i = 1, 4 do
    if redis.call('INCR', KEYS[i]) == 1 then
        redis.call('PEXPIRE', KEYS[i], i == 4 and ARGV[6] or ARGV[5])
    end
end
return {0, 0}
"""
_FORGIVE: Final = """
redis.call('DEL', KEYS[1])
for i = 2, 4 do
    if tonumber(redis.call('GET', KEYS[i]) or '0') > 0 then redis.call('DECR', KEYS[i]) end
end
return 0
"""
_USER: Final = 3


class TooManyAttempts(RateLimited):
    """Too many attempts failed lately, of this address or for this user."""

    code = "too_many_attempts"

    def __init__(self, wait_s: float) -> None:
        message = f"Too many attempts; the next is looked at in {wait_s:.0f} seconds."
        hint = "Wait, or take a new password: POST /auth/password/forgot."
        super().__init__(message, hint)
        self.retry_after_s = wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many failures a window bears.

    Parameters
    ----------
    pair
        Of one network address for one user.
    address
        Of one network address (of IPv6 its /64), whichever users it tries; `address_tight` while
        more than `everybody` fail on the whole platform in a minute.
    user
        For one user, of all addresses; beyond it only those are heard from which the user has
        logged in before. No number of strangers keeps the user out.
    """

    pair: int = 10
    address: int = 100
    address_tight: int = 10
    user: int = 200
    everybody: int = 1_000
    window_s: float = 900.0
    minute_s: float = 60.0


LIMITS: Final = Limits()


class Throttle:
    """Counts failed attempts in Redis, by one script; in this process alone while Redis is away."""

    def __init__(self, bus: redis.asyncio.Redis, limits: Limits = LIMITS) -> None:
        self._bus: Any = bus
        self._limits = limits
        self._own: dict[str, tuple[int, float]] = {}
        self._is_away = False

    async def ask(self, who: str, address: str, *, is_known_place: bool = False) -> bool:
        """Count an attempt before it is made.

        Parameters
        ----------
        who
            Address of a user, or whatever else is guessed at.
        is_known_place
            Whether the user has logged in from there before.

        Returns
        -------
        bool
            False: only a place the user is known at is heard now; ask again with that.

        Raises
        ------
        TooManyAttempts
            Saying how long to wait.
        """
        keys = _keys(who, address)
        most = self._limits
        user = 1 << 40 if is_known_place else most.user
        try:
            async with asyncio.timeout(_PATIENCE_S):
                which, wait_ms = await self._bus.eval(
                    _ASK,
                    4,
                    *keys,
                    most.pair,
                    most.address,
                    most.address_tight,
                    user,
                    int(most.window_s * 1_000),
                    int(most.minute_s * 1_000),
                    most.everybody,
                )
            self._is_away = False
        except (RedisError, OSError, TimeoutError) as error:
            self._away(error)
            which, wait_ms = self._ask_own(keys, user)
        if which == _USER and not is_known_place:
            return False
        if which:
            raise TooManyAttempts(max(1.0, wait_ms / 1_000))
        return True

    async def forgive(self, who: str, address: str) -> None:
        """Take back an attempt that was a good one."""
        keys = _keys(who, address)
        self._own.pop(keys[0], None)
        for key in keys[1:]:
            count, ends = self._own.get(key, (0, 0.0))
            if count:
                self._own[key] = (count - 1, ends)
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._bus.eval(_FORGIVE, 4, *keys)

    async def pardon(self, who: str) -> None:
        """Forget what failed for a user, who has shown that the mailbox is theirs."""
        key = _keys(who, "")[2]
        self._own.pop(key, None)
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._bus.delete(key)

    def _ask_own(self, keys: tuple[str, str, str, str], user: int) -> tuple[int, float]:
        now = asyncio.get_running_loop().time()
        if len(self._own) > _REMEMBERED:
            self._own = {key: one for key, one in self._own.items() if one[1] > now}
        counts = [self._count(key, now) for key in keys]
        most = self._limits
        is_tight = counts[3][0] >= most.everybody
        limits = (most.pair, most.address_tight if is_tight else most.address, user)
        over = [
            (which, (counts[which - 1][1] - now) * 1_000)
            for which, limit in enumerate(limits, 1)
            if counts[which - 1][0] >= limit
        ]
        if over:
            return max(over, key=lambda one: one[1])
        for key, (count, ends) in zip(keys, counts, strict=True):
            self._own[key] = (count + 1, ends)
        return 0, 0.0

    def _count(self, key: str, now: float) -> tuple[int, float]:
        count, ends = self._own.get(key, (0, 0.0))
        if ends > now:
            return count, ends
        is_all = key == _keys("", "")[3]
        return 0, now + (self._limits.minute_s if is_all else self._limits.window_s)

    def _away(self, error: BaseException) -> None:
        if not self._is_away:
            _LOG.warning("failed logins are counted in this process: %s", type(error).__name__)
        self._is_away = True


def _keys(who: str, address: str) -> tuple[str, str, str, str]:
    # No address of a person is written to Redis.
    digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return login_keys(digest, _network(address))


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6:  # noqa: PLR2004 - one household has all of a /64
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)

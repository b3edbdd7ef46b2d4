"""Limits of requests by tenant and address: one atomic script, and the same without Redis."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from api.limiting.redislink import RedisAway, RedisRefused
from candela.bus import limit_key
from candela.errors import RateLimited
from candela.plans import PlanName

if TYPE_CHECKING:
    from api.limiting.redislink import RedisLink

__all__ = ["LIMITS", "Limiter", "Limits", "Rule", "RuleName", "Spent", "TooManyRequests"]

_LOG: Final = logging.getLogger(__name__)
RuleName = Literal["read", "write", "costly", "login", "address", "webhook"]

# GCRA: what is kept is the instant at which the whole budget is there again. Numbers go back as
# texts, since Lua writes large ones with an exponent.
_SCRIPT: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local each, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local after = whole + each
local wait = after - now - each * most
if wait > 0 then return {0, 0, whole - now, wait} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor((each * most - (after - now)) / each), after - now, 0}
"""
_SHA: Final = hashlib.sha1(_SCRIPT.encode()).hexdigest()  # noqa: S324 - Redis names scripts so
_MOST_LOCAL: Final = 50_000


class TooManyRequests(RateLimited):
    """A limit of ours says wait."""

    code: ClassVar[str] = "too_many_requests"

    def __init__(self, rule: Rule, wait_s: float) -> None:
        super().__init__(
            f"More than {rule.requests} requests of the class {rule.name} in {rule.window_s} s.",
            f"Send the next one in {wait_s:.0f} s, as Retry-After says.",
        )
        self.retry_after_s = wait_s


@dataclass(frozen=True, slots=True)
class Rule:
    """So many requests in a window; all of them may come at once.

    Raises
    ------
    ValueError
        One of the numbers is below one.
    """

    name: RuleName
    requests: int
    window_s: int = 60

    def __post_init__(self) -> None:
        if self.requests < 1 or self.window_s < 1:
            message = f"{self.requests} requests in {self.window_s} s"
            raise ValueError(message)

    @property
    def each_us(self) -> int:
        """Microseconds in which one request is given back."""
        return max(1, self.window_s * 1_000_000 // self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The rules, as data: by plan for tenants, one for addresses of whom nothing is known.

    Parameters
    ----------
    by_plan
        For each plan the rules read, write and costly.
    address
        For requests without a token that is worth anything.
    """

    by_plan: Mapping[PlanName, Mapping[RuleName, Rule]]
    address: Rule = Rule("address", 120)
    login: Rule = Rule("login", 20)
    webhook: Rule = Rule("webhook", 600)

    def times(self, factor: int) -> Limits:
        """Return limits that are wider by a factor, for load tests."""
        wider: dict[PlanName, Mapping[RuleName, Rule]] = {
            plan: {
                name: Rule(name, rule.requests * factor, rule.window_s)
                for name, rule in rules.items()
            }
            for plan, rules in self.by_plan.items()
        }
        return Limits(
            by_plan=wider,
            address=Rule("address", self.address.requests * factor),
            login=Rule("login", self.login.requests * factor),
            webhook=Rule("webhook", self.webhook.requests * factor),
        )


def _rules(read: int, write: int, costly: int) -> dict[RuleName, Rule]:
    return {
        "read": Rule("read", read),
        "write": Rule("write", write),
        "costly": Rule("costly", costly),
    }


LIMITS: Final = Limits(
    by_plan={
        "free": _rules(240, 60, 10),
        "basic": _rules(600, 120, 30),
        "pro": _rules(1_200, 300, 60),
        "enterprise": _rules(6_000, 1_200, 300),
    }
)
"""What holds unless the operator hands in another table."""


@dataclass(frozen=True, slots=True)
class Spent:
    """How a budget stands after a request.

    Parameters
    ----------
    reset_s, wait_s
        Until all of it is there again, and until the next request may come; 0: at once.
    """

    rule: Rule
    is_allowed: bool
    remaining: int
    reset_s: float
    wait_s: float

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that tell it."""
        return (
            (b"ratelimit-limit", b"%d" % self.rule.requests),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % -(-int(self.reset_s * 1_000) // 1_000)),
        )

    def check(self) -> None:
        """Refuse the request where nothing is left.

        Raises
        ------
        TooManyRequests
            With how long to wait.
        """
        if not self.is_allowed:
            raise TooManyRequests(self.rule, max(1.0, self.wait_s))


@dataclass(slots=True)
class Limiter:
    """Spend budgets: in Redis for all processes together, in this one alone while it is away.

    Parameters
    ----------
    link
        None: this process alone.
    """

    link: RedisLink | None
    _whole: dict[str, int] = field(default_factory=dict[str, int])
    is_shared: bool = True

    async def spend(self, owner: str, rule: Rule) -> Spent:
        """Take one request from the budget of an owner: a tenant, a token, an address."""
        key = limit_key(owner, rule.name)
        if self.link is not None:
            try:
                found = await self._asked(key, rule)
            except (RedisAway, RedisRefused, TypeError, ValueError) as error:
                self._lost(error)
            else:
                self._back()
                return found
        return self._local(key, rule)

    async def _asked(self, key: str, rule: Rule) -> Spent:
        assert self.link is not None  # noqa: S101 - the caller has looked
        words = (1, key, rule.each_us, rule.requests)
        try:
            found = await self.link.ask("EVALSHA", _SHA, *words)
        except RedisRefused as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            found = await self.link.ask("EVAL", _SCRIPT, *words)
        is_allowed, remaining, reset_us, wait_us = (int(one) for one in found)
        return Spent(rule, bool(is_allowed), remaining, reset_us / 1e6, wait_us / 1e6)

    def _local(self, key: str, rule: Rule) -> Spent:
        now = time.monotonic_ns() // 1_000
        if len(self._whole) >= _MOST_LOCAL:
            self._whole = {name: at for name, at in self._whole.items() if at > now}
            if len(self._whole) >= _MOST_LOCAL:
                self._whole.clear()
        whole = max(self._whole.get(key, 0), now)
        after = whole + rule.each_us
        wait = after - now - rule.each_us * rule.requests
        if wait > 0:
            return Spent(rule, False, 0, (whole - now) / 1e6, wait / 1e6)  # noqa: FBT003 - a row
        self._whole[key] = after
        left = (rule.each_us * rule.requests - (after - now)) // rule.each_us
        return Spent(rule, True, left, (after - now) / 1e6, 0.0)  # noqa: FBT003 - as above

    def _lost(self, error: Exception) -> None:
        if self.is_shared:
            _LOG.warning(
                "Redis is lost (%s): each process limits requests by itself until it answers.",
                type(error).__name__,
            )
        self.is_shared = False

    def _back(self) -> None:
        if not self.is_shared:
            _LOG.info("Redis answers again: limits of requests are shared.")
            self._whole.clear()
        self.is_shared = True

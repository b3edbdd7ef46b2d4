"""Guessing is bounded in each of three ways, with Redis and without it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio

from candela.identity.throttle import Limits, Throttle, TooManyAttempts

LIMITS = Limits(pair=3, address=6, address_tight=2, user=5, everybody=20)
HERE = "192.0.2.1"


@pytest.fixture(params=["redis", "alone"])
def bus_url(request: pytest.FixtureRequest, redis_url: str) -> str:
    """Give Redis, and an address where none listens."""
    if request.param == "alone":
        return "redis://127.0.0.1:1/0"
    with redis.Redis.from_url(redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushdb()  # pyright: ignore[reportUnknownMemberType]
    return redis_url


async def _asked(throttle: Throttle, who: str, address: str, **more: bool) -> str:
    try:
        return "yes" if await throttle.ask(who, address, **more) else "known places"
    except TooManyAttempts as refused:
        return "no" if 0 < refused.retry_after_s <= LIMITS.window_s else "no end"


def run(bus_url: str, *asked: tuple[str, str]) -> list[str]:
    async def all_of() -> list[str]:
        bus: Any = redis.asyncio.Redis.from_url(bus_url)  # pyright: ignore[reportUnknownMemberType]
        throttle = Throttle(bus, LIMITS)
        try:
            return [await _asked(throttle, *one) for one in asked]
        finally:
            await bus.aclose()

    return asyncio.run(all_of())


def test_pair_beyond_its_limit_is_refused_and_others_are_not(bus_url: str) -> None:
    """S18: one address that guesses for one user."""
    found = run(bus_url, *[("ada", HERE)] * 4, ("bo", HERE), ("ada", "192.0.2.2"))
    assert found == ["yes"] * 3 + ["no", "yes", "yes"]


def test_address_beyond_its_limit_is_refused_whomever_it_tries(bus_url: str) -> None:
    """S18: one address that tries many users; of IPv6 a whole /64 is one."""
    many = [(f"user{n}", f"2001:db8::{n}") for n in range(7)]
    assert run(bus_url, *many, ("other", "2001:db8:0:1::1")) == ["yes"] * 6 + ["no", "yes"]


def test_user_beyond_the_limit_is_still_heard_from_known_places(bus_url: str) -> None:
    """S18: many addresses that guess for one user do not keep the user out."""

    async def guessed() -> list[str]:
        bus: Any = redis.asyncio.Redis.from_url(bus_url)  # pyright: ignore[reportUnknownMemberType]
        throttle = Throttle(bus, LIMITS)
        try:
            found = [await _asked(throttle, "ada", f"192.0.2.{n}") for n in range(6)]
            found.append(await _asked(throttle, "ada", HERE, is_known_place=True))
            await throttle.pardon("ada")
            found.append(await _asked(throttle, "ada", "192.0.2.77"))
            return found
        finally:
            await bus.aclose()

    assert asyncio.run(guessed()) == ["yes"] * 5 + ["known places", "yes", "yes"]


def test_addresses_while_everybody_fails_have_less_and_none_is_shut(bus_url: str) -> None:
    """S18: the platform as a whole is guarded, and nobody is locked out by it."""
    storm = [(f"user{n}", f"198.51.100.{n}") for n in range(20)]
    found = run(bus_url, *storm, *[(f"other{n}", HERE) for n in range(3)])
    assert found == ["yes"] * 22 + ["no"]


def test_good_attempts_are_taken_back(bus_url: str) -> None:
    async def logged_in() -> list[str]:
        bus: Any = redis.asyncio.Redis.from_url(bus_url)  # pyright: ignore[reportUnknownMemberType]
        throttle = Throttle(bus, LIMITS)
        try:
            found: list[str] = []
            for _ in range(10):
                found.append(await _asked(throttle, "ada", HERE))
                await throttle.forgive("ada", HERE)
            return found
        finally:
            await bus.aclose()

    assert asyncio.run(logged_in()) == ["yes"] * 10

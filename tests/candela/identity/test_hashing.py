"""Hashing is bounded: a flood of logins is refused, and whoever goes away makes room."""

from __future__ import annotations

import asyncio

import pytest

from candela.identity.hashing import HashingBusy, HashPool


def test_logins_beyond_the_queue_are_refused_at_once() -> None:
    """S12: the rest is answered 429, and the pool works on."""

    async def flood() -> tuple[int, int]:
        pool = HashPool(workers=1, queue=3)
        try:
            found = await asyncio.gather(
                *(pool.verify(None, "some password") for _ in range(10)), return_exceptions=True
            )
            refused = [one for one in found if isinstance(one, HashingBusy)]
            assert refused[0].retry_after_s == 1
            stored = await pool.hash("some password")
            assert (await pool.verify(stored, "some password")).is_right
            assert not (await pool.verify(stored, "some passwore")).is_right
            return len(refused), pool.waiting
        finally:
            pool.close()

    assert asyncio.run(flood()) == (6, 0)


def test_login_that_is_given_up_frees_its_place_when_done() -> None:
    async def gone() -> int:
        pool = HashPool(workers=1, queue=0)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.hash("some password"), 0)
            job = asyncio.create_task(pool.hash("some password"))
            await asyncio.sleep(0)
            job.cancel()
            assert pool.waiting == 1
            with pytest.raises(HashingBusy):
                await pool.hash("some password")
            while pool.waiting:  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.001)
            await pool.hash("some password")
            return pool.waiting
        finally:
            pool.close()

    assert asyncio.run(gone()) == 0

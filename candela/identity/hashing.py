"""A bounded pool of threads that hash passwords, so that logins cannot starve other requests."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ClassVar, Final, TypeVar

from candela.errors import RateLimited
from candela.identity.passwords import Verdict, decoy_hash, hash_password, verify_password

__all__ = ["HashPool", "HashingBusy"]

Result = TypeVar("Result")

_WORKERS: Final = 2
_QUEUE: Final = 40
# Below everything else of the process: a login may wait some milliseconds, an order may not.
_NICE: Final = 10


class HashingBusy(RateLimited):
    """More logins wait than are worked off within a second."""

    code = "hashing_busy"
    retry_after_s: ClassVar[float] = 1.0


class HashPool:
    """Hashes and verifies passwords in threads of its own; Argon2 lets go of the interpreter.

    Parameters
    ----------
    workers
        Threads; each takes a core while it hashes.
    queue
        How many may wait beyond those at work; further ones are refused at once.
    """

    def __init__(self, *, workers: int = _WORKERS, queue: int = _QUEUE) -> None:
        self._most = workers + queue
        self._waiting = 0
        self._threads = ThreadPoolExecutor(
            workers, thread_name_prefix="hash", initializer=_step_back
        )
        self._decoy = decoy_hash()

    @property
    def waiting(self) -> int:
        """How many are at work or wait."""
        return self._waiting

    async def hash(self, password: str) -> str:
        """Return the hash of a password.

        Raises
        ------
        HashingBusy
            Too many wait.
        """
        return await self._run(lambda: hash_password(password))

    async def verify(self, stored: str | None, password: str) -> Verdict:
        """Return whether a password matches; for None nothing does, at the same cost.

        Raises
        ------
        HashingBusy
            Too many wait.
        """
        verdict = await self._run(lambda: verify_password(stored or self._decoy, password))
        return verdict if stored else Verdict(is_right=False)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= self._most:
            message = f"{self._waiting} passwords wait to be verified."
            raise HashingBusy(message, "Try again in a second.")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(lambda _: self._done())
        # Whoever went away leaves its work in the queue: only its end makes room.
        return await asyncio.shield(future)

    def _done(self) -> None:
        self._waiting -= 1


def _step_back() -> None:
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

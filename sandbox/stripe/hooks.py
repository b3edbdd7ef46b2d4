"""Delivery of events: signed, at least once, again where nobody took them, late if asked."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from candela.clock import Clock
    from sandbox.stripe.book import Content

__all__ = ["Hooks", "Manner", "signature"]

_PAUSES_S: Final = (0.2, 1.0, 5.0, 15.0, 60.0, 300.0)
_TIMEOUT_S: Final = 30.0
_GOOD: Final = range(200, 300)


def signature(body: str, secret: str, at: int) -> str:
    """Return the header Stripe-Signature of a body that is sent at a time."""
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


@dataclass(frozen=True, slots=True)
class Manner:
    """How events are delivered.

    Parameters
    ----------
    copies
        How often each is sent, whatever is answered.
    delay_s
        Longest wait before one is sent; each waits for a part of it, so that their order is lost.
    """

    url: str | None = None
    copies: int = 1
    delay_s: float = 0.0


class Hooks:
    """Send events to one address, from the loop that it lives in.

    Parameters
    ----------
    clock
        That of the machine, not of the objects: a signature is of the moment it is made.
    """

    def __init__(self, clock: Clock, secret: str, seed: int = 0) -> None:
        self.manner = Manner()
        self.secret = secret
        self.taken: list[str] = []
        self._clock = clock
        self._chance = random.Random(seed)  # noqa: S311 - a rehearsal, repeatable by its seed
        self._tasks: set[asyncio.Task[None]] = set()

    def signed(self, event: Content) -> tuple[bytes, str]:
        """Return the body and the signature of an event as it would be sent now."""
        body = json.dumps(event, separators=(",", ":"))
        return body.encode(), signature(body, self.secret, int(self._clock.now().timestamp()))

    def send(self, event: Content) -> None:
        """Begin to deliver an event."""
        if self.manner.url is None:
            return
        for _ in range(self.manner.copies):
            delay_s = self._chance.random() * self.manner.delay_s
            task = asyncio.get_running_loop().create_task(self._deliver(event, delay_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop delivering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, event: Content, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            for pause_s in (*_PAUSES_S, None):
                body, header = self.signed(event)
                headers = {"stripe-signature": header, "content-type": "application/json"}
                try:
                    url = str(self.manner.url)
                    async with client.post(url, data=body, headers=headers) as answered:
                        if answered.status in _GOOD:
                            self.taken.append(event["id"])
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                if pause_s is None:
                    return
                await asyncio.sleep(pause_s)

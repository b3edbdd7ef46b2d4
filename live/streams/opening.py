"""Opening Redis: a client that says soon that its server is gone, instead of waiting for it."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

__all__ = ["heed_cancellation", "open_redis"]

_ANSWER_S: Final = 5.0
_CONNECT_S: Final = 2.0


def open_redis(url: str) -> Any:  # redis-py leaves the types of its commands half open
    """Return a client that does not retry: whoever calls has another way."""
    return cast("Any", redis.asyncio.Redis).from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_CONNECT_S,
    )


def heed_cancellation() -> None:
    """End a task that was cancelled and goes on all the same; called once in each round of a loop.

    redis-py 8.1 was seen to lose a cancellation that arrives while it waits for an answer.

    Raises
    ------
    CancelledError
        The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

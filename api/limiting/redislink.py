"""One connection to Redis for what every request asks: commands of one turn travel together."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from typing import Any, Final, cast

from redis.connection import (
    parse_url,  # pyright: ignore[reportUnknownVariableType] - redis leaves its types half open
)

__all__ = ["RedisAway", "RedisLink"]

_CONNECT_S: Final = 1.0
_ANSWER_S: Final = 1.0
# How long Redis is left alone after it failed: each try costs a connection attempt.
_REST_S: Final = 1.0
_CRLF: Final = b"\r\n"


class RedisAway(Exception):
    """Redis does not answer now."""


class RedisRefused(Exception):
    """Redis answered with an error, such as NOSCRIPT."""


class RedisLink:
    """Send commands and await their answers, many at a time over one connection.

    It is on the way of every request, where a client for all that Redis can do costs more than the
    answer is worth. It speaks what scripts answer: numbers, texts, and lists of them.

    Parameters
    ----------
    url
        redis://, rediss:// or unix://, as redis-py reads it.
    """

    def __init__(self, url: str) -> None:
        self._parts: dict[str, Any] = cast("dict[str, Any]", parse_url(url))
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._opening = asyncio.Lock()
        self._rest_until = 0.0

    async def ask(self, *words: str | bytes | int) -> Any:
        """Send a command; return its answer.

        Raises
        ------
        RedisAway
            It does not answer.
        RedisRefused
            It refuses the command.
        """
        if self._writer is None:
            await self._open()
        answer = self._sent(words)
        late = asyncio.get_running_loop().call_later(_ANSWER_S, self._late, answer)
        try:
            return await answer
        finally:
            late.cancel()

    async def close(self) -> None:
        """Close the connection."""
        self._drop()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    def _sent(self, words: tuple[str | bytes | int, ...]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(_packed(words))
        self._waiting.append(answer)
        return answer

    def _flush(self) -> None:
        content, self._unsent = b"".join(self._unsent), []
        if self._writer is not None:
            self._writer.write(content)

    def _late(self, answer: asyncio.Future[Any]) -> None:
        if not answer.done():
            # Answers come in order: behind one that is missing, all others are lost as well.
            self._drop()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._opening:
            if self._writer is not None:
                return
            if loop.time() < self._rest_until:
                raise RedisAway
            try:
                async with asyncio.timeout(_CONNECT_S):
                    reader, self._writer = await self._connected()
                    self._unsent = []
                    self._reading = asyncio.create_task(self._read(reader))
                    # All at once: what others send from now on stands behind them.
                    for answer in [self._sent(words) for words in self._greetings()]:
                        await answer
            except (OSError, TimeoutError, RedisRefused) as error:
                self._drop()
                raise RedisAway from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = self._parts
        if "path" in parts:
            return await asyncio.open_unix_connection(parts["path"])
        secure = "SSL" in getattr(parts.get("connection_class"), "__name__", "")
        return await asyncio.open_connection(
            parts.get("host", "localhost"),
            parts.get("port", 6379),
            ssl=ssl.create_default_context(cafile=parts.get("ssl_ca_certs")) if secure else None,
        )

    def _greetings(self) -> list[tuple[str | int, ...]]:
        parts = self._parts
        words: list[tuple[str | int, ...]] = []
        if parts.get("password"):
            user = (parts["username"],) if parts.get("username") else ()
            words.append(("AUTH", *user, parts["password"]))
        if parts.get("db"):
            words.append(("SELECT", parts["db"]))
        return words

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                found = await _answer(reader)
                waiting = self._waiting.popleft()
                if waiting.done():
                    continue
                if isinstance(found, Exception):
                    waiting.set_exception(found)
                else:
                    waiting.set_result(found)
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError):
            self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
        self._rest_until = asyncio.get_running_loop().time() + _REST_S
        lost, self._waiting = self._waiting, deque()
        for waiting in lost:
            if not waiting.done():
                waiting.set_exception(RedisAway())


def _packed(words: tuple[str | bytes | int, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        content = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(content), content))
    return b"".join(parts)


async def _answer(reader: asyncio.StreamReader) -> Any:
    line = (await reader.readuntil(_CRLF))[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b":":
        return int(rest)
    if kind == b"+":
        return rest
    if kind == b"-":
        return RedisRefused(rest.decode(errors="replace"))
    if kind == b"$":
        return None if rest == b"-1" else (await reader.readexactly(int(rest) + 2))[:-2]
    if kind == b"*":
        return [await _answer(reader) for _ in range(int(rest))]
    raise ValueError(kind)

"""Lines of bots' logs on their way to the database: gathered, written together within a second."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from candela.ids import new_id
from live.store.rows import columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from live.store.pool import ConnectionPool

__all__ = ["LogLine", "LogWriter"]

_DELAY_S: Final = 0.5
_MOST: Final = 1_000
_ADD: Final = """
INSERT INTO trading.bot_logs (
    tenant_id, bot_id, log_id, logged_at, level, event, message, data
)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],
    %s::text[]::jsonb[]
)
"""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log of a bot."""

    tenant_id: UUID
    bot_id: UUID
    level: str
    event: str
    message: str
    data: Mapping[str, Any] | None
    logged_at: datetime


class LogWriter:
    """Keep lines for at most half a second, then write them in one transaction."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._lines: list[LogLine] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_full = asyncio.Event()

    def add(self, line: LogLine) -> None:
        """Take a line.

        Raises
        ------
        DatabaseLost
            Lines before this one could not be written.
        """
        if self._writing is not None and self._writing.done():
            # What went wrong in the background is the business of whoever calls next.
            done, self._writing = self._writing, None
            done.result()
        self._lines.append(line)
        if len(self._lines) >= _MOST:
            self._is_full.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())

    async def flush(self) -> None:
        """Return once every line taken so far is written.

        Raises
        ------
        DatabaseLost
            They could not be.
        """
        while self._writing is not None or self._lines:
            self._is_full.set()
            task = self._writing or asyncio.create_task(self._write_soon())
            await task
            if self._writing is task:
                self._writing = None

    async def _write_soon(self) -> None:
        while self._lines:
            # Full means now: a burst is not to be waited with.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_full.wait(), _DELAY_S)
            self._is_full.clear()
            lines, self._lines = self._lines, []
            await self._write(lines)

    async def _write(self, lines: list[LogLine]) -> None:
        rows: list[tuple[Any, ...]] = [
            (
                line.tenant_id,
                line.bot_id,
                new_id(line.logged_at),
                line.logged_at,
                line.level,
                line.event,
                line.message,
                None if line.data is None else json.dumps(dict(line.data), default=str),
            )
            for line in lines
        ]
        async with self._pool.transaction(sorted({line.tenant_id for line in lines})) as connection:
            await connection.execute(_ADD, columns(rows, 8))

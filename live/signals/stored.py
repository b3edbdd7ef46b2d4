"""Stored signals: told by the stream, read from their table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from candela.db.connect import Role
from live.signals.port import SignalEvent
from live.streams.consumer import Consumer
from live.streams.link import DatabaseLink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from candela.db.connect import Database

__all__ = ["StoredSignals"]

_READ: Final = """
SELECT s.definition_id, s.bar_at, s.status, s.decision, s.known_at
FROM live.signals AS s
WHERE s.definition_id = ANY(%s) AND s.bar_at = %s
ORDER BY s.definition_id
"""
_MISSED: Final = """
SELECT s.definition_id, s.bar_at, s.status, s.decision, s.known_at
FROM unnest(%s::text[], %s::timestamptz[]) AS a (definition_id, bar_at)
INNER JOIN live.signals AS s ON s.definition_id = a.definition_id AND s.bar_at > a.bar_at
ORDER BY s.bar_at, s.definition_id
"""


class StoredSignals:
    """The feed of signals of an executor; see `live.signals.port.SignalFeed`.

    What is yielded has been committed, is read from its table, and may come again after a restart:
    the key is definition and bar.

    Parameters
    ----------
    name
        The executor's, unique; names the group that it reads signals as.
    wants
        Says whether a definition has a bot here; others are not read.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str | None,
        *,
        name: str,
        wants: Callable[[str], bool] = bool,
    ) -> None:
        self._consumer = Consumer(database, redis_url, ["signals"], f"{name}.bots")
        self._link = DatabaseLink(database, Role.EXECUTOR, "signals of bots")
        self._wants = wants

    async def batches(self) -> AsyncGenerator[tuple[SignalEvent, ...]]:
        """Yield signals for ever, those of a bar together.

        Raises
        ------
        psycopg.OperationalError
            The database was lost; what was not yielded comes again after a restart.
        """
        async for events in self._consumer.batches():
            for event in events:
                wanted = [one for one in event.payload["definitions"] if self._wants(one)]
                if not wanted:
                    continue
                bar_at = datetime.fromisoformat(event.payload["bar_at"])
                found = await self._read(_READ, (wanted, bar_at), event.seq)
                if found:
                    yield found

    async def missed(self, after: Mapping[str, datetime]) -> tuple[SignalEvent, ...]:
        """Return the signals of definitions on bars later than those given, oldest first."""
        return await self._read(_MISSED, (list(after), list(after.values())), 0)

    async def close(self, *, leave: bool = False) -> None:
        """Close the connections; `leave` where this executor will not be back."""
        await self._consumer.close(leave=leave)
        await self._link.close()

    async def _read(self, statement: Any, values: Any, seq: int) -> tuple[SignalEvent, ...]:
        async with self._link.use() as connection:
            rows = await (await connection.execute(statement, values)).fetchall()
        return tuple(
            SignalEvent(
                definition_id, bar_at.astimezone(UTC), status, decision, known.astimezone(UTC), seq
            )
            for definition_id, bar_at, status, decision, known in rows
        )

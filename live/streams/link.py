"""A connection of the executor's own to PostgreSQL: opened when needed, anew after it broke."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from psycopg.rows import TupleRow

    from candela.db.connect import Database, Role

__all__ = ["DatabaseLink"]


class DatabaseLink:
    """Hand one connection of a role to one user at a time; autocommit outside of transactions.

    Bound to the event loop that first uses it. A statement that finds the connection broken raises
    as psycopg does; the next user gets a new one.
    """

    def __init__(self, database: Database, role: Role, name: str) -> None:
        self._database = database
        self._role = role
        self._name = name
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[psycopg.AsyncConnection[TupleRow]]:
        """Give the connection.

        Raises
        ------
        psycopg.OperationalError
            No server answers now.
        """
        async with self._turn:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._database.url(self._role),
                    autocommit=True,
                    application_name=f"candela {self._name}",
                    connect_timeout=10,
                )
            connection = self._connection
            try:
                yield connection
            finally:
                if connection.broken or not _is_idle(connection):
                    # A cancelled user leaves a statement or transaction behind: not for the next.
                    await connection.close()

    async def close(self) -> None:
        """Close the connection; the link can be used again."""
        async with self._turn:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None


def _is_idle(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    return connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE

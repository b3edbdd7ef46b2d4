"""Connections of an executor to PostgreSQL: few, shared by its tasks, one transaction at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.pq import TransactionStatus

from candela.db.connect import Database, DatabaseUnreachable, Role
from live.store.sending import SendingConnection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

__all__ = ["ConnectionPool", "DatabaseLost"]

_SIZE: Final = 4
_CONNECT_TIMEOUT_S: Final = 10
# "unknown" is what a connection says that is closed.
_CLEAN: Final = TransactionStatus.IDLE
_OPEN: Final = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_ACT_FOR: Final = "SELECT set_config('candela.tenants', %s, true)"


class DatabaseLost(DatabaseUnreachable):
    """The database went away in mid-work: what was under way may or may not be written."""

    code = "database_lost"


class ConnectionPool:
    """Up to `size` connections of one role; opened when first needed, kept until `close`.

    Each transaction first says for which tenants it acts, none included, and says it for itself
    alone: what another borrower said, or left behind, can never hold for the next one.

    Parameters
    ----------
    name
        What the server calls the connections, for whoever looks at it.
    """

    def __init__(
        self,
        database: Database,
        role: Role = Role.EXECUTOR,
        *,
        size: int = _SIZE,
        name: str = "candela executor",
    ) -> None:
        self._database = database
        self._role = role
        self._name = name
        self._turns = asyncio.Semaphore(size)
        self._idle: deque[AsyncConnection[TupleRow]] = deque()
        self._all: set[AsyncConnection[TupleRow]] = set()
        self._is_closed = False

    @property
    def database(self) -> Database:
        """Which database it is."""
        return self._database

    @asynccontextmanager
    async def transaction(
        self, tenants: Iterable[UUID] = ()
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """Give a connection in a transaction that acts for these tenants; commit at the end.

        Statements are sent in pipeline mode: they travel together until a result is fetched. An
        exception rolls back.

        Raises
        ------
        DatabaseLost
            The connection broke, or the server gave up on a statement; after the end of the block
            it is not known whether the transaction is written.
        """
        async with self._turns:
            connection = await self._borrowed()
            try:
                async with connection.pipeline():
                    await connection.execute(_ACT_FOR, (",".join(map(str, tenants)),))
                    yield connection
                    await connection.commit()
            except psycopg.OperationalError as error:
                raise self._lost(error) from None
            finally:
                await self._give_back(connection)

    async def close(self) -> None:
        """Close what is open; a transaction under way is rolled back by the server."""
        self._is_closed = True
        while self._all:
            await self._all.pop().close()
        self._idle.clear()

    async def _borrowed(self) -> AsyncConnection[TupleRow]:
        if self._is_closed:
            raise DatabaseLost("The pool of connections is closed.", "Open another one.")
        if self._idle:
            return self._idle.pop()
        try:
            made = await SendingConnection.connect(
                self._database.url(self._role),
                application_name=self._name,
                connect_timeout=_CONNECT_TIMEOUT_S,
            )
        except psycopg.OperationalError as error:
            raise self._lost(error) from None
        self._all.add(made)
        return made

    async def _give_back(self, connection: AsyncConnection[TupleRow]) -> None:
        """Keep a connection that is clean; let go of one that is not, whatever the reason."""
        if connection.info.transaction_status in _OPEN and not connection.closed:
            try:
                await connection.rollback()
            except psycopg.Error:
                await connection.close()
        if connection.closed or connection.info.transaction_status is not _CLEAN:
            # Closed also where a cancelled statement may still be running.
            await connection.close()
            self._all.discard(connection)
        elif not self._is_closed:
            self._idle.append(connection)

    def _lost(self, error: psycopg.OperationalError) -> DatabaseLost:
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        return DatabaseLost(
            f"{self._database.address} is lost: {said.rstrip('.')}.",
            "Start again; what was under way is read from the database then.",
        )

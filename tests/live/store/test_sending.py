"""A transaction may be larger than what the socket takes at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from live.store.pool import ConnectionPool

if TYPE_CHECKING:
    from candela.db.connect import Database

_LETTERS: Final = 8_000_000


def test_transaction_when_a_statement_is_larger_than_the_socket_takes_then_it_is_answered(
    database: Database,
) -> None:
    async def asked() -> list[int]:
        pool = ConnectionPool(database, size=1)
        try:
            async with asyncio.timeout(60), pool.transaction() as connection:
                cursors = [
                    await connection.execute("SELECT length(%s::text)", ("x" * (_LETTERS + more),))
                    for more in range(3)
                ]
                rows = [await cursor.fetchone() for cursor in cursors]
            return [row[0] for row in rows if row is not None]
        finally:
            await pool.close()

    assert asyncio.run(asked()) == [_LETTERS, _LETTERS + 1, _LETTERS + 2]

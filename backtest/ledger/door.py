"""What every book of the ledger stands on: a database, a clock and the rights of a role."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from candela.db.connect import Role

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Door"]


class Door:
    """Open transactions on the ledger; cheap to make, holds no connection between calls.

    Parameters
    ----------
    role
        Whose rights to use: an analyst's do for recording, requests are worked on by pipelines.
    """

    def __init__(self, database: Database, clock: Clock, *, role: Role = Role.ANALYST) -> None:
        self.database = database
        self.clock = clock
        self.role = role

    @contextmanager
    def _transaction(self) -> Generator[psycopg.Connection]:
        """Yield a connection; what was done on it is kept whole when the block ends, or not at all.

        Connecting costs a few milliseconds; a connection that waits for its next use would be cut
        by the first restart of the server.
        """
        with self.database.connect(self.role, application_name="candela ledger") as connection:
            yield connection

"""The sign of life of a run: a lock in the database that its process holds, whatever kills it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import psycopg

from candela.db.connect import Role
from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import dagster as dg

    from candela.db.connect import Database

__all__ = ["PRESENCE_TAG", "absent", "present"]

PRESENCE_TAG: Final = "candela/process"
"""Tag of a run whose life can be looked up: host and process id, for people."""

# "cand" as a number: the first half of the key of every lock of this kind.
_KIND: Final = 0x63616E64
_LOOK_S: Final = 5.0
_HOLD: Final = "SELECT pg_advisory_lock_shared(%s, hashtext(%s))"
# The second half of the key is shown as an unsigned number.
_ABSENT: Final = """
SELECT run.run_id
FROM unnest(%s::text[]) AS run (run_id)
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                        WHERE d.datname = current_database())
      AND l.classid::bigint = %s
      AND l.objid::bigint = hashtext(run.run_id)::bigint & 4294967295
)
"""


@contextmanager
def present(database: Database, instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Hold the run's lock while the block lasts; the server lets go of it when the process ends.

    No clock, process id or host is compared, so it holds across machines and containers: a host
    that is gone is noticed by the server's keepalives. A connection that breaks is opened anew.
    """
    keeper = _Keeper(database, run_id)
    keeper.start()
    try:
        instance.add_run_tags(run_id, {PRESENCE_TAG: f"{socket.gethostname()}:{os.getpid()}"})
        yield
    finally:
        keeper.stop()


def absent(connection: psycopg.Connection, run_ids: Sequence[str]) -> set[str]:
    """Return those of the runs whose lock nobody holds."""
    rows = connection.execute(_ABSENT, (list(run_ids), _KIND)).fetchall()
    return {cast("str", run_id) for (run_id,) in rows}


class _Keeper(threading.Thread):
    """Holds the lock on a connection of its own."""

    def __init__(self, database: Database, run_id: str) -> None:
        super().__init__(name=f"presence {run_id[:8]}", daemon=True)
        self._database = database
        self._run_id = run_id
        self._is_over = threading.Event()
        self._connection: psycopg.Connection | None = None

    def start(self) -> None:
        """Take the lock, then keep it."""
        self._connection = self._take()
        super().start()

    def stop(self) -> None:
        """Let go of the lock."""
        self._is_over.set()
        self.join()
        if self._connection is not None:
            self._connection.close()

    def run(self) -> None:
        """Look now and then whether the connection is still there."""
        while not self._is_over.wait(_LOOK_S):
            try:
                if self._connection is None:
                    self._connection = self._take()
                else:
                    self._connection.execute("SELECT 1")
            except (psycopg.OperationalError, ConfigError):
                # The server restarts: the work itself fails or waits, and says so; here the lock
                # is taken again as soon as it answers.
                self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _take(self) -> psycopg.Connection:
        connection = self._database.connect(
            Role.PIPELINES, autocommit=True, application_name=f"candela run {self._run_id[:8]}"
        )
        # A host that vanishes says no good-bye: 10 s of silence, then three questions 5 s apart.
        for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
            connection.execute(
                "SELECT set_config(%s, %s, false)", (f"tcp_keepalives_{name}", str(value))
            )
        connection.execute(_HOLD, (_KIND, self._run_id))
        return connection

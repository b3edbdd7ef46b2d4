"""Taking over from an executor that is known to be dead, without waiting for its leases to end."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from candela.db.connect import Role

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["host_name", "inherit", "inherit_dead"]

_FREE: Final = "UPDATE live.shards SET owner = NULL, expires_at = NULL WHERE owner = %s"
_BURY: Final = """
UPDATE live.executors SET stopped_at = clock_timestamp()
WHERE executor = %s AND stopped_at IS NULL
"""
_HERE: Final = """
SELECT executor, pid, started_at FROM live.executors
WHERE host = %s AND stopped_at IS NULL
"""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
# The database's clock wrote when the process began, and it may be another machine's.
_CLOCKS_S: Final = 60.0


def host_name() -> str:
    """Return a name of this machine since it was started; a process id means one process on it."""
    try:
        boot = _BOOT.read_text("ascii")[:8]
    except OSError:
        boot = f"{psutil.boot_time():.0f}"
    return f"{socket.gethostname()}/{boot}"


def inherit(database: Database, dead: str) -> int:
    """Free what a dead executor held; return how many parts.

    Only for who has seen the process end, as its supervisor has: one that merely fell silent may
    be about to go on. Whoever takes the parts has a higher epoch in any case, so that nothing the
    dead one left on its way could still be committed.
    """
    with database.connect(Role.EXECUTOR) as connection:
        freed = connection.execute(_FREE, (dead,)).rowcount
        connection.execute(_BURY, (dead,))
    return freed


def inherit_dead(database: Database, host: str) -> int:
    """Free what executors of this host held whose processes are gone; return how many parts."""
    with database.connect(Role.EXECUTOR) as connection:
        rows = connection.execute(_HERE, (host,)).fetchall()
    return sum(inherit(database, name) for name, pid, began in rows if _is_gone(pid, began))


def _is_gone(pid: int, began_at: datetime) -> bool:
    """Return whether the process that had an id is not there any more."""
    if pid == os.getpid():
        return True  # this one has not begun to hold anything
    try:
        process = psutil.Process(pid)
        is_other = process.create_time() > began_at.timestamp() + _CLOCKS_S
        return is_other or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

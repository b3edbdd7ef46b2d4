"""Taking over from an executor that is known to be dead, without waiting for its leases to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from candela.db.connect import Role

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["inherit"]

_FREE: Final = "UPDATE live.shards SET owner = NULL, expires_at = NULL WHERE owner = %s"
_BURY: Final = """
UPDATE live.executors SET stopped_at = clock_timestamp()
WHERE executor = %s AND stopped_at IS NULL
"""


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

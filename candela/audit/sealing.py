"""Adding links behind the entries of all tenants: one writer at a time, nothing is missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID

from candela.audit.canonical import GENESIS, PUBLIC_TEXT, digest_of, hash_of
from candela.db.connect import Role

if TYPE_CHECKING:
    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["LATENESS", "Head", "read_head", "seal"]

LATENESS: Final = timedelta(hours=1)
"""How much older than the newest sealed entry one may be and still be sealed.

A transaction ends within minutes of its entry; what turns up later was put in afterwards, and the
verifier names it.
"""
_LOCK_KEY: Final = 0x63616E6461756469
_BATCH: Final = 20_000
_HEAD: Final = """
SELECT l.n, l.hash, e.happened_at
FROM audit.links AS l
LEFT JOIN audit.entries AS e ON l.tenant_id = e.tenant_id AND l.entry_id = e.entry_id
ORDER BY l.n DESC
LIMIT 1
"""
# No horizon is needed for transactions that are open: what they commit later has no link yet, and
# the next look finds it.
_UNSEALED: Final[LiteralString] = f"""
SELECT e.tenant_id, e.entry_id, e.happened_at, e.commitment, {PUBLIC_TEXT}
FROM audit.entries AS e
WHERE
    (e.happened_at, e.entry_id) > (%(at)s, %(id)s)
    AND NOT EXISTS (
        SELECT 1 FROM audit.links AS l
        WHERE l.tenant_id = e.tenant_id AND l.entry_id = e.entry_id
    )
ORDER BY e.happened_at, e.entry_id
LIMIT %(many)s
"""  # noqa: S608 - constants of this program
# Not COPY, which row-level security does not know.
_LINK: Final = """
INSERT INTO audit.links (n, tenant_id, entry_id, digest, hash)
SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::bytea[], %s::bytea[])
"""
_PUBLISH: Final = "INSERT INTO audit.heads (n, hash, sealed_at) VALUES (%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many links there are, and the hash of the last."""

    n: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.n}:{self.hash.hex()}"


def read_head(connection: psycopg.Connection[Any]) -> Head:
    """Return the end of the chain; 0 links and zeros where there is none."""
    row = connection.execute("SELECT n, hash FROM audit.links ORDER BY n DESC LIMIT 1").fetchone()
    return Head(0, GENESIS) if row is None else Head(row[0], row[1])


def seal(database: Database, clock: Clock, *, batch: int = _BATCH) -> tuple[int, Head]:
    """Link every entry that has no link yet; return how many, and the new end of the chain.

    A second caller waits for the first, then finds nothing to do. Each batch is a transaction with
    its published head.
    """
    sealed = 0
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        place = _start(connection)
        while True:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
                head = read_head(connection)
                rows = connection.execute(
                    _UNSEALED, {"at": place[0], "id": place[1], "many": batch}
                ).fetchall()
                if not rows:
                    return sealed, head
                head = _append(connection, head, rows)
                connection.execute(_PUBLISH, (head.n, head.hash, clock.now()))
            sealed += len(rows)
            place = (rows[-1][2], rows[-1][1])


def _start(connection: psycopg.Connection[Any]) -> tuple[datetime | str, UUID]:
    row = connection.execute(_HEAD).fetchone()
    if row is None or row[2] is None:
        return "-infinity", UUID(int=0)
    return row[2] - LATENESS, UUID(int=0)


def _append(connection: psycopg.Connection[Any], head: Head, rows: list[Any]) -> Head:
    n, last = head.n, head.hash
    digests: list[bytes] = []
    hashes: list[bytes] = []
    for _, _, _, commitment, public in rows:
        n += 1
        digests.append(digest_of(public, commitment))
        last = hash_of(last, n, digests[-1])
        hashes.append(last)
    tenants, entries = [row[0] for row in rows], [row[1] for row in rows]
    places = list(range(head.n + 1, n + 1))
    connection.execute(_LINK, (places, tenants, entries, digests, hashes))
    return Head(n, last)

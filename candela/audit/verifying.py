"""Proving the audit log: every entry and link is read again, and the first fault is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID

from candela.audit.canonical import (
    GENESIS,
    PERSONAL_TEXT,
    PUBLIC_TEXT,
    commitment_of,
    digest_of,
    hash_of,
)
from candela.audit.sealing import LATENESS, Head
from candela.db.connect import Role
from candela.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Fault", "Proof", "verify"]

_ROWS: Final[LiteralString] = f"""
SELECT
    l.n, l.entry_id, l.digest, l.hash, e.happened_at, e.salt, e.commitment,
    {PUBLIC_TEXT}, {PERSONAL_TEXT}
FROM audit.links AS l
LEFT JOIN audit.entries AS e ON l.tenant_id = e.tenant_id AND l.entry_id = e.entry_id
ORDER BY l.n
"""  # noqa: S608 - constants of this program
_HEADS: Final = "SELECT n, hash FROM audit.heads ORDER BY n"
# Newer ones wait for the sealer; older ones it will never take.
_STRAYS: Final = """
SELECT e.entry_id, e.happened_at
FROM audit.entries AS e
WHERE
    e.happened_at < %s
    AND NOT EXISTS (
        SELECT 1 FROM audit.links AS l
        WHERE l.tenant_id = e.tenant_id AND l.entry_id = e.entry_id
    )
ORDER BY e.happened_at, e.entry_id
LIMIT 1
"""
_KEEP: Final = """
INSERT INTO audit.verifications (verification_id, verified_at, n, hash, fault)
VALUES (%s, %s, %s, %s, %s)
"""
_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong.

    Parameters
    ----------
    n
        Place in the chain; None for an entry that has none.
    entry_id
        The entry in question; None where not even its id is left.
    """

    kind: str
    n: int | None
    entry_id: UUID | None
    said: str

    def __str__(self) -> str:
        return self.said


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verification found: how far all is as it was written, and what is not."""

    head: Head
    fault: Fault | None


def verify(
    database: Database, clock: Clock, *, known: Iterable[Head] = (), keep: bool = True
) -> Proof:
    """Read the whole log again and compare it with its chain.

    Parameters
    ----------
    known
        Heads that were kept elsewhere, against a chain that was cut or written anew as a whole.
    keep
        Whether what was found is written down for those who read the log.
    """
    with database.connect(Role.PIPELINES) as connection:
        # One state of all tables: the sealer goes on at the same time.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        published = [Head(*row) for row in connection.execute(_HEADS).fetchall()]
        proof = _walk(connection, {head.n: head for head in [*published, *known]})
        connection.rollback()
        if keep:
            now = clock.now()
            said = None if proof.fault is None else proof.fault.said
            values = (new_id(now), now, proof.head.n, proof.head.hash, said)
            connection.execute(_KEEP, values)
            connection.commit()
    return proof


def _walk(connection: psycopg.Connection[Any], heads: dict[int, Head]) -> Proof:
    head = Head(0, GENESIS)
    newest: datetime | None = None
    for row in _rows(connection):
        fault = _fault(head, row, newest)
        if fault is not None:
            return Proof(head, fault)
        head = Head(row[0], row[3])
        promised = heads.pop(head.n, head)
        if promised.hash != head.hash:
            said = f"Link {head.n} is not the one that was published: the chain was written anew."
            return Proof(head, Fault("rewritten", head.n, row[1], said))
        newest = row[4] if newest is None else max(newest, row[4])
    if heads:
        n = min(heads)
        said = f"The chain ends at link {head.n}, but link {n} was published: its end was cut off."
        return Proof(head, Fault("cut", head.n + 1, None, said))
    if newest is not None:
        stray = connection.execute(_STRAYS, (newest - LATENESS,)).fetchone()
        if stray is not None:
            said = (
                f"Entry {stray[0]} of {stray[1]:%Y-%m-%d %H:%M} has no link: it was put in later."
            )
            return Proof(head, Fault("inserted", None, stray[0], said))
    return Proof(head, None)


def _rows(connection: psycopg.Connection[Any]) -> Iterator[Any]:
    with connection.cursor("audit", binary=True) as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(_ROWS)


def _fault(head: Head, row: Any, newest: datetime | None) -> Fault | None:
    n, entry_id, digest, hashed, happened_at, salt, commitment, public, personal = row
    if n != head.n + 1:
        said = f"Link {head.n + 1} is missing: its entry was deleted."
        return Fault("deleted", head.n + 1, None, said)
    name = f"Entry {entry_id} of link {n}"
    if commitment is None:
        return Fault("deleted", n, entry_id, f"{name} was deleted.")
    was_changed = digest_of(public, commitment) != digest
    if was_changed or (salt is not None and commitment_of(salt, personal) != commitment):
        return Fault("changed", n, entry_id, f"{name} was changed.")
    if hash_of(head.hash, n, digest) != hashed:
        said = f"Link {n} does not follow link {n - 1}: entries were reordered or exchanged."
        return Fault("reordered", n, entry_id, said)
    if newest is not None and happened_at < newest - LATENESS:
        said = f"{name} is older than what was sealed before it: it was put in later."
        return Fault("inserted", n, entry_id, said)
    return None

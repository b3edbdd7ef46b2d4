"""What the courier asks of the database: what is due, in whose hand it is, what became of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.desk.session import TenantSession, tenant_session

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from candela.db.connect import Database

__all__ = ["CLAIM", "MOST_HANDED", "ClaimLost", "Mail", "Outbox", "Outcome"]

Outcome = Literal["taken", "later", "refused"]
CLAIM: Final = timedelta(minutes=5)
"""Longer than a server may take for one mail: all its waits together."""
MOST_HANDED: Final = 2
"""A mail that was handed over so often without an answer is not handed over again."""
_TENANTS: Final = 1_000

_LISTED: Final = "SELECT tenant_id FROM tenancy.directory ORDER BY tenant_id"
_ACT: Final = "SELECT set_config('candela.tenants', %(tenants)s, true)"
_DUE: Final = """
SELECT tenant_id FROM notify.mails
WHERE tenant_id = ANY(%(ids)s) AND sent_at IS NULL AND failed_at IS NULL AND due_at <= %(now)s
    AND (claimed_until IS NULL OR claimed_until <= %(now)s)
LIMIT 1
"""
# Whoever else looks at the same time passes over what is locked.
_CLAIM: Final = """
WITH due AS MATERIALIZED (
    SELECT tenant_id, mail_id FROM notify.mails
    WHERE tenant_id = ANY(%(ids)s) AND sent_at IS NULL AND failed_at IS NULL
        AND due_at <= %(now)s AND (claimed_until IS NULL OR claimed_until <= %(now)s)
    ORDER BY due_at, mail_id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE notify.mails AS m
SET claimed_until = %(until)s, attempts = attempts + 1
FROM due, tenancy.users AS u, tenancy.tenants AS t
WHERE m.tenant_id = due.tenant_id AND m.mail_id = due.mail_id
    AND u.tenant_id = m.tenant_id AND u.user_id = m.user_id AND t.tenant_id = m.tenant_id
RETURNING
    m.tenant_id, m.mail_id, m.user_id, m.kind, m.params, m.language, m.created_at, m.attempts,
    m.claimed_until, coalesce(m.address, u.email) AS address, t.zone, (
        SELECT count(*) FROM notify.deliveries AS d
        WHERE d.tenant_id = m.tenant_id AND d.mail_id = m.mail_id AND d.outcome IS NULL
    ) AS unanswered
"""
# The claim is asked once more, under the row's lock, at the last moment before the text goes out.
_HAND: Final = """
UPDATE notify.mails SET claimed_until = %(until)s
WHERE tenant_id = %(tenant)s AND mail_id = %(mail)s AND claimed_until = %(claimed)s
    AND sent_at IS NULL AND failed_at IS NULL
"""
_HANDED: Final = """
INSERT INTO notify.deliveries (tenant_id, mail_id, attempt, handed_at)
VALUES (%(tenant)s, %(mail)s, %(attempt)s, %(now)s)
"""
_ANSWERED: Final = """
UPDATE notify.deliveries SET answered_at = %(now)s, outcome = %(outcome)s, answer = %(answer)s
WHERE tenant_id = %(tenant)s AND mail_id = %(mail)s AND attempt = %(attempt)s
"""
_SETTLE: Final = """
UPDATE notify.mails SET
    claimed_until = NULL, due_at = coalesce(%(due)s, due_at), sent_at = %(sent)s,
    failed_at = %(failed)s, last_error = %(error)s
WHERE tenant_id = %(tenant)s AND mail_id = %(mail)s AND sent_at IS NULL
    AND (claimed_until = %(claimed)s OR %(sent)s::timestamptz IS NOT NULL)
"""


class ClaimLost(Exception):
    """Another courier has the mail in hand."""


@dataclass(slots=True, kw_only=True)
class Mail:
    """A mail in hand.

    Parameters
    ----------
    claimed_until
        Says whose it is: nobody else claimed it until the very same instant.
    unanswered
        How often it was handed to a server without an answer.
    """

    tenant_id: UUID
    mail_id: UUID
    user_id: UUID
    kind: str
    params: dict[str, Any]
    language: str
    address: str
    zone: str
    created_at: datetime
    attempts: int
    claimed_until: datetime
    unanswered: int


class Outbox:
    """The mails of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_due(self, now: datetime) -> bool:
        """Return whether there is anything to do."""
        for connection, batch in self._batches():
            if connection.execute(_DUE, {"ids": batch, "now": now}).fetchone() is not None:
                return True
        return False

    def claim(self, now: datetime, limit: int) -> list[Mail]:
        """Take what is due into one's hand, the longest waiting of each thousand tenants first."""
        found: list[Mail] = []
        for connection, batch in self._batches():
            # To the end of the batches: leaving one of them half way would undo its claims.
            if len(found) >= limit:
                continue
            values = {"ids": batch, "now": now, "until": now + CLAIM, "limit": limit - len(found)}
            with connection.cursor(row_factory=dict_row) as cursor:
                found += [Mail(**row) for row in cursor.execute(_CLAIM, values).fetchall()]
        return found

    def hand(self, mail: Mail, now: datetime) -> None:
        """Write that the text of a mail is given to a server now.

        Raises
        ------
        ClaimLost
            It took so long that another courier may have it in hand.
        """
        values = {"mail": mail.mail_id, "attempt": mail.attempts, "now": now}
        values |= {"claimed": mail.claimed_until, "until": now + CLAIM}
        with self.session(mail.tenant_id) as session:
            if not session.run(_HAND, values):
                raise ClaimLost
            session.run(_HANDED, values)
        mail.claimed_until = now + CLAIM

    def settle(
        self,
        mail: Mail,
        now: datetime,
        *,
        outcome: Outcome | None,
        answer: str,
        again_at: datetime | None = None,
    ) -> None:
        """Write what became of a mail.

        Parameters
        ----------
        outcome
            None: it was handed over, and nobody knows.
        again_at
            When it is tried again; None: it was taken, or is given up.
        """
        values: Mapping[str, Any] = {
            "mail": mail.mail_id,
            "attempt": mail.attempts,
            "claimed": mail.claimed_until,
            "now": now,
            "outcome": outcome,
            "answer": answer,
            "due": again_at,
            "sent": now if outcome == "taken" else None,
            "failed": now if outcome != "taken" and again_at is None else None,
            "error": None if outcome == "taken" else answer,
        }
        with self.session(mail.tenant_id) as session:
            if outcome is not None:
                session.run(_ANSWERED, values)
            session.run(_SETTLE, values)

    @contextmanager
    def session(self, tenant_id: UUID) -> Generator[TenantSession]:
        """Open a transaction for a tenant."""
        with tenant_session(self._database, tenant_id, role=Role.EXECUTOR) as session:
            yield session

    def run_for_all(self, statement: LiteralString, values: Mapping[str, Any]) -> int:
        """Run a statement over ``%(ids)s`` for the tenants; return how many rows it touched."""
        return sum(
            connection.execute(statement, {"ids": batch, **values}).rowcount
            for connection, batch in self._batches()
        )

    def _batches(self) -> Generator[tuple[psycopg.Connection[TupleRow], list[UUID]]]:
        """Yield a transaction for each thousand tenants; a setting of all would be slow."""
        with self._database.connect(Role.EXECUTOR, autocommit=True) as connection:
            listed: list[UUID] = [row[0] for row in connection.execute(_LISTED).fetchall()]
            for start in range(0, len(listed), _TENANTS):
                batch = listed[start : start + _TENANTS]
                with connection.transaction():
                    connection.execute(_ACT, {"tenants": ",".join(map(str, batch))})
                    yield connection, batch

"""A transaction that acts for one tenant: nothing of another is seen or written in it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from candela.db.connect import Role
from candela.ids import shard_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import psycopg

    from candela.db.connect import Database

__all__ = ["TenantSession", "act_for", "tenant_session"]

_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('tenant:' || %s, 0))"
_ANNOUNCE: Final = "INSERT INTO live.outbox (stream, key, payload) VALUES (%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class TenantSession:
    """An open transaction with the tenant that it acts for."""

    connection: psycopg.Connection[Any]
    tenant_id: UUID

    @property
    def shard(self) -> int:
        """The part whose executor works for the tenant."""
        return shard_of(self.tenant_id)

    def rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return all rows of a query; it may name ``%(tenant)s``."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, {"tenant": self.tenant_id, **values}).fetchall()

    def row(self, query: LiteralString, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the first row of a query, None where there is none."""
        return next(iter(self.rows(query, values)), None)

    def run(self, statement: LiteralString, values: Mapping[str, Any]) -> int:
        """Run a statement that may name ``%(tenant)s``; return how many rows it touched."""
        return self.connection.execute(statement, {"tenant": self.tenant_id, **values}).rowcount

    def lock(self) -> None:
        """Let nobody else count or change what this tenant runs until the transaction ends."""
        self.connection.execute(_LOCK, (str(self.tenant_id),))

    def announce(self, key: str, payload: Mapping[str, Any]) -> None:
        """Tell executors, by the outbox, what is wanted; ids only, no figures."""
        content = {"tenant": str(self.tenant_id), "shard": self.shard, **payload}
        self.connection.execute(_ANNOUNCE, ("wanted", key, Jsonb(content)))


@contextmanager
def tenant_session(
    database: Database, tenant_id: UUID, *, role: Role = Role.APP
) -> Generator[TenantSession]:
    """Open a transaction for a tenant; it is committed at the end, and undone by an error."""
    with database.connect(role) as connection, act_for(connection, tenant_id) as session:
        yield session


@contextmanager
def act_for(connection: psycopg.Connection[Any], tenant_id: UUID) -> Generator[TenantSession]:
    """Act for a tenant in one transaction of a connection that is open.

    For doors with a pool: what the connection may see ends with the transaction.
    """
    with connection.transaction():
        connection.execute(_ACT, (str(tenant_id),))
        yield TenantSession(connection, tenant_id)

"""Roles and databases of the embedded server, made once and made whole after a kill."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from candela.db.connect import Role

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg
    from psycopg.rows import TupleRow

    from candela.db.connect import Database

__all__ = ["DAGSTER", "MAIN", "VERSION", "create_database", "prepare"]

MAIN = "candela"
DAGSTER = "candela_dagster"
# Rises with every change below, so that folders of earlier releases are prepared again.
VERSION = 3
_LOCK_KEY = 0x63616E64656C62


def prepare(server: Database, passwords: dict[str, str]) -> None:
    """Make roles and databases; every step may already be done.

    Parameters
    ----------
    server
        Any database of the server, with the superuser's login.
    passwords
        By role, for connections over TCP.
    """
    with _alone(server) as connection:
        known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role in Role:
            # Hashed here, so that no log and no pg_stat_activity ever shows the password.
            verifier = connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            ).decode()
            connection.execute(
                sql.SQL(
                    "{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION "
                    "NOBYPASSRLS PASSWORD {verifier}"
                ).format(
                    verb=sql.SQL("ALTER" if role in known else "CREATE"),
                    role=sql.Identifier(role),
                    verifier=sql.Literal(verifier),
                )
            )
    create_database(server, MAIN, owner=Role.OWNER)
    # Dagster runs as the pipelines role, and its storage makes its own tables.
    create_database(server, DAGSTER, owner=Role.PIPELINES, only_owner=True)


def create_database(
    server: Database, name: str, *, owner: Role | None = Role.OWNER, only_owner: bool = False
) -> Database:
    """Make a database where there is none, with TimescaleDB where the server has it.

    Parameters
    ----------
    server
        Any database of the server, with a login that may create databases.
    owner
        Whose it is, and then closed to all but the roles; None leaves both as they come.
    only_owner
        Whether other roles are kept out altogether.
    """
    with _alone(server) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        if owner is not None:
            _grant_entry(connection, name, owner, only_owner=only_owner)
    made = server.sibling(name)
    with _alone(made) as connection:
        offered = connection.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
        )
        if name != DAGSTER and offered.fetchone() is not None:
            # Needs a superuser on servers where the extension is not a trusted one.
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return made


@contextmanager
def _alone(database: Database) -> Generator[psycopg.Connection[TupleRow]]:
    """Connect, and wait for whoever prepares too.

    The lock of the state folder is not enough: a statement whose client was killed goes on in
    the server until it is done. The lock is held by the session that runs the statements.
    """
    with database.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", (_LOCK_KEY,))
        yield connection


def _grant_entry(
    connection: psycopg.Connection[TupleRow], name: str, owner: Role, *, only_owner: bool
) -> None:
    database = sql.Identifier(name)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(owner))
    )
    if not only_owner:
        connection.execute(
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                database, sql.SQL(", ").join(sql.Identifier(role) for role in Role)
            )
        )

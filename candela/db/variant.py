"""Which variant of the schema a database has or can have: TimescaleDB or plain PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import psycopg

from candela.errors import MigrationError

if TYPE_CHECKING:
    from candela.db.sqlfiles import Variant

__all__ = ["TIMESCALE_FLOOR", "can_use_timescale", "choose_variant", "create_extension"]

TIMESCALE_FLOOR: Final = (2, 25)
"""UPDATE and DELETE could silently touch no row of a partly compressed chunk before it."""

_POSTGRES_FLOOR: Final = 160_000


def can_use_timescale(connection: psycopg.Connection, oldest: tuple[int, int]) -> bool:
    """Whether the extension is installed, or its files are there and its library is preloaded.

    Raises
    ------
    MigrationError
        PostgreSQL or the extension is too old.
    """
    row = connection.execute(
        "SELECT current_setting('server_version_num')::integer,"
        " coalesce(installed_version, default_version),"
        " installed_version IS NOT NULL"
        " OR current_setting('timescaledb.disable_load', true) IS NOT NULL"
        " FROM (VALUES (1)) AS one_row (n)"
        " LEFT JOIN pg_catalog.pg_available_extensions ON name = 'timescaledb'"
    ).fetchone()
    server, version, usable = cast("tuple[int, str | None, bool]", row)
    if server < _POSTGRES_FLOOR:
        message = f"The server is PostgreSQL {server // 10_000}, which is too old."
        raise MigrationError(message, f"Use {_POSTGRES_FLOOR // 10_000} or newer.")
    if version is None or not usable:
        return False
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        message = f"The server has TimescaleDB {version}, which may lose updates of candles."
        raise MigrationError(message, "Upgrade it to {}.{} or newer.".format(*oldest))
    return True


def choose_variant(
    connection: psycopg.Connection, ledger: dict[str, str], *, usable: bool
) -> Variant:
    """Return the variant that the ledger tells of, or for a new database the one it can have.

    Raises
    ------
    MigrationError
        The database was made with TimescaleDB and the server has none.
    """
    if any(name.startswith("timescale/") for name in ledger):
        if not usable:
            message = f"{connection.info.dbname} was made with TimescaleDB, which is gone."
            raise MigrationError(message, "Preload timescaledb and restart the server.")
        return "timescale"
    is_plain = any(name.startswith("plain/") for name in ledger)
    return "timescale" if usable and not is_plain else "plain"


def create_extension(connection: psycopg.Connection) -> None:
    """Install the extension where it is not.

    Raises
    ------
    MigrationError
        The login may not.
    """
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege as error:
        message = f"{connection.info.user} may not create the extension timescaledb."
        hint = "Let an administrator run CREATE EXTENSION timescaledb in this database first."
        raise MigrationError(message, hint) from error

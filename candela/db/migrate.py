"""The runner of sql/: brings a database to what the files say, once, whole and in order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, LiteralString, cast

import psycopg
from psycopg.rows import scalar_row

from candela.db.sqlfiles import SqlFile, Variant, list_files, sql_directory
from candela.db.variant import (
    TIMESCALE_FLOOR,
    can_use_timescale,
    choose_variant,
    create_extension,
)
from candela.errors import MigrationError

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database

__all__ = ["MigrationReport", "migrate", "pending"]

# "candela" as a number: any two runners on one database meet at this lock.
_LOCK_KEY: Final = 0x63616E64656C61
_WAIT_FOR_RUNNER: Final = "30min"
_WAIT_FOR_TABLE: Final = "10s"
_STATEMENT_LIMIT: Final = "15min"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a run did: files applied for the first time, files applied again, and the variant.

    ``can_upgrade`` says that the rollups are plain views though the server has TimescaleDB.
    """

    applied: list[str]
    reapplied: list[str]
    variant: Variant
    seconds: float
    can_upgrade: bool = False


def migrate(
    database: Database,
    sql_dir: Path | None = None,
    *,
    upgrade: bool = False,
    oldest_timescale: tuple[int, int] = TIMESCALE_FLOOR,
) -> MigrationReport:
    """Apply the files that the database lacks, and the repeatable ones that have changed.

    Where a numbered file is new, all repeatable ones run again: they name the tables there are.

    Each file is one transaction with its line in the ledger. A second runner waits for the first
    and then finds nothing to do. Files run as candela_owner, which owns whatever they make.

    Parameters
    ----------
    upgrade
        Turn plain rollups into TimescaleDB's. The candles are moved into a hypertable, under a
        lock that shuts out readers and writers for as long as that takes.
    oldest_timescale
        Refuse an older extension. UPDATE and DELETE could silently touch no row of a partly
        compressed chunk before the default.

    Raises
    ------
    MigrationError
        An applied file was edited or is missing, a file fails (it is rolled back whole), or the
        server is too old.
    """
    started = time.monotonic()
    with database.connect(autocommit=True) as connection:
        _run(connection, f"SET lock_timeout = '{_WAIT_FOR_RUNNER}'; SET statement_timeout = 0")
        try:
            connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", (_LOCK_KEY,))
        except psycopg.errors.LockNotAvailable as error:
            message = f"Another migration of this database has not ended after {_WAIT_FOR_RUNNER}."
            raise MigrationError(message, "End it and run again.") from error
        ledger = _read_ledger(connection)
        usable = can_use_timescale(connection, oldest_timescale)
        variant = choose_variant(connection, ledger, usable=usable)
        can_upgrade = variant == "plain" and usable
        if can_upgrade and upgrade:
            _forget_plain(connection)
            ledger = _read_ledger(connection)
            variant, can_upgrade = "timescale", False
        todo = _files_to_run(list_files(sql_dir or sql_directory(), variant), ledger)
        if variant == "timescale" and todo:
            create_extension(connection)
        for file in todo:
            _apply(connection, file, "0" if upgrade else _STATEMENT_LIMIT)
    return MigrationReport(
        applied=[file.name for file in todo if file.name not in ledger],
        reapplied=[file.name for file in todo if file.name in ledger],
        variant=variant,
        seconds=time.monotonic() - started,
        can_upgrade=can_upgrade,
    )


def pending(database: Database, sql_dir: Path | None = None) -> list[str]:
    """Return the names of the files that ``migrate`` would run now, in order.

    Raises
    ------
    MigrationError
        As ``migrate`` would before the first file.
    """
    with database.connect(autocommit=True) as connection:
        ledger = _read_ledger(connection)
        variant = choose_variant(
            connection, ledger, usable=can_use_timescale(connection, TIMESCALE_FLOOR)
        )
        files = list_files(sql_dir or sql_directory(), variant)
        return [file.name for file in _files_to_run(files, ledger)]


def _run(connection: psycopg.Connection, statement: str) -> None:
    # The runner's whole trade is text that is not known to the type checker.
    connection.execute(cast("LiteralString", statement))


def _read_ledger(connection: psycopg.Connection) -> dict[str, str]:
    with connection.cursor(row_factory=scalar_row) as cursor:
        if cursor.execute("SELECT to_regclass('platform.schema_files')").fetchone() is None:
            return {}
    return dict(connection.execute("SELECT name, checksum FROM platform.schema_files").fetchall())


def _forget_plain(connection: psycopg.Connection) -> None:
    """Take the plain files off the ledger, and the repeatable ones, whose grants must be redone.

    The numbered files of timescale/ replace the plain views themselves; a run that dies in
    between goes on as timescale, since nothing in the ledger says plain any more.
    """
    connection.execute(
        "DELETE FROM platform.schema_files WHERE name LIKE 'plain/%' OR name LIKE 'repeatable/%'"
    )


def _files_to_run(files: list[SqlFile], ledger: dict[str, str]) -> list[SqlFile]:
    names = {file.name for file in files}
    for name in ledger:
        if name not in names and SqlFile(name, "").is_repeatable is False:
            message = f"The database has {name}, which is not among the files here."
            raise MigrationError(message, "Run the release that wrote it, or a newer one.")
    for file in files:
        if not file.is_repeatable and ledger.get(file.name, file.checksum) != file.checksum:
            message = f"{file.name} was edited after this database had applied it."
            raise MigrationError(message, "Restore it and put the change into a new file.")
    changed = {file.name for file in files if ledger.get(file.name) != file.checksum}
    # Policies and grants name the tables that there are: a new one must be walled at once.
    is_new = any(file.name in changed for file in files if not file.is_repeatable)
    return [file for file in files if file.name in changed or (is_new and file.is_repeatable)]


def _apply(connection: psycopg.Connection, file: SqlFile, statement_limit: str) -> None:
    started = time.monotonic()
    _run(connection, f"SET lock_timeout = '{_WAIT_FOR_TABLE}'")
    _run(connection, f"SET statement_timeout = '{statement_limit}'")
    if not file.as_administrator:
        connection.execute("SET ROLE candela_owner")
    try:
        if file.in_transaction:
            with connection.transaction():
                _run_statements(connection, file)
                _record(connection, file, started)
        else:
            _run_statements(connection, file)
            _record(connection, file, started)
    finally:
        if not connection.closed:
            connection.execute("RESET ROLE")


def _record(connection: psycopg.Connection, file: SqlFile, started: float) -> None:
    # The file may have taken another role for what that role is to own.
    connection.execute("SET ROLE candela_owner")
    connection.execute(
        "INSERT INTO platform.schema_files (name, checksum, duration_ms) VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum,"
        " applied_at = excluded.applied_at, applied_by = excluded.applied_by,"
        " duration_ms = excluded.duration_ms",
        (file.name, file.checksum, round(1_000 * (time.monotonic() - started))),
    )


def _run_statements(connection: psycopg.Connection, file: SqlFile) -> None:
    for statement in file.statements():
        try:
            _run(connection, statement.text)
        except psycopg.Error as error:
            position = int(error.diag.statement_position or 1)
            line = statement.line + statement.text.count("\n", 0, position - 1)
            message = f"{file.name}, line {line}: {error.diag.message_primary or error}."
            hint = error.diag.message_hint or error.diag.message_detail
            raise MigrationError(message, hint or "The file was rolled back whole.") from error

"""The places where Candela keeps its data: servers named by settings, or the embedded ones."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

from candela.db.connect import Database, Role
from candela.embedded import bootstrap, postgres, valkey
from candela.embedded.account import server_account
from candela.embedded.cluster import SUPERUSER
from candela.embedded.folder import Record, StateFolder
from candela.embedded.installation import find_installation

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from candela.embedded.account import Account
    from candela.settings import Settings

__all__ = ["Places", "open_places", "stop_servers", "tcp_url", "were_stopped"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the data is.

    Parameters
    ----------
    database
        Candela's own database.
    redis_url
        Of Valkey or Redis; may hold a password.
    dagster_url
        Of Dagster's storage, for SQLAlchemy; may hold a password.
    is_embedded
        Whether PostgreSQL is the embedded one.
    """

    database: Database
    redis_url: str = field(repr=False)
    dagster_url: str = field(repr=False)
    is_embedded: bool


def open_places(settings: Settings) -> Places:
    """Return where the data is; start the embedded servers that are needed and do not run.

    Servers that a setting names are not contacted. The embedded ones are shared by all
    processes of the user, and run until `stop_servers`.

    Raises
    ------
    ConfigError
        The state folder or an installation cannot be used, or a server does not start.
    """
    if settings.database_url is None:
        record = _running_postgres(settings)
        database = _embedded_database(record, bootstrap.MAIN)
        dagster = _sqlalchemy_url(_embedded_database(record, bootstrap.DAGSTER), Role.PIPELINES)
    else:
        database = _external_database(settings, settings.database_url)
        dagster = _sqlalchemy_url(database.sibling(bootstrap.DAGSTER), None)
    if settings.dagster_database_url is not None:
        dagster = _sqlalchemy_url(Database(settings.dagster_database_url), None)
    if settings.redis_url is None:
        redis_url = valkey.url(_running_valkey(settings))
    else:
        redis_url = settings.redis_url.get_secret_value()
    return Places(database, redis_url, dagster, settings.is_embedded)


def stop_servers(state_dir: Path) -> list[str]:
    """Stop the embedded servers in good order; return the names of those that ran."""
    folder = StateFolder(state_dir)
    if folder.record() is None:
        return []
    with folder.locked():
        record = folder.record()
        if record is None:
            return []
        ran = {"valkey": valkey.stop(folder), "postgresql": postgres.stop(folder, record)}
        folder.remove_sockets()
    return [name for name, did_run in ran.items() if did_run]


def were_stopped(settings: Settings) -> bool:
    """Return whether the embedded database server was stopped in good order, not by a crash."""
    if not settings.is_embedded:
        return False
    # PostgreSQL takes its own mark away at the end of an orderly stop alone.
    return not (StateFolder(settings.state_dir).postgres_data / "postmaster.pid").exists()


def tcp_url(state_dir: Path, role: Role, database: str = bootstrap.MAIN) -> str | None:
    """Return the URL with its password for tools that know no sockets; None if there is none."""
    folder = StateFolder(state_dir)
    record = folder.record()
    if record is None or not postgres.listens_on_port(folder):
        return None
    password = quote(folder.passwords(tuple(Role))[role], safe="")
    return f"postgresql://{role}:{password}@127.0.0.1:{record.port}/{database}"


def _running_postgres(settings: Settings) -> Record:
    """Return the record of a server that runs and is prepared; start and prepare it if not."""
    folder = StateFolder(settings.state_dir)
    record = folder.record()
    if record is not None and _is_prepared(record) and postgres.is_ready(folder, record):
        return record  # the common case: two file reads and one question, no lock
    with _to_start(folder) as (known, account):
        if postgres.is_ready(folder, known):
            record = known
        else:
            installation = find_installation(settings.postgres_bin_dir)
            record = postgres.start(folder, known, installation, account)
            folder.write_record(record)
        if not _is_prepared(record):
            passwords = folder.passwords(tuple(Role))
            bootstrap.prepare(_embedded_database(record, "postgres"), passwords)
            record = replace(record, prepared=bootstrap.VERSION)
            folder.write_record(record)
        return record


def _running_valkey(settings: Settings) -> Record:
    """Return the record of a server that runs; start it if it does not."""
    folder = StateFolder(settings.state_dir)
    record = folder.record()
    if record is not None and valkey.is_ready(record):
        return record
    with _to_start(folder) as (record, account):
        if not valkey.is_ready(record):
            valkey.start(folder, record, account)
        return record


def _is_prepared(record: Record) -> bool:
    return record.prepared == bootstrap.VERSION


@contextmanager
def _to_start(folder: StateFolder) -> Generator[tuple[Record, Account]]:
    """Make the state folder and hold its lock, to look again and start what is missing."""
    folder.create()
    with folder.locked():
        account = server_account()
        account.open_way(folder.path / "any part")
        known = folder.record()
        sockets = folder.make_sockets(known.sockets if known else None, account.uid)
        if known is None:
            known = Record(sockets, postgres.choose_port())
        record = replace(known, sockets=sockets)
        folder.write_record(record)
        yield record, account


def _embedded_database(record: Record, name: str) -> Database:
    host = quote(record.sockets, safe="/")
    text = f"postgresql://{SUPERUSER}@/{name}?host={host}&port={record.port}"
    return Database(SecretStr(text), roles_log_in=True)


def _external_database(settings: Settings, url: SecretStr) -> Database:
    logins = {
        Role.OWNER: settings.owner_database_url,
        Role.APP: settings.app_database_url,
        Role.EXECUTOR: settings.executor_database_url,
        Role.PIPELINES: settings.pipelines_database_url,
        Role.ANALYST: settings.analyst_database_url,
        Role.DOOR: settings.door_database_url,
        Role.SUPPORT: settings.support_database_url,
    }
    return Database(
        url, role_urls=tuple((role, login) for role, login in logins.items() if login is not None)
    )


def _sqlalchemy_url(database: Database, role: Role | None) -> str:
    # psycopg2 by name: SQLAlchemy's own choice is psycopg 3, which binds the parameter of
    # dagster-postgres' NOTIFY on the server, where that is a syntax error.
    return "postgresql+psycopg2" + database.login_url(role).removeprefix("postgresql")

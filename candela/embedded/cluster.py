"""The data folder of the embedded PostgreSQL: made whole or not at all, and configured."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from candela.db.connect import Role
from candela.embedded.installation import OLDEST
from candela.embedded.process import SERVER_ENVIRONMENT, ServerFailed

if TYPE_CHECKING:
    from pathlib import Path

    from candela.embedded.account import Account
    from candela.embedded.folder import Record, StateFolder
    from candela.embedded.installation import Installation

__all__ = ["SUPERUSER", "create_data", "write_config"]

SUPERUSER = "postgres"
_DRAFT = "data.draft-"


def create_data(folder: StateFolder, installation: Installation, account: Account) -> None:
    """Run initdb in a folder beside, and move it into place when it is whole.

    Raises
    ------
    ServerFailed
        initdb does not end well; its last words are in the message.
    """
    for draft in folder.postgres.glob(f"{_DRAFT}*"):
        # Of a first start that was killed. Its initdb may still write for a moment: then the
        # next start removes the rest.
        shutil.rmtree(draft, ignore_errors=True)
    draft = folder.postgres / f"{_DRAFT}{secrets.token_hex(4)}"
    # Byte order collation: the same on every machine, and the fastest. Names are UTF-8.
    locale = (
        ["--locale-provider=builtin", "--locale=C.UTF-8"] if installation.major > OLDEST else []
    )
    command = [str(installation.bin_dir / "initdb"), "-D", str(draft), "-U", SUPERUSER]
    command += ["--encoding=UTF8", *(locale or ["--locale=C"]), "--data-checksums"]
    command += ["--auth-local=peer", "--auth-host=scram-sha-256", "--no-instructions"]
    done = subprocess.run(
        command,
        env=SERVER_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        check=False,
        start_new_session=True,
        **account.spawn,
    )
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        said = "\n".join(done.stdout.splitlines()[-8:])
        raise ServerFailed(f"initdb ended with {done.returncode} in {folder.postgres}:\n{said}")
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude 'candela.conf'\ninclude 'local.conf'\n")
    _write(draft / "local.conf", "# Settings of your own, read last.\n", account)
    if folder.postgres_data.exists():  # without PG_VERSION: nothing that a server ever used
        shutil.rmtree(folder.postgres_data)
    draft.rename(folder.postgres_data)


def write_config(
    folder: StateFolder,
    record: Record,
    installation: Installation,
    account: Account,
    *,
    tcp: bool,
) -> None:
    """Write the server's settings and who may connect how.

    Parameters
    ----------
    tcp
        Whether to listen on 127.0.0.1 too.
    """
    settings = {
        # The socket keeps its name for ever; the port is for tools that know no sockets.
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(record.port),
        "unix_socket_directories": record.sockets,
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "200",
        "superuser_reserved_connections": "5",
        # Modest beside Dagster and a notebook on one machine; the system's cache does the rest.
        "shared_buffers": "256MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "256MB",
        "effective_cache_size": "2GB",
        # Durable: fsync, full_page_writes and synchronous_commit stay on, as PostgreSQL has them.
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "wal_compression": "lz4"
        if installation.has_lz4
        else "off",  # pglz costs more than it saves
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_min_messages": "warning",
        # A statement may hold a password; its error goes to the client anyway.
        "log_min_error_statement": "panic",
    }
    if installation.has_timescaledb:
        settings |= {
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "timescaledb.max_background_workers": "16",
            "max_worker_processes": "32",
        }
    lines = [
        f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()
    ]
    data = folder.postgres_data
    head = "# Written at each start. Settings of your own belong into local.conf beside it.\n"
    _write(data / "candela.conf", head + "\n".join(lines) + "\n", account)
    users = [SUPERUSER, *Role]
    _write(
        data / "pg_ident.conf",
        "".join(f'candela "{account.client}" {user}\n' for user in users),
        account,
    )
    _write(
        data / "pg_hba.conf",
        # The kernel vouches for the user on the socket; the superuser is reached no other way.
        "local all         all      peer map=candela\n"
        "local replication all      peer map=candela\n"
        f"host  all         {SUPERUSER} 127.0.0.1/32 reject\n"
        "host  all         all      127.0.0.1/32 scram-sha-256\n",
        account,
    )


def _write(path: Path, text: str, account: Account) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.chmod(0o600)
    if account.is_other:
        os.chown(draft, account.uid, account.gid)
    draft.replace(path)

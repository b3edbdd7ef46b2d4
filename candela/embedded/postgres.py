"""The embedded PostgreSQL as a process: started, recovered, stopped."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from candela.embedded.cluster import create_data, write_config
from candela.embedded.process import (
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
    from candela.embedded.installation import Installation

__all__ = [
    "choose_port",
    "is_ready",
    "listens_on_port",
    "main_pid",
    "socket_path",
    "start",
    "stop",
]

# Crash recovery replays at most max_wal_size, which took under a minute on a slow disk.
_START_WAIT_S = 300.0
# The first question of the protocol, answered by one letter before any login.
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)
# Lines of postmaster.pid, from 0.
_LINE_PID, _LINE_ADDRESS, _LINE_STATE = 0, 5, 7


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
    for part in installation.folders:
        account.open_tree(part)
    account.open_way(folder.postgres)
    account.own(folder.postgres)
    if not (folder.postgres_data / "PG_VERSION").exists():
        create_data(folder, installation, account)
    _check_version(folder, installation)
    if _await_running(folder, record):
        return record
    _clear_leftovers(folder, record)
    is_first = record.prepared == 0
    for _ in range(5):
        tcp = _is_free(record.port)
        if tcp or not is_first:
            write_config(folder, record, installation, account, tcp=tcp)
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

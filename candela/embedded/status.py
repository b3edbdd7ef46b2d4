"""How the embedded servers are now: running or not, where, since when, how large."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from pydantic import SecretStr

from candela.db.connect import Database
from candela.embedded import postgres, valkey
from candela.embedded.cluster import SUPERUSER
from candela.embedded.folder import StateFolder

__all__ = ["ServerStatus", "server_status"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One embedded server as it is now.

    Parameters
    ----------
    address
        Socket, and port on this machine where there is one; never a password.
    uptime_s
        Seconds since its start; None when it does not run.
    data_bytes
        Size of its data folder.
    has_timescaledb
        Whether its installation has the extension; None for Valkey, and when it does not run.
    """

    server: Literal["postgresql", "valkey"]
    is_running: bool
    data_bytes: int
    pid: int | None = None
    version: str | None = None
    address: str | None = None
    uptime_s: float | None = None
    has_timescaledb: bool | None = None


def server_status(state_dir: Path) -> list[ServerStatus]:
    """Return both embedded servers as they are now; starts nothing."""
    folder = StateFolder(state_dir)
    return [_postgres_status(folder), _valkey_status(folder)]


def _postgres_status(folder: StateFolder) -> ServerStatus:
    record, size = folder.record(), _size(folder.postgres_data)
    if record is None or not postgres.is_ready(folder, record):
        return ServerStatus("postgresql", is_running=False, data_bytes=size)
    pid = postgres.main_pid(folder)
    address = postgres.socket_path(record)
    if postgres.listens_on_port(folder):
        address += f", 127.0.0.1:{record.port}"
    login = f"host={record.sockets} port={record.port} user={SUPERUSER} dbname=postgres"
    with Database(SecretStr(login)).connect(autocommit=True) as connection:
        version, offered = connection.execute(
            "SELECT current_setting('server_version'), EXISTS ("
            "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')"
        ).fetchall()[0]
    return ServerStatus(
        "postgresql",
        is_running=True,
        data_bytes=size,
        pid=pid,
        version=str(version),
        address=address,
        uptime_s=_uptime(pid),
        has_timescaledb=bool(offered),
    )


def _valkey_status(folder: StateFolder) -> ServerStatus:
    record, size = folder.record(), _size(folder.valkey)
    said = valkey.info(record) if record is not None else {}
    if record is None or "process_id" not in said:
        return ServerStatus("valkey", is_running=False, data_bytes=size)
    pid = int(said["process_id"])
    return ServerStatus(
        "valkey",
        is_running=True,
        data_bytes=size,
        pid=pid,
        version=said.get("valkey_version"),
        address=valkey.socket_path(record),
        uptime_s=_uptime(pid),
    )


def _uptime(pid: int | None) -> float | None:
    if pid is None:
        return None
    try:
        return max(0.0, time.time() - psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _size(top: Path) -> int:
    total = 0
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue  # the server removed it meanwhile
    return total

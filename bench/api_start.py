"""How soon a process of the API is ready, and its memory before and after all it can do.

``python -m bench.api_start`` starts `candela api` as people do, on servers of its own, and asks
every path of its document by GET, as somebody who has logged in, with a thousand trades.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from bench.api_data import add_sessions, make_tenants, make_trades
from candela.clock import SystemClock
from candela.commands.keyring import signing_keys
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.identity.access import AccessTokens
from candela.settings import environment_with, load_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from candela.settings import Settings

__all__ = ["cpu_seconds", "pss_mib", "run_api_start", "started"]

_HEAVY = ("numba", "llvmlite", "vectorbt", "pandas", "scipy", "ccxt", "dagster", "polars")
_PARAMETER = re.compile(r"\{[^}]*\}")
_ID = "0196d2f0-0000-7000-8000-000000000000"
_STRATEGY = "ma_cross"


def run_api_start(turns: int = 5) -> None:
    """Print the medians of some starts, and the memory of each."""
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        token = _prepare(settings)
        # Once unmeasured: the first one reads its libraries from the disk.
        measured = [_start(settings, token) for _ in range(turns + 1)][1:]
        _tell("ready, s", [one.ready_s for one in measured])
        _tell("own CPU until then, s", [one.cpu_s for one in measured])
        _tell("PSS when ready, MiB", [one.ready_mib for one in measured])
        _tell("PSS of all used, MiB", [one.used_mib for one in measured])
        last = measured[-1]
        print(f"answers by status: {last.statuses}; loaded of {_HEAVY}: {last.loaded}")
    finally:
        stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


def _tell(word: str, values: list[float]) -> None:
    print(f"{word}: {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")


def _prepare(settings: Settings) -> str:
    database, clock = open_places(settings).database, SystemClock()
    migrate(database)
    users = make_tenants(database, 1, clock=clock)
    make_trades(database, 1_000, clock=clock)
    add_sessions(database, users, clock=clock)
    token, _ = AccessTokens(signing_keys(settings), clock).issue(
        tenant_id=users[0].tenant_id,
        user_id=users[0].user_id,
        session_id=users[0].user_id,
        role="user",
        second_factor_at=clock.now(),
    )
    return token


@dataclass(frozen=True, slots=True)
class Measured:
    """What a start of a process came to: seconds, and MiB of its share of the memory."""

    ready_s: float
    cpu_s: float
    ready_mib: float
    used_mib: float
    statuses: dict[int, int]
    loaded: list[str]


@contextmanager
def started(settings: Settings) -> Generator[tuple[int, str]]:
    """Run `candela api`; give its process id and address once it is ready."""
    given = {"CANDELA_STATE_DIR": str(settings.state_dir), "CANDELA_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(
        [sys.executable, "-m", "candela.commands.app", "api", "--port", "0", "--json"],
        env=environment_with(given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        while _status(f"{address}/health/ready") != 200:
            time.sleep(0.02)
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(30)


def _start(settings: Settings, token: str) -> Measured:
    began = time.perf_counter()
    with started(settings) as (pid, address):
        ready_s, cpu_s, before = time.perf_counter() - began, cpu_seconds(pid), pss_mib(pid)
        statuses = _use(address, token)
        return Measured(ready_s, cpu_s, before, pss_mib(pid), statuses, _loaded(pid))


def _use(address: str, token: str) -> dict[int, int]:
    """Ask every path that can be asked, and one strategy for its faults; count the answers."""
    with urlopen(f"{address}/api/v1/openapi.json") as answer:  # noqa: S310 - of this machine
        paths = json.loads(answer.read())["paths"]
    found: dict[int, int] = {}
    for path, verbs in paths.items():
        if "get" in verbs:
            name = _STRATEGY if "/strategies/" in path else _ID
            status = _status(address + _PARAMETER.sub(name, path), token)
            found[status] = found.get(status, 0) + 1
    _status(f"{address}/api/v1/strategies/{_STRATEGY}/validate", token, b'{"parameters":{}}')
    return dict(sorted(found.items()))


def _status(url: str, token: str = "", body: bytes | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with urlopen(Request(url, body, headers), timeout=20) as answer:  # noqa: S310 - of this machine
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def pss_mib(pid: int) -> float:
    """Return the share of the memory that a process has."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the time that a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _loaded(pid: int) -> list[str]:
    """Return which heavy libraries a process has mapped; those without machine code do not show."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in _HEAVY if f"site-packages/{name}/" in maps]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    run_api_start(parser.parse_args().turns)

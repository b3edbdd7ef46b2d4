"""How many pages of trades a second one process of the API serves, and how soon: wrk on core 1.

``python -m bench.api_load`` needs wrk on the PATH; wrk2, which keeps a constant rate, gives the
latencies at 60 % of the ceiling. Both are built from their sources by ``make WITH_OPENSSL=/usr``.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen
from uuid import UUID

from api.app import create_app
from api.limiting.limits import LIMITS
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from bench.api_data import add_sessions, make_tenants, make_trades
from bench.api_start import cpu_seconds
from candela.clock import SystemClock
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.embedded.bootstrap import create_database
from candela.identity.access import AccessTokens, SigningKeys
from candela.settings import load_settings
from candela.vault.credential import Credential
from candela.vault.masterkeys import MasterKeys

if TYPE_CHECKING:
    from collections.abc import Generator

    from candela.db.connect import Database

SIGNING = SigningKeys({1: bytes(range(32))})
PORT = 8099
NAME = "candela_bench_api"
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_LATENCY = re.compile(r"^\s+(50|90|99|99\.9)(?:\.0+)?%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


def serve(state_dir: Path, without: list[str]) -> None:
    """Serve the API on the database of the bench until a signal, some middleware left out."""
    import uvicorn

    database, redis_url = _places(state_dir)
    parts = ApiParts(
        database=database,
        redis_url=redis_url,
        clock=SystemClock(),
        signing=SIGNING,
        masters=lambda: MasterKeys({1: Credential(bytes(range(100, 132)))}),
        # One tenant asks for all: budgets are taken from, and never used up.
        options=ApiOptions(public_url=f"http://127.0.0.1:{PORT}", limits=LIMITS.times(100_000)),
    )
    app = create_app(parts.options, state_opener(parts))
    app.user_middleware = [
        one for one in app.user_middleware if getattr(one.cls, "__name__", "") not in without
    ]
    uvicorn.run(
        app, port=PORT, lifespan="on", log_config=None, access_log=False, server_header=False
    )


def _places(state_dir: Path) -> tuple[Database, str]:
    settings = load_settings().model_copy(
        update={"state_dir": state_dir, "database_url": None, "redis_url": None}
    )
    places = open_places(settings)
    return places.database.sibling(NAME), places.redis_url


def prepare(state_dir: Path, trades: int) -> float:
    """Make the database of the bench; return the seconds that its trades took."""
    settings = load_settings().model_copy(
        update={"state_dir": state_dir, "database_url": None, "redis_url": None}
    )
    database = create_database(open_places(settings).database, NAME, owner=None)
    migrate(database)
    users = make_tenants(database, 200, clock=SystemClock())
    seconds = make_trades(database, trades, clock=SystemClock())
    add_sessions(database, users, clock=SystemClock())
    return seconds


def token_of(database: Database) -> str:
    """Return an access token of one of the tenants."""
    with database.connect() as connection:
        row: Any = connection.execute(
            "SELECT tenant_id, user_id FROM identity.sessions ORDER BY tenant_id OFFSET 77 LIMIT 1"
        ).fetchone()
    tenant_id, user_id = UUID(str(row[0])), UUID(str(row[1]))
    token, _ = AccessTokens(SIGNING, SystemClock()).issue(
        tenant_id=tenant_id, user_id=user_id, session_id=user_id, role="user"
    )
    return token


@contextlib.contextmanager
def running(state_dir: Path, without: list[str]) -> Generator[int]:
    """Run the server on core 0; give its process id."""
    command = ["taskset", "-c", "0", sys.executable, "-m", "bench.api_load", "--serve"]
    process = subprocess.Popen([*command, "--state", str(state_dir), "--without", *without])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                urlopen(f"http://127.0.0.1:{PORT}/api/v1/openapi.json").close()
                break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def load(tool: str, path: str, token: str, *options: str) -> tuple[float, dict[str, float], str]:
    """Return requests a second, latencies in milliseconds by percentile, and what was said."""
    said = subprocess.run(
        [
            *("taskset", "-c", "1", tool, "-t1", "--latency", *options),
            *("-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{PORT}/api/v1{path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = _RATE.search(said)
    found = {one[1]: float(one[2]) * _MS[one[3]] for one in _LATENCY.finditer(said)}
    return float(rate[1]) if rate else 0.0, found, said


def main() -> None:
    """Make the data, serve it, and print a line for each way of asking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--path", default="/trades?limit=50")
    parser.add_argument("--without", nargs="*", default=[], metavar="MIDDLEWARE")
    given = parser.parse_args()
    if given.serve:
        serve(given.state, given.without)
        return
    kept = given.state is not None
    state_dir = given.state or Path(tempfile.mkdtemp(prefix="candela-bench-")) / "state"
    try:
        if not (state_dir / "made").exists():
            print(f"{given.trades:,} trades in {prepare(state_dir, given.trades):.1f} s")
            (state_dir / "made").touch()
        database, _ = _places(state_dir)
        token = token_of(database)
        lasts = f"-d{given.seconds}s"
        with running(state_dir, given.without) as pid:
            load("wrk", given.path, token, "-c32", "-d2s")
            used = cpu_seconds(pid)
            rate, latencies, said = load("wrk", given.path, token, "-c32", lasts)
            each = (cpu_seconds(pid) - used) / (rate * given.seconds) * 1e6
            print(said)
            print(f"ceiling {rate:,.0f} requests/s, {each:.0f} us of the process each, {latencies}")
            if shutil.which("wrk2"):
                paced = f"-R{round(rate * 0.6)}"
                _, latencies, said = load("wrk2", given.path, token, "-c32", lasts, paced)
                print(f"at 60 %: {paced} {latencies}")
    finally:
        if not kept:
            stop_servers(state_dir)
            shutil.rmtree(state_dir.parent, ignore_errors=True)


if __name__ == "__main__":
    main()

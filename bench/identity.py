"""What logins cost, and whether their time tells who is there: ``python -m bench.identity``.

Server, database and this client share the machine; addresses are made up behind a trusted proxy.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from api.app import create_app
from api.opening import ApiParts, state_opener
from api.state import ApiOptions
from candela.clock import SystemClock
from candela.db.migrate import migrate
from candela.desk.session import tenant_session
from candela.desk.users import create_user
from candela.embedded import open_places, stop_servers
from candela.embedded.bootstrap import create_database
from candela.identity.access import SigningKeys
from candela.identity.operator import give_password
from candela.settings import load_settings
from candela.vault.credential import Credential
from candela.vault.masterkeys import MasterKeys

if TYPE_CHECKING:
    from collections.abc import Generator

    from candela.db.connect import Database

PORT: Final = 8097
NAME: Final = "candela_bench_identity"
PASSWORD: Final = "three unlikely words"  # noqa: S105 - guards nothing
USERS: Final = 40
SAMPLES: Final = 300
_CLIENTS: Final = 8
_CHANCE: Final = random.Random(5)


def serve(state_dir: Path) -> None:
    """Serve the API until a signal."""
    import uvicorn

    database, redis_url = _places(state_dir)
    options = ApiOptions(public_url=f"http://127.0.0.1:{PORT}", trusted_proxies=("127.0.0.1",))
    parts = ApiParts(
        database=database,
        redis_url=redis_url,
        clock=SystemClock(),
        signing=SigningKeys({1: bytes(range(32))}),
        masters=lambda: MasterKeys({1: Credential(bytes(range(100, 132)))}),
        options=options,
    )
    app = create_app(parts.options, state_opener(parts))
    uvicorn.run(app, port=PORT, log_config=None, access_log=False)


def main() -> None:
    """Measure logins: known against unknown, how many a second, and what others feel of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    try:
        with _server(folder / "state"):
            known = [f"user{n}@example.com" for n in range(USERS)]
            _even("/auth/login", known, {"password": "not the right one"}, 401)
            _even("/auth/password/forgot", known, {}, 202)
            _even("/auth/email/resend", known, {}, 202)
            _even("/auth/register", known, {"password": "some other words"}, 202)
            _load(known, given.seconds)
    finally:
        stop_servers(folder / "state")
        shutil.rmtree(folder, ignore_errors=True)


def _even(path: str, known: list[str], more: dict[str, str], status: int) -> None:
    """Compare known and unknown addresses, turn by turn on one connection."""
    with _connected() as connection:
        times: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(SAMPLES):
            for is_known in _CHANCE.sample((True, False), 2):
                name = known[turn % USERS] if is_known else f"user{turn}@example.org"
                took, found, _ = _post(connection, path, {"email": name} | more)
                assert found == status, (path, found)
                times[is_known].append(took)
                time.sleep(0.01)  # what follows an answer is not part of the next
    here, nowhere = (statistics.median(times[one]) for one in (True, False))
    print(
        f"{path}: known {here:.2f} ms, unknown {nowhere:.2f} ms, difference "
        f"{abs(here - nowhere):.2f} ms, Kolmogorov-Smirnov p {_same(*times.values()):.3f}"
    )


def _same(one: list[float], other: list[float]) -> float:
    """Return how likely two samples of one distribution differ so much (Kolmogorov-Smirnov)."""
    both = sorted([(took, 1) for took in one] + [(took, -1) for took in other])
    gap = most = 0.0
    for _, side in both:
        gap += side / len(one)
        most = max(most, abs(gap))
    x = most * math.sqrt(len(one) / 2)
    if x < 0.2:  # the series does not settle there
        return 1.0
    return min(1.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 40)))


def _load(known: list[str], seconds: float) -> None:
    alone = _pings(seconds)
    done: list[int] = []
    over = threading.Event()

    def log_in() -> None:
        with _connected() as connection:
            while not over.is_set():
                body = {"email": _CHANCE.choice(known), "password": PASSWORD}
                _, status, _ = _post(connection, "/auth/login", body)
                done.append(status)

    threads = [threading.Thread(target=log_in) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    beside = _pings(seconds)
    over.set()
    for thread in threads:
        thread.join()
    print(
        f"{done.count(200) / seconds:.0f} logins/s of {_CLIENTS} clients "
        f"({len(done) - done.count(200)} others); GET /health/live p99 {alone:.1f} ms alone, "
        f"{beside:.1f} ms beside them"
    )


def _pings(seconds: float) -> float:
    """Return the 99th percentile of another route's time, asked 50 times a second."""
    took: list[float] = []
    with _connected() as connection:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.request("GET", "/api/v1/health/live", headers=_from_somewhere())
            connection.getresponse().read()
            took.append((time.perf_counter() - began) * 1_000)
            time.sleep(0.02)
    return statistics.quantiles(took, n=100)[98]


def _post(
    connection: http.client.HTTPConnection, path: str, body: dict[str, str]
) -> tuple[float, int, Any]:
    text = json.dumps(body)
    began = time.perf_counter()
    headers = {"content-type": "application/json"} | _from_somewhere()
    connection.request("POST", f"/api/v1{path}", body=text, headers=headers)
    answer = connection.getresponse()
    found = answer.read()
    return (time.perf_counter() - began) * 1_000, answer.status, found


def _from_somewhere() -> dict[str, str]:
    parts = (_CHANCE.randrange(1, 255) for _ in range(3))
    return {"x-forwarded-for": "203." + ".".join(str(part) for part in parts)}


@contextlib.contextmanager
def _connected() -> Generator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def _server(state_dir: Path) -> Generator[None]:
    settings = load_settings().model_copy(
        update={"state_dir": state_dir, "database_url": None, "redis_url": None}
    )
    database = create_database(open_places(settings).database, NAME, owner=None)
    migrate(database)
    clock = SystemClock()
    for n in range(USERS):
        user = create_user(database, f"user{n}@example.com", clock=clock)
        with tenant_session(database, user.tenant_id) as session:
            give_password(session, user, PASSWORD, clock=clock)
    command = [sys.executable, "-m", "bench.identity", "--serve", str(state_dir)]
    process = subprocess.Popen(command)
    try:
        _wait()
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait() -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), _connected() as connection:
            connection.request("GET", "/api/v1/health/live")
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise SystemExit("The API does not answer.")


def _places(state_dir: Path) -> tuple[Database, str]:
    settings = load_settings().model_copy(
        update={"state_dir": state_dir, "database_url": None, "redis_url": None}
    )
    places = open_places(settings)
    return places.database.sibling(NAME), places.redis_url


if __name__ == "__main__":
    main()

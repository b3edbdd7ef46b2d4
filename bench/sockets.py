"""Memory of idle sockets, and how long an event takes to reach a thousand of them.

``python -m bench.sockets`` starts `candela api` on servers of its own. Who waits is this process,
which only notes when the bytes of a message arrive: a client that reads messages costs more than
the server does.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import select
import shutil
import socket
import statistics
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis

from bench.api_start import cpu_seconds, pss_mib, started
from candela.bus import journal_key, ticket_key
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.settings import load_settings

__all__ = ["run_sockets"]

_OF_TENANT: Final = 20  # what the API allows
_LOG: Final = b'"type":"log"'


def run_sockets(idle: int = 2_000, told: int = 1_000, events: int = 50) -> None:
    """Print the memory of idle sockets, and how soon events reached those that were told."""
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        places = open_places(settings)
        migrate(places.database)
        bus: Any = redis.Redis.from_url(places.redis_url)  # pyright: ignore[reportUnknownMemberType]
        with started(settings) as (pid, address):
            before = pss_mib(pid)
            tenants = [uuid.uuid4() for _ in range(-(-idle // _OF_TENANT))]
            sockets = [_opened(bus, address, tenants[n // _OF_TENANT]) for n in range(idle)]
            time.sleep(2)
            print(f"{idle} idle sockets: {pss_mib(pid) - before:.1f} MiB")
            watched = tenants[: told // _OF_TENANT]
            _tell(bus, watched, sockets[:told])
            spent = cpu_seconds(pid)
            took = [ms for _ in range(events) for ms in _tell(bus, watched, sockets[:told])]
            each = (cpu_seconds(pid) - spent) / len(took) * 1e6
            cuts = statistics.quantiles(took, n=100)
            p50, p99 = cuts[49], cuts[98]
            print(f"{told} told: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {each:.0f} us each")
            for one in sockets:
                one.close()
    finally:
        stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


def _tell(bus: Any, tenants: list[uuid.UUID], sockets: list[socket.socket]) -> list[float]:
    """Let something happen to each tenant; return when each socket knew, in milliseconds."""
    waiting = {one.fileno(): one for one in sockets}
    poll = select.epoll()
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    fields = {"bot": "b", "at": "", "level": "info", "event": "trade", "message": "x", "data": "{}"}
    took: list[float] = []
    since = time.perf_counter()
    with bus.pipeline(transaction=False) as pipe:
        for tenant in tenants:
            pipe.xadd(journal_key(tenant), fields, maxlen=1_000)
        pipe.execute()
    while waiting:
        ready = poll.poll(5)
        if not ready:
            message = f"{len(waiting)} sockets were told nothing"
            raise TimeoutError(message)
        for number, _ in ready:
            if _LOG in waiting[number].recv(4_096):
                took.append((time.perf_counter() - since) * 1e3)
                poll.unregister(number)
                del waiting[number]
    poll.close()
    return took


def _opened(bus: Any, address: str, tenant: uuid.UUID) -> socket.socket:
    ticket = uuid.uuid4().hex
    content = {
        "tenant": str(tenant),
        "user": str(uuid.uuid4()),
        "session": None,
        "token": None,
        "at": datetime.now(UTC).isoformat(),
    }
    key = ticket_key(hashlib.sha256(ticket.encode()).hexdigest())
    bus.set(key, json.dumps(content), px=30_000)
    host, _, port = urlsplit(address).netloc.partition(":")
    found = socket.create_connection((host, int(port)), 10)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    asked = (
        f"GET /api/v1/events?ticket={ticket} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    )
    found.sendall("\r\n".join((*asked, "", "")).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += found.recv(4_096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return found


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--idle", type=int, default=2_000)
    words.add_argument("--told", type=int, default=1_000)
    words.add_argument("--events", type=int, default=50)
    given = words.parse_args()
    run_sockets(given.idle, given.told, given.events)

"""Memory of idle sockets, and how long an event takes to reach a thousand of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import uuid
from typing import Any, Final

import psutil
import redis
import websockets

from candela.bus import journal_key, ticket_key

__all__ = ["main"]

_MB: Final = 1_048_576


def main() -> None:
    """Measure a process of the API that runs: ``--pid --address ws://... --redis URL``."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--pid", type=int, required=True)
    words.add_argument("--address", required=True, help="ws://127.0.0.1:8000/api/v1/events")
    words.add_argument("--redis", required=True)
    words.add_argument("--idle", type=int, default=2_000)
    words.add_argument("--told", type=int, default=1_000)
    words.add_argument("--events", type=int, default=50)
    given = words.parse_args()
    print(json.dumps(asyncio.run(_measure(given)), indent=2))


async def _measure(given: argparse.Namespace) -> dict[str, float]:
    bus: Any = redis.Redis.from_url(given.redis)  # pyright: ignore[reportUnknownMemberType]
    process = psutil.Process(given.pid)
    before = process.memory_full_info().pss
    # As many sockets a tenant as the API allows.
    tenants = [uuid.uuid4() for _ in range(-(-given.idle // 20))]
    idle = [await _open(bus, given.address, tenants[one // 20]) for one in range(given.idle)]
    await asyncio.sleep(2)
    grown = process.memory_full_info().pss - before
    told = idle[: given.told]
    watched = list(dict.fromkeys(tenants[one // 20] for one in range(given.told)))
    took: list[float] = []

    async def one_line(socket: Any, since: float) -> None:
        while json.loads(await socket.recv())["type"] != "log":
            pass
        took.append(time.perf_counter() - since)

    for _ in range(given.events):
        since = time.perf_counter()
        waiting = [asyncio.create_task(one_line(socket, since)) for socket in told]
        with bus.pipeline(transaction=False) as pipe:
            for tenant in watched:
                fields = {"bot": "b", "at": "", "level": "info", "event": "trade", "message": "x"}
                pipe.xadd(journal_key(tenant), {**fields, "data": "{}"}, maxlen=1_000)
            pipe.execute()
        await asyncio.gather(*waiting)
    for socket in idle:
        await socket.close()
    bus.close()
    return {
        "idle_sockets": given.idle,
        "idle_mib": round(grown / _MB, 1),
        "told_sockets": given.told,
        "median_ms": round(statistics.median(took) * 1e3, 1),
        "p99_ms": round(statistics.quantiles(took, n=100)[98] * 1e3, 1),
    }


async def _open(bus: Any, address: str, tenant: uuid.UUID) -> Any:
    import hashlib
    from datetime import UTC, datetime

    ticket = uuid.uuid4().hex
    content = {"tenant": str(tenant), "user": str(uuid.uuid4()), "session": None, "token": None,
               "at": datetime.now(UTC).isoformat()}  # fmt: skip
    key = ticket_key(hashlib.sha256(ticket.encode()).hexdigest())
    bus.set(key, json.dumps(content), px=30_000)
    return await websockets.connect(f"{address}?ticket={ticket}", compression=None)


if __name__ == "__main__":
    main()

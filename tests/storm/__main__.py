"""`python -m tests.storm`: kill real processes at random, and check the books afterwards."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

from tests.storm.checker import check_books
from tests.storm.world import World

_BACK = "SELECT count(*) FROM live.shards WHERE kind = 'trade' AND expires_at > now()"
_BUSY = (
    "SELECT count(*) FROM trading.orders"
    " WHERE state IN ('created', 'sending', 'unknown', 'canceling')"
)
_INTENTS = "SELECT count(*) FROM trading.intents"


def main() -> int:
    """Run a storm and print what happened; 1 where an invariant was broken."""
    options = _options()
    chance = random.Random(options.seed)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="storm-", dir="/tmp"))
    began = time.monotonic()
    with World(
        folder,
        users=options.users,
        bots=options.bots,
        speed=options.speed,
        fault_rate=options.faults,
        seed=options.seed,
    ) as world:
        world.people()
        names = [f"executor-{number}" for number in range(options.executors)]
        for name in names:
            world.start_executor(name)
        first_s = world.wait("the first intent", _INTENTS, within_s=200)
        _say(f"{options.bots} bots of {options.users} users; first intent after {first_s:.1f} s")
        kinds: Counter[str] = Counter()
        restarts: list[float] = []
        for number in range(1, options.kills + 1):
            time.sleep(chance.uniform(0.2, options.pause))
            kinds[_strike(world, chance, names, restarts)] += 1
            if number % 20 == 0:
                _say(
                    f"{number} kills, {world.count(_INTENTS):,} intents,"
                    f" {time.monotonic() - began:.0f} s",
                )
        broken, counts = _calm(world, names)
    _say(f"kills: {dict(kinds)}")
    if restarts:
        _say(f"back with all shards: median {median(restarts):.1f} s, worst {max(restarts):.1f} s")
    _say(f"checked: {counts}")
    _say(f"invariants broken: {len(broken)}")
    for words in broken[:20]:
        _say(f"  {words}")
    return 1 if broken else 0


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--faults", type=float, default=0.05)
    parser.add_argument("--pause", type=float, default=5.0, help="longest wait between kills, s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def _strike(world: World, chance: random.Random, names: list[str], restarts: list[float]) -> str:
    """Do one harm to one process, and let what was killed begin again."""
    name = chance.choice(names)
    kind = chance.choices(["KILL", "STOP", "TERM", "venue", "redis"], [60, 15, 15, 7, 3])[0]
    process = world.executors[name]
    if kind == "KILL":
        process.kill()
        process.wait()
        if len(names) == 1:
            at = time.monotonic()
            world.start_executor(name)
            world.wait("all shards", _BACK, 64)
            restarts.append(time.monotonic() - at)
        else:
            world.start_executor(name)
    elif kind == "STOP":
        # Longer than a lease lives: it wakes up as an owner that no longer is one.
        process.send_signal(signal.SIGSTOP)
        time.sleep(chance.choice([1.0, 17.0]))
        process.send_signal(signal.SIGCONT)
        if process.poll() is not None:
            world.start_executor(name)
    elif kind == "TERM":
        process.terminate()
        process.wait(90)
        world.start_executor(name)
    elif kind == "venue":
        assert world.sandbox is not None
        world.sandbox.kill()
        world.sandbox.wait()
        time.sleep(chance.uniform(0.0, 2.0))
        world.start_sandbox()
    else:
        import redis

        with redis.Redis.from_url(world.places.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
            client.execute_command("FLUSHALL")  # pyright: ignore[reportUnknownMemberType]
    _revive(world)
    return kind


def _revive(world: World) -> None:
    for name, process in list(world.executors.items()):
        if process.poll() is not None:
            world.start_executor(name)


def _calm(world: World, names: list[str]) -> tuple[list[str], dict[str, int]]:
    """End the faults, let everything settle, stop the bots, and compare."""
    world.control("POST", "seed", {"seed": 0, "rate_ratio": 0.0})
    world.control("DELETE", "faults")
    _revive(world)
    with world.database.connect() as connection:
        connection.execute("UPDATE trading.bots SET wanted = 'stopped'")
    quiet_since = None
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        _revive(world)
        busy = world.count(_BUSY)
        quiet_since = (quiet_since or time.monotonic()) if busy == 0 else None
        if quiet_since is not None and time.monotonic() - quiet_since > 45:
            break
        time.sleep(0.5)
    for name in names:
        world.executors[name].terminate()
    for name in names:
        world.executors[name].wait(90)
    ledger = world.control("GET", "ledger")
    (world.folder / "ledger.json").write_text(json.dumps(ledger), "utf-8")
    check = check_books(world.database, ledger, world.accounts)
    return check.broken, check.counts


if __name__ == "__main__":
    sys.exit(main())

"""One storm from its beginning to the check of the books."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.storm.asking import Asking
from tests.storm.checker import check_books
from tests.storm.strikes import WEIGHTS, Strikes
from tests.storm.world import World

__all__ = ["Storm", "StormResult", "run_storm"]

_BUSY: Final = """
SELECT
    (SELECT count(*) FROM trading.orders
    WHERE state IN ('created', 'sending', 'unknown', 'canceling'))
    + (SELECT count(*) FROM trading.intents WHERE state = 'committed')
    + (SELECT count(*) FROM trading.order_requests WHERE state = 'waiting')
"""
_INTENTS: Final = "SELECT count(*) FROM trading.intents"
_OPEN: Final = "SELECT count(*) FROM trading.orders WHERE state = 'open'"
_DRAIN_S: Final = 90.0
_SAID_EACH: Final = 20
_TRADING_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm is.

    Parameters
    ----------
    fault_rate
        Share of the requests to the venue that go wrong, 0 to 1.
    rate_hz
        Orders by hand, over all users.
    pause_s
        The longest wait between two harms, after so many new intents as `orders_between`: who
        is killed while it starts has nothing on its way that could be lost or doubled.
    quiet_s
        For so long nothing must be on its way before the books are checked: longer than the
        venue is reconciled with anyway.
    """

    folder: Path
    kills: int = 200
    executors: int = 2
    users: int = 10
    bots: int = 100
    fault_rate: float = 0.05
    rate_hz: float = 5.0
    pause_s: float = 5.0
    orders_between: int = 5
    quiet_s: float = 45.0
    seed: int = 1
    kinds: tuple[str, ...] = tuple(WEIGHTS)


@dataclass
class StormResult:
    """What a storm did, and what it broke."""

    broken: list[str]
    counts: dict[str, int]
    harms: dict[str, int]
    asked: dict[str, int]
    deaths: int
    restarts: list[float] = field(default_factory=list[float])

    @property
    def median_s(self) -> float:
        """The median seconds until all parts were held again."""
        return median(self.restarts)


def run_storm(storm: Storm, say: Callable[[str], None]) -> StormResult:
    """Run a storm; what it made stays in its folder, for looking at."""
    began = time.monotonic()
    harms: Counter[str] = Counter()
    with World(
        storm.folder,
        users=storm.users,
        bots=storm.bots,
        fault_rate=storm.fault_rate,
        seed=storm.seed,
    ) as world:
        world.people()
        names = [f"executor-{number}" for number in range(storm.executors)]
        for name in names:
            world.start_executor(name)
        strikes = Strikes(world, names, random.Random(storm.seed), storm.kinds)
        asking = Asking(world.database, world.users_made, rate_hz=storm.rate_hz, seed=storm.seed)
        with asking:
            first_s = world.wait("the first intent", _INTENTS, within_s=200)
            say(f"{storm.bots} bots of {storm.users} users; first intent after {first_s:.1f} s")
            for number in range(1, storm.kills + 1):
                _await_trading(world, storm.orders_between)
                time.sleep(strikes.chance.uniform(0.2, storm.pause_s))
                harms[strikes.strike()] += 1
                if number % _SAID_EACH == 0:
                    say(
                        f"{number} harms, {world.counted(_INTENTS) or 0:,} intents,"
                        f" {world.counted(_OPEN) or 0:,} open orders,"
                        f" {time.monotonic() - began:.0f} s"
                    )
        deaths = len(world.deaths)
        _calm(world, names, storm.quiet_s)
        ledger = world.ledger()
        (storm.folder / "ledger.json").write_text(json.dumps(ledger), "utf-8")
        check = check_books(world.database, ledger, world.accounts)
    return StormResult(
        broken=check.broken,
        counts=check.counts,
        harms=dict(harms),
        asked=dict(asking.counts),
        deaths=deaths,
        restarts=strikes.restarts,
    )


def _await_trading(world: World, least: int) -> None:
    before = world.counted(_INTENTS)
    deadline = time.monotonic() + _TRADING_S
    while time.monotonic() < deadline:
        now = world.counted(_INTENTS)
        before = now if before is None else before
        if now is not None and before is not None and now - before >= least:
            return
        time.sleep(0.1)


def _calm(world: World, names: list[str], quiet_s: float) -> None:
    """End the faults, let everything settle, stop the bots and the executors."""
    world.control("POST", "seed", {"seed": 0, "rate_ratio": 0.0})
    world.control("DELETE", "faults")
    world.revive()
    with world.database.connect() as connection:
        connection.execute("UPDATE trading.bots SET wanted = 'stopped'")
    quiet_since = None
    deadline = time.monotonic() + 180 + quiet_s
    while time.monotonic() < deadline:
        world.revive()
        busy = world.count(_BUSY)
        quiet_since = (quiet_since or time.monotonic()) if busy == 0 else None
        if quiet_since is not None and time.monotonic() - quiet_since > quiet_s:
            break
        time.sleep(0.5)
    for name in names:
        world.executors[name].terminate()
    for name in names:
        world.executors[name].wait(_DRAIN_S)

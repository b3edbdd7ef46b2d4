"""How many bots one executor carries: lag, evaluations, requests and memory for 1 to 20,000 bots.

Run it as ``python -m bench.density``. Real processes throughout: PostgreSQL, Valkey, the sandbox
venue at its own pace, and one executor.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from bench.density_world import Crowd, DensityWorld, Memory, memory_of

__all__ = ["CROWDS", "Density", "measure", "run_density"]

CROWDS: Final = (
    Crowd(1, 1, 1, period=2),
    Crowd(200, 200, 200),
    Crowd(2_000, 200, 200),
    Crowd(20_000, 200, 200),
    Crowd(200, 200, 200, period=8, is_live=True),
)
_MINUTE: Final = timedelta(minutes=1)
_HEAVY: Final = ("vectorbt", "dagster", "great_expectations", "pandas")
# When a transaction was committed, not when it began: what a reader could see at that instant.
_LAGS: Final = """
SELECT d.bar_at,
    extract(epoch FROM s.known_at - d.bar_at)::float8 - 60 AS known,
    extract(epoch FROM pg_xact_commit_timestamp(s.xmin) - d.bar_at)::float8 - 60 AS evaluated,
    extract(epoch FROM d.decided_at - d.bar_at)::float8 - 60 AS decided,
    extract(epoch FROM pg_xact_commit_timestamp(d.xmin) - d.bar_at)::float8 - 60 AS stored
FROM trading.decisions AS d
INNER JOIN live.signals AS s USING (definition_id, bar_at)
WHERE d.bar_at >= %s AND d.bar_at < %s
"""
_ORDERS: Final = """
SELECT extract(epoch FROM o.final_at - i.bar_at)::float8 - 60
FROM trading.orders AS o INNER JOIN trading.intents AS i USING (tenant_id, intent_id)
WHERE i.bar_at >= %s AND i.bar_at < %s AND o.state = 'filled'
"""
_SIGNALS: Final = """
SELECT bar_at, count(*), count(*) FILTER (WHERE status = 'ok') FROM live.signals
WHERE bar_at >= %s AND bar_at < %s GROUP BY bar_at ORDER BY bar_at
"""
_FIRST: Final = """
SELECT extract(epoch FROM min(pg_xact_commit_timestamp(xmin)))::float8 FROM trading.decisions
"""
_RUNNING: Final = "SELECT count(*) FROM trading.bots WHERE state = 'running'"


@dataclass(frozen=True, slots=True)
class Density:
    """What a crowd of bots cost.

    Parameters
    ----------
    first_s, running_s
        From the start of the process: until its first decision was stored, until all bots ran.
    start_cpu_s
        Processor time until then, of the process alone: what a busy machine makes no longer.
    from_close, from_known
        Seconds from the end of a bar, and from its being stored, until intents were stored:
        median, 99th of a hundred, worst.
    stages
        Medians of the instants after the end of a bar: known, evaluated, decided, stored.
    """

    name: str
    bars: int
    acting: float
    evaluations: float
    first_s: float
    running_s: float
    start_cpu_s: float
    from_close: tuple[float, float, float]
    from_known: tuple[float, float, float]
    filled: tuple[float, float, float]
    stages: tuple[float, float, float, float]
    requests: float
    memory: Memory
    heavy: tuple[str, ...] | None = None
    load: float = 0.0


def measure(crowd: Crowd, bars: int, folder: Path) -> Density:
    """Let a crowd work over some bars in a world of its own."""
    with DensityWorld(folder, speed=1.0, fault_rate=0.0, symbols=("BTC/USDT",)) as world:
        world.gather(crowd)
        if crowd.is_live:
            world.control("PATCH", "limits", {"weight": 6_000})
        # The bar that just closed is still fresh when the executor is up.
        _sleep_until(_next_minute() + timedelta(seconds=3))
        began = time.time()
        world.start_executor("executor")
        pid = world.executors["executor"].pid
        world.wait("all bots running", _RUNNING, crowd.bots, within_s=300)
        running_s = time.time() - began
        spent = psutil.Process(pid).cpu_times()
        since = _next_minute() - _MINUTE
        _sleep_until(since + _MINUTE)
        before = world.control("GET", "state")["requests"]
        until = since + bars * _MINUTE
        _sleep_until(until + _MINUTE)
        requests = (world.control("GET", "state")["requests"] - before) / bars
        memory = memory_of(pid)
        found = _found(world, crowd, since, until)
        first = _rows(world, _FIRST)[0][0]
        heavy = None
        world.executors["executor"].terminate()
        world.executors["executor"].wait(90)
        if crowd.bots == 1:
            loaded = world.imported("imports")
            assert "live" in loaded
            heavy = tuple(name for name in _HEAVY if name in loaded)
    return Density(
        name=crowd.name,
        bars=bars,
        first_s=-1.0 if first is None else first - began,
        running_s=running_s,
        start_cpu_s=spent.user + spent.system,
        requests=requests,
        memory=memory,
        heavy=heavy,
        load=os.getloadavg()[0],
        **found,
    )


def _found(world: DensityWorld, crowd: Crowd, since: datetime, until: datetime) -> dict[str, Any]:
    lags = np.array([row[1:] for row in _rows(world, _LAGS, since, until)], np.float64).reshape(
        -1, 4
    )
    filled = np.array([row[0] for row in _rows(world, _ORDERS, since, until)], np.float64)
    signals = _rows(world, _SIGNALS, since, until)
    bars = (until - since) / _MINUTE
    return {
        "acting": len(lags) / bars / crowd.bots,
        "evaluations": sum(row[2] for row in signals) / bars,
        "from_close": _spread(lags[:, 3]),
        "from_known": _spread(lags[:, 3] - lags[:, 0]),
        "filled": _spread(filled),
        "stages": tuple(float(one) for one in np.median(lags, axis=0)) if len(lags) else (0,) * 4,
    }


def _spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float, float]:
    if not len(values):
        return (np.nan, np.nan, np.nan)
    middle, late = np.percentile(values, (50, 99))
    return (float(middle), float(late), float(values.max()))


def _rows(world: DensityWorld, query: str, *values: object) -> list[Any]:
    with world.database.connect(autocommit=True) as connection:
        return connection.execute(query.encode(), values).fetchall()


def _next_minute() -> datetime:
    now = datetime.now(UTC)
    return now.replace(second=0, microsecond=0) + _MINUTE


def _sleep_until(at: datetime) -> None:
    time.sleep(max((at - datetime.now(UTC)).total_seconds(), 0.0))


def run_density(crowds: tuple[Crowd, ...] = CROWDS, bars: int = 3) -> list[Density]:
    """Measure crowds one after the other and print the table."""
    print(f"{'bots':>13}{'acting':>8}{'evals':>7}{'close to stored p50/p99/max':>29}"
          f"{'known to stored':>19}{'filled p99':>11}{'first':>7}{'all on':>8}"
          f"{'requests':>9}{'RSS':>7}{'PSS':>6}{'own':>6}{'load':>6}")  # fmt: skip
    lines: list[Density] = []
    for number, crowd in enumerate(crowds):
        folder = Path(tempfile.mkdtemp(prefix=f"density{number}-", dir="/tmp"))
        try:
            line = measure(crowd, bars, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        lines.append(line)
        close, known = line.from_close, line.from_known
        print(
            f"{line.name:>13}{line.acting:>8.1%}{line.evaluations:>7.0f}"
            f"{close[0]:>13.2f}{close[1]:>8.2f}{close[2]:>8.2f}"
            f"{known[0]:>7.2f}{known[1]:>6.2f}{known[2]:>6.2f}{line.filled[1]:>11.2f}"
            f"{line.first_s:>7.1f}{line.running_s:>8.1f}{line.requests:>9.1f}"
            f"{line.memory.rss:>7.0f}{line.memory.pss:>6.0f}{line.memory.own_rss:>6.0f}"
            f"{line.load:>6.1f}",
            flush=True,
        )
        known_s, evaluated_s, decided_s, stored_s = line.stages
        print(
            f"   medians after the close: known {known_s:.2f}, evaluated {evaluated_s:.2f}, decided"
            f" {decided_s:.2f}, stored {stored_s:.2f} s; {line.start_cpu_s:.1f} s of processor to"
            " start",
            flush=True,
        )
        if line.heavy is not None:
            print(f"   loaded of {', '.join(_HEAVY)}: {', '.join(line.heavy) or 'none'}")
    return lines


def main() -> None:
    """Measure on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=3)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of crowds, from 0")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    numbers: list[int] = list(range(len(CROWDS))) if given.only is None else given.only
    lines = run_density(tuple(CROWDS[number] for number in numbers), given.bars)
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()

"""Signals: evaluations a bar, and the time from a bar to its signals, for 1 to 200 definitions.

Run it as ``python -m bench.signals``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from candela.db.connect import Database
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.embedded.bootstrap import create_database
from candela.settings import load_settings
from tests.live.signals.bench_of_signals import Played, definition_of, play

__all__ = ["run_signals"]

_START = datetime(2023, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def main() -> None:
    """Measure on embedded servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=30)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        places = open_places(settings)
        for count in (1, 20, 200):
            name = f"candela_bench_{os.getpid()}_{count}"
            database = create_database(places.database, name, owner=None)
            migrate(database)
            run_signals(database, places.redis_url, count, given.bars)
    finally:
        stop_servers(folder / "state")
        shutil.rmtree(folder, ignore_errors=True)


def run_signals(database: Database, redis_url: str | None, count: int, bars: int) -> None:
    """Play bars for so many definitions of one series and print what a bar took."""
    definitions = [
        definition_of("ma_cross", fast=5 + number % 20, slow=50 + number) for number in range(count)
    ]

    async def run() -> tuple[list[float], int, float, float]:
        async with play(database, redis_url, definitions, start=_START) as played:
            took = [await _one(played, number, count) for number in range(bars + 2)]
            own = psutil.Process()
            children = [one for one in own.children() if "live.signals.child" in one.cmdline()]
            child_mib = sum(one.memory_info().rss for one in children) / 2**20
            evaluations = played.worker.evaluator.evaluations
            return took[2:], evaluations, own.memory_info().rss / 2**20, child_mib

    took, evaluations, own_mib, child_mib = asyncio.run(run())
    ordered = sorted(took)
    print(
        f"{count:>4} definitions: {evaluations / (bars + 2):.0f} evaluations a bar;"
        f" bar to signals in the reader's hands: median {statistics.median(took) * 1_000:.0f} ms,"
        f" worst of {bars} {ordered[-1] * 1_000:.0f} ms; this process {own_mib:.0f} MiB,"
        f" strategies' processes {child_mib:.0f} MiB"
    )


async def _one(played: Played, number: int, count: int) -> float:
    """Return the seconds from before a bar is stored until its signals were read."""
    since = _START + number * _HOUR
    started = time.perf_counter()
    await played.feed.run(since, since + _HOUR)
    while len(played.events) < (number + 1) * count:  # noqa: ASYNC110 - a finer clock than until()
        await asyncio.sleep(0.002)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

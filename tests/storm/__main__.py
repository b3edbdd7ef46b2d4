"""`python -m tests.storm`: harm real processes at random, and check the books afterwards."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.storm.running import Storm, run_storm
from tests.storm.strikes import WEIGHTS


def main() -> int:
    """Run a storm and print what happened; 1 where an invariant was broken."""
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="storm-", dir="/tmp"))
    storm = Storm(
        folder=folder,
        kills=options.kills,
        executors=options.executors,
        users=options.users,
        bots=options.bots,
        fault_rate=options.faults,
        rate_hz=options.rate,
        pause_s=options.pause,
        orders_between=options.between,
        seed=options.seed,
        kinds=tuple(options.kinds.split(",")),
    )
    began = time.monotonic()
    result = run_storm(storm, _say)
    _say(f"harms: {json.dumps(result.harms)}; executors that ended by themselves: {result.deaths}")
    if result.restarts:
        _say(
            f"all parts held again after a kill: median {result.median_s:.1f} s,"
            f" worst {max(result.restarts):.1f} s"
        )
    _say(f"asked for: {json.dumps(result.asked)}")
    _say(f"checked: {json.dumps(result.counts)}")
    _say(f"invariants broken: {len(result.broken)}; {time.monotonic() - began:.0f} s in all")
    for words in result.broken[:40]:
        _say(f"  {words}")
    return 1 if result.broken else 0


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--faults", type=float, default=0.05, help="share of requests, 0 to 1")
    parser.add_argument("--rate", type=float, default=5.0, help="orders by hand a second")
    parser.add_argument("--pause", type=float, default=5.0, help="longest wait between kills, s")
    parser.add_argument("--between", type=int, default=5, help="new intents before each kill")
    parser.add_argument("--kinds", default=",".join(WEIGHTS), help="harms, by comma")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

# ruff: noqa: T201
"""Histories on the command line: ``python -m tests.simulation --seeds 0:1000 --orders 100``."""

from __future__ import annotations

import argparse
import gc
import sys
import time

from tests.simulation.world import Result, run_history

__all__ = ["main"]


def main() -> None:
    """Run histories, print what they were, and exit with 1 where one breaks an invariant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:20", help="first:last, the last one left out")
    parser.add_argument("--orders", type=int, default=100, help="intents of a history")
    parser.add_argument("--faults", type=float, default=0.1, help="share of requests that fail")
    parser.add_argument("--stalls", type=float, help="share of pauses that stop the executor")
    parser.add_argument("--kills", type=float, help="share of pauses that kill it")
    parser.add_argument("--quiet", action="store_true", help="print breaches and the sums only")
    parser.add_argument("--first", action="store_true", help="end at the first breach")
    given = parser.parse_args()
    first, _, last = given.seeds.partition(":")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    gc.freeze()
    began = time.process_time()
    results: list[Result] = []
    for seed in seeds:
        result = run_history(
            seed, orders=given.orders, rate=given.faults, stalls=given.stalls, kills=given.kills
        )
        results.append(result)
        if result.breaches or not (given.quiet or given.first):
            print(line(result), flush=True)
        for breach in result.breaches[:20]:
            print(f"    {breach}")
        if result.breaches and given.first:
            break
    print(summary(results, time.process_time() - began))
    sys.exit(any(result.breaches for result in results))


def line(result: Result) -> str:
    """Return one history in a line."""
    counts = result.counts
    return (
        f"seed {result.seed:>6} {result.digest[:12]} {result.orders:>5} intents "
        f"{counts.sent:>5} sent {counts.unknown:>4} unknown {counts.absent:>3} absent "
        f"{result.fills:>5} fills {counts.late_fills:>3} late {result.kills:>3} kills "
        f"{result.stalls:>2} stalls {result.virtual_s / 60:>6.0f} min "
        f"{len(result.breaches):>3} breaches"
    )


def summary(results: list[Result], seconds: float) -> str:
    """Return what all histories were together."""
    orders = sum(result.orders for result in results)
    virtual_s = sum(result.virtual_s for result in results)
    resolved: dict[float, int] = {}
    alarms: dict[str, int] = {}
    for result in results:
        for edge, number in result.counts.resolved.items():
            resolved[edge] = resolved.get(edge, 0) + number
        for code, number in result.alarms.items():
            alarms[code] = alarms.get(code, 0) + number
    figures = {
        "intents": orders,
        "sent": sum(result.counts.sent for result in results),
        "answers lost": sum(result.counts.unknown for result in results),
        "fills": sum(result.fills for result in results),
        "kills": sum(result.kills for result in results),
        "stalls": sum(result.stalls for result in results),
    }
    pace = f"{orders / max(seconds, 1e-9):,.0f} intents/s"
    parts = (
        f"{len(results)} histories: "
        + ", ".join(f"{number:,} {name}" for name, number in figures.items()),
        f"{sum(bool(result.breaches) for result in results)} histories with breaches",
        f"{seconds:.1f} s of processor, {pace}, {virtual_s / max(seconds, 1e-9):,.0f} x real time",
        f"resolved within s: {dict(sorted(resolved.items()))}",
        f"alarms: {dict(sorted(alarms.items()))}",
    )
    return "\n".join(parts)


if __name__ == "__main__":
    main()

"""How many orders a second the desk carries through in virtual time, with faults and without."""

from __future__ import annotations

import argparse
import gc
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.simulation.world import run_history

__all__ = ["Pace", "measure", "run_orders"]

ORDERS = 100  # of one history


@dataclass(frozen=True, slots=True)
class Pace:
    """What a number of histories took, on one core."""

    faults: float
    orders: int
    answers_lost: int
    fills: int
    kills: int
    breaches: int
    seconds: float
    virtual_s: float
    resolved: dict[float, int]
    """Attempts whose answer was lost, by the seconds within which they were resolved."""

    @property
    def orders_per_s(self) -> float:
        """Orders by a second of processor time."""
        return self.orders / self.seconds


def measure(histories: int, faults: float, first_seed: int = 0) -> Pace:
    """Run histories one after the other; all seeds differ."""
    orders = lost = fills = kills = breaches = 0
    virtual_s = 0.0
    resolved: dict[float, int] = {}
    gc.collect()
    gc.freeze()
    began = time.process_time()
    for seed in range(first_seed, first_seed + histories):
        result = run_history(seed, orders=ORDERS, rate=faults)
        orders += result.orders
        lost += result.counts.unknown
        fills += result.fills
        kills += result.kills
        breaches += len(result.breaches)
        virtual_s += result.virtual_s
        for edge, number in result.counts.resolved.items():
            resolved[edge] = resolved.get(edge, 0) + number
    seconds = time.process_time() - began
    gc.unfreeze()
    return Pace(
        faults,
        orders,
        lost,
        fills,
        kills,
        breaches,
        seconds,
        virtual_s,
        dict(sorted(resolved.items())),
    )


def run_orders(histories: int) -> list[Pace]:
    """Print the table: no faults, one request in ten, three in ten."""
    heads = ("faults", "orders", "lost", "fills", "kills", "breaches", "s", "orders/s", "x real")
    print("".join(f"{head:>11}" for head in heads))
    lines: list[Pace] = []
    for faults, share in ((0.0, 0.1), (0.1, 1.0), (0.3, 0.1)):
        pace = measure(max(1, round(histories * share)), faults)
        lines.append(pace)
        print(
            f"{pace.faults:>11.0%}{pace.orders:>11,}{pace.answers_lost:>11,}{pace.fills:>11,}"
            f"{pace.kills:>11,}{pace.breaches:>11,}{pace.seconds:>11.1f}"
            f"{pace.orders_per_s:>11,.0f}{pace.virtual_s / pace.seconds:>11,.0f}",
            flush=True,
        )
    return lines


def main() -> None:
    """Measure on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    lines = run_orders(given.histories)
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()

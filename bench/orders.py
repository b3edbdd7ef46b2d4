"""How many orders a second the desk carries through in virtual time, with faults and without."""

from __future__ import annotations

import argparse
import gc
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.simulation.faults import Faults
from tests.simulation.world import run_history

__all__ = ["Pace", "measure", "run_orders", "within"]

ORDERS = 100  # of one history
_RATIOS = (50, 90, 99, 99.9, 100)
ANSWERS = Faults(
    send=0.2,
    ways=("lost_before", "lost_after", "error_after", "late"),
    lag=0.2,
    lost=0.1,
    twice=0.1,
    early=0.3,
)
"""Answers to sends are lost in every way; questions are answered."""


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


def measure(
    histories: int, faults: float, first_seed: int = 0, given: Faults | None = None
) -> Pace:
    """Run histories one after the other; all seeds differ."""
    orders = lost = fills = kills = breaches = 0
    virtual_s = 0.0
    resolved: dict[float, int] = {}
    gc.collect()
    gc.freeze()
    began = time.process_time()
    for seed in range(first_seed, first_seed + histories):
        result = run_history(seed, orders=ORDERS, rate=faults, given=given)
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


def within(resolved: dict[float, int], ratio: float) -> float:
    """Return within how many seconds this share was resolved, as the next edge says."""
    left = ratio * sum(resolved.values())
    for edge, number in sorted(resolved.items()):
        left -= number
        if left <= 0:
            return edge
    return 0.0


def run_orders(histories: int) -> list[Pace]:
    """Print the table: no faults, one request in ten, three in ten; then unknown outcomes."""
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
    pace = measure(max(1, histories // 5), 0.1, given=ANSWERS)
    lines.append(pace)
    marks = " ".join(f"p{ratio:.3g} {within(pace.resolved, ratio / 100):g} s" for ratio in _RATIOS)
    print(
        f"lost answers resolved, the venue answering questions: {pace.answers_lost:,} in"
        f" {pace.orders:,} orders, {marks}; {pace.breaches} breaches"
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

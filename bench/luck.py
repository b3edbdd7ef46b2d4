"""How often the verdict is fooled by noise, and how often it sees an edge that is there."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import Outcome, Verdict, judge

__all__ = ["SCENES", "Rates", "Scene", "crosses", "measure", "run_luck"]

Floats = npt.NDArray[np.float64]

BARS: Final = 2000
BARS_PER_YEAR: Final = 252.0
WARM_UP: Final = 300
VOLATILITY: Final = 0.012
COST: Final = 0.0005
"""Of the value traded, for fee and slippage of one side, where there is an edge to find."""
_WINDOWS: Final = 46  # which make 1,035 pairs


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of prices, and how it is traded.

    Attributes
    ----------
    name
        For the table.
    moves
        Log returns of the price from a generator and a number of bars.
    rules
        Net returns (bars, trials) of the trials on such moves.
    """

    name: str
    moves: Callable[[np.random.Generator, int], Floats]
    rules: Callable[[np.random.Generator, Floats, int], Floats]


@dataclass(frozen=True, slots=True)
class Rates:
    """What came out of many repeats of one scene."""

    scene: str
    repeats: int
    trials: int
    passed: float
    too_short: float
    checks: dict[str, float]
    """Share of repeats that pass each check, taken alone."""
    sharpe: float
    """Mean of the best trial's Sharpe ratio a year."""
    independent_trials: float
    overfitting: float


def _walk(generator: np.random.Generator, bars: int) -> Floats:
    return VOLATILITY * generator.standard_normal(bars)


def _spells(generator: np.random.Generator, bars: int) -> Floats:
    """Return a GARCH(1, 1) walk with Student shocks: calm and wild spells, fat tails, no drift."""
    shocks = (generator.standard_t(5, bars) * math.sqrt(3.0 / 5.0)).tolist()
    pull, push = 0.91, 0.07
    rest = VOLATILITY**2 * (1.0 - pull - push)
    variance = VOLATILITY**2
    moves: list[float] = []
    for shock in shocks:
        moves.append(math.sqrt(variance) * shock)
        variance = rest + pull * variance + push * moves[-1] ** 2
    return np.array(moves)


def _rising(generator: np.random.Generator, bars: int) -> Floats:
    """Return a walk whose drift is worth a Sharpe ratio of 0.8 a year to whoever just holds."""
    return _walk(generator, bars) + 0.8 * VOLATILITY / math.sqrt(BARS_PER_YEAR)


def _trends(generator: np.random.Generator, bars: int) -> Floats:
    """Return a walk that drifts up or down by 0.22 of its volatility, for 60 bars on average."""
    turns = np.where(generator.random(bars) < 1.0 / 60.0, -1.0, 1.0)
    turns[0] = 1.0 if generator.random() < 0.5 else -1.0
    return _walk(generator, bars) + 0.22 * VOLATILITY * np.cumprod(turns)


def crosses(moves: Floats, trials: int, *, out: float = -1.0, cost: float = 0.0) -> Floats:
    """Return the returns (bars, trials) of moving-average crosses on prices with these moves.

    A pair is long while its fast mean lies above its slow one and holds ``out`` otherwise; decided
    on the close of a bar, held over the next, at a cost of the value traded.
    """
    lengths = np.unique(np.geomspace(1, WARM_UP, 62).astype(np.int64))[-_WINDOWS:]
    sums = np.concatenate(([0.0], np.cumsum(np.exp(np.cumsum(moves)))))
    ends = np.arange(WARM_UP, moves.size, dtype=np.int64)
    means = (sums[ends] - sums[ends - lengths[:, None]]) / lengths[:, None]
    fast, slow = np.triu_indices(lengths.size, 1)
    chosen = np.linspace(0, fast.size - 1, trials).round().astype(np.int64)
    held = np.full((ends.size, trials), out, np.float64)
    held[(means[fast[chosen]] > means[slow[chosen]]).T] = 1.0
    traded = np.empty_like(held)
    traded[0] = np.abs(held[0])
    traded[1:] = np.abs(held[1:] - held[:-1])
    return held * np.expm1(moves[WARM_UP:])[:, None] - cost * traded


def _strangers(generator: np.random.Generator, moves: Floats, trials: int) -> Floats:
    """Return trials that are strangers to each other: long or short by the toss of a coin."""
    signs = np.where(generator.random((moves.size - WARM_UP, trials)) < 0.5, -1.0, 1.0)
    return signs * np.expm1(moves[WARM_UP:])[:, None]


def _free(_: np.random.Generator, moves: Floats, trials: int) -> Floats:
    return crosses(moves, trials)


def _long_only(_: np.random.Generator, moves: Floats, trials: int) -> Floats:
    return crosses(moves, trials, out=0.0)


def _paying(_: np.random.Generator, moves: Floats, trials: int) -> Floats:
    return crosses(moves, trials, cost=COST)


SCENES: Final = (
    Scene("noise: walk", _walk, _free),
    Scene("noise: calm and wild", _spells, _free),
    Scene("noise: rising, long only", _rising, _long_only),
    Scene("noise: coin tosses", _walk, _strangers),
    Scene("edge: planted trends", _trends, _paying),
)
"""Noise is traded for nothing, so that luck is not hidden by costs; the edge pays them."""


def measure(
    scene: Scene, *, repeats: int, trials: int, bars: int = BARS, draws: int = 400, seed: int = 0
) -> tuple[Rates, list[Verdict]]:
    """Return how the best of the trials is judged, over histories that differ by their seed."""
    verdicts: list[Verdict] = []
    for repeat in range(repeats):
        generator = np.random.default_rng((seed, repeat))
        moves = scene.moves(generator, bars + WARM_UP)
        returns = scene.rules(generator, moves, trials)
        best = int(np.argmax(returns.mean(axis=0) / returns.std(axis=0)))
        held = np.expm1(moves[WARM_UP:])
        family = TrialSet.of_returns(returns, best, bars_per_year=BARS_PER_YEAR, benchmark=held)
        verdicts.append(judge(family, draws=draws, seed=repeat))
    names = [check.name for check in verdicts[0].checks]
    passes = np.array([[check.passed for check in verdict.checks] for verdict in verdicts])
    figures = [verdict.figures for verdict in verdicts]
    rates = Rates(
        scene.name,
        repeats,
        trials,
        sum(verdict.passed for verdict in verdicts) / repeats,
        sum(verdict.outcome is Outcome.TOO_SHORT for verdict in verdicts) / repeats,
        dict(zip(names, passes.mean(axis=0).tolist(), strict=True)),
        float(np.mean([figure["sharpe"] for figure in figures])),
        float(np.mean([figure["independent_trials"] for figure in figures])),
        float(np.mean([figure["overfitting"] for figure in figures])),
    )
    return rates, verdicts


def run_luck(repeats: int, trials: int) -> list[Rates]:
    """Print the table of all scenes, what passes each check alone beside what passes them all."""
    lines: list[Rates] = []
    print(f"{repeats} repeats of the best of {trials:,} trials on {BARS:,} bars\n")
    for scene in SCENES:
        rates, verdicts = measure(scene, repeats=repeats, trials=trials)
        if not lines:
            heads = [*(f"{name[:14]:>15}" for name in rates.checks), f"{'verdict':>9}"]
            print(f"{'share that passes':<26}", *heads, f"{'worth':>7} {'Sharpe':>7}")
        lines.append(rates)
        alone = [f"{share:>15.1%}" for share in rates.checks.values()]
        print(
            f"{scene.name:<26}",
            *alone,
            f"{rates.passed:>9.1%}",
            f"{rates.independent_trials:>7.0f} {rates.sharpe:>7.2f}",
            flush=True,
        )
        published = [verdict.figures["deflated_sharpe_published"] for verdict in verdicts]
        print(f"{'':<26} published deflated Sharpe: {np.mean(np.array(published) >= 0.95):.1%}")
    return lines


def main() -> None:
    """Measure on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    lines = run_luck(given.repeats, given.trials)
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()

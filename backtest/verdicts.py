"""Luck or skill of a kept run or sweep: its family's trials run again on the same candles."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from backtest.data import Loaded, load_bars
from backtest.evidence.samples import BlockSums
from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import Verdict, judge
from backtest.ledger.records import Family
from backtest.run import backtest, year_of
from backtest.searches import kept_sweep, load_for, walk_again
from backtest.soundness import require_sound
from backtest.spec import BacktestSpec, BadSpec, Protection, spec_of_manifest
from backtest.sweep.evaluate import PROTECTIONS
from backtest.sweep.spec import strategy_identity
from candela.errors import CandelaError, Conflict
from candela.metrics.curves import returns_of

if TYPE_CHECKING:
    from backtest.ledger.records import RunRecord
    from backtest.result import Result
    from backtest.searches import Bench
    from strategies.definition import Strategy

__all__ = ["Judged", "RunGone", "judge_run", "judge_sweep"]

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

# Up to it every bar of every trial is kept, above it sums over blocks of bars.
_MOST_RETURNS: Final = 6_000_000
_BLOCKS: Final = 128
# Enough to tell how alike the trials of a family are; all of them are counted.
_MOST_TRIALS: Final = 2_000
_MANY: Final = 100_000


class RunGone(Conflict):
    """A kept run cannot be had again, so that nothing can be said of it."""

    code = "run_gone"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and what it is about.

    Attributes
    ----------
    trials_ever
        Of the family, as the ledger counts them.
    trials_seen
        Of them, those run again for the verdict.
    """

    verdict: Verdict
    result: Result
    family: Family
    trials_ever: int
    trials_seen: int


@dataclass(frozen=True, slots=True)
class _Variant:
    """Parameters and stops of one trial."""

    parameters: Mapping[str, Any]
    protection: Protection

    @property
    def key(self) -> str:
        said = {"parameters": self.parameters, "protection": self.protection.model_dump()}
        return json.dumps(said, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class _Ground:
    """The candles, costs and rules on which like is held against like."""

    strategy: Strategy[Any]
    loaded: Loaded
    spec: BacktestSpec

    def run(self, variant: _Variant) -> Result:
        name = self.loaded.first.instrument
        return backtest(
            self.strategy,
            self.loaded.first,
            variant.parameters,
            cash=self.spec.cash,
            model=self.spec.model,
            protection=variant.protection,
            funding=self.loaded.funding.get(name),
            finer=self.loaded.finer.get(name),
            origin=self.loaded.origin,
            seed=self.spec.seed,
        )

    def variant(self, protection: Protection, point: Mapping[str, Any]) -> _Variant:
        own = self.strategy.parameters.model_fields
        stops = {one: point[one] for one in PROTECTIONS if one in point and one not in own}
        given = {name: one for name, one in point.items() if name not in stops}
        return _Variant(
            self.strategy.with_values(given).model_dump(),
            Protection(**protection.model_dump() | stops),
        )


def judge_run(
    bench: Bench, run_id: str, *, seed: int = 0, progress: Progress | None = None
) -> Judged:
    """Return whether a kept run is luck or skill.

    Every other trial of its family that the ledger can name (points of its sweeps, parameters of
    its runs) is run on the candles, costs and rules of this run, so that like is held against like;
    all trials of the family count, whatever they ran on.

    Raises
    ------
    NoSuchRun, AmbiguousId
        No kept run, or several, begin with this id.
    RunGone
        The run cannot be had again: its strategy, engine or candles are others now.
    BadSpec
        The run is of a kind that has no verdict.
    """
    record = bench.ledger.run(run_id)
    if record.line.kind == "walkforward":
        return _judge_walk(bench, record, seed)
    spec = spec_of_manifest(record.manifest)
    if record.line.kind != "backtest" or len(spec.instruments) > 1:
        message = f"Run {record.line.run_id[:12]} is a {record.line.kind} on {spec.instruments}."
        raise BadSpec(message, "Verdicts are of backtests on one instrument and walk-forwards.")
    strategy = bench.strategy(spec.strategy)
    parameters = strategy.with_values(spec.parameters)
    loaded = load_bars(bench.database, spec, strategy.reads(parameters), cache=bench.cache)
    ground = _Ground(strategy, loaded, spec)
    chosen = _Variant(parameters.model_dump(), spec.protection)
    result = ground.run(chosen)
    _require_same(record, result)
    return _judge(bench, ground, chosen, result, seed, progress)


def judge_sweep(
    bench: Bench,
    sweep_id: str,
    *,
    plateau: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Judged:
    """Return whether the best point of a kept sweep is luck or skill.

    Parameters
    ----------
    plateau
        Judge the point that does best together with its neighbours.

    Raises
    ------
    NoSuchSweep, AmbiguousId
        No kept sweep, or several, begin with this id.
    RunGone
        No point of it has an objective, or it cannot be had again.
    """
    kept = bench.ledger.sweep(sweep_id)
    swept = kept_sweep(bench, kept.sweep_id)
    row = swept.plateau_row if plateau else swept.best_row
    if row is None:
        message = f"No point of sweep {kept.sweep_id[:12]} has a {swept.spec.objective}."
        raise RunGone(message, "Let the sweep go on, or choose another objective.")
    base = swept.spec.base
    strategy = bench.strategy(base.strategy)
    # The candles as they were known when it began.
    then = base if base.as_of else base.model_copy(update={"as_of": kept.opened_at})
    loaded = load_for(bench, strategy, swept.spec.model_copy(update={"base": then}))
    if swept.spec.identity(strategy_identity(strategy), loaded.origin.digest) != kept.sweep_id:
        message = f"Sweep {kept.sweep_id[:12]} ran on other candles, by another text or engine."
        hint = "Sweep again and judge that; of a walk-forward judge its run, not the sweeps in it."
        raise RunGone(message, hint)
    ground = _Ground(strategy, loaded, then)
    chosen = ground.variant(base.protection, base.parameters | swept.point(row))
    return _judge(bench, ground, chosen, ground.run(chosen), seed, progress)


def _judge_walk(bench: Bench, record: RunRecord, seed: int) -> Judged:
    """Judge the joined run out of sample: among walk-forwards of the family, not among points.

    What was chosen in training was chosen on candles that are not judged here.

    Raises
    ------
    RunGone
        Its trades come out otherwise now.
    """
    result = walk_again(bench, record.manifest)
    if result is None:
        message = f"Walk-forward {record.line.run_id[:12]} was stopped before its end."
        raise RunGone(message, "Ask again.")
    _require_same(record, result)
    family = record.line.family
    lines = bench.ledger.runs(
        strategy=family.strategy, timeframe=family.timeframe, kind="walkforward", limit=_MANY
    )
    ever = max(1, sum(line.family == family for line in lines))
    trials = TrialSet.of_run(
        returns_of(result.equity, result.cash),
        bars_per_year=year_of(result.bars),
        trials_ever=ever,
        trade_returns=_trade_returns(result),
        benchmark=_held(result),
    )
    return Judged(judge(trials, seed=seed), result, family, ever, 1)


def _require_same(record: RunRecord, result: Result) -> None:
    before, now = record.line.trades_digest, result.trades_digest
    if before != now:
        message = f"Run {record.line.run_id[:12]} gave trades {before[:19]} before, {now[:19]} now."
        hint = "Its strategy, engine, libraries or funding rates have changed; run it anew."
        raise RunGone(message, hint)


def _judge(
    bench: Bench,
    ground: _Ground,
    chosen: _Variant,
    result: Result,
    seed: int,
    progress: Progress | None,
) -> Judged:
    # What is called skill must not owe itself to the future, at the very parameters chosen.
    strategy = ground.strategy
    require_sound(
        bench.ledger, strategy, [strategy.with_values(chosen.parameters)], ground.loaded.first
    )
    family = Family.of(result.manifest)
    variants = _variants(bench, ground, family, chosen)
    ever = max(bench.ledger.trial_count(family), len(variants))
    common: dict[str, Any] = {
        "bars_per_year": year_of(result.bars),
        "trials_ever": ever,
        "trade_returns": _trade_returns(result),
        "benchmark": _held(result),
    }
    own = returns_of(result.equity, ground.spec.cash)
    trials, seen = _trial_set(ground, variants, own, common, progress)
    return Judged(judge(trials, seed=seed), result, family, ever, seen)


def _trade_returns(result: Result) -> Floats:
    return np.ascontiguousarray(result.trades["return_ratio"][result.trades["exit_bar"] >= 0])


def _held(result: Result) -> Floats:
    """Return the bar returns of holding the instrument."""
    return returns_of(result.benchmark, result.cash)


def _trial_set(
    ground: _Ground,
    variants: list[_Variant],
    own: Floats,
    common: dict[str, Any],
    progress: Progress | None,
) -> tuple[TrialSet, int]:
    """Return the trials' returns, or sums over blocks where there are many, and how many ran."""
    is_small = own.size * len(variants) <= _MOST_RETURNS
    columns: list[Floats] = []
    blocks: list[BlockSums] = []
    for number, variant in enumerate(variants):
        # The chosen one comes first.
        try:
            returns = returns_of(ground.run(variant).equity, ground.spec.cash) if number else own
        except CandelaError:
            # Tried under other costs or sizes, which these do not allow it: counted, not run.
            continue
        if is_small:
            columns.append(returns)
        else:
            blocks.append(BlockSums.of_returns(returns[:, None], min(_BLOCKS, own.size // 2)))
        if progress is not None:
            progress(number + 1, len(variants))
    seen = len(columns) + len(blocks)
    if seen == 1:
        return TrialSet.of_run(own, **common), 1
    if is_small:
        return TrialSet.of_returns(np.column_stack(columns), 0, **common), seen
    sums = BlockSums(
        blocks[0].bars,
        np.concatenate([one.sums for one in blocks], axis=1),
        np.concatenate([one.squares for one in blocks], axis=1),
    )
    return TrialSet.of_blocks(sums, 0, own, **common), seen


def _variants(bench: Bench, ground: _Ground, family: Family, chosen: _Variant) -> list[_Variant]:
    """Return the chosen trial and the family's others, each once; of very many an even sample."""
    found: dict[str, _Variant] = {}
    for kept in bench.ledger.sweeps(strategy=family.strategy, limit=_MANY):
        if kept.family == family:
            swept = kept_sweep(bench, kept.sweep_id)
            base = swept.spec.base
            for row in range(swept.frame.height):
                _add(found, ground, base.protection, base.parameters | swept.point(row))
    lines = bench.ledger.runs(
        strategy=family.strategy, timeframe=family.timeframe, kind="backtest", limit=_MANY
    )
    for line in lines:
        if line.family == family:
            _add(found, ground, Protection(**line.protection), line.parameters)
    found.pop(chosen.key, None)
    others = list(found.values())
    if len(others) >= _MOST_TRIALS:
        step = len(others) / (_MOST_TRIALS - 1)
        others = [others[int(number * step)] for number in range(_MOST_TRIALS - 1)]
    return [chosen, *others]


def _add(
    found: dict[str, _Variant],
    ground: _Ground,
    protection: Protection,
    point: Mapping[str, Any],
) -> None:
    try:
        variant = ground.variant(protection, point)
    except CandelaError:
        # Tried under an older text of the strategy, which took other parameters: counted, not run.
        return
    found.setdefault(variant.key, variant)

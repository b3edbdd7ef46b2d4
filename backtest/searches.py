"""Sweeps and walk-forwards on stored candles, every point of theirs kept in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from backtest.data import Loaded, load_bars
from backtest.ledger import Ledger
from backtest.soundness import require_sound
from backtest.spec import BacktestSpec, BadSpec, spec_of_manifest
from backtest.sweep.journal import Journal, LedgerJournal, MemoryJournal
from backtest.sweep.parallel import Crew
from backtest.sweep.result import SweepResult
from backtest.sweep.run import Progress, run_sweep
from backtest.sweep.space import Space
from backtest.sweep.spec import SweepSpec
from backtest.walkforward.result import WalkForwardResult
from backtest.walkforward.run import run_walk_forward
from backtest.walkforward.spec import WalkForwardSpec

if TYPE_CHECKING:
    from backtest.barcache import BarCache
    from backtest.ledger.records import Surface
    from backtest.result import Result
    from candela.db.connect import Database
    from strategies.definition import Parameters, Strategy

__all__ = ["Bench", "kept_sweep", "load_for", "sweep", "walk_again", "walk_forward"]

_MOST_CORNERS: Final = 9


class Bench(Protocol):
    """What a workbench gives to those who work on it."""

    database: Database
    surface: Surface
    cache: BarCache | None

    @property
    def ledger(self) -> Ledger:
        """The book of runs and trials."""
        ...

    def strategy(self, name: str) -> Strategy[Any]:
        """Return a strategy by name or file."""
        ...


def sweep(
    bench: Bench,
    spec: SweepSpec,
    *,
    crew: Crew | None = None,
    journal: Journal | None = None,
    record: bool = True,
    requested_by: str | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SweepResult:
    """Run the points of a sweep that are not kept yet.

    Parameters
    ----------
    crew
        Processes to spread the work over; without one, this process alone.
    journal
        Takes the place of the ledger.
    record
        Whether points are kept, and count as trials of their family.

    Raises
    ------
    CandelaError
        What is asked for cannot be run.
    """
    strategy = bench.strategy(spec.base.strategy)
    loaded = _load_sound(bench, strategy, spec, record=record)
    name = loaded.first.instrument
    return run_sweep(
        strategy,
        loaded.first,
        spec,
        origin=loaded.origin,
        funding=loaded.funding.get(name),
        finer=loaded.finer.get(name),
        journal=journal or _journal(bench, record=record, requested_by=requested_by),
        crew=crew,
        progress=progress,
        should_stop=should_stop,
    )


def walk_forward(
    bench: Bench,
    spec: WalkForwardSpec,
    *,
    crew: Crew | None = None,
    record: bool = True,
    requested_by: str | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> WalkForwardResult | None:
    """Run a walk-forward, its trainings kept as sweeps and its joined run as a run.

    Returns None where it was stopped; asked again, it goes on from what is kept.

    Raises
    ------
    CandelaError
        What is asked for cannot be run.
    """
    strategy = bench.strategy(spec.sweep.base.strategy)
    loaded = _load_sound(bench, strategy, spec.sweep, record=record)
    name = loaded.first.instrument
    walked = run_walk_forward(
        strategy,
        loaded.first,
        spec,
        origin=loaded.origin,
        funding=loaded.funding.get(name),
        finer=loaded.finer.get(name),
        journal=lambda: _journal(bench, record=record, requested_by=requested_by),
        crew=crew,
        progress=progress,
        should_stop=should_stop,
    )
    if walked is not None and record:
        bench.ledger.record_run(walked.result, surface=bench.surface, requested_by=requested_by)
    return walked


def walk_again(bench: Bench, manifest: Mapping[str, Any]) -> Result | None:
    """Run a kept walk-forward once more without keeping it; None where it was stopped.

    Raises
    ------
    CandelaError
        It cannot be had again.
    """
    parameters = dict(manifest["parameters"])
    said = dict(parameters.pop("walk_forward"))
    base = spec_of_manifest({**manifest, "parameters": parameters})
    spec = WalkForwardSpec(sweep=SweepSpec(base=base, **said.pop("sweep")), **said)
    walked = walk_forward(bench, spec, record=False)
    return None if walked is None else walked.result


def kept_sweep(bench: Bench, sweep_id: str) -> SweepResult:
    """Return a kept sweep as far as it is, without running anything.

    Raises
    ------
    NoSuchSweep, AmbiguousId
        No kept sweep, or several, begin with this id.
    """
    kept = bench.ledger.sweep(sweep_id)
    frame = bench.ledger.sweep_figures(kept.sweep_id)
    return SweepResult(
        spec=SweepSpec(**kept.spec),
        sweep_id=kept.sweep_id,
        frame=frame,
        total=kept.total,
        skipped=0,
        computed=0,
        seconds=0.0,
        instrument=kept.family.instruments[0],
        bars=int(frame["bars"][0]) if frame.height else 0,
    )


def load_for(bench: Bench, strategy: Strategy[Any], spec: SweepSpec) -> Loaded:
    """Read the candles of a sweep.

    Raises
    ------
    BadSpec
        It names several instruments, or a strategy that bets on fixed payouts.
    """
    base: BacktestSpec = spec.base
    if len(base.instruments) > 1:
        message = f"A sweep runs on one instrument, not on {', '.join(base.instruments)}."
        raise BadSpec(message, "Sweep each by itself.")
    if strategy.kind == "fixed_payout":
        message = f"{strategy.name} bets on fixed payouts, of which no sweep is made."
        raise BadSpec(message, "Run it with: candela backtest --payout 0.8.")
    space = Space(strategy, spec.axes, base.parameters)
    some = strategy.with_values(space.parameters(space.some_point()))
    return load_bars(bench.database, base, strategy.reads(some), cache=bench.cache)


def _load_sound(bench: Bench, strategy: Strategy[Any], spec: SweepSpec, *, record: bool) -> Loaded:
    """Read the candles, and refuse a strategy that looks ahead on them."""
    loaded = load_for(bench, strategy, spec)
    space = Space(strategy, spec.axes, spec.base.parameters)
    require_sound(bench.ledger, strategy, _corners(space), loaded.first, record=record)
    return loaded


def _corners(space: Space) -> list[Parameters]:
    """Return some point, and those with one axis at its first or its last value.

    A strategy that looks ahead by as much as a parameter says does not at every point.
    """
    some = space.some_point()
    corners = [some]
    for axis in space.axes:
        for value in (axis.values[0], axis.values[-1]):
            point = {**some, axis.name: value}
            if space.is_valid(point):
                corners.append(point)
    return [space.strategy.with_values(space.parameters(one)) for one in corners[:_MOST_CORNERS]]


def _journal(bench: Bench, *, record: bool, requested_by: str | None) -> Journal:
    if not record:
        return MemoryJournal()
    return LedgerJournal(bench.ledger, surface=bench.surface, requested_by=requested_by)

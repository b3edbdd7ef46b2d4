"""Runs a sweep: chunk by chunk, each kept before it counts, going on where it was left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backtest.manifest import Origin, bars_digest, joint_digest
from backtest.run import origin_of, year_of
from backtest.sweep.evaluate import Evaluated
from backtest.sweep.journal import Journal, MemoryJournal, Opening, Recorder
from backtest.sweep.parallel import Crew
from backtest.sweep.result import SweepResult, column_of
from backtest.sweep.space import Chunk, Plan, Point, Space, grid_plan, random_plan
from backtest.sweep.spec import NOT_SWEPT, SweepSpec, strategy_identity
from backtest.sweep.trials import TrialWriter
from backtest.sweep.worker import Market
from candela.metrics.figures import vector_figures

if TYPE_CHECKING:
    from candela.fills.full import FinerBars, Funding
    from strategies.bars import Bars
    from strategies.definition import Strategy

__all__ = ["Progress", "run_sweep"]

Figures = dict[str, npt.NDArray[Any]]

Progress = Callable[[int, int], None]
"""Told how many points are done, and of how many."""


def run_sweep(
    strategy: Strategy[Any],
    bars: Bars,
    spec: SweepSpec,
    *,
    origin: Origin | None = None,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    lead: int | None = None,
    journal: Journal | None = None,
    crew: Crew | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SweepResult:
    """Run every point of a sweep that its journal does not hold yet.

    Parameters
    ----------
    origin
        Where the bars came from (of the bars without the lead, where there is one).
    lead
        Of a window: bars at the beginning that are warmed up on; nothing stays open at its end.
    journal
        Where points are kept; without one, in memory.
    crew
        Processes to spread the work over; without one, this process alone.
    should_stop
        Asked between decisions; what is kept until then stays, and the sweep goes on another time.

    Raises
    ------
    BadAxis, NoPoint
        The axes do not fit the strategy.
    StrategyFailed, BadSignals, BadCondition
        A point cannot be run.
    """
    space = Space(strategy, spec.axes, spec.base.parameters)
    base = spec.base
    market = Market(
        strategy=strategy,
        bars=bars,
        model=base.model,
        cash=base.cash,
        protection=base.protection,
        funding=funding,
        finer=finer,
        lead=lead or 0,
        is_window=lead is not None,
    )
    inside = bars[lead:] if lead else bars
    origin = origin or origin_of(inside, model=base.model, funding=funding, finer=finer)
    run = _Run(
        spec=spec,
        space=space,
        market=market,
        inside=inside,
        writer=TrialWriter(space, base, origin, lead=lead),
        sweep_id=spec.identity(strategy_identity(strategy), _seen(origin, bars, lead)),
        journal=journal or MemoryJournal(),
        progress=progress,
        should_stop=should_stop,
    )
    with nullcontext(crew) if crew is not None else Crew() as hands:
        return run.go(hands)


def _seen(origin: Origin, bars: Bars, lead: int | None) -> str:
    """Return the digest of what decides figures: with a lead, of the bars before the window too."""
    if lead is None:
        return origin.digest
    seen = joint_digest(bars_digest(bars), origin.funding_digest, origin.finer_digest)
    return f"{seen}, {lead} ahead"


@dataclass(slots=True)
class _Run:
    spec: SweepSpec
    space: Space
    market: Market
    inside: Bars
    writer: TrialWriter
    sweep_id: str
    journal: Journal
    progress: Progress | None
    should_stop: Callable[[], bool] | None
    total: int = 0
    done: int = 0
    computed: int = 0
    """Points that this call ran; the others were kept before."""

    def go(self, crew: Crew) -> SweepResult:
        began = time.perf_counter()
        with Recorder(self.journal) as recorder:
            skipped = self._search(crew, recorder)
        return SweepResult(
            spec=self.spec,
            sweep_id=self.sweep_id,
            frame=self.journal.figures(),
            total=self.total,
            skipped=skipped,
            computed=self.computed,
            seconds=time.perf_counter() - began,
            instrument=self.inside.instrument,
            bars=len(self.inside),
        )

    def _search(self, crew: Crew, recorder: Recorder) -> int:
        if self.spec.method == "optuna":
            return self._learn(crew, recorder)
        plan = self._plan()
        self._try_all(plan, crew, recorder)
        return plan.skipped

    def _plan(self) -> Plan:
        if self.spec.trials is None:
            return grid_plan(self.space, self.spec.chunk)
        return random_plan(self.space, self.spec.chunk, self.spec.trials, self.spec.seed)

    def _open(self, total: int) -> set[int]:
        self.total = total
        said = self.spec.model_dump(mode="json")
        said["base"]["strategy"] = self.market.strategy.name  # where its file lies stays here
        return self.journal.open(Opening(self.sweep_id, said, total, self.writer.family))

    def _try_all(self, plan: Plan, crew: Crew, recorder: Recorder) -> None:
        kept = self._open(plan.total)
        self._tell_more(plan.points_of(kept))
        given: list[Chunk] = []

        def points() -> Iterator[Sequence[Point]]:
            for chunk in plan.chunks(kept):
                given.append(chunk)
                yield chunk.points

        for place, evaluated in crew.run(
            self.market, points(), progress=self._tell_more, should_stop=self.should_stop
        ):
            self._keep(given[place], evaluated, recorder)

    def _learn(self, crew: Crew, recorder: Recorder) -> int:
        from backtest.sweep.learning import Learner

        spec = self.spec
        learner = Learner(self.space, trials=spec.trials or 1, seed=spec.seed, is_max=spec.is_max)
        self._open(learner.total)
        kept = self.journal.figures()
        # The search is led again through what is kept, as it went before.
        known = dict(zip(kept["point"], kept[spec.objective], strict=True)) if len(kept) else {}
        first = 0
        while first < learner.total:
            points = learner.ask(min(spec.batch, learner.total - first))
            rows = range(first, first + len(points))
            if all(row in known for row in rows):
                values = [known[row] for row in rows]
                self._tell_more(len(points))
            else:
                evaluated = self._all_of(points, crew)
                if evaluated is None:
                    break
                chunk = Chunk(first // spec.batch, first, points)
                values = self._keep(chunk, evaluated, recorder)[spec.objective].tolist()
            learner.tell(points, [math.nan if one is None else one for one in values])
            first += len(points)
        return learner.skipped

    def _all_of(self, points: list[Point], crew: Crew) -> Evaluated | None:
        """Run the points of one batch; None where it was stopped."""
        found = list(
            crew.run(self.market, [points], progress=self._tell_more, should_stop=self.should_stop)
        )
        return found[0][1] if found else None

    def _keep(self, chunk: Chunk, evaluated: Evaluated, recorder: Recorder) -> Figures:
        inside = self.inside
        figures = vector_figures(
            evaluated.sums,
            evaluated.trade_sums,
            bars_per_year=year_of(inside),
            span_s=float(inside.time[-1] - inside.time[0]) / 1e6 + inside.timeframe.seconds,
            timeframe_s=inside.timeframe.seconds,
            benchmark_return=float(inside.close[-1] / inside.open[0] - 1.0),
        )
        frame = pl.DataFrame(
            {
                "point": np.arange(chunk.first, chunk.first + len(chunk.points)),
                **{
                    column_of(axis.name): [point[axis.name] for point in chunk.points]
                    for axis in self.space.axes
                },
                **{name: one for name, one in figures.items() if name not in NOT_SWEPT},
            }
        )
        trials = partial(self.writer.trials, chunk.points, figures)
        recorder.record(chunk.number, chunk.first, frame, trials)
        self.computed += len(chunk.points)
        return figures

    def _tell_more(self, points: int) -> None:
        self.done += points
        if self.progress is not None and points:
            self.progress(self.done, self.total)

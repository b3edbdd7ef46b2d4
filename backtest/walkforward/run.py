"""Runs a walk-forward: a sweep on each training window, its choice on the window that follows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backtest.evidence.splits import Split, walk_forward
from backtest.manifest import Origin, bars_digest, joint_digest
from backtest.run import backtest, origin_of
from backtest.spec import Protection
from backtest.sweep.evaluate import PROTECTIONS
from backtest.sweep.journal import Journal
from backtest.sweep.parallel import Crew
from backtest.sweep.run import run_sweep
from backtest.sweep.space import Space
from backtest.sweep.windows import Window
from backtest.walkforward.result import WalkForwardResult, WindowResult, join
from strategies.signals import Signals

if TYPE_CHECKING:
    from backtest.result import Result
    from backtest.sweep.axes import AxisValue
    from backtest.walkforward.spec import WalkForwardSpec
    from candela.fills.full import FinerBars, Funding
    from strategies.bars import Bars
    from strategies.definition import Strategy

__all__ = ["run_walk_forward"]

Progress = Callable[[int, int], None]


def run_walk_forward(
    strategy: Strategy[Any],
    bars: Bars,
    spec: WalkForwardSpec,
    *,
    origin: Origin | None = None,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    journal: Callable[[], Journal] | None = None,
    crew: Crew | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> WalkForwardResult | None:
    """Run every window; return None where it was stopped before the last one.

    Parameters
    ----------
    origin
        Where the bars came from.
    journal
        Makes the journal of a window's sweep; without one, in memory.
    progress
        Told of points done in all windows, and of how many.

    Raises
    ------
    BadEvidenceOption
        The bars do not hold one window.
    BadAxis, NoPoint, StrategyFailed, BadSignals, BadCondition
        As `backtest.sweep.run.run_sweep`.
    """
    splits = list(
        walk_forward(
            len(bars),
            train=spec.train_bars,
            test=spec.test_bars,
            embargo=spec.embargo_bars,
            anchored=spec.anchored,
        )
    )
    space = Space(strategy, spec.sweep.axes, spec.sweep.base.parameters)
    walk = _Walk(
        strategy=strategy,
        bars=bars,
        spec=spec,
        space=space,
        warm_up=space.warm_up(),
        origin=origin or origin_of(bars, model=spec.sweep.base.model, funding=funding, finer=finer),
        funding=funding,
        finer=finer,
        journal=journal,
        progress=progress,
        should_stop=should_stop,
        windows=len(splits),
    )
    with nullcontext(crew) if crew is not None else Crew() as hands:
        return walk.go(splits, hands)


@dataclass(slots=True)
class _Walk:
    strategy: Strategy[Any]
    bars: Bars
    spec: WalkForwardSpec
    space: Space
    warm_up: int
    origin: Origin
    funding: Funding | None
    finer: FinerBars | None
    journal: Callable[[], Journal] | None
    progress: Progress | None
    should_stop: Callable[[], bool] | None
    windows: int
    before: int = 0

    def go(self, splits: list[Split], crew: Crew) -> WalkForwardResult | None:
        done: list[WindowResult] = []
        cash = self.spec.sweep.base.cash
        for split in splits:
            window = self._window(split, cash, crew)
            if window is None:
                return None
            done.append(window)
            cash = window.run.metrics["final_equity"]
            if cash <= 0:
                break
        return join(self.strategy, self.bars, self.spec, self.origin, done)

    def _window(self, split: Split, cash: float, crew: Crew) -> WindowResult | None:
        train, test = split.train[0], split.test[0]
        seen = self._until(train)
        lead = len(seen) - len(train)
        swept = run_sweep(
            self.strategy,
            seen,
            self.spec.sweep,
            origin=self._origin(train),
            funding=self.funding,
            finer=self.finer,
            lead=lead,
            journal=None if self.journal is None else self.journal(),
            crew=crew,
            progress=self._progress,
            should_stop=self.should_stop,
        )
        if not swept.is_done:
            return None
        self.before += swept.total
        row = swept.best_row if self.spec.choose == "best" else swept.plateau_row
        chosen = None if row is None else swept.point(row)
        return WindowResult(
            train=train,
            test=test,
            parameters=chosen,
            in_sample={} if row is None else swept.figures(row),
            points=swept.total,
            sweep_id=swept.sweep_id,
            run=self._tested(test, chosen, cash),
        )

    def _tested(self, test: range, chosen: dict[str, AxisValue] | None, cash: float) -> Result:
        base = self.spec.sweep.base
        window = Window(self._until(test), len(self._until(test)) - len(test), base.execution.fill)
        strategy = window.strategy(self.strategy)
        if chosen is None:
            # No point of the training had an objective, such as where none traded: stay out.
            strategy = replace(strategy, function=_stay_out)
            chosen = self.space.some_point()
        own = self.strategy.parameters.model_fields
        stops: dict[str, Any] = {
            name: value for name, value in chosen.items() if name in PROTECTIONS and name not in own
        }
        return backtest(
            strategy,
            window.inside,
            self.space.parameters(chosen),
            cash=cash,
            model=base.model,
            protection=Protection(**base.protection.model_dump() | stops),
            funding=self.funding,
            finer=self.finer,
            seed=base.seed,
        )

    def _until(self, rows: range) -> Bars:
        """Return the bars of a window with those before it that indicators warm up on."""
        return self.bars[max(0, rows.start - self.warm_up) : rows.stop]

    def _origin(self, rows: range) -> Origin:
        inside, origin = self.bars[rows.start : rows.stop], self.origin
        return replace(
            origin,
            since=inside.at(0),
            until=inside.at(len(inside) - 1),
            digest=joint_digest(bars_digest(inside), origin.funding_digest, origin.finer_digest),
            rows=len(inside),
        )

    def _progress(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(self.before + done, total * self.windows)


def _stay_out(_bars: Bars, _parameters: Any) -> Signals:
    return Signals()

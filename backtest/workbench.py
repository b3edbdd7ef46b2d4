"""The workbench: runs what a spec says on stored candles, and keeps every run as a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.barcache import BarCache
from backtest.data import Loaded, load_bars
from backtest.ledger import Ledger
from backtest.ledger.refusals import RunNotReproduced
from backtest.payout import run_payout
from backtest.payout_result import PayoutResult
from backtest.portfolio import PortfolioResult, backtest_portfolio
from backtest.result import Result
from backtest.run import backtest
from backtest.soundness import require_sound
from backtest.spec import BacktestSpec, BadSpec, spec_of, spec_of_manifest
from backtest.terms import venue_terms
from candela.clock import Clock, SystemClock
from candela.payout.rules import PayoutRules
from strategies.definition import Parameters
from strategies.registry import find

if TYPE_CHECKING:
    from backtest.ledger.records import RunRecord, Surface
    from backtest.sweep.result import SweepResult
    from backtest.sweep.spec import SweepSpec
    from backtest.verdicts import Judged
    from backtest.walkforward.result import WalkForwardResult
    from backtest.walkforward.spec import WalkForwardSpec
    from candela.db.connect import Database
    from strategies.definition import Strategy

__all__ = ["Workbench"]


AnyResult = Result | PortfolioResult | PayoutResult


class Workbench:
    """Backtests, sweeps and verdicts on the candles of a database.

    Parameters
    ----------
    surface
        Where runs are asked for; the ledger says so beside each.
    strategies
        Folder of own strategies, searched after those that ship.
    cache
        Folder in which bars are kept between runs.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        surface: Surface = "notebook",
        strategies: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self.surface: Surface = surface
        self.strategies = strategies
        self.cache = BarCache(cache) if cache is not None else None

    @property
    def ledger(self) -> Ledger:
        """The book of runs and trials."""
        return Ledger(self.database, self.clock)

    def strategy(self, name: str) -> Strategy[Any]:
        """Return a strategy by name or file.

        Raises
        ------
        NoSuchStrategy
            Nothing is called so; the message names the nearest.
        """
        return find(name, folder=self.strategies)

    def terms(self, *instruments: str) -> dict[str, dict[str, Any]]:
        """Return costs and rules of the venue, to be passed to a run (see `venue_terms`)."""
        return venue_terms(self.database, instruments)

    def load(self, spec: BacktestSpec) -> Loaded:
        """Read the candles of a run (see `backtest.data.load_bars`)."""
        strategy = self.strategy(spec.strategy)
        return load_bars(
            self.database,
            spec,
            strategy.reads(strategy.with_values(spec.parameters)),
            cache=self.cache,
        )

    def backtest(
        self,
        spec: BacktestSpec | dict[str, Any] | None = None,
        *,
        record: bool = True,
        requested_by: str | None = None,
        **values: Any,
    ) -> AnyResult:
        """Run what the spec says, or the values of one, and keep it as a trial of its family.

        Parameters
        ----------
        record
            Whether the run counts as a trial; one whose result somebody looks at does.

        Raises
        ------
        CandelaError
            What is asked for cannot be run; nothing was kept.
        """
        spec = spec_of(spec if spec is not None else values)
        strategy = self.strategy(spec.strategy)
        parameters = strategy.with_values(spec.parameters)
        loaded = load_bars(self.database, spec, strategy.reads(parameters), cache=self.cache)
        result = self._run(strategy, parameters, loaded, spec)
        if record:
            require_sound(self.ledger, strategy, [parameters], loaded.first)
            self.ledger.record_run(result, surface=self.surface, requested_by=requested_by)
        return result

    def _run(
        self, strategy: Strategy[Any], parameters: Parameters, loaded: Loaded, spec: BacktestSpec
    ) -> AnyResult:
        name = next(iter(loaded.bars))
        if strategy.kind == "fixed_payout":
            _refuse_several(strategy, spec)
            return run_payout(
                strategy,
                loaded.first,
                parameters,
                rules=spec.payout or PayoutRules(),
                cash=str(spec.cash),
                origin=loaded.origin,
            )
        if len(loaded.bars) > 1:
            return backtest_portfolio(
                strategy,
                loaded.bars,
                parameters,
                cash=spec.cash,
                model=spec.model,
                protection=spec.protection,
                funding=loaded.funding,
                origin=loaded.origin,
                seed=spec.seed,
            )
        return backtest(
            strategy,
            loaded.first,
            parameters,
            cash=spec.cash,
            model=spec.model,
            protection=spec.protection,
            funding=loaded.funding.get(name),
            finer=loaded.finer.get(name),
            origin=loaded.origin,
            seed=spec.seed,
        )

    def again(self, run_id: str) -> AnyResult:
        """Run a kept run once more, on the candles as they were known to it.

        Raises
        ------
        NoSuchRun
            No kept run begins with this id.
        RunNotReproduced
            Its trades came out otherwise: strategy, engine or libraries have changed; or its
            funding rates have, of which no earlier state is kept.
        BadSpec
            It is of a kind that cannot be run from its manifest.
        """
        record = self.ledger.run(run_id)
        if record.line.kind == "walkforward":
            from backtest.searches import walk_again

            walked = walk_again(self, record.manifest)
            if walked is None:  # pragma: no cover - nobody can stop it from here
                message = f"Walk-forward {run_id} was stopped before its end."
                raise BadSpec(message, "Ask again.")
            result: AnyResult = walked
        else:
            result = self.backtest(spec_of_manifest(record.manifest), record=False)
        _require_same_funding(record, result)
        self.ledger.record_run(result, surface=self.surface)
        return result

    def sweep(self, spec: SweepSpec, **options: Any) -> SweepResult:
        """Run the points of a sweep that are not kept yet (see `backtest.searches.sweep`)."""
        from backtest.searches import sweep

        return sweep(self, spec, **options)

    def kept_sweep(self, sweep_id: str) -> SweepResult:
        """Return a kept sweep as far as it is (see `backtest.searches.kept_sweep`)."""
        from backtest.searches import kept_sweep

        return kept_sweep(self, sweep_id)

    def walk_forward(self, spec: WalkForwardSpec, **options: Any) -> WalkForwardResult | None:
        """Run a walk-forward (see `backtest.searches.walk_forward`)."""
        from backtest.searches import walk_forward

        return walk_forward(self, spec, **options)

    def verdict(self, run_id: str, **options: Any) -> Judged:
        """Say whether a kept run is luck or skill (see `backtest.verdicts.judge_run`)."""
        from backtest.verdicts import judge_run

        return judge_run(self, run_id, **options)

    def sweep_verdict(self, sweep_id: str, **options: Any) -> Judged:
        """Say so of the best point of a kept sweep (see `backtest.verdicts.judge_sweep`)."""
        from backtest.verdicts import judge_sweep

        return judge_sweep(self, sweep_id, **options)


def _require_same_funding(record: RunRecord, result: AnyResult) -> None:
    before, now = (one.get("funding_digest") for one in (record.manifest, result.manifest))
    if before is not None and before != now:
        message = (
            f"The funding rates have changed since run {record.line.run_id[:12]}:"
            f" {str(before)[:19]} before, {str(now)[:19]} now."
        )
        hint = "Rates are kept as they are now, not as they were known: run it anew."
        raise RunNotReproduced(message, hint)


def _refuse_several(strategy: Strategy[Any], spec: BacktestSpec) -> None:
    if len(spec.instruments) > 1:
        message = f"{strategy.name} bets on one instrument; given are {len(spec.instruments)}."
        raise BadSpec(message, "Run it on each by itself.")

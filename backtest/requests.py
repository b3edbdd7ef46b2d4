"""Running what a request asks for: its spec to the workbench, its evidence to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from backtest.spec import BadSpec, spec_of
from candela.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from backtest.ledger import Request
    from backtest.result import Result
    from backtest.sweep.spec import SweepSpec
    from backtest.workbench import AnyResult, Workbench
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Outcome", "RequestStopped", "run_request"]

_HINT = (
    'Ask for {"base": {"strategy": ..., "instruments": [...], "timeframe": ...}, "axes":'
    ' ["fast=5:50:5"]}; of a walk-forward, for {"sweep": {...}, "train": "90d", "test": "30d"}.'
)


class RequestStopped(Conflict):
    """The work was told to stop before it was done."""

    code = "request_stopped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request gave: a run or a sweep of the ledger, and curves to draw where there are any.

    Parameters
    ----------
    time
        Starts of the bars, microseconds UTC.
    equity, benchmark
        At the close of each bar.
    """

    run_id: str | None = None
    sweep_id: str | None = None
    time: npt.NDArray[np.int64] | None = None
    equity: npt.NDArray[np.float64] | None = None
    benchmark: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """A request with what it takes to work on it."""

    bench: Workbench
    request: Request
    progress: Callable[[float, str], None]
    should_stop: Callable[[], bool]

    def tell(self, done: int, total: int) -> None:
        self.progress(done / total if total else 0.0, f"{done:,} of {total:,} points")

    def stopped(self) -> RequestStopped:
        message = f"The {self.request.kind} of request {self.request.request_id} was told to stop."
        return RequestStopped(message, "Asked for again it goes on from what is kept.")


def run_request(
    database: Database,
    request: Request,
    progress: Callable[[float, str], None],
    should_stop: Callable[[], bool],
    *,
    clock: Clock,
    strategies: Path | None = None,
) -> Outcome:
    """Run what a request asks for and record it, runs with their report.

    The spec of a backtest, a portfolio or a payout has the fields of `BacktestSpec`; that of a
    sweep has ``base`` (those fields), ``axes`` (texts such as ``fast=5:50:5``, or values by name)
    and the other fields of `SweepSpec`; that of a walk-forward has ``sweep`` (that of a sweep) and
    the other fields of `WalkForwardSpec`.

    Parameters
    ----------
    progress
        Told how far the work is, 0 to 1, and in words.
    should_stop
        Asked on the way; where it says so the work ends, and what is recorded stays.
    strategies
        Folder of own strategies, searched after those that ship.

    Raises
    ------
    BadSpec
        What is asked for cannot be.
    RequestStopped
        It was told to stop.
    CandelaError
        As `Workbench`.
    """
    # Late: who only looks for requests (sensors, the code server) compiles no strategy.
    from backtest.workbench import Workbench

    bench = Workbench(database, clock=clock, surface=request.surface, strategies=strategies)
    work = _Work(bench, request, progress, should_stop)
    if request.kind == "sweep":
        return _sweep(work)
    if request.kind == "walkforward":
        return _walk_forward(work)
    result = bench.backtest(spec_of(dict(request.spec)), requested_by=request.requested_by)
    return _recorded(work, result)


def _sweep(work: _Work) -> Outcome:
    spec = _sweep_spec(work.bench, work.request.spec)
    result = work.bench.sweep(
        spec,
        requested_by=work.request.requested_by,
        progress=work.tell,
        should_stop=work.should_stop,
    )
    if not work.bench.ledger.sweep(result.sweep_id).is_done:
        raise work.stopped()
    return Outcome(sweep_id=result.sweep_id)


def _walk_forward(work: _Work) -> Outcome:
    from backtest.walkforward.spec import walk_forward_spec

    options = dict(work.request.spec)
    sweep = _sweep_spec(work.bench, _mapping(options.pop("sweep", None), "sweep"))
    walked = work.bench.walk_forward(
        walk_forward_spec(sweep, **options),
        requested_by=work.request.requested_by,
        progress=work.tell,
        should_stop=work.should_stop,
    )
    if walked is None:
        raise work.stopped()
    return _recorded(work, walked.result)


def _sweep_spec(bench: Workbench, asked: Mapping[str, Any]) -> SweepSpec:
    from backtest.sweep.spec import sweep_spec

    options = dict(asked)
    base = spec_of(dict(_mapping(options.pop("base", None), "base")))
    axes = options.pop("axes", None)
    if not axes or not isinstance(axes, list | dict):
        message = f"A sweep needs axes, and has {axes!r}."
        raise BadSpec(message, _HINT)
    strategy = bench.strategy(base.strategy)
    return sweep_spec(strategy, base, cast("list[str] | dict[str, Any]", axes), **options)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    message = f"What is asked for needs {name}, and has {value!r}."
    raise BadSpec(message, _HINT)


def _recorded(work: _Work, result: AnyResult | Result) -> Outcome:
    """Add the report to the run: nobody is there to ask for it, and somebody will look for it."""
    from backtest.payout_result import PayoutResult
    from backtest.report import render_report

    work.progress(0.9, "report")
    work.bench.ledger.record_run(
        result,
        surface=work.request.surface,
        requested_by=work.request.requested_by,
        report_html=render_report(result),
    )
    return Outcome(
        run_id=str(result.manifest["id"]),
        time=result.bars.time,
        equity=result.equity,
        benchmark=None if isinstance(result, PayoutResult) else result.benchmark,
    )

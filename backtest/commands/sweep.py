"""The command `candela sweep`: many points of a strategy, the best, and how stable it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtest.commands import options
from backtest.commands.runoptions import of_a_run, of_a_sweep, with_options
from candela.commands.output import Output, table

if TYPE_CHECKING:
    from backtest.sweep.result import SweepResult
    from backtest.sweep.spec import SweepSpec
    from backtest.workbench import Workbench

__all__ = ["asked_sweep", "points_progress", "sweep"]

_SHOWN = 10
_STOPPED = 130


@with_options(of_a_run, of_a_sweep)
def sweep(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY", help="A name, file.py, or file.py:name.")
    ],
    given: dict[str, Any],
) -> None:
    """Run a strategy at many points of its parameters; every point counts as a trial.

    Points are kept in chunks: stopped or killed, the same command goes on where it was left, and
    asked again it shows what is kept. Exit code 130 where it was stopped.
    """
    from backtest.commands.opening import open_bench
    from backtest.sweep.parallel import Crew
    from candela.commands.stopping import stop_on_signal

    output = Output(as_json=given["as_json"])
    # First, so that the other processes load while this one reads.
    with Crew(given["workers"]) as crew:
        bench = open_bench(output, given["folder"])
        spec = asked_sweep(bench, strategy, given)
        with output.progress(strategy, "points") as update, stop_on_signal() as should_stop:
            result = bench.sweep(
                spec,
                crew=crew,
                record=not given["no_record"],
                progress=points_progress(update),
                should_stop=should_stop,
            )
    pictures = result.save_plots(given["plots"]) if given["plots"] is not None else []
    data = {**result.summary(), "is_kept": not given["no_record"], "plots": pictures}
    output.result(data, _text(result, pictures, is_kept=not given["no_record"]))
    if not result.is_done:
        raise typer.Exit(_STOPPED)


def asked_sweep(bench: Workbench, name: str, given: Mapping[str, Any]) -> SweepSpec:
    """Return the sweep that the options of a command ask for.

    Raises
    ------
    BadOption
        No axis is named.
    BadSpec, BadParameters, BadAxis
        Names each value that cannot be.
    """
    from backtest.sweep.spec import sweep_spec

    strategy = bench.strategy(name)
    if not given["axis"]:
        names = ", ".join(strategy.parameters.model_fields)
        message = "No axis is named."
        hint = f"Give one or more, such as -a fast=5:50:5; {strategy.name} has {names}."
        raise options.BadOption(message, hint)
    return sweep_spec(
        strategy,
        options.asked(bench, name, given),
        given["axis"],
        method=given["method"],
        trials=given["trials"],
        seed=given["seed"],
        objective=given["objective"],
        direction=given["direction"],
    )


def points_progress(update: Callable[[float, int], None]) -> Callable[[int, int], None]:
    """Return a function of points done and in all, for a bar."""
    return lambda done, total: update(done / total if total else 1.0, done)


def _text(result: SweepResult, pictures: list[Path], *, is_kept: bool) -> str:
    from backtest.commands.words import shown
    from backtest.sweep.result import column_of

    objective = result.spec.objective
    names = [axis.name for axis in result.spec.axes]
    figures = list(dict.fromkeys([objective, "total_return", "sharpe", "max_drawdown", "trades"]))
    top = result.top(_SHOWN)
    rows = [
        [*(line[column_of(name)] for name in names), *(shown(name, line[name]) for name in figures)]
        for line in top.iter_rows(named=True)
    ]
    is_short = "" if result.is_done else ", stopped: the same command goes on"
    done = f"{result.frame.height:,} of {result.total:,} points on {result.bars:,} bars"
    now = f"{result.computed:,} run now in {result.seconds:.1f} s"
    lines = [
        f"{done} of {result.instrument}{is_short}",
        f"{now}; {result.skipped:,} combinations left out, which contradict themselves",
        "",
        table([*names, *figures], rows),
        "",
    ]
    stability = result.stability()
    lines.append("No point has an objective." if stability is None else stability.words)
    lines.append(f"sweep   {result.sweep_id}{'' if is_kept else ' (not kept)'}")
    if pictures:
        lines.append(f"plots   {', '.join(map(str, pictures))}")
    if is_kept and stability is not None:
        lines.append(f"luck or skill: candela verdict --sweep {result.sweep_id[:12]}")
    return "\n".join(lines)

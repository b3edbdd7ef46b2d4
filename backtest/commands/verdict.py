"""The command `candela verdict`: luck or skill, with every check and an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backtest.commands import options
from candela.commands.output import JsonFlag, Output

if TYPE_CHECKING:
    from backtest.verdicts import Judged

__all__ = ["EXIT_LUCK", "EXIT_TOO_SHORT", "verdict"]

# 1 and 2 say that the command itself went wrong.
EXIT_LUCK: Final = 3
EXIT_TOO_SHORT: Final = 4


def verdict(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN_ID]", help="Id of a kept run, or its beginning.")
    ] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Id of a kept sweep: judge its best point.")
    ] = None,
    plateau: Annotated[
        bool, typer.Option("--plateau", help="Of a sweep, judge the best with its neighbours.")
    ] = False,
    seed: options.Seed = 0,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the run's report with the verdict in it.")
    ] = None,
    folder: options.Folder = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whether a result is luck or skill, given all that was tried in its family.

    The family's trials are run again on the same candles. Exit code 0: skill; 3: luck explains it;
    4: the record is too short to tell.
    """
    if (run is None) == (sweep is None):
        message = "Name one run, or one sweep."
        raise options.BadOption(message, "candela verdict RUN_ID, or: --sweep SWEEP_ID.")
    from backtest.commands.opening import open_bench

    output = Output(as_json=as_json)
    bench = open_bench(output, folder)
    with output.progress("family", "trials") as update:

        def progress(done: int, total: int) -> None:
            update(done / total, done)

        if sweep is not None:
            judged = bench.sweep_verdict(sweep, plateau=plateau, seed=seed, progress=progress)
        else:
            judged = bench.verdict(run or "", seed=seed, progress=progress)
    if report is not None:
        from backtest.report import render_report

        options.write_report(report, render_report(judged.result, verdict=judged.verdict))
    _print(output, judged, report)
    _end(judged)


def _print(output: Output, judged: Judged, report: Path | None) -> None:
    from backtest.commands.words import heading, verdict_text

    lines = [
        heading(judged.result),
        f"{judged.trials_ever:,} trials of {judged.family} ever, {judged.trials_seen:,} run again",
        "",
        verdict_text(judged.verdict.checks, judged.verdict.words),
    ]
    if report is not None:
        lines.append(f"report  {report}")
    data = {
        **judged.verdict.as_dict(),
        "run": judged.result.manifest["id"],
        "parameters": judged.result.manifest["parameters"],
        "family": {
            "strategy": judged.family.strategy,
            "instruments": judged.family.instruments,
            "timeframe": judged.family.timeframe,
            "trials_ever": judged.trials_ever,
            "trials_seen": judged.trials_seen,
        },
        "report": report,
    }
    output.result(data, "\n".join(lines))


def _end(judged: Judged) -> None:
    from backtest.evidence.verdict import Outcome

    codes = {Outcome.LUCK: EXIT_LUCK, Outcome.TOO_SHORT: EXIT_TOO_SHORT}
    if code := codes.get(judged.verdict.outcome, 0):
        raise typer.Exit(code)

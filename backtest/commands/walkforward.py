"""The command `candela walkforward`: choose on the past, test on what follows, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from backtest.commands import options
from backtest.commands.runoptions import of_a_run, of_a_sweep, with_options
from backtest.commands.sweep import asked_sweep, points_progress
from candela.commands.output import Output, table

if TYPE_CHECKING:
    from backtest.walkforward.result import WalkForwardResult

__all__ = ["walkforward"]

_STOPPED = 130


@with_options(of_a_run, of_a_sweep)
def walkforward(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY", help="A name, file.py, or file.py:name.")
    ],
    given: dict[str, Any],
    train: Annotated[
        str, typer.Option("--train", help="Length to learn on: 2000 (bars), 90d, 12w.")
    ] = "180d",
    test: Annotated[
        str, typer.Option("--test", help="Length to test on, and from window to window.")
    ] = "60d",
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Learn from the first bar on, not on a window.")
    ] = False,
    embargo: Annotated[
        str, typer.Option("--embargo", help="Length left out between learning and testing.")
    ] = "0",
    choose: Annotated[
        Literal["best", "plateau"],
        typer.Option("--choose", help="The best point, or the best with its neighbours."),
    ] = "best",
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report of the joined run as HTML.")
    ] = None,
) -> None:
    """Learn the parameters on each window, run them on the one that follows, join what comes.

    Every window begins and ends without a position. Points tried in training count as trials; what
    is kept of a stopped or killed walk-forward is used when the same command is given again. Exit
    code 130 where it was stopped.
    """
    from backtest.commands.opening import open_bench
    from backtest.sweep.parallel import Crew
    from backtest.walkforward.spec import walk_forward_spec
    from candela.commands.stopping import stop_on_signal

    output = Output(as_json=given["as_json"])
    with Crew(given["workers"]) as crew:
        bench = open_bench(output, given["folder"])
        spec = walk_forward_spec(
            asked_sweep(bench, strategy, given),
            train=train,
            test=test,
            anchored=anchored,
            embargo=embargo,
            choose=choose,
        )
        with output.progress(strategy, "points") as update, stop_on_signal() as should_stop:
            walked = bench.walk_forward(
                spec,
                crew=crew,
                record=not given["no_record"],
                progress=points_progress(update),
                should_stop=should_stop,
            )
    if walked is None:
        output.result(
            {"is_done": False}, "Stopped. What was kept stays; the same command goes on from there."
        )
        raise typer.Exit(_STOPPED)
    if report is not None:
        from backtest.report import render_report

        options.write_report(report, render_report(walked.result))
    pictures = walked.save_plots(given["plots"]) if given["plots"] is not None else []
    data = {
        **walked.summary(),
        "is_done": True,
        "is_kept": not given["no_record"],
        "report": report,
        "plots": pictures,
    }
    output.result(data, _text(walked, report, pictures))


def _text(walked: WalkForwardResult, report: Path | None, pictures: list[Path]) -> str:
    from backtest.commands.words import figures_text, heading, shown

    objective = walked.spec.sweep.objective
    names = [axis.name for axis in walked.spec.sweep.axes]
    summary = walked.summary()
    rows: list[list[object]] = [
        [
            line["test_from"][:10],
            *(_chosen(line, name) for name in names),
            shown(objective, float(inside)),
            shown(objective, float(outside)),
            shown("total_return", line["out_of_sample"]["total_return"]),
            f"{line['out_of_sample']['trades']:,}",
        ]
        for line, inside, outside in zip(
            summary["windows"],
            walked.in_sample(objective),
            walked.out_of_sample(objective),
            strict=True,
        )
    ]
    heads = ["test from", *names, f"{objective} in", f"{objective} out", "return out", "trades"]
    efficiency = summary["efficiency"]
    steady = "; ".join(
        f"{one.name} {one.most_common} in {one.share:.0%}, {one.distinct} different"
        for one in walked.stability()
    )
    lines = [
        heading(walked.result),
        f"{len(walked.windows)} windows, {walked.points:,} points in training",
        "",
        table(heads, rows),
        "",
        "Out of sample, joined",
        figures_text(walked.result.metrics),
        "",
        "efficiency  "
        + ("not defined: training did not grow" if efficiency is None else f"{efficiency:.2f}")
        + f"; {walked.profitable_share:.0%} of the windows gained",
        f"choice      {steady}",
        f"run         {summary['manifest']['id']}",
    ]
    lines += [f"report      {report}"] if report is not None else []
    lines += [f"plot        {picture}" for picture in pictures]
    return "\n".join(lines)


def _chosen(line: Mapping[str, Any], name: str) -> object:
    parameters: Mapping[str, Any] | None = line["parameters"]
    return "-" if parameters is None else parameters[name]

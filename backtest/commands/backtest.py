"""The command `candela backtest`: one run, its figures, its report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from backtest.commands import options
from backtest.commands.runoptions import (
    PAYOUT_TOO,
    of_a_payout,
    of_a_run,
    refuse_others,
    with_options,
)
from candela.commands.output import Output

if TYPE_CHECKING:
    from backtest.spec import BacktestSpec
    from backtest.workbench import AnyResult, Workbench
    from strategies.definition import Strategy

__all__ = ["backtest"]

_ID: Final = re.compile(r"(sha256:)?[0-9a-f]{4,64}")


@with_options(of_a_run, of_a_payout)
def backtest(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY|RUN_ID", help="A name, file.py, file.py:name; a run.")
    ],
    given: dict[str, Any],
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report as one HTML file.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Run a kept run once more and compare.")
    ] = False,
) -> None:
    """Run a strategy over stored candles and show what came of it.

    The run is kept, with its manifest, trades and report, and counts as a trial of its family.
    With --again and the id of a kept run, that run is done once more on the candles as they were
    known to it: exit code 1 where its trades come out otherwise.
    """
    from backtest.commands.opening import open_bench

    output = Output(as_json=given["as_json"])
    if again:
        refuse_others(given, "of a run that is done again, which are those it had")
        _again(output, open_bench(output, given["folder"]), strategy, report, given["plots"])
        return
    if _ID.fullmatch(strategy) and not given["instrument"]:
        message = f"{strategy} looks like the id of a run."
        raise options.BadOption(message, "Add --again to run it once more, or -i for a strategy.")
    bench = open_bench(output, given["folder"])
    spec = options.asked(bench, strategy, given)
    chosen = bench.strategy(strategy)
    if chosen.kind == "fixed_payout":
        refuse_others(given, "of a bet on fixed payouts", allowed=PAYOUT_TOO)
    result = bench.backtest(spec, record=False)
    _require_sound(bench, spec, result, is_kept=not given["no_record"])
    _give(
        output,
        bench,
        result,
        report=report,
        plots=given["plots"],
        is_kept=not given["no_record"],
        remark=_remark(chosen, spec, result),
    )


def _require_sound(
    bench: Workbench, spec: BacktestSpec, result: AnyResult, *, is_kept: bool
) -> None:
    """Refuse a result that owes itself to the future, before anything of it is kept."""
    from backtest.soundness import require_sound

    strategy = bench.strategy(spec.strategy)
    require_sound(
        bench.ledger,
        strategy,
        [strategy.with_values(spec.parameters)],
        result.bars,
        record=is_kept,
    )


def _give(
    output: Output,
    bench: Workbench,
    result: AnyResult,
    *,
    report: Path | None,
    plots: Path | None,
    is_kept: bool,
    remark: str | None,
) -> None:
    """Keep the run, write what was asked for, print its figures."""
    from backtest.commands.words import figures_text, heading
    from backtest.ledger.records import Family

    html = None
    if report is not None:
        from backtest.report import render_report

        html = render_report(result)
        options.write_report(report, html)
    if is_kept:
        bench.ledger.record_run(result, surface="cli", report_html=html)
    pictures: list[Path] = []
    if plots is not None:
        pictures = _plotted(result, plots)
    family = Family.of(result.manifest)
    trials = bench.ledger.trial_count(family)
    lines = [
        heading(result),
        *([remark] if remark else []),
        "",
        figures_text(result.metrics),
        *_ruin_lines(result),
        "",
        f"data    {result.manifest['data_digest']}",
        f"trades  {result.trades_digest}",
        f"run     {result.manifest['id']}{'' if is_kept else ' (not kept)'}",
        f"trials  {trials:,} of {family} so far",
    ]
    if report is not None:
        lines.append(f"report  {report}")
    if pictures:
        lines.append(f"plots   {', '.join(path.name for path in pictures)} in {plots}")
    data: dict[str, Any] = {
        **result.summary(),
        "trials": trials,
        "is_kept": is_kept,
        "report": report,
        "plots": pictures,
    }
    output.result(data, "\n".join(lines))


def _ruin_lines(result: AnyResult) -> list[str]:
    """Return the ruin of a ladder of stakes in words, of runs on fixed payouts."""
    from backtest.payout_result import PayoutResult

    if not isinstance(result, PayoutResult):
        return []
    ruin: dict[str, Any] | None = result.summary()["ruin"]
    if ruin is None:
        return []
    if "refused" in ruin:
        return ["", str(ruin["refused"]["message"])]
    return ["", "At the win rate that was seen", *map(str, ruin["observed"]["words"])]


def _remark(strategy: Strategy[Any], spec: BacktestSpec, result: AnyResult) -> str | None:
    """Say where decisions depend on where the candles begin: all of them, or there are none."""
    from strategies.definition import ALL_BARS

    needed = strategy.warm_up(strategy.with_values(spec.parameters))
    if len(result.bars) >= needed or needed >= ALL_BARS:
        return None
    return f"{len(result.bars):,} bars are fewer than the {needed:,} that it warms up on."


def _plotted(result: AnyResult, folder: Path) -> list[Path]:
    from backtest.payout_result import PayoutResult
    from backtest.report import save_plots

    if isinstance(result, PayoutResult):
        message = "There are no pictures of a run on fixed payouts."
        raise options.BadOption(message, "Its report has them: --report FILE.")
    return save_plots(result, folder)


def _again(
    output: Output, bench: Workbench, run_id: str, report: Path | None, plots: Path | None
) -> None:
    from backtest.spec import spec_of_manifest

    record = bench.ledger.run(run_id)
    if record.line.kind == "walkforward":
        message = f"Run {record.line.run_id[:12]} is a {record.line.kind}, not a backtest."
        raise options.BadOption(message, "Give the same command again: what is kept is used.")
    result = bench.backtest(spec_of_manifest(record.manifest), record=False)
    differ = _differences(dict(record.manifest), result.manifest)
    is_same = record.line.trades_digest == result.trades_digest
    if report is not None:
        from backtest.report import render_report

        options.write_report(report, render_report(result))
    if plots is not None:
        _plotted(result, plots)
    what = f"since then changed: {', '.join(differ)}" if differ else "nothing has changed since"
    text = (
        f"The same trades as run {record.line.run_id[:12]}; {what}.\n{result.trades_digest}"
        if is_same
        else f"Other trades than run {record.line.run_id[:12]}: {result.trades_digest} instead of"
        f" {record.line.trades_digest}; {what}."
    )
    data = {
        **result.summary(),
        "again": {
            "run_id": record.line.run_id,
            "is_same": is_same,
            "trades_digest_before": record.line.trades_digest,
            "changed": differ,
        },
    }
    output.result(data, text)
    if not is_same:
        raise typer.Exit(1)


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names in two manifests whose values are not the same."""
    found: list[str] = []
    for name in sorted((before.keys() | now.keys()) - {"id"}):
        one, other = before.get(name), now.get(name)
        if one != other and isinstance(one, dict) and isinstance(other, dict):
            found += [f"{name}.{part}" for part in _differences(one, other)]  # pyright: ignore[reportUnknownArgumentType]
        elif one != other:
            found.append(name)
    return found

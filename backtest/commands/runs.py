"""The commands `candela runs`: what was kept, one run in full, its report, the sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from backtest.commands import options
from candela.commands.instants import SinceOption, instant
from candela.commands.output import JsonFlag, Output, table

__all__ = ["app"]

app = typer.Typer(help="Kept runs and sweeps: list, show, report.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN_ID", help="Its id, or the beginning.")]
StrategyOption = Annotated[str | None, typer.Option("--strategy", help="Of this strategy only.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]

_SHORT = 12


@app.command("list")
def list_runs(
    strategy: StrategyOption = None,
    instrument: Annotated[
        str | None, typer.Option("--instrument", "-i", help="On this instrument only.")
    ] = None,
    timeframe: options.Timeframe = None,
    kind: Annotated[
        Literal["backtest", "portfolio", "payout", "walkforward"] | None,
        typer.Option("--kind", help="Of this kind only."),
    ] = None,
    since: SinceOption = None,
    limit: LimitOption = 20,
    as_json: JsonFlag = False,
) -> None:
    """List kept runs, newest first."""
    from backtest.commands.opening import open_bench
    from backtest.commands.words import shown
    from backtest.manifest import finite

    output = Output(as_json=as_json)
    bench = open_bench(output)
    found = bench.ledger.runs(
        strategy=strategy,
        instrument=instrument,
        timeframe=timeframe,
        kind=kind,
        since=instant(since),
        limit=limit,
    )
    data = [
        {
            "run_id": line.run_id,
            "kind": line.kind,
            "strategy": line.family.strategy,
            "instruments": line.family.instruments,
            "timeframe": line.family.timeframe,
            "parameters": line.parameters,
            "metrics": {
                name: finite(one) if isinstance(one, float) else one
                for name, one in line.metrics.items()
            },
            "trades_digest": line.trades_digest,
            "surface": line.surface,
            "created_at": line.created_at,
            "has_report": line.has_report,
        }
        for line in found
    ]
    rows = [
        [
            line.run_id[:_SHORT],
            line.created_at,
            str(line.family),
            *(shown(name, line.metrics.get(name)) for name in ("total_return", "sharpe", "trades")),
            "yes" if line.has_report else "",
        ]
        for line in found
    ]
    heads = ["run", "kept at", "family", "return", "sharpe", "trades", "report"]
    output.result({"runs": data}, table(heads, rows) if rows else "No run is kept.")


@app.command("show")
def show_run(run: RunArgument, as_json: JsonFlag = False) -> None:
    """Show one kept run: what decided it and its figures."""
    from backtest.commands.opening import open_bench
    from backtest.commands.words import figures_text
    from backtest.manifest import finite

    output = Output(as_json=as_json)
    record = open_bench(output).ledger.run(run)
    line = record.line
    parameters = ", ".join(f"{name}={value}" for name, value in line.parameters.items())
    data = {
        "manifest": record.manifest,
        "metrics": {
            name: finite(one) if isinstance(one, float) else one
            for name, one in line.metrics.items()
        },
        "trades_digest": line.trades_digest,
        "surface": line.surface,
        "created_at": line.created_at,
        "has_report": line.has_report,
        "trades": record.trades.height,
    }
    text = "\n".join(
        [
            f"{line.kind} {line.run_id}",
            f"{line.family} ({parameters})",
            f"kept {line.created_at:%Y-%m-%d %H:%M} UTC, asked for by {line.surface}",
            "",
            figures_text(line.metrics),
            "",
            f"data    {record.manifest['data_digest']}",
            f"trades  {line.trades_digest}",
        ]
    )
    output.result(data, text)


@app.command("report")
def export_report(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the HTML file.")],
    as_json: JsonFlag = False,
) -> None:
    """Write the report of a kept run to a file."""
    from backtest.commands.opening import open_bench

    output = Output(as_json=as_json)
    html = open_bench(output).ledger.report(run)
    options.write_report(file, html)
    output.result({"run": run, "file": file}, f"{file}")


@app.command("sweeps")
def list_sweeps(
    strategy: StrategyOption = None, limit: LimitOption = 20, as_json: JsonFlag = False
) -> None:
    """List kept sweeps, newest first, with how far each is."""
    from backtest.commands.opening import open_bench

    output = Output(as_json=as_json)
    found = open_bench(output).ledger.sweeps(strategy=strategy, limit=limit)
    data = [
        {
            "sweep_id": one.sweep_id,
            "strategy": one.family.strategy,
            "instruments": one.family.instruments,
            "timeframe": one.family.timeframe,
            "method": one.spec.get("method"),
            "total": one.total,
            "done": one.done,
            "is_done": one.is_done,
            "opened_at": one.opened_at,
            "finished_at": one.finished_at,
        }
        for one in found
    ]
    rows = [
        [one.sweep_id[:_SHORT], one.opened_at, str(one.family), one.done, one.total]
        for one in found
    ]
    heads = ["sweep", "opened at", "family", "done", "points"]
    output.result({"sweeps": data}, table(heads, rows) if rows else "No sweep is kept.")

"""Commands on funding rates of perpetuals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output

__all__ = ["app"]

app = typer.Typer(help="Funding rates of perpetuals.", no_args_is_help=True)


@app.callback()
def funding() -> None:
    """Funding rates of perpetuals."""


@app.command("import")
def import_rates(
    files: Annotated[list[Path], typer.Argument(help="Columns symbol, exchange, time, rate.")],
    as_json: JsonFlag = False,
) -> None:
    """Store the settlements of files; exit code 1 where rows were refused."""
    from candela.candles.funding import import_funding
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with pipelines_connection(places) as connection:
        reports = [import_funding(connection, file, clock=SystemClock()) for file in files]
    output.result(
        {
            "files": [
                {
                    "file": report.path,
                    "rows": report.rows,
                    "written": report.written,
                    "refused": report.refused,
                    "instruments": list(report.instruments),
                }
                for report in reports
            ]
        },
        "\n".join(
            f"{Path(report.path).name}: {report.rows:,} settlements of"
            f" {len(report.instruments)} instruments, {report.written:,} written,"
            f" {report.refused:,} refused"
            for report in reports
        ),
    )
    if any(report.refused for report in reports):
        raise typer.Exit(1)

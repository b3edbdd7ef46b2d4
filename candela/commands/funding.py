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
    """Store the settlements of files.

    Exit code 1 where rows were refused, 2 where a file cannot be read at all.
    """
    from candela.candles.funding import import_funding
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection
    from candela.files.unreadable import FileUnreadable

    output = Output(as_json=as_json)
    _, places = open_command(output)
    told: list[dict[str, object]] = []
    texts: list[str] = []
    exit_code = 0
    with pipelines_connection(places) as connection:
        for file in files:
            try:
                report = import_funding(connection, file, clock=SystemClock())
            except FileUnreadable as error:
                exit_code = 2
                told.append({"file": str(file), "error": error.as_dict() | error.error_dict()})
                texts.append(f"{file.name}: not imported\n  {error}")
                continue
            if report.refused:
                exit_code = max(exit_code, 1)
            told.append(
                {
                    "file": report.path,
                    "rows": report.rows,
                    "written": report.written,
                    "unchanged": report.unchanged,
                    "refused": report.refused,
                    "instruments": list(report.instruments),
                    "error": None,
                }
            )
            texts.append(
                f"{file.name}: {report.rows:,} settlements of {len(report.instruments)}"
                f" instruments, {report.written:,} written, {report.unchanged:,} unchanged,"
                f" {report.refused:,} refused"
            )
    output.result({"files": told}, "\n".join(texts))
    raise typer.Exit(exit_code)

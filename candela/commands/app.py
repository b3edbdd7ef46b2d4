"""The root of the command line, and the one place where errors become words and exit codes."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points, version
from typing import Final

import typer

from candela.commands import candles, db, funding, servers, sources
from candela.commands.output import JsonFlag, Output, report_error
from candela.errors import CandelaError

__all__ = ["EXIT_FAILED", "EXIT_STOPPED", "app", "build", "main"]

EXIT_FAILED: Final = 1
EXIT_STOPPED: Final = 130

app = typer.Typer(
    name="candela",
    help="Candles in, proved, rolled up and read. Every command takes --json for scripts.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def build() -> typer.Typer:
    """Return the app with the commands of the rooms above the kernel hung in."""
    app.add_typer(candles.app, name="candles")
    app.add_typer(db.app, name="db")
    app.add_typer(sources.app, name="sources")
    app.add_typer(funding.app, name="funding")
    app.command("status")(servers.status)
    app.command("down")(servers.down)
    for entry in sorted(entry_points(group="candela.commands"), key=lambda one: one.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)
    return app


@app.command("version")
def show_version(as_json: JsonFlag = False) -> None:
    """Say which version this is."""
    output = Output(as_json=as_json)
    output.result({"version": version("candela")}, version("candela"))


def main() -> None:
    """Run the command line; the process ends here with its exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        build()(standalone_mode=True)
    except CandelaError as error:
        report_error(error, as_json=as_json)
        raise SystemExit(getattr(error, "exit_code", EXIT_FAILED)) from None
    except KeyboardInterrupt:
        message = "Stopped. What was stored stays; the same command goes on from there."
        if as_json:
            sys.stdout.write(json.dumps({"error": {"code": "stopped", "message": message}}) + "\n")
        else:
            sys.stderr.write(f"\n{message}\n")
        raise SystemExit(EXIT_STOPPED) from None


if __name__ == "__main__":
    main()

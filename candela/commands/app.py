"""The root of the command line, and the one place where errors become words and exit codes."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import entry_points, version
from typing import Final

import typer
from typer.exceptions import TyperException

from candela.commands import audit, candles, db, funding, keys, servers, sources
from candela.commands.output import JsonFlag, Output, make_printable, report_error
from candela.errors import CandelaError

__all__ = [
    "EXIT_FAILED",
    "EXIT_STOPPED",
    "BadUsage",
    "DatabaseLost",
    "FileRefused",
    "StatementRefused",
    "Stopped",
    "app",
    "build",
    "main",
]

EXIT_FAILED: Final = 1
EXIT_STOPPED: Final = 130
_AGAIN: Final = "What was stored stays; run the same command again."


class BadUsage(CandelaError):
    """The words on the command line make no command."""

    status = 400
    code = "usage"


class DatabaseLost(CandelaError):
    """The database went away during the command."""

    status = 503
    code = "database_lost"
    retryable = True


class FileRefused(CandelaError):
    """The system refused to read or write a file."""

    code = "file_refused"


class StatementRefused(CandelaError):
    """The database refused a statement, which repeating the command does not mend."""

    code = "statement_refused"


class Stopped(CandelaError):
    """Ctrl-C ended the command."""

    status = 499
    code = "stopped"


app = typer.Typer(
    name="candela",
    help="Candles in, proved, rolled up and read. Every command takes --json for scripts.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@cache
def build() -> typer.Typer:
    """Return the app with the commands of the rooms above the kernel hung in."""
    app.add_typer(audit.app, name="audit")
    app.add_typer(candles.app, name="candles")
    app.add_typer(db.app, name="db")
    app.add_typer(sources.app, name="sources")
    app.add_typer(funding.app, name="funding")
    app.add_typer(keys.app, name="keys")
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
    make_printable(sys.stdout, sys.stderr)
    try:
        build()(standalone_mode=True)
    except CandelaError as error:
        report_error(error, as_json=as_json)
        raise SystemExit(getattr(error, "exit_code", EXIT_FAILED)) from None
    except _database_errors() as error:
        report_error(_database_fault(error), as_json=as_json)
        raise SystemExit(EXIT_FAILED) from None
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        message = f"The system refused a file{place}: {error.strerror or error}."
        hint = "Choose a place that can be written to; what was kept before stays."
        report_error(FileRefused(message, hint), as_json=as_json)
        raise SystemExit(EXIT_FAILED) from None
    except SystemExit as ended:
        _explain(ended, as_json=as_json)
        raise
    except KeyboardInterrupt:
        _say_stopped(as_json=as_json)
        raise SystemExit(EXIT_STOPPED) from None


def _database_errors() -> type[BaseException] | tuple[type[BaseException], ...]:
    """Return what the driver raises, without loading it where nothing used it."""
    driver = sys.modules.get("psycopg")
    return driver.Error if driver is not None else ()


def _database_fault(error: BaseException) -> CandelaError:
    # libpq's later lines may hold the connection's words.
    first = next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, sys.modules["psycopg"].OperationalError):
        return DatabaseLost(f"The database went away: {first}", _AGAIN)
    return StatementRefused(
        f"The database refused a statement: {first}",
        "`candela db status` tells whether the schema is current; else it is a defect of Candela.",
    )


def _explain(ended: SystemExit, *, as_json: bool) -> None:
    """Say what Typer ends without a word, or without the object that a script waits for."""
    why = ended.__context__
    if isinstance(why, TyperException):
        # A person has been told by Typer itself.
        if as_json:
            hint = "The same words with --help instead show what is possible."
            report_error(BadUsage(why.format_message(), hint), as_json=True)
    elif why is not None and isinstance(why.__cause__, KeyboardInterrupt):
        _say_stopped(as_json=as_json)


def _say_stopped(*, as_json: bool) -> None:
    stopped = Stopped("Stopped. What was stored stays; the same command goes on from there.")
    if as_json:
        report_error(stopped, as_json=True)
    else:
        sys.stderr.write(f"\n{stopped.message}\n")


if __name__ == "__main__":
    main()

"""Commands on the schema: bring it up to date, say what it is."""

from __future__ import annotations

from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output

__all__ = ["app"]

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.command("migrate")
def migrate_schema(
    upgrade: Annotated[
        bool,
        typer.Option(
            "--upgrade",
            help="Turn plain rollups into TimescaleDB's; shuts out readers while candles move.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply the files of sql/ that the database lacks; a second run changes nothing."""
    from candela.commands.places import open_command
    from candela.db.migrate import migrate

    output = Output(as_json=as_json)
    _, places = open_command(output, migrated=False)
    report = migrate(places.database, upgrade=upgrade)
    done = [*report.applied, *report.reapplied]
    text = "\n".join(
        [
            *(f"applied     {name}" for name in report.applied),
            *(f"re-applied  {name}" for name in report.reapplied),
            (
                f"{places.database.address}: {len(done)} files in {report.seconds:.1f} s,"
                f" variant {report.variant}."
            ),
            *(
                ["The server has TimescaleDB: `candela db migrate --upgrade` makes use of it."]
                if report.can_upgrade
                else []
            ),
        ]
    )
    output.result(
        {
            "applied": report.applied,
            "reapplied": report.reapplied,
            "variant": report.variant,
            "can_upgrade": report.can_upgrade,
            "seconds": round(report.seconds, 3),
        },
        text,
    )


@app.command("status")
def schema_status(as_json: JsonFlag = False) -> None:
    """Say which files of sql/ the database lacks; exit code 1 where it lacks any."""
    from candela.commands.places import open_command
    from candela.db.migrate import pending

    output = Output(as_json=as_json)
    _, places = open_command(output, migrated=False)
    files = pending(places.database)
    text = "\n".join(f"pending  {name}" for name in files) or "The schema is current."
    output.result(
        {"database": places.database.address, "pending": files, "is_current": not files}, text
    )
    if files:
        raise typer.Exit(1)

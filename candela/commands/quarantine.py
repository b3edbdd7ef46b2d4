"""The command that shows what was refused."""

from __future__ import annotations

from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output, table

__all__ = ["show_quarantine"]

_COLUMNS = ("source", "row", "line", "check", "column", "value", "instrument", "time", "message")
_ENTRIES = """
SELECT source, row_number, line_number, check_name, column_name, value, instrument, time, message
FROM market.quarantine
WHERE (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(check)s::text IS NULL OR check_name = %(check)s)
ORDER BY quarantine_id DESC LIMIT %(limit)s
"""


def show_quarantine(
    source: Annotated[
        str | None, typer.Option("--source", help="Only from that file or venue.")
    ] = None,
    check: Annotated[str | None, typer.Option("--check", help="Only by that check.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List refused rows with their file, row, line, check and value; row 0 is a whole file."""
    from candela.commands.places import open_command
    from candela.db.connect import Role

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with places.database.connect(Role.ANALYST, autocommit=True) as connection:
        rows = connection.execute(
            _ENTRIES, {"source": source, "check": check, "limit": limit}
        ).fetchall()
    entries = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    text = table(list(_COLUMNS), [[entry[name] for name in _COLUMNS] for entry in entries])
    output.result({"entries": entries}, text if entries else "Nothing was refused.")

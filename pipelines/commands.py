"""The command that this room hangs into the command line; loads nothing heavy by itself."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["up"]


def up(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_ui: Annotated[
        bool, typer.Option("--no-ui", help="Do not start Dagster's pages, schedules and sensors.")
    ] = False,
    no_demo: Annotated[
        bool, typer.Option("--no-demo", help="Start no sandbox venue and no paper bot.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the pages; the next free one is taken."),
    ] = None,
) -> None:
    """Start everything on the sample, a paper bot too; show Dagster's pages until Ctrl-C.

    What is there already is left alone: a second call only looks. Exit code 1 where a partition
    could not be materialised.
    """
    from pipelines.up.command import run

    run(as_json=as_json, with_pages=not no_ui, port=port, with_demo=not no_demo)

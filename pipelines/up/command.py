"""The steps of `candela up`, each said as it is done."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

from candela.commands.output import Output
from candela.commands.stopping import stop_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from candela.embedded import Places
    from pipelines.resources import Settings
    from pipelines.up.home import Home
    from pipelines.up.serve import Pages

__all__ = ["run"]

_EXIT_FAILED: Final = 1
# What they tell about themselves at INFO is of no use to who starts the whole.
_TALKATIVE: Final = ("alembic", "dagster", "great_expectations", "matplotlib")
_SECOND_LOOK_S: Final = 6.0


def run(*, as_json: bool, with_pages: bool, port: int | None, with_demo: bool = True) -> None:
    """Bring everything up; return when the pages were stopped, or at once without them."""
    started = time.monotonic()
    output = Output(as_json=as_json)
    # The database server takes seconds to come up in a process of its own: time to load code in.
    threading.Thread(target=_warm_up, name="load code", daemon=True).start()
    settings, places = _open(output)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    from pipelines.up.home import open_home
    from pipelines.up.serve import only_one

    home = open_home(settings.state_dir, places.dagster_url)
    with ExitStack() as stack:
        other = stack.enter_context(only_one(home)) if with_pages else None
        pages: Pages | None = None
        if with_pages and other is None:
            pages = stack.enter_context(_pages(home, settings, port))
        data, text = _bring_up(output, settings, places, home)
        data["seconds"] = round(time.monotonic() - started, 2)
        if pages is not None:
            pages.start_daemon()
            pages.wait_until_ready()
            data["url"] = pages.url
            text += f"\n\nDagster's pages: {pages.url} (ready after"
            text += f" {time.monotonic() - started:.1f} s; Ctrl-C stops them)"
            if with_demo and settings.is_embedded and settings.venue_gateway is None:
                text += "\n\n" + _demo(stack, settings)
        elif other is not None:
            data["url"] = other
            text += f"\n\nDagster's pages are shown by another `candela up`: {other}"
        else:
            text += f"\n\nDone in {data['seconds']:.1f} s."
        output.result(data, text)
        sys.stdout.flush()
        if pages is not None:
            _watch(pages, places, output)
    if data["partitions"]["failed"]:
        raise typer.Exit(_EXIT_FAILED)


def _demo(stack: ExitStack, settings: Settings) -> str:
    """Start the demonstration; where it does not come up, everything else goes on without it."""
    from pipelines.resources import environment_with
    from pipelines.up.demo import Demo, DemoFailed

    demo = stack.enter_context(
        Demo(settings.state_dir / "demo", environment_with({}), settings.api_port)
    )
    try:
        return demo.start()
    except DemoFailed as error:
        demo.stop()
        return f"No paper bot this time: {error.message}"


def _warm_up() -> None:
    importlib.import_module("pipelines.up.materialise")


def _open(output: Output) -> tuple[Settings, Places]:
    from candela.commands.places import open_command

    output.note("Starting the servers and bringing the schema up to date ...")
    started = time.monotonic()
    settings, places = open_command(output)
    output.note(f"  {places.database.address} ({time.monotonic() - started:.1f} s)")
    return settings, places


@contextmanager
def _pages(home: Home, settings: Settings, port: int | None) -> Generator[Pages]:
    from pipelines.resources import environment_with
    from pipelines.up.serve import Pages

    with Pages(
        home,
        settings.dagster_host,
        settings.dagster_port if port is None else port,
        environment_with(home.variables()),
    ) as pages:
        pages.start_pages()
        yield pages


def _bring_up(
    output: Output, settings: Settings, places: Places, home: Home
) -> tuple[dict[str, Any], str]:
    from pipelines.defs.upkeep.janitor import end_dead_runs, suspects
    from pipelines.resources import open_platform
    from pipelines.up.materialise import materialise, register_sample, sample_files
    from pipelines.up.report import as_dict, describe

    platform = open_platform((settings, places))
    with platform.writer() as connection, home.instance() as instance:
        if missing := suspects(instance, connection, platform.clock.now()):
            # A living run takes its lock again within seconds of a restart of the server.
            time.sleep(_SECOND_LOOK_S)
            again = suspects(instance, connection, platform.clock.now())
            end_dead_runs(instance, [run_id for run_id in missing if run_id in again])
        unreadable = register_sample(connection, sample_files(), platform.clock)
        with _progress(output) as progress:
            done = materialise(instance, platform, progress=progress)
        done.unreadable += unreadable
        data = as_dict(connection, done)
    return data, describe(data)


@contextmanager
def _progress(output: Output) -> Generator[Callable[[str, float, int], None]]:
    """Show one bar a series, as its run goes on."""
    with ExitStack() as stack:
        shown: dict[str, Callable[[float, int], None]] = {}

        def show(what: str, share: float, rows: int) -> None:
            if what not in shown:
                stack.pop_all().close()
                shown[what] = stack.enter_context(output.progress(what))
            shown[what](share, rows)

        yield show


def _watch(pages: Pages, places: Places, output: Output) -> None:
    """Wait for Ctrl-C; also end when somebody stops the servers, which the pages live on."""
    from candela.db.connect import DatabaseUnreachable
    from pipelines.up.serve import running_pages

    servers_are_gone = False

    def is_over() -> bool:
        nonlocal servers_are_gone
        try:
            places.database.connect().close()
        except DatabaseUnreachable:
            servers_are_gone = True
        return servers_are_gone or is_asked()

    with stop_on_signal() as is_asked:
        running_pages(pages, is_over)
    if servers_are_gone:
        output.note("The database server was stopped, so Dagster's pages stop too.")
    else:
        output.note(
            "Stopping Dagster's pages and the paper bot; `candela down` stops the servers too."
        )

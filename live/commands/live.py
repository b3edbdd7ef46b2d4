"""The commands `candela live`, which keeps executors running, and `candela executor`, one more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from candela.commands.output import JsonFlag, Output
from candela.errors import Conflict

if TYPE_CHECKING:
    from candela.embedded import Places
    from candela.settings import Settings
    from live.executor.composing import Makings
    from live.executor.process import Executor, Parts

__all__ = ["executor", "live"]


_PARENT_S: Final = 1.0
_FOLDER: Final = "live"


class ServersStopped(Conflict):
    """The embedded servers were stopped while executors ran."""

    code = "servers_stopped"


def live(
    executors: Annotated[
        int, typer.Option("--executors", "-n", min=1, max=64, help="How many processes.")
    ] = 1,
    logs: Annotated[
        bool, typer.Option("--logs", help="Keep their output in files of the state folder.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run what trades, until Ctrl-C: executors that are started again when they die.

    Bots that shall run do; `candela bot` starts and stops them, from anywhere, at any time.
    """
    import socket

    from candela.clock import SystemClock
    from candela.commands.places import open_command
    from candela.commands.stopping import stop_on_signal
    from candela.embedded import were_stopped
    from live.commands.courier import courier_beside
    from live.commands.pace import refuse_other_time
    from live.supervisor.supervisor import Supervisor

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    settings.check_production()
    refuse_other_time(settings, SystemClock())
    folder = None
    if logs:
        folder = settings.state_dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()

    def command(name: str, before: str | None) -> list[str]:
        words = ["-m", "candela.commands.app", "executor", "--supervised", f"{host}-{name}"]
        return words if before is None else [*words, "--succeed", f"{host}-{before}"]

    with (
        stop_on_signal() as is_asked,
        courier_beside(settings, places),
        Supervisor(command, executors, log_dir=folder, tell=output.note) as supervisor,
    ):
        output.note(f"{executors} executor{'s' if executors > 1 else ''}; Ctrl-C drains and stops.")
        supervisor.run(lambda: is_asked() or were_stopped(settings))
        if is_asked():
            output.note("Draining; once more to stop at once.")
        else:
            output.note("The database server was stopped, so what trades stops too.")
    restarts = sum(child.starts - 1 for child in supervisor.children)
    output.result({"executors": executors, "restarts": restarts}, f"Stopped; {restarts} restarts.")


def executor(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the page of figures; 0: a free one.")
    ] = 0,
    supervised: Annotated[
        str | None,
        typer.Option("--supervised", hidden=True, help="Name; drains when its parent is gone."),
    ] = None,
    succeed: Annotated[
        str | None,
        typer.Option("--succeed", hidden=True, help="Name of the dead one whose place it takes."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run one more executor on this host, over the same database and Redis, until Ctrl-C."""
    import asyncio

    from candela.clock import SystemClock
    from candela.commands.places import open_command
    from live.commands.pace import refuse_other_time
    from live.executor.inheriting import host_name, inherit, inherit_dead

    output = Output(as_json=as_json)
    if supervised is not None:
        _refuse_stopped()
    settings, places = open_command(output)
    settings.check_production()
    refuse_other_time(settings, SystemClock())
    makings = _makings(settings, places, port, supervised)
    if succeed is not None:
        inherit(places.database, succeed)
    inherit_dead(places.database, host_name())
    code = asyncio.run(_run(output, makings, supervised=supervised is not None))
    raise typer.Exit(code)


def _refuse_stopped() -> None:
    """Leave servers down that a person stopped while the supervisor ran."""
    from candela.embedded import were_stopped
    from candela.settings import load_settings

    if were_stopped(load_settings()):
        raise ServersStopped("The database server was stopped.", "Start again: candela live")


def _makings(settings: Settings, places: Places, port: int, name: str | None) -> Makings:
    from candela.clock import SystemClock
    from candela.commands.keyring import master_keys
    from candela.venues.gateway import VenueGateway
    from candela.venues.opening import open_venue
    from live.executor.composing import Makings, executor_name

    clock = SystemClock()
    gateway = settings.venue_gateway
    return Makings(
        database=places.database,
        redis_url=places.redis_url,
        masters=master_keys(settings),
        clock=clock,
        name=name or executor_name(clock.now()),
        open_client=lambda venue: open_venue(
            venue,
            redis_url=places.redis_url,
            clock=clock,
            timeout_s=settings.venue_timeout_s,
            share=settings.venue_share_ratio,
            gateway=gateway,
            gateway_ca=settings.venue_gateway_ca,
        ),
        gateway=VenueGateway.parse(gateway, settings.venue_gateway_ca) if gateway else None,
        port=port,
    )


async def _run(output: Output, makings: Makings, *, supervised: bool) -> int:
    import asyncio
    import signal

    from live.executor.composing import compose

    made, parts = compose(makings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, made.stop)
    watching = loop.create_task(_watch_parent(made)) if supervised else None
    try:
        return await _told(output, made, parts, makings.name)
    finally:
        if watching is not None:
            watching.cancel()


async def _told(output: Output, made: Executor, parts: Parts, name: str) -> int:
    import asyncio

    running = asyncio.create_task(made.run(parts))
    listening = asyncio.create_task(made.listening.wait())
    await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    output.note(f"Executor {name}; figures at {made.address}")
    return await running


async def _watch_parent(made: Executor) -> None:
    """Drain where the supervisor was killed: nobody would start this executor again."""
    import asyncio
    import os

    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(_PARENT_S)
    made.stop()

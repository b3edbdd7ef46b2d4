"""The command that this room hangs into the command line: `candela api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candela.commands.output import JsonFlag, Output

if TYPE_CHECKING:
    from api.opening import ApiParts
    from candela.embedded import Places
    from candela.settings import Settings

__all__ = ["api", "parts_of"]


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0: the system chooses one.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that share the port.")
    ] = 1,
    figures_port: Annotated[
        int | None,
        typer.Option(
            "--figures-port",
            min=0,
            max=65535,
            help="Port of /metrics, on this machine alone; each further process has the next one.",
        ),
    ] = None,
    listener: Annotated[
        int | None, typer.Option("--listener", hidden=True, help="Socket of the parent process.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve the API until Ctrl-C: JSON at /api/v1, documentation at /api/v1/docs."""
    import socket

    from api.serving import listen, serve, tell_where
    from api.workers import run_workers
    from candela.commands.places import open_command
    from candela.embedded import were_stopped

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    settings.check_production()
    parts = parts_of(settings, places)
    if listener is not None:
        serve(parts, socket.socket(fileno=listener), figures_port=figures_port)
        return
    chosen_port = settings.api_port if port is None else port
    with listen(host or settings.api_host, chosen_port) as heard:
        tell_where(heard, output)
        if workers == 1:
            serve(parts, heard, figures_port=figures_port)
        else:
            run_workers(
                heard,
                workers,
                output,
                is_over=lambda: were_stopped(settings),
                figures_port=figures_port,
            )


def parts_of(settings: Settings, places: Places) -> ApiParts:
    """Return what the application is made of, from the settings."""
    from api.checking import check_options
    from api.opening import ApiParts
    from api.state import ApiOptions
    from candela.clock import SystemClock
    from candela.commands.keyring import gateway_of, master_keys, signing_keys

    address = f"http://{settings.api_host}:{settings.api_port}"
    options = ApiOptions(
        public_url=(settings.public_url or address).rstrip("/"),
        allowed_origins=_list(settings.allowed_origins),
        trusted_proxies=_list(settings.trusted_proxies),
        is_production=settings.environment == "production",
        strategies_dir=settings.strategies_dir,
    )
    check_options(options, stripe_url=settings.stripe_url)
    return ApiParts(
        database=places.database,
        redis_url=places.redis_url,
        clock=SystemClock(),
        signing=signing_keys(settings),
        masters=lambda: master_keys(settings),
        billing=gateway_of(settings),
        options=options,
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())

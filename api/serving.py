"""One process of the API: uvicorn on one loop, ended in good order."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn

from api.app import PREFIX, create_app
from api.figurespage import figures_page
from api.opening import state_opener
from candela.errors import ConfigError

if TYPE_CHECKING:
    from api.opening import ApiParts
    from api.state import ApiState
    from candela.commands.output import Output

__all__ = ["PortTaken", "address_of_listener", "listen", "serve", "tell_where"]

_GRACE_S = 20
_BACKLOG = 2_048


class PortTaken(ConfigError):
    """Somebody listens there already."""

    code = "port_taken"


class _Server(uvicorn.Server):
    """Ends with 0 when it was asked to end: what asked is not raised once more."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, self.handle_exit) for one in wanted}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; processes may share it.

    Raises
    ------
    PortTaken
        Somebody listens there already.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        message = f"{host}:{port} cannot be listened on: {error.strerror}."
        raise PortTaken(message, "Choose another with --port.") from None
    return listener


def address_of_listener(listener: socket.socket) -> str:
    """Return where people reach what a socket leads to."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def tell_where(listener: socket.socket, output: Output) -> None:
    """Say where the API is: a line for people, an object for whoever started it."""
    address = address_of_listener(listener)
    output.note(f"The API is at {address}{PREFIX}, its documentation at {address}{PREFIX}/docs.")
    if output.as_json:
        output.result({"address": address, "api": f"{address}{PREFIX}"}, "")
        sys.stdout.flush()


def serve(parts: ApiParts, listener: socket.socket, *, figures_port: int | None = None) -> None:
    """Serve until a signal: nothing new is taken, requests under way end, sockets are closed.

    Parameters
    ----------
    figures_port
        Of this machine alone, for Prometheus; 0: the system chooses one; None: no page.
    """
    config = uvicorn.Config(
        create_app(parts.options, _with_figures(state_opener(parts), figures_port)),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        # Clients that send a ping get an answer; those that give none are let go.
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_max_size=65_536,
        # Its windows would be most of the memory of a socket.
        ws_per_message_deflate=False,
    )
    _Server(config).run(sockets=[listener])


def _with_figures(
    open_state: Callable[[], AbstractAsyncContextManager[ApiState]], port: int | None
) -> Callable[[], AbstractAsyncContextManager[ApiState]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[ApiState]:
        async with open_state() as state, figures_page(state.figures, port):
            yield state

    return opened

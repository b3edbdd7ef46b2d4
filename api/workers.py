"""Several processes of the API behind one address: started again when they die."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candela.commands.stopping import stop_on_signal

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from candela.commands.output import Output

__all__ = ["run_workers"]

_LOOK_S: Final = 0.1
_GRACE_S: Final = 25.0
# One that dies at once is not started in a tight loop.
_AGAIN_S: Final = 1.0


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    started_at: float


def run_workers(
    listener: socket.socket,
    count: int,
    output: Output,
    *,
    is_over: Callable[[], bool],
    figures_port: int | None = None,
) -> int:
    """Keep processes that share a listening socket until a signal; return how often one died.

    Parameters
    ----------
    is_over
        Whether there is nothing left to serve, such as when the database was stopped.
    figures_port
        Of the first process; each of the others has the next one.
    """
    ports = [None if not figures_port else figures_port + one for one in range(count)]
    with stop_on_signal() as is_asked:
        workers = [_start(listener, port) for port in ports]
        restarts = 0
        try:
            while not is_asked() and not is_over():
                time.sleep(_LOOK_S)
                for place, worker in enumerate(workers):
                    code = worker.process.poll()
                    if code is None or time.monotonic() - worker.started_at < _AGAIN_S:
                        continue
                    output.note(f"Process {worker.process.pid} ended with {code}; starting again.")
                    workers[place] = _start(listener, ports[place])
                    restarts += 1
        finally:
            _stop(workers)
    return restarts


def _start(listener: socket.socket, figures_port: int | None) -> _Worker:
    number = listener.fileno()
    words = ["-m", "candela.commands.app", "api", "--listener", str(number)]
    if figures_port is not None:
        words += ["--figures-port", str(figures_port)]
    # Ctrl-C reaches this process alone, which then ends its children in order.
    process = subprocess.Popen(
        [sys.executable, *words], pass_fds=(number,), stdin=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    return _Worker(process, time.monotonic())


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + _GRACE_S
    for worker in workers:
        try:
            worker.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

"""Server processes that outlive their starter: start, recognise, wait, end."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from candela.embedded.account import Account

__all__ = [
    "SERVER_ENVIRONMENT",
    "ServerFailed",
    "alive",
    "ask",
    "end",
    "gone",
    "launch",
    "log_tail",
    "server_processes",
    "wait_until",
]

# The servers must not depend on the variables of whoever happens to start them.
SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_ANSWER_WAIT_S = 5.0


class ServerFailed(ConfigError):
    """An embedded server does not start or does not stop."""

    code = "server_failed"


def launch(command: Sequence[str], *, log: int, folder: Path | str, account: Account) -> int:
    """Start a server that is nobody's child, in a session of its own; return its process id.

    The shell between ends at once, so the server is adopted by init: it gets no signal from
    the starter's terminal, and leaves no zombie in the starter when it ends.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", 'umask 077; "$@" </dev/null >&2 & echo $!', "sh", *command],
        env=SERVER_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=folder,
        start_new_session=True,
        text=True,
        check=True,
        **account.spawn,
    )
    return int(done.stdout)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def server_processes(name: str, folder: Path) -> list[psutil.Process]:
    """Return the running processes called `name` whose working directory is `folder`.

    Both servers stay in their data folder, so this finds them without trusting a pid file,
    whose number may meanwhile be another program's.
    """
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if (
                process.name() == name
                and process.status() != psutil.STATUS_ZOMBIE
                and Path(process.cwd()).samefile(folder)
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # it ended meanwhile, or is another user's and so not ours
    return found


def ask(path: str, question: bytes, *, until_end: bool = False) -> bytes:
    """Send a question to the socket and return the answer; empty when there is none.

    Only an answer shows that a server lives: a connection alone is also taken, into the queue
    of the socket, from one that was just killed.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_WAIT_S)
        try:
            probe.connect(path)
            probe.sendall(question)
            parts = [probe.recv(65536)]
            while until_end and parts[-1]:
                parts.append(probe.recv(65536))
        except OSError:
            return b""
    return b"".join(parts)


def end(processes: list[psutil.Process], ways: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn until all processes are gone.

    Parameters
    ----------
    ways
        Signals with the seconds that each gets, the gentlest first.

    Raises
    ------
    ServerFailed
        Some are still there after the last.
    """
    left = processes
    for way, seconds in ways:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(way)
        if gone(left, seconds):
            return
        left = [process for process in left if alive(process.pid)]
    raise ServerFailed(
        f"Processes {', '.join(str(process.pid) for process in left)} do not end.",
        "They wait for the disk or are another user's; end them by hand.",
    )


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Wait for processes to end; False when one is still there."""
    return wait_until(lambda: not any(alive(process.pid) for process in processes), seconds)


def wait_until(reached: Callable[[], bool], seconds: float) -> bool:
    """Look every few milliseconds until something is so; False when the time is over."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def log_tail(path: Path, lines: int = 8) -> str:
    """Return the last lines of a log, for an error message."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(empty log)"

"""The supervisor: keeps N executors running, waits longer after each death, drains them."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

__all__ = ["Child", "Supervisor", "back_off_s"]

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_LIVED_S: Final = 60.0
"""An executor that lived so long is started at once when it dies."""
_POLL_S: Final = 0.1
_GRACE_S: Final = 75.0
"""Longer than the grace in which an executor drains."""


def back_off_s(deaths: int) -> float:
    """Return how long to wait after so many early deaths in a row."""
    return 0.0 if deaths <= 0 else min(_FIRST_WAIT_S * 2.0 ** (deaths - 1), _LONGEST_WAIT_S)


@dataclass(slots=True)
class Child:
    """One place for an executor, and the process in it.

    Parameters
    ----------
    executor
        Name of the last process in it.
    deaths
        Early ones in a row.
    """

    name: str
    executor: str | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    deaths: int = 0
    starts: int = 0
    codes: list[int] = field(default_factory=list[int])


class Supervisor:
    """Run commands as child processes; use as a context, which drains them.

    Each child has a session of its own, so that Ctrl-C reaches the supervisor alone. A child of a
    supervisor that was killed drains by itself: it sees that its parent is another.

    Parameters
    ----------
    command
        Makes the arguments behind the interpreter, given the name of the new process and that of
        the dead one whose place it takes, None for the first.
    log_dir
        Where each child's output goes; None: to that of the supervisor.
    tell
        Called with a sentence when something happens.
    """

    def __init__(
        self,
        command: Callable[[str, str | None], Sequence[str]],
        count: int,
        *,
        log_dir: Path | None = None,
        tell: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = command
        self._log_dir = log_dir
        self._tell = tell
        self._clock = clock
        self.children = [Child(f"executor-{number}") for number in range(1, count + 1)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def look(self) -> None:
        """Start what should run, and see who died."""
        now = self._clock()
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._buried(child, code, now)
            if child.process is None and now >= child.start_at:
                self._start(child, now)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Keep all children running until it is over."""
        while not is_over():
            self.look()
            time.sleep(_POLL_S)

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """Let all children drain at the same time; who does not end in time is killed."""
        running = [child for child in self.children if child.process is not None]
        for child in running:
            self._send(child, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        for child in running:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._tell(f"{child.name} did not drain within {grace_s:.0f} s and is killed.")
                child.process.kill()
                child.process.wait()
            except KeyboardInterrupt:
                # The second one means now.
                child.process.kill()
                child.process.wait()
            child.process = None

    def _start(self, child: Child, now: float) -> None:
        # No other process, before or after, has this name: leases are held under it.
        name = f"{child.name}-{secrets.token_hex(6)}"
        log = None
        if self._log_dir is not None:
            log = (self._log_dir / f"{child.name}.log").open("ab")
        try:
            child.process = subprocess.Popen(
                [sys.executable, *self._command(name, child.executor)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log and subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
        child.executor = name
        child.started_at = now
        child.starts += 1
        if child.starts > 1:
            self._tell(f"{child.name} is started again.")

    def _buried(self, child: Child, code: int, now: float) -> None:
        child.process = None
        child.codes.append(code)
        del child.codes[:-10]
        child.deaths = 0 if now - child.started_at >= _LIVED_S else child.deaths + 1
        wait = back_off_s(child.deaths)
        child.start_at = now + wait
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        self._tell(f"{child.name} {how}; it is started again in {wait:.1f} s.")

    @staticmethod
    def _send(child: Child, number: signal.Signals) -> None:
        if child.process is not None and child.process.poll() is None:
            child.process.send_signal(number)

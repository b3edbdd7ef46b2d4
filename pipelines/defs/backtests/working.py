"""Working a request off: claimed, run, and its end written down; a cancelled one is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

import psycopg

from backtest.ledger.refusals import RequestGone
from candela.errors import CandelaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backtest.ledger import Ledger, Request
    from backtest.requests import Outcome
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Cancelled", "Runner", "Unexplained", "Watch", "work_off"]

_BETWEEN_LOOKS_S: Final = 1.0


class Cancelled(RequestGone):
    """The request was cancelled while it was worked on."""

    code = "request_cancelled"


class Unexplained(CandelaError):
    """A backtest ended with an error that says nothing about itself."""

    code = "unexplained"


class Runner(Protocol):
    """What runs the backtest that a request asks for."""

    def __call__(
        self,
        database: Database,
        request: Request,
        progress: Callable[[float, str], None],
        should_stop: Callable[[], bool],
        *,
        clock: Clock,
        strategies: Path | None,
    ) -> Outcome:
        """Run it and record it."""
        ...


class Watch:
    """The line between a backtest at work and its request: at most one question a second."""

    def __init__(self, ledger: Ledger, request_id: str, worker: str) -> None:
        self._ledger = ledger
        self._request_id = request_id
        self._worker = worker
        self._said = (0.0, "")
        self._looked_s = time.monotonic()
        self._is_to_stop = False

    def progress(self, ratio: float, note: str = "") -> None:
        """Take how far the work is, 0 to 1."""
        self._said = (ratio, note)
        self.should_stop()

    def should_stop(self) -> bool:
        """Whether the request was cancelled, or is another's by now."""
        if not self._is_to_stop and time.monotonic() - self._looked_s >= _BETWEEN_LOOKS_S:
            goes_on = self._ledger.progress(self._request_id, self._worker, *self._said)
            self._is_to_stop = not goes_on
            self._looked_s = time.monotonic()
        return self._is_to_stop


def work_off(
    ledger: Ledger, request_id: str, worker: str, run: Runner, *, strategies: Path | None = None
) -> tuple[Request, Outcome]:
    """Do what a request asks for, and write its end down.

    What may pass by itself (a server that restarts) is not written down as the end: the run fails,
    and the request comes back to the queue.

    Raises
    ------
    Cancelled
        The request was cancelled on the way.
    RequestGone
        It was over before, or another's.
    CandelaError
        What the backtest was refused for.
    """
    request = ledger.claim(request_id, worker)
    watch = Watch(ledger, request_id, worker)
    try:
        outcome = run(
            ledger.database,
            request,
            watch.progress,
            watch.should_stop,
            clock=ledger.clock,
            strategies=strategies,
        )
        ledger.finish(request_id, worker, run_id=outcome.run_id, sweep_id=outcome.sweep_id)
    except CandelaError as error:
        if ledger.requested(request_id).state == "cancelled":
            message = f"Request {request_id} was cancelled."
            raise Cancelled(message, "What is recorded so far stays.") from error
        if not (error.retryable or isinstance(error, RequestGone)):
            ledger.fail(request_id, worker, error)
        raise
    except Exception as error:
        # Where the server went away nothing can be written down, and trying again may help.
        if not isinstance(error, psycopg.OperationalError):
            message = f"The backtest ended with {type(error).__name__}: {error}"
            ledger.fail(request_id, worker, Unexplained(message, "The log of its run says where."))
        raise
    return ledger.requested(request_id), outcome

"""The queue of requested backtests: asked for, claimed by one process, then over."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from backtest.ledger.door import Door
from backtest.ledger.records import Request
from backtest.ledger.refusals import NoSuchRequest, RequestGone
from backtest.ledger.stored import exact_json
from candela.errors import CandelaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

    from backtest.ledger.records import RequestKind, RequestState, Surface

__all__ = ["MOST_ATTEMPTS", "RequestQueue", "new_request"]

MOST_ATTEMPTS: Final = 3
"""A request whose process died so often is failed: it may be what kills them."""

_NEW: Final = """
INSERT INTO research.requests (request_id, kind, spec, surface, requested_by, requested_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_REQUESTS: Final = """
SELECT r.request_id, r.kind, r.spec, r.state, r.surface, r.requested_by, r.requested_at,
    r.attempt, r.claimed_by, r.started_at, r.finished_at, r.progress_ratio, r.progress_note,
    r.run_id, r.sweep_id, r.error, r.schedule, r.scheduled_for
FROM research.requests AS r
"""
_CLAIM: Final = """
UPDATE research.requests SET state = 'running', claimed_by = %(worker)s, started_at = %(now)s,
    progress_ratio = 0, progress_note = NULL, error = NULL
WHERE request_id = %(request)s AND state = 'queued'
"""
# Only who has the claim says what became of it: a process that was believed dead changes nothing.
_HELD: Final = " WHERE request_id = %(request)s AND claimed_by = %(worker)s AND state = 'running'"
_FINISH: Final = """
UPDATE research.requests SET state = 'done', finished_at = %(now)s, progress_ratio = 1,
    progress_note = NULL, run_id = %(run)s, sweep_id = %(sweep)s
"""
_FAIL: Final = """
UPDATE research.requests SET state = 'failed', finished_at = %(now)s, error = %(error)s
"""
_PROGRESS: Final = """
UPDATE research.requests SET progress_ratio = %(ratio)s, progress_note = %(note)s
"""
_PUT_BACK: Final = """
UPDATE research.requests SET
    attempt = CASE WHEN attempt < %(most)s THEN attempt + 1 ELSE attempt END,
    state = CASE WHEN attempt < %(most)s THEN 'queued' ELSE 'failed' END,
    finished_at = CASE WHEN attempt < %(most)s THEN NULL ELSE %(now)s::timestamptz END,
    claimed_by = CASE WHEN attempt < %(most)s THEN NULL ELSE claimed_by END,
    error = %(error)s, progress_ratio = 0, progress_note = NULL
WHERE request_id = %(request)s AND attempt = %(attempt)s AND state IN ('queued', 'running')
"""


class ProcessDied(CandelaError):
    """The process that worked on a request ended without a word."""

    code = "process_died"
    retryable = True


class RequestQueue(Door):
    """Requests for backtests; pipelines works them off."""

    def request(
        self,
        spec: Mapping[str, Any],
        kind: RequestKind,
        *,
        surface: Surface = "request",
        requested_by: str | None = None,
    ) -> str:
        """Ask for a backtest; return the id of the request."""
        now = self.clock.now()
        request_id = new_request(now)
        with self._transaction() as connection:
            connection.execute(
                _NEW, (request_id, kind, exact_json(spec), surface, requested_by, now)
            )
        return request_id

    def requested(self, request_id: str) -> Request:
        """Return a request as it stands.

        Raises
        ------
        NoSuchRequest
            Nothing was asked for under that id.
        """
        with self._transaction() as connection:
            return _request(connection, request_id)

    def requests(
        self, *, states: Sequence[RequestState] | None = None, limit: int = 50
    ) -> list[Request]:
        """Return the requests in one of the states, or all, newest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                _REQUESTS
                + " WHERE %(states)s::text[] IS NULL OR r.state = ANY(%(states)s)"
                + " ORDER BY r.requested_at DESC, r.request_id DESC LIMIT %(limit)s",
                {"states": None if states is None else list(states), "limit": limit},
            ).fetchall()
        return [Request(*row) for row in rows]

    def open_requests(self) -> list[Request]:
        """Return what waits or is worked on, in the order in which it was asked for."""
        with self._transaction() as connection:
            rows = connection.execute(
                _REQUESTS
                + " WHERE r.state IN ('queued', 'running') ORDER BY r.requested_at, r.request_id"
            ).fetchall()
        return [Request(*row) for row in rows]

    def claim(self, request_id: str, worker: str) -> Request:
        """Take a queued request to work on it.

        Raises
        ------
        RequestGone
            It is over, cancelled, or another's.
        NoSuchRequest
            Nothing was asked for under that id.
        """
        with self._transaction() as connection:
            done = connection.execute(
                _CLAIM, {"request": request_id, "worker": worker, "now": self.clock.now()}
            )
            request = _request(connection, request_id)
        if not done.rowcount:
            _refuse(request)
        return request

    def finish(
        self,
        request_id: str,
        worker: str,
        *,
        run_id: str | None = None,
        sweep_id: str | None = None,
    ) -> None:
        """Say that a request is done, and what it gave.

        Raises
        ------
        RequestGone
            It was cancelled, or is no more this worker's.
        """
        self._settle(_FINISH, request_id, worker, {"run": run_id, "sweep": sweep_id})

    def fail(self, request_id: str, worker: str, error: CandelaError) -> None:
        """Say why a request failed; it is not tried again.

        Raises
        ------
        RequestGone
            It was cancelled, or is no more this worker's.
        """
        self._settle(_FAIL, request_id, worker, {"error": exact_json(error.as_dict())})

    def progress(self, request_id: str, worker: str, ratio: float, note: str = "") -> bool:
        """Say how far the work is, 0 to 1; return whether it is to go on.

        It is to end where the request was cancelled, or is no more this worker's.
        """
        values = {"request": request_id, "worker": worker, "ratio": ratio, "note": note or None}
        with self._transaction() as connection:
            return bool(connection.execute(_PROGRESS + _HELD, values).rowcount)

    def cancel(self, request_id: str) -> RequestState:
        """Cancel a request that is not over; return the state that it has now.

        Raises
        ------
        NoSuchRequest
            Nothing was asked for under that id.
        """
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT research.cancel_request(%s, %s)", (request_id, self.clock.now())
            ).fetchone()
        state = None if row is None else row[0]
        if state is None:
            _refuse_unknown(request_id)
        return cast("RequestState", state)

    def put_back(self, request_id: str, attempt: int, reason: str) -> Request:
        """Queue a request again whose process died, or fail it where that happened too often.

        Parameters
        ----------
        attempt
            The one that died; where the request is at another, nothing is changed.

        Raises
        ------
        NoSuchRequest
            Nothing was asked for under that id.
        """
        error = ProcessDied(
            f"Attempt {attempt} ended without a result: {reason}",
            f"It is tried {MOST_ATTEMPTS} times; the log of its run in Dagster says more.",
        )
        with self._transaction() as connection:
            connection.execute(
                _PUT_BACK,
                {
                    "request": request_id,
                    "attempt": attempt,
                    "most": MOST_ATTEMPTS,
                    "now": self.clock.now(),
                    "error": exact_json(error.as_dict()),
                },
            )
            return _request(connection, request_id)

    def _settle(self, statement: str, request_id: str, worker: str, values: dict[str, Any]) -> None:
        values |= {"request": request_id, "worker": worker, "now": self.clock.now()}
        with self._transaction() as connection:
            if not connection.execute((statement + _HELD).encode(), values).rowcount:
                _refuse(_request(connection, request_id))


def new_request(now: datetime) -> str:
    """Return a new id of a request: ids sort by time, and none is ever given twice.

    No counter of the database: Dagster remembers ids as partitions and would take those of a
    database that was made anew for the old ones.
    """
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def _request(connection: psycopg.Connection, request_id: str) -> Request:
    row = connection.execute(_REQUESTS + " WHERE r.request_id = %s", (request_id,)).fetchone()
    if row is None:
        _refuse_unknown(request_id)
    return Request(*row)


def _refuse_unknown(request_id: str) -> NoReturn:
    message = f"There is no request {request_id!r}."
    raise NoSuchRequest(message, "List the requests to see their ids.")


def _refuse(request: Request) -> NoReturn:
    held = f" by {request.claimed_by}" if request.state == "running" else ""
    raise RequestGone(
        f"Request {request.request_id} is {request.state}{held}.",
        "Nothing is to be done; ask for the backtest again if it is still wanted.",
    )

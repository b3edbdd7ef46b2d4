"""Requests: one process works on each, a cancelled one is left, a dead one comes back."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from backtest.ledger.refusals import NoSuchRequest, RequestGone
from backtest.ledger.requests import MOST_ATTEMPTS
from candela.db.connect import Role
from candela.errors import StrategyError
from tests.backtest.ledger.made import made

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from candela.clock import FixedClock
    from candela.db.connect import Database

SPEC = {"strategy": "ma_cross", "parameters": {"fast": 20.0}}


def test_request_when_worked_off_then_tells_its_way(worker: Ledger, clock: FixedClock) -> None:
    request_id = worker.request(SPEC, "backtest", surface="api", requested_by="ada")
    asked = worker.requested(request_id)
    assert (asked.state, asked.spec, asked.surface, asked.attempt) == ("queued", SPEC, "api", 1)
    assert request_id.startswith("20260302T103000-")
    clock.at += timedelta(seconds=5)
    assert worker.claim(request_id, "run-a").state == "running"
    assert worker.progress(request_id, "run-a", 0.5, "half")
    half = worker.requested(request_id)
    assert (half.progress_ratio, half.progress_note, half.claimed_by) == (0.5, "half", "run-a")
    result = made()
    worker.record_run(result, surface="request")
    worker.finish(request_id, "run-a", run_id=result.manifest["id"])
    done = worker.requested(request_id)
    assert (done.state, done.run_id, done.progress_ratio) == ("done", result.manifest["id"], 1)
    assert (done.started_at, done.finished_at) == (clock.at, clock.at)
    assert (done.is_over, worker.open_requests()) == (True, [])


def test_requests_when_listed_then_open_ones_oldest_first(
    worker: Ledger, clock: FixedClock
) -> None:
    ids: list[str] = []
    for _ in range(3):
        ids.append(worker.request(SPEC, "sweep"))
        clock.at += timedelta(seconds=1)
    worker.claim(ids[1], "run-a")
    worker.cancel(ids[2])
    assert [one.request_id for one in worker.open_requests()] == ids[:2]
    assert [one.request_id for one in worker.requests()] == ids[::-1]
    assert [one.state for one in worker.requests(states=["cancelled"])] == ["cancelled"]


def test_request_when_two_claim_it_at_once_then_one_has_it(worker: Ledger) -> None:
    request_id = worker.request(SPEC, "backtest")
    start = threading.Barrier(4)
    got: list[str] = []

    def claim(name: str) -> None:
        start.wait()
        try:
            worker.claim(request_id, name)
        except RequestGone:
            return
        got.append(name)

    threads = [threading.Thread(target=claim, args=(f"run-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [worker.requested(request_id).claimed_by]


def test_request_when_cancelled_at_work_then_the_worker_is_told_and_its_end_not_taken(
    worker: Ledger, ledger: Ledger
) -> None:
    request_id = worker.request(SPEC, "backtest")
    worker.claim(request_id, "run-a")
    assert ledger.cancel(request_id) == "cancelled"
    assert not worker.progress(request_id, "run-a", 0.7)
    with pytest.raises(RequestGone, match="cancelled"):
        worker.finish(request_id, "run-a")
    with pytest.raises(RequestGone):
        worker.claim(request_id, "run-b")
    assert worker.requested(request_id).state == "cancelled"
    assert ledger.cancel(request_id) == "cancelled"


def test_request_when_over_then_cancelling_changes_nothing(worker: Ledger) -> None:
    request_id = worker.request(SPEC, "backtest")
    worker.claim(request_id, "run-a")
    worker.fail(request_id, "run-a", StrategyError("No strategy 'x'.", "List them."))
    assert worker.cancel(request_id) == "failed"
    assert worker.requested(request_id).error == {
        "code": "strategy_error",
        "message": "No strategy 'x'.",
        "hint": "List them.",
        "status": 422,
        "retryable": False,
    }


def test_request_when_its_process_died_then_queued_again_and_at_last_failed(
    worker: Ledger,
) -> None:
    request_id = worker.request(SPEC, "backtest")
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert worker.claim(request_id, f"run-{attempt}").attempt == attempt
        back = worker.put_back(request_id, attempt, "its process is gone")
        late = worker.put_back(request_id, attempt, "its process is gone")
        if attempt < MOST_ATTEMPTS:
            assert (back.state, back.attempt, back.claimed_by) == ("queued", attempt + 1, None)
            assert late == back
        with pytest.raises(RequestGone):
            worker.finish(request_id, f"run-{attempt}")
    last = worker.requested(request_id)
    assert (last.state, last.attempt) == ("failed", MOST_ATTEMPTS)
    assert last.error is not None
    assert last.error["code"] == "process_died"
    assert "its process is gone" in last.error["message"]


def test_request_when_unknown_then_said(worker: Ledger) -> None:
    with pytest.raises(NoSuchRequest, match="nothing"):
        worker.requested("nothing")
    with pytest.raises(NoSuchRequest, match="nothing"):
        worker.cancel("nothing")
    with pytest.raises(NoSuchRequest, match="nothing"):
        worker.claim("nothing", "run-a")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.APP])
def test_request_when_not_of_pipelines_then_may_ask_and_cancel_only(
    database: Database, ledger: Ledger, role: Role
) -> None:
    asking = type(ledger)(database, ledger.clock, role=role)
    request_id = asking.request(SPEC, "backtest")
    with database.connect(role, autocommit=True) as connection:
        for statement in (
            "UPDATE research.requests SET state = 'done'",
            "INSERT INTO research.requests SELECT 'a', 'backtest', '{}', 'done'",
            "DELETE FROM research.requests",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert asking.cancel(request_id) == "cancelled"

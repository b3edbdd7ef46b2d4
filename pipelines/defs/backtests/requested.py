"""Requests as Dagster knows them: a partition each, a run an attempt, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from backtest.ledger import Ledger, Request

__all__ = [
    "ATTEMPT_TAG",
    "PARTITION_TAG",
    "QUEUE_TAG",
    "REQUESTS",
    "REQUEST_TAG",
    "cancel_waiting",
    "run_request_for",
    "settle_ended",
]

REQUESTS: Final = dg.DynamicPartitionsDefinition(name="backtest_requests")
"""A partition is a request of research.requests, by its id."""

PARTITION_TAG: Final = "dagster/partition"
REQUEST_TAG: Final = "candela/request"
ATTEMPT_TAG: Final = "candela/attempt"
QUEUE_TAG: Final = "dagster-celery/queue"
"""Where runs are spread over hosts: the queue whose workers take them; means nothing elsewhere."""

_WAITING: Final = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED]


def run_request_for(request: Request) -> dg.RunRequest:
    """Return the run that is to work on a request, the same however often it is asked for."""
    return dg.RunRequest(
        run_key=f"{request.request_id}:{request.attempt}",
        # The tag by which Dagster knows the partition of a run; as an argument it would be looked
        # up before the partition of a new request is known.
        tags={
            PARTITION_TAG: request.request_id,
            REQUEST_TAG: request.request_id,
            ATTEMPT_TAG: str(request.attempt),
        },
    )


def settle_ended(
    instance: dg.DagsterInstance, ledger: Ledger, requests: Iterable[Request]
) -> list[Request]:
    """Queue requests again whose run ended without a word of it; return the requests as they are.

    A run whose process died was failed before by the janitor. One that somebody cancelled in
    Dagster's pages takes its request with it.
    """
    known = list(requests)
    ended = _ended_runs(instance, known)
    settled: list[Request] = []
    for request in known:
        run = ended.get(request.request_id)
        lost = request.claimed_by is not None and request.state == "running" and run is None
        if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
            ledger.cancel(request.request_id)
        elif run is not None:
            reason = f"its run {run.run_id} is {run.status.value}."
            ledger.put_back(request.request_id, request.attempt, reason)
        elif lost and instance.get_run_by_id(str(request.claimed_by)) is None:
            reason = f"Dagster knows no run {request.claimed_by}."
            ledger.put_back(request.request_id, request.attempt, reason)
        else:
            settled.append(request)
            continue
        settled.append(ledger.requested(request.request_id))
    return settled


def cancel_waiting(instance: dg.DagsterInstance, request_ids: Iterable[str]) -> list[str]:
    """Take the runs of requests that are over out of Dagster's queue; return their ids.

    A run that is at work sees by itself that its request was cancelled.
    """
    ids = list(request_ids)
    if not ids:
        return []
    filters = dg.RunsFilter(tags={REQUEST_TAG: ids}, statuses=_WAITING)
    runs = instance.get_runs(filters)
    for run in runs:
        said = f"Request {run.tags[REQUEST_TAG]} is over."
        instance.report_run_canceling(run, said)
        instance.report_run_canceled(run, said)
    return [run.run_id for run in runs]


def _ended_runs(
    instance: dg.DagsterInstance, requests: Iterable[Request]
) -> Mapping[str, dg.DagsterRun]:
    """Return by request the run that has ended: the one that claimed it, or was made for it."""
    queued = {one.request_id: str(one.attempt) for one in requests if one.state == "queued"}
    claims = {one.claimed_by: one.request_id for one in requests if one.state == "running"}
    found: dict[str, dg.DagsterRun] = {}
    if queued:
        filters = dg.RunsFilter(tags={REQUEST_TAG: list(queued)}, statuses=_OVER)
        for run in instance.get_runs(filters):
            request_id = run.tags[REQUEST_TAG]
            if run.tags.get(ATTEMPT_TAG) == queued[request_id]:
                found[request_id] = run
    if claims:
        filters = dg.RunsFilter(run_ids=[str(one) for one in claims], statuses=_OVER)
        for run in instance.get_runs(filters):
            found[claims[run.run_id]] = run
    return found


_OVER: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]

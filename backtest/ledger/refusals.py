"""What the ledger refuses, each with a code of its own."""

from __future__ import annotations

from candela.errors import Conflict, NotFound, StrategyError

__all__ = [
    "AmbiguousId",
    "BadCron",
    "NoStrategySource",
    "NoSuchReport",
    "NoSuchRequest",
    "NoSuchRun",
    "NoSuchSchedule",
    "NoSuchSweep",
    "RequestGone",
    "RunNotReproduced",
    "SweepDiffers",
]


class NoSuchRun(NotFound):
    """The ledger has no run whose id begins so."""

    code = "no_such_run"


class NoSuchSweep(NotFound):
    """The ledger has no sweep whose id begins so."""

    code = "no_such_sweep"


class NoSuchReport(NotFound):
    """The run was recorded without a report."""

    code = "no_such_report"


class NoSuchRequest(NotFound):
    """No request has that id."""

    code = "no_such_request"


class NoSuchSchedule(NotFound):
    """No schedule has that name."""

    code = "no_such_schedule"


class NoStrategySource(NotFound):
    """The ledger has no text of a strategy with that digest."""

    code = "no_strategy_source"


class AmbiguousId(Conflict):
    """Several ids begin with what was given."""

    code = "ambiguous_id"


class RunNotReproduced(Conflict):
    """A run that was recorded before gave other trades this time."""

    code = "run_not_reproduced"


class SweepDiffers(Conflict):
    """A sweep or a chunk of that id was recorded with another content."""

    code = "sweep_differs"


class RequestGone(Conflict):
    """The request is not this process's to work on: over, cancelled or taken by another."""

    code = "request_gone"


class BadCron(StrategyError):
    """The text is not a cron expression, or never comes true."""

    code = "bad_cron"

"""What the books of the ledger give back: runs, families, trials, sweeps, requests, schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import polars as pl

__all__ = [
    "Family",
    "Request",
    "RequestKind",
    "RequestState",
    "RunKind",
    "RunLine",
    "RunRecord",
    "RunResult",
    "Schedule",
    "Surface",
    "Sweep",
    "Trial",
]

Surface = Literal["cli", "notebook", "schedule", "request", "api"]
RunKind = Literal["backtest", "portfolio", "payout", "walkforward"]
RequestKind = Literal["backtest", "portfolio", "payout", "walkforward", "sweep"]
RequestState = Literal["queued", "running", "done", "failed", "cancelled"]


class RunResult(Protocol):
    """What a run must have to be recorded."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What decided the run; ``id`` is its identity."""
        ...

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Figures by name; NaN where undefined."""
        ...

    @property
    def trades(self) -> npt.NDArray[np.void]:
        """Trades in order of entry, as records of numpy."""
        ...

    @property
    def trades_digest(self) -> str:
        """``sha256:`` and the digest of the trades."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """Trials among which somebody chooses: a strategy by name, its instruments and timeframe."""

    strategy: str
    instruments: tuple[str, ...]
    timeframe: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Family:
        """Return the family of a run by its manifest."""
        return cls(
            str(manifest["strategy"]["name"]),
            tuple(sorted(str(one) for one in manifest["instruments"])),
            str(manifest["timeframe"]),
        )

    def __str__(self) -> str:
        return f"{self.strategy} on {', '.join(self.instruments)} {self.timeframe}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination that was tried.

    Parameters
    ----------
    parameters
        By name, with the stops and targets of the run where it has any.
    sharpe
        Per bar, not annualised.
    """

    key: str
    parameters: Mapping[str, Any]
    bars: int
    sharpe: float
    total_return: float
    max_drawdown: float = float("nan")
    skewness: float = float("nan")
    kurtosis: float = float("nan")
    round_trips: int | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list: everything but its trades and its report."""

    run_id: str
    kind: RunKind
    family: Family
    trial_key: str
    parameters: Mapping[str, Any]
    protection: Mapping[str, Any]
    metrics: Mapping[str, Any]
    trades_digest: str
    surface: Surface
    requested_by: str | None
    created_at: datetime
    has_report: bool


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was recorded; ``trades`` is a row for each in order of entry."""

    line: RunLine
    manifest: Mapping[str, Any] = field(repr=False)
    trades: pl.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep and how far it is, in points."""

    sweep_id: str
    family: Family
    spec: Mapping[str, Any]
    total: int
    done: int
    surface: Surface
    requested_by: str | None
    opened_at: datetime
    finished_at: datetime | None

    @property
    def is_done(self) -> bool:
        """Whether every point is recorded."""
        return self.finished_at is not None


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's wish for a backtest, and what became of it.

    Parameters
    ----------
    attempt
        Counted from 1; one more each time that its process died.
    error
        Where it failed: code, message, hint, status, retryable.
    """

    request_id: str
    kind: RequestKind
    spec: Mapping[str, Any]
    state: RequestState
    surface: Surface
    requested_by: str | None
    requested_at: datetime
    attempt: int
    claimed_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    progress_ratio: float
    progress_note: str | None
    run_id: str | None
    sweep_id: str | None
    error: Mapping[str, Any] | None
    schedule: str | None
    scheduled_for: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in {"done", "failed", "cancelled"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A backtest that is asked for again and again.

    Parameters
    ----------
    cron
        Five fields, in UTC.
    counts_from
        Ticks after it count: when the schedule was made, changed or let go on.
    """

    name: str
    cron: str
    kind: RequestKind
    spec: Mapping[str, Any]
    is_enabled: bool
    requested_by: str | None
    counts_from: datetime
    last_enqueued_for: datetime | None

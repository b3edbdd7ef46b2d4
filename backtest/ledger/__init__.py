"""The ledger of everything that was tried: runs, trials, sweeps, requests, schedules, sources."""

from __future__ import annotations

from backtest.ledger.ledger import Ledger
from backtest.ledger.records import Family, Request, RunLine, RunRecord, Schedule, Sweep, Trial

__all__ = ["Family", "Ledger", "Request", "RunLine", "RunRecord", "Schedule", "Sweep", "Trial"]

"""The ledger as one object, put together from its books."""

from __future__ import annotations

from backtest.ledger.requests import RequestQueue
from backtest.ledger.runs import RunBook
from backtest.ledger.schedules import ScheduleBook
from backtest.ledger.sources import SourceBook
from backtest.ledger.sweeps import SweepBook

__all__ = ["Ledger"]


class Ledger(RunBook, SweepBook, RequestQueue, ScheduleBook, SourceBook):
    """Runs, trials, sweeps, requests, schedules and sources of strategies, in PostgreSQL.

    Evidence is only ever added: there is no way to take a trial back, here or by SQL.
    """

"""Fixtures of the ledger's tests: a ledger with the rights of an analyst, one of the pipelines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from backtest.ledger import Ledger
from candela.clock import FixedClock
from candela.db.connect import Role

if TYPE_CHECKING:
    from candela.db.connect import Database


@pytest.fixture
def clock() -> FixedClock:
    """A clock to be put forward."""
    return FixedClock(datetime(2026, 3, 2, 10, 30, tzinfo=UTC))


@pytest.fixture
def ledger(database: Database, clock: FixedClock) -> Ledger:
    """The ledger as a notebook opens it."""
    return Ledger(database, clock)


@pytest.fixture
def worker(database: Database, clock: FixedClock) -> Ledger:
    """The ledger as the pipelines open it."""
    return Ledger(database, clock, role=Role.PIPELINES)

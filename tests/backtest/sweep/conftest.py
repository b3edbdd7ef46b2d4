"""A ledger for the tests of sweeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from backtest.ledger import Ledger
from candela.clock import FixedClock

if TYPE_CHECKING:
    from candela.db.connect import Database


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """The ledger as a notebook opens it."""
    return Ledger(database, FixedClock(datetime(2026, 3, 2, 10, 30, tzinfo=UTC)))

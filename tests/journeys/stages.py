"""What tests of faults ask of a stage: its broker by its class, and books that equal the venue."""

from __future__ import annotations

from tests.live.desk.stage import Stage
from tests.simulation.broker import SimulatedBroker

__all__ = ["broker_of", "check_money"]


def broker_of(stage: Stage) -> SimulatedBroker:
    """Return the line of the desk that is on the stage."""
    broker = stage.desk._broker
    assert isinstance(broker, SimulatedBroker)
    return broker


def check_money(stage: Stage) -> None:
    """Hold the books to the venue, currency by currency, with nothing held back any more."""
    shown = {ccy: balance.total for ccy, balance in stage.venue.balances().items()}
    books = stage.books.totals[stage.key]
    assert {ccy: total for ccy, total in books.items() if total} == shown
    assert not any(stage.books.reserved[stage.key].values())

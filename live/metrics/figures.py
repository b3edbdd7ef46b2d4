"""The figures of an executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from candela import telemetry
from candela.telemetry import Figure, Histogram

__all__ = ["FIGURES", "Figures"]

FIGURES: Final[Mapping[str, Figure]] = {
    "candela_signals_total": Figure("counter", "Signals fanned out to bots.", "status"),
    "candela_decisions_total": Figure("counter", "Decisions of bots.", "outcome"),
    "candela_decision_lag_seconds": Figure(
        "histogram", "From the close of a bar to its intents being stored."
    ),
    "candela_refusals_total": Figure("counter", "Entries refused, by the gate.", "gate"),
    "candela_trades_total": Figure("counter", "Trades closed.", "mode"),
    "candela_fills_total": Figure("counter", "Executions booked.", "mode"),
    "candela_errors_total": Figure("counter", "Faults, by what failed.", "part"),
    "candela_orders_unknown": Figure("gauge", "Orders whose fate is not known now."),
    "candela_orders_open": Figure("gauge", "Orders that may be alive at a venue."),
    "candela_accounts": Figure("gauge", "Accounts worked on, by state.", "state"),
    "candela_bots": Figure("gauge", "Bots, by state.", "state"),
    "candela_leases": Figure("gauge", "Leases held, by kind.", "kind"),
    "candela_request_weight": Figure(
        "gauge", "Request weight that a venue says is used in its present window.", "venue"
    ),
    "candela_resident_bytes": Figure("gauge", "Memory of the process."),
}


class Figures(telemetry.Figures):
    """The metrics of one executor."""

    def __init__(self) -> None:
        super().__init__(FIGURES)

    @property
    def lag(self) -> Histogram:
        """Seconds from the close of a bar to its intents being stored."""
        return self.histogram("candela_decision_lag_seconds")

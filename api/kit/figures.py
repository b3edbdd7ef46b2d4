"""The figures of a process of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from candela.telemetry import Figure, Figures

__all__ = ["FIGURES", "api_figures"]

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

FIGURES: Final[Mapping[str, Figure]] = {
    "candela_api_requests_total": Figure(
        "counter", "Requests answered.", "method,route,status_class"
    ),
    "candela_api_request_seconds": Figure(
        "histogram", "From the head of a request to the end of its answer.", bounds=_BOUNDS
    ),
    "candela_api_in_flight": Figure("gauge", "Requests that are being answered."),
    "candela_api_limited_total": Figure(
        "counter", "Requests that a limit refused, by its class.", "class"
    ),
    "candela_api_pool_connections": Figure(
        "gauge", "Connections to PostgreSQL that are open, by pool.", "pool"
    ),
    "candela_api_pool_waiting": Figure(
        "gauge", "Requests that wait for a connection, by pool.", "pool"
    ),
    "candela_api_sockets": Figure("gauge", "WebSockets that are open."),
    "candela_api_sockets_closed_total": Figure(
        "counter", "WebSockets that were closed by us, by the reason.", "reason"
    ),
    "candela_api_resident_bytes": Figure("gauge", "Memory of the process."),
}


def api_figures() -> Figures:
    """Return the figures of a process that starts."""
    return Figures(FIGURES)

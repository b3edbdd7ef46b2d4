"""Counters, gauges and one histogram of an executor, and the text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FIGURES", "Figure", "Figures", "Histogram"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric: its kind, what it counts, and the label that splits it, if any.

    No label ever holds a tenant, an account or a bot: their number has no bound.
    """

    kind: Literal["counter", "gauge", "histogram"]
    words: str
    label: str | None = None


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

_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Histogram:
    """Counts of values below bounds, their sum, and quantiles as good as the bounds are."""

    __slots__ = ("_bounds", "count", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = _BOUNDS) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.count = 0
        self.total = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += times
        self.count += times
        self.total += value * times

    def lines(self, name: str) -> list[str]:
        """Return the samples: cumulative buckets, sum, count."""
        below, found = 0, list[str]()
        for bound, count in zip((*self._bounds, "+Inf"), self.counts, strict=True):
            below += count
            found.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*found, f"{name}_sum {self.total:.6f}", f"{name}_count {self.count}"]


class Figures:
    """The metrics of one process.

    Gauges are asked for when they are read: nothing has to keep them.
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, float]] = {
            name: defaultdict[str, float](float)
            for name, figure in FIGURES.items()
            if figure.kind == "counter"
        }
        self._gauges: dict[str, Callable[[], Mapping[str, float]]] = {}
        self.lag = Histogram()

    def count(self, name: str, label: str = "", times: float = 1) -> None:
        """Add to a counter."""
        self._counts[name][label] += times

    def total(self, name: str) -> float:
        """Return a counter over all its labels."""
        return sum(self._counts[name].values())

    def gauge(self, name: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Say how a gauge is read: values by label, under an empty text where it has none."""
        if FIGURES[name].kind != "gauge":
            message = f"{name} is no gauge"
            raise ValueError(message)
        self._gauges[name] = read

    def text(self) -> str:
        """Return all figures in the text format of Prometheus, version 0.0.4."""
        lines: list[str] = []
        for name, figure in FIGURES.items():
            lines += [f"# HELP {name} {figure.words}", f"# TYPE {name} {figure.kind}"]
            if figure.kind == "histogram":
                lines += self.lag.lines(name)
                continue
            read = self._gauges.get(name)
            values = self._counts.get(name) or (read() if read is not None else {})
            for label, value in sorted(values.items()):
                place = f'{{{figure.label}="{_escaped(label)}"}}' if figure.label else ""
                lines.append(f"{name}{place} {value:g}")
        return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""Figures of a process, and the text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Figure", "Figures", "Histogram"]

_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric: its kind, what it counts, and the labels that split it, if any.

    No label ever holds a tenant, an account or a bot: their number has no bound.

    Parameters
    ----------
    label
        One name, or several separated by commas, in the order of the values.
    bounds
        Of a histogram: upper ends of its buckets, rising.
    """

    kind: Literal["counter", "gauge", "histogram"]
    words: str
    label: str | None = None
    bounds: tuple[float, ...] = _BOUNDS

    def place(self, values: str | tuple[str, ...]) -> str:
        """Return the labels of a sample as they stand behind its name."""
        if self.label is None:
            return ""
        given = (values,) if isinstance(values, str) else values
        pairs = zip(self.label.split(","), given, strict=True)
        return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


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

    Parameters
    ----------
    catalogue
        Every metric by its name; there are no others.
    """

    def __init__(self, catalogue: Mapping[str, Figure]) -> None:
        self._catalogue = catalogue
        self._counts: dict[str, dict[str | tuple[str, ...], float]] = {
            name: defaultdict[str | tuple[str, ...], float](float)
            for name, figure in catalogue.items()
            if figure.kind == "counter"
        }
        self._gauges: dict[str, Callable[[], Mapping[str, float]]] = {}
        self._histograms = {
            name: Histogram(figure.bounds)
            for name, figure in catalogue.items()
            if figure.kind == "histogram"
        }

    def count(self, name: str, label: str | tuple[str, ...] = "", times: float = 1) -> None:
        """Add to a counter."""
        self._counts[name][label] += times

    def total(self, name: str) -> float:
        """Return a counter over all its labels."""
        return sum(self._counts[name].values())

    def histogram(self, name: str) -> Histogram:
        """Return a histogram, to add values to."""
        return self._histograms[name]

    def gauge(self, name: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Say how a gauge is read: values by label, under an empty text where it has none."""
        if self._catalogue[name].kind != "gauge":
            message = f"{name} is no gauge"
            raise ValueError(message)
        self._gauges[name] = read

    def text(self) -> str:
        """Return all figures in the text format of Prometheus, version 0.0.4."""
        lines: list[str] = []
        for name, figure in self._catalogue.items():
            lines += [f"# HELP {name} {figure.words}", f"# TYPE {name} {figure.kind}"]
            if figure.kind == "histogram":
                lines += self._histograms[name].lines(name)
            elif figure.kind == "counter":
                for labels, value in sorted(self._counts[name].items(), key=_order):
                    lines.append(f"{name}{figure.place(labels)} {value:g}")
            elif (read := self._gauges.get(name)) is not None:
                for label, value in sorted(read().items()):
                    lines.append(f"{name}{figure.place(label)} {value:g}")
        return "\n".join(lines) + "\n"


def _order(sample: tuple[str | tuple[str, ...], float]) -> tuple[str, ...]:
    return (sample[0],) if isinstance(sample[0], str) else sample[0]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

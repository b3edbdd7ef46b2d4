"""Every figure of a run with its label and definition, as the kernel words them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backtest.report.numerals import amount, count, percent, plain, span
from candela.metrics.words import WORDS, Unit

__all__ = ["FigureRow", "every_figure", "figure_text"]


class FigureRow(NamedTuple):
    """One figure, its value and what it means."""

    name: str
    label: str
    value: str
    definition: str


def figure_text(value: float, kind: Unit, unit: str) -> str:
    """Return a figure as text by what it counts."""
    match kind:
        case "quote":
            return amount(value, unit=unit)
        case "ratio":
            return percent(value)
        case "count" | "bars":
            return count(value)
        case "seconds":
            return span(value)
        case "number":
            return plain(value, 3)


def every_figure(metrics: Mapping[str, float], unit: str) -> list[FigureRow]:
    """Return the figures in the kernel's order; those that it has no words for come last."""
    rows = [
        FigureRow(
            name, words.label, figure_text(float(metrics[name]), words.unit, unit), words.definition
        )
        for name, words in WORDS.items()
        if metrics.get(name) is not None
    ]
    rows += [
        FigureRow(name, name.replace("_", " "), plain(float(value), 6), "")
        for name, value in metrics.items()
        if name not in WORDS and metrics.get(name) is not None
    ]
    return rows

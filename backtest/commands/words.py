"""Figures as a terminal shows them: with units and words, in one narrow table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from candela.metrics.words import WORDS

if TYPE_CHECKING:
    from backtest.evidence.verdict import Check
    from backtest.workbench import AnyResult

__all__ = ["figures_text", "heading", "shown", "verdict_text"]

_GROUPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "Result",
        (
            *("final_equity", "total_return", "benchmark_return", "cagr", "volatility", "sharpe"),
            *("sortino", "calmar", "max_drawdown", "longest_drawdown_s", "exposure"),
        ),
    ),
    (
        "Trades",
        (
            *("trades", "open_trades", "win_rate", "profit_factor", "expectancy"),
            *("average_win", "average_loss", "best_trade", "worst_trade", "longest_loss_streak"),
        ),
    ),
    ("Costs", ("orders", "rejected_orders", "turnover", "fees", "slippage", "funding")),
)
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0


def shown(name: str, value: float | None) -> str:
    """Return a figure with its unit; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "-"
    match WORDS[name].unit:
        case "ratio":
            return f"{value * 100:,.2f} %"
        case "quote":
            return f"{value:,.2f}"
        case "seconds":
            return f"{value / _DAY_S:,.1f} d" if value >= _DAY_S else f"{value / _HOUR_S:,.1f} h"
        case "count" | "bars":
            return f"{value:,.0f}"
        case _:
            return f"{value:,.3f}"


def figures_text(metrics: Mapping[str, float]) -> str:
    """Return the figures that a terminal shows, in groups side by side."""
    columns = [
        [(WORDS[name].label, shown(name, metrics[name])) for name in names if name in metrics]
        for _, names in _GROUPS
    ]
    widths = [
        (max(len(label) for label, _ in column), max(len(value) for _, value in column))
        for column in columns
    ]
    titles = [title for title, _ in _GROUPS]
    lines = [
        "   ".join(
            title.ljust(wide + 2 + narrow)
            for title, (wide, narrow) in zip(titles, widths, strict=True)
        ).rstrip()
    ]
    for row in range(max(map(len, columns))):
        cells: list[str] = []
        for column, (wide, narrow) in zip(columns, widths, strict=True):
            label, value = column[row] if row < len(column) else ("", "")
            cells.append(f"{label.ljust(wide)}  {value.rjust(narrow)}")
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)


def heading(result: AnyResult) -> str:
    """Return what ran on what, in a few lines."""
    manifest = result.manifest
    gaps = manifest["gaps"]
    parameters = ", ".join(
        f"{name}={value}"
        for name, value in manifest["parameters"].items()
        if not isinstance(value, Mapping)
    )
    bars = result.bars
    last = bars.at(len(bars) - 1)
    what = manifest["strategy"]["name"] + (f" ({parameters})" if parameters else "")
    where = f"{', '.join(manifest['instruments'])} {manifest['timeframe']}"
    span = f"{len(bars):,} bars, {bars.at(0)} to {last}"
    return f"{what} on {where}\n{span}; {gaps['missing']:,} absent ({gaps['share']:.2%})"


def verdict_text(checks: Sequence[Check], words: str) -> str:
    """Return a verdict: each check with number, bound and sentence, then the finding."""
    wide = max(len(check.name) for check in checks)
    lines: list[str] = []
    for check in checks:
        mark = "passed" if check.passed else "missed"
        figure = f"{check.value:>10,.4g}  bound {check.threshold:,.4g}"
        lines += [f"{mark}  {check.name.ljust(wide)}  {figure}", f"        {check.sentence}"]
    return "\n".join([*lines, "", words])

"""What Dagster's pages show of a backtest: figures, identity and a picture of its equity."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from backtest.ledger import Ledger, Request
    from backtest.requests import Outcome

__all__ = ["equity_picture", "evidence_metadata", "figures_table"]

# The figures that a person compares first; the rest is in the ledger.
_SHOWN: Final = (
    *("total_return", "benchmark_return", "cagr", "sharpe", "sortino", "max_drawdown"),
    *("longest_drawdown_bars", "trades", "win_rate", "profit_factor", "exposure", "fees", "bars"),
)
_BEST: Final = 10
_POINTS: Final = 1_500
_INCHES: Final = (7.2, 2.4)
_DPI: Final = 75


def evidence_metadata(
    ledger: Ledger, request: Request, outcome: Outcome
) -> dict[str, dg.MetadataValue]:
    """Return the metadata of a request that is done."""
    metadata: dict[str, dg.MetadataValue] = {
        "request": dg.MetadataValue.text(request.request_id),
        "kind": dg.MetadataValue.text(request.kind),
        "spec": dg.MetadataValue.json(dict(request.spec)),
    }
    if outcome.run_id is not None:
        run = ledger.run(outcome.run_id)
        metadata |= {
            "run_id": dg.MetadataValue.text(run.line.run_id),
            "trades_digest": dg.MetadataValue.text(run.line.trades_digest),
            "family": dg.MetadataValue.text(str(run.line.family)),
            "trials_of_family": dg.MetadataValue.int(ledger.trial_count(run.line.family)),
            "figures": dg.MetadataValue.md(figures_table(dict(run.line.metrics))),
        }
        metadata |= {
            name: dg.MetadataValue.float(float(run.line.metrics[name]))
            for name in ("total_return", "sharpe", "max_drawdown")
            if math.isfinite(run.line.metrics.get(name, math.nan))
        }
    if outcome.sweep_id is not None:
        sweep = ledger.sweep(outcome.sweep_id)
        metadata |= {
            "sweep_id": dg.MetadataValue.text(sweep.sweep_id),
            "points": dg.MetadataValue.int(sweep.total),
            "trials_of_family": dg.MetadataValue.int(ledger.trial_count(sweep.family)),
            "best": dg.MetadataValue.md(best_points(ledger.sweep_figures(sweep.sweep_id))),
        }
    if outcome.equity is not None:
        metadata["equity"] = dg.MetadataValue.md(
            equity_picture(outcome.time, outcome.equity, outcome.benchmark, request.request_id)
        )
    return metadata


def figures_table(metrics: dict[str, float]) -> str:
    """Return the figures that a person compares first, as Markdown."""
    lines = ["| figure | value |", "|---|---:|"]
    lines += [f"| {name} | {_said(metrics[name])} |" for name in _SHOWN if name in metrics]
    return "\n".join(lines)


def best_points(figures: pl.DataFrame) -> str:
    """Return the points of a sweep with the highest Sharpe ratios, as Markdown."""
    if "sharpe" not in figures.columns:
        return "No point has a Sharpe ratio."
    best = figures.fill_nan(None).sort("sharpe", descending=True, nulls_last=True).head(_BEST)
    lines = [f"| {' | '.join(best.columns)} |", "|---" * len(best.columns) + "|"]
    lines += [f"| {' | '.join(_said(value) for value in row)} |" for row in best.iter_rows()]
    return "\n".join(lines)


def equity_picture(
    time: npt.NDArray[np.int64] | None,
    equity: npt.NDArray[np.float64],
    benchmark: npt.NDArray[np.float64] | None,
    title: str,
) -> str:
    """Return a PNG as Markdown: equity, and buying and holding beside it.

    Parameters
    ----------
    time
        Starts of the bars, microseconds UTC; without them the bars are numbered.
    """
    import numpy as np

    # matplotlib takes a second to load. Figures are made without pyplot, which would keep them.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    shown = slice(None, None, max(1, equity.size // _POINTS))
    at = np.arange(equity.size) if time is None else time.astype("datetime64[us]")
    if benchmark is not None:
        axes.plot(at[shown], benchmark[shown], color="#888888", linewidth=0.8, label="held")
    axes.plot(at[shown], equity[shown], color="#1f5fa8", linewidth=1.0, label="equity")
    if time is not None:
        locator = AutoDateLocator(maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.legend(loc="best", fontsize=7, frameon=False)
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=8, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    with io.BytesIO() as buffer:
        FigureCanvasAgg(figure).print_png(buffer)
        text = base64.b64encode(buffer.getvalue()).decode()
    return f"![{title}](data:image/png;base64,{text})"


def _said(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if math.isfinite(value) else "-"
    return "-" if value is None else str(value)

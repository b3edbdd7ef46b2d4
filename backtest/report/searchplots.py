# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Pictures of a search: a figure over two parameters, and walk-forward window by window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from backtest.report.paper import COLOURS, figure, finished, ratio_axis
from backtest.report.plots import NothingToPlot
from backtest.report.reportable import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_heatmap", "plot_walkforward"]

_MOST_LABELS = 16
_MOST_CELLS_WRITTEN = 150


def plot_heatmap(
    frame_x: Sequence[float] | npt.NDArray[np.generic],
    frame_y: Sequence[float] | npt.NDArray[np.generic],
    values: Floats,
    *,
    x_label: str = "x",
    y_label: str = "y",
    value_label: str = "value",
    chosen: tuple[float, float] | None = None,
) -> Figure:
    """Draw a figure over two parameters, with the chosen pair framed.

    Parameters
    ----------
    frame_x, frame_y
        Values of the parameters: one for each column, one for each row.
    values
        (rows, columns); NaN where nothing was run, which is left grey.
    chosen
        The pair (x, y) that was taken.

    Raises
    ------
    NothingToPlot
        No value is a number, the shape is another, or the chosen pair is not among them.
    """
    columns, rows = np.asarray(frame_x), np.asarray(frame_y)
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(rows), len(columns)) or not np.isfinite(values).any():
        known = int(np.isfinite(values).sum())
        message = (
            f"A heat map of {len(rows)} rows and {len(columns)} columns got {values.shape} values,"
            f" {known} of them numbers."
        )
        raise NothingToPlot(message, "Give one for each pair.")
    drawn, axes = figure(width=8.0, height=6.0)
    axes.set_facecolor("#c9ced4")
    finite = np.where(np.isfinite(values), values, np.nan)
    image = axes.imshow(np.ma.masked_invalid(finite), cmap="cividis", aspect="auto", origin="lower")
    axes.grid(visible=False)
    _ticks(axes, columns, rows)
    if values.size <= _MOST_CELLS_WRITTEN:
        low, high = np.nanmin(finite), np.nanmax(finite)
        for (row, column), value in np.ndenumerate(finite):
            if np.isfinite(value):
                dark = value < (low + high) / 2
                colour = "white" if dark else COLOURS["ink"]
                axes.text(
                    column, row, f"{value:.3g}", ha="center", va="center", color=colour, fontsize=8
                )
    bar = drawn.colorbar(image, ax=axes, label=value_label)
    bar.outline.set_visible(False)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    title = f"{value_label} by {x_label} and {y_label}"
    if chosen is not None:
        title += _framed(axes, columns, rows, finite, chosen)
    return finished(drawn, axes, title)


def _ticks(axes: Axes, columns: npt.NDArray[np.generic], rows: npt.NDArray[np.generic]) -> None:
    for put, labels in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        step = -(-len(labels) // _MOST_LABELS)
        places = range(0, len(labels), step)
        put(places, [f"{labels[place]:g}" for place in places])


def _framed(
    axes: Axes,
    columns: npt.NDArray[np.generic],
    rows: npt.NDArray[np.generic],
    values: Floats,
    chosen: tuple[float, float],
) -> str:
    """Frame the chosen pair and return the words for the title."""
    from matplotlib.patches import Rectangle

    found = np.flatnonzero(columns == chosen[0]), np.flatnonzero(rows == chosen[1])
    if not len(found[0]) or not len(found[1]):
        message = f"The chosen pair {chosen[0]:g}, {chosen[1]:g} is not on the map."
        raise NothingToPlot(message, "Choose from the values of the axes.")
    column, row = int(found[0][0]), int(found[1][0])
    for colour, width in (("white", 4.5), (COLOURS["down"], 2.2)):
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=colour, linewidth=width,
                clip_on=False, zorder=4,
            )
        )  # fmt: skip
    return f"; chosen {chosen[0]:g}, {chosen[1]:g}: {values[row, column]:.3g}"


def plot_walkforward(
    starts: Sequence[datetime],
    in_sample: Floats,
    out_of_sample: Floats,
    *,
    value_label: str = "Sharpe",
    equity_time: npt.NDArray[np.int64] | None = None,
    equity: Floats | None = None,
) -> Figure:
    """Draw a figure inside and outside the sample, window by window, and the joined equity.

    Parameters
    ----------
    starts
        Where each test window starts.
    in_sample, out_of_sample
        The figure in training and in test, one for each window.
    value_label
        What the figure is.
    equity_time, equity
        Microseconds UTC and equity over all test windows joined; drawn below where given.

    Raises
    ------
    NothingToPlot
        There is no window.
    """
    if not len(starts):
        message = "A walk-forward of 0 windows has nothing to draw."
        raise NothingToPlot(message, "Give at least one window.")
    drawn, axes = figure(height=4.0)
    places = np.arange(len(starts))
    axes.bar(
        places - 0.2, in_sample, 0.38, label="in training", facecolor="white",
        edgecolor=COLOURS["accent"], hatch="////", linewidth=1,
    )  # fmt: skip
    axes.bar(places + 0.2, out_of_sample, 0.38, label="in test", color=COLOURS["accent"])
    axes.axhline(0, color=COLOURS["soft"], linewidth=0.8)
    step = -(-len(starts) // _MOST_LABELS)
    axes.set_xticks(places[::step], [f"{start:%Y-%m-%d}" for start in starts[::step]])
    if len(starts) > _MOST_LABELS // 2:
        axes.tick_params(axis="x", rotation=45)
    axes.set_ylabel(value_label)
    axes.set_xlabel("start of the test window")
    finished(drawn, axes, f"Walk-forward: {value_label} in training and in test", legend=True)
    if equity_time is None or equity is None or not len(equity):
        return drawn
    return _with_equity(drawn, axes, equity_time, equity)


def _with_equity(
    drawn: Figure, axes: Axes, equity_time: npt.NDArray[np.int64], equity: Floats
) -> Figure:
    drawn.set_size_inches(9.0, 6.6)
    grid = drawn.add_gridspec(2, 1, height_ratios=(1, 0.9))
    axes.set_subplotspec(grid[0])
    below = drawn.add_subplot(grid[1])
    below.plot(
        equity_time.view("datetime64[us]"),
        equity / equity[0] - 1.0,
        color=COLOURS["accent"],
        linewidth=1.4,
    )
    below.axhline(0, color=COLOURS["soft"], linewidth=0.8)
    below.grid(visible=True, color=COLOURS["line"], linewidth=0.6)
    below.spines[["top", "right"]].set_visible(False)
    below.tick_params(colors=COLOURS["soft"], labelsize=9)
    ratio_axis(below.yaxis)
    return finished(drawn, below, "Return over the test windows, joined")

"""A small picture of one partition: closes, what was flagged or refused, what is absent."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.lib.figures import MonthFigures, Refusal

__all__ = ["picture"]

_POINTS: Final = 1_500
_INCHES: Final = (7.2, 2.0)
_DPI: Final = 75


def picture(
    candles: pl.DataFrame, figures: MonthFigures, refusals: list[Refusal], title: str
) -> str:
    """Return a PNG as Markdown; minutes are thinned to what can be seen.

    Parameters
    ----------
    candles
        Columns time, close, flags, oldest first.
    """
    # matplotlib takes a second to load. Figures are made without pyplot, which would keep them.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    step = max(1, candles.height // _POINTS)
    line = candles.gather_every(step)
    axes.plot(date2num(_times(line)), line["close"].to_list(), color="#1f5fa8", linewidth=0.8)
    flagged = candles.filter(pl.col("flags") != 0)
    if flagged.height:
        axes.plot(
            date2num(_times(flagged)),
            flagged["close"].to_list(),
            "o",
            color="#d98200",
            ms=4,
            label="flagged",
        )
    refused = [one.time for one in refusals if one.time is not None]
    if refused:
        axes.plot(
            date2num(refused),
            [axes.get_ylim()[0]] * len(refused),
            "x",
            color="#c0161d",
            label="refused",
        )
    for number, (start, end, _, _) in enumerate(figures.gaps):
        axes.axvspan(
            float(date2num(start)),
            float(date2num(end)),
            color="#888888",
            alpha=0.35,
            label="absent" if not number else None,
        )
    if flagged.height or refused or figures.gaps:
        axes.legend(loc="best", fontsize=7, frameon=False)
    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=8, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    with io.BytesIO() as buffer:
        FigureCanvasAgg(figure).print_png(buffer)
        text = base64.b64encode(buffer.getvalue()).decode()
    return f"![{title}](data:image/png;base64,{text})"


def _times(frame: pl.DataFrame) -> list[datetime]:
    return frame["time"].to_list()

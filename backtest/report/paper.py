# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The look of every picture: size, colours, grid and titles, without the state of pyplot."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "figure", "finished", "ratio_axis"]

COLOURS: Final = {
    "ink": "#1a2027",
    "soft": "#525d68",
    "line": "#d3d9df",
    "accent": "#1f5fa8",
    "up": "#0b756f",
    "down": "#ad3d0b",
    "warn": "#b07d00",
    "bench": "#7b8590",
    "gain": "#4fb3aa",
    "loss": "#e58a55",
}
"""The light colours of the page, so that both look alike side by side."""

_LONGEST_LINE: Final = 95


def figure(width: float = 9.0, height: float = 4.4) -> tuple[Figure, Axes]:
    """Return an empty figure of so many inches at 150 dots each, and its axes."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    axes = drawn.subplots()
    axes.grid(visible=True, color=COLOURS["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(COLOURS["line"])
    axes.tick_params(colors=COLOURS["soft"], labelsize=9)
    axes.xaxis.label.set_color(COLOURS["soft"])
    axes.yaxis.label.set_color(COLOURS["soft"])
    return drawn, axes


def finished(drawn: Figure, axes: Axes, title: str, *, legend: bool = False) -> Figure:
    """Put title and legend on a figure, and short dates on an axis of times."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # Names are the user's: a dollar sign in one starts no formula.
    lines = textwrap.wrap(title, _LONGEST_LINE, max_lines=2, placeholder=" ...")
    axes.set_title(
        "\n".join(lines), loc="left", fontsize=11, color=COLOURS["ink"], parse_math=False
    )
    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, AutoDateLocator):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if legend and axes.get_legend_handles_labels()[0]:
        shown = axes.legend(frameon=False, fontsize=9, loc="best")
        for text in shown.get_texts():
            text.set_parse_math(False)
    return drawn


def ratio_axis(axis: Axis) -> None:
    """Show ratios on an axis as per cent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0))

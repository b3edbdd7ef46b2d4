# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Pictures of a run for a document: figures of matplotlib, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from backtest.report import assumptions, figures
from backtest.report.drawdowns import under_water
from backtest.report.months import Year, monthly_returns
from backtest.report.paper import COLOURS, figure, finished, ratio_axis
from backtest.report.reportable import Reportable, Run, reportable
from candela.errors import NotFound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "NothingToPlot",
    "plot_drawdown",
    "plot_equity",
    "plot_monthly",
    "plot_price",
    "plot_trades",
    "save_plots",
]

_CANDLES: Final = 250
"""More bars than this are drawn as a line of closes."""

_LINES: Final = (("-", "warn"), ("--", "up"), (":", "down"), ("-.", "bench"))
_FEW_TRADES: Final = 100
_LEAST_BINS, _MOST_BINS = 10, 50
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


class NothingToPlot(NotFound):
    """A picture was asked for of what is not there."""

    code = "nothing_to_plot"


def _title(result: Reportable, what: str) -> str:
    name = assumptions.strategy_name(result.manifest)
    return f"{what}: {name} on {result.bars.instrument}, {result.bars.timeframe}"


def _initial(result: Reportable) -> float:
    return float(result.metrics["initial_equity"])


def plot_price(run: Run) -> Figure:
    """Draw prices with the entries and exits of every trade, and the lines drawn over prices."""
    result = reportable(run)
    drawn, axes = figure()
    bars = result.bars
    time = bars.time.view("datetime64[us]")
    if len(bars) <= _CANDLES:
        _candles(axes, result)
    else:
        axes.plot(time, bars.close, color=COLOURS["soft"], linewidth=0.7, label="close", zorder=2.5)
    for number, (name, values) in enumerate(result.panes.items()):
        if "/" not in name:
            style, colour = _LINES[number % len(_LINES)]
            axes.plot(time, values, style, color=COLOURS[colour], linewidth=0.9, label=name)
    trades = result.trades[result.trades["instrument"] == 0]
    closed = trades[trades["exit_bar"] >= 0]
    size = 36 if len(trades) < _FEW_TRADES else 12
    for records, bar, price, sign in (
        (trades, "entry_bar", "entry_price", 1),
        (closed, "exit_bar", "exit_price", -1),
    ):
        for side, marker, colour, word in (
            (1, "^", COLOURS["accent"], "bought"),
            (-1, "v", COLOURS["ink"], "sold"),
        ):
            mine = records[records["direction"] * sign == side]
            if len(mine):
                place = time[mine[bar]], mine[price]
                label = word if word not in axes.get_legend_handles_labels()[1] else None
                axes.scatter(*place, marker=marker, s=size, color=colour, label=label, zorder=3)
    axes.set_ylabel(f"price, {figures.quote_currency(bars.instrument) or 'quote'}")
    return finished(drawn, axes, _title(result, "Prices and trades"), legend=True)


def _candles(axes: Axes, result: Reportable) -> None:
    bars = result.bars
    time = bars.time.view("datetime64[us]")
    width = np.timedelta64(int(bars.timeframe.seconds * 700_000), "us")
    rose = bars.close >= bars.open
    for mask, colour, face in ((rose, COLOURS["up"], "white"), (~rose, COLOURS["down"], None)):
        axes.vlines(time[mask], bars.low[mask], bars.high[mask], color=colour, linewidth=0.8)
        axes.bar(
            time[mask],
            (bars.close - bars.open)[mask],
            width,
            bottom=bars.open[mask],
            facecolor=face or colour,
            edgecolor=colour,
            linewidth=0.8,
            zorder=2,
        )


def plot_equity(run: Run) -> Figure:
    """Draw equity at each close beside that of buying and holding."""
    result = reportable(run)
    drawn, axes = figure()
    time = result.bars.time.view("datetime64[us]")
    axes.plot(time, result.benchmark, color=COLOURS["bench"], linewidth=0.8, label="buy and hold")
    axes.plot(time, result.equity, color=COLOURS["accent"], linewidth=1.6, label="this run")
    axes.axhline(_initial(result), color=COLOURS["soft"], linewidth=0.8, linestyle=":")
    axes.set_ylabel(f"equity, {figures.quote_currency(result.bars.instrument) or 'quote'}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    return finished(drawn, axes, _title(result, "Equity"), legend=True)


def plot_drawdown(run: Run) -> Figure:
    """Draw how far the equity stands below its highest value so far."""
    result = reportable(run)
    drawn, axes = figure(height=3.2)
    time = result.bars.time.view("datetime64[us]")
    water = under_water(result.equity, _initial(result))
    axes.fill_between(time, water, 0.0, color=COLOURS["down"], alpha=0.3, linewidth=0)
    axes.plot(time, water, color=COLOURS["down"], linewidth=0.9)
    if len(water) and water.min() < 0:
        low = int(np.argmin(water))
        axes.annotate(
            f"{water[low]:.1%}",
            (time[low], water[low]),
            xytext=(0, -12),
            textcoords="offset points",
            ha="center",
            va="top",
        )
        axes.set_ylim(top=0, bottom=water[low] * 1.22)
    ratio_axis(axes.yaxis)
    return finished(drawn, axes, _title(result, "Drawdown"))


def plot_monthly(run: Run) -> Figure:
    """Draw the returns of months as a heat table, years downwards.

    Raises
    ------
    NothingToPlot
        The run has no bars.
    """
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    result = reportable(run)
    years = monthly_returns(result.bars.time, result.equity, _initial(result))
    if not years:
        message = f"The run on {result.bars.instrument} has no bars."
        raise NothingToPlot(message, "Ask for a span with candles.")
    values = np.array([[*year.months, year.total] for year in years])
    drawn, axes = figure(height=1.3 + 0.42 * len(years))
    far = max(float(np.nanmax(np.abs(values[:, :12]))), 0.001)
    colours = LinearSegmentedColormap.from_list(
        "returns", [COLOURS["loss"], "#ffffff", COLOURS["gain"]]
    )
    norm = TwoSlopeNorm(0.0, -far, far)
    axes.imshow(np.clip(values, -far, far), cmap=colours, norm=norm, aspect="auto")
    _cells(axes, years)
    axes.set_xticks(range(13), [*_MONTHS, "Year"])
    axes.set_yticks(range(len(years)), [str(year.year) for year in years])
    axes.axvline(11.5, color=COLOURS["soft"], linewidth=1.2)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return finished(drawn, axes, _title(result, "Returns by month, per cent"))


def _cells(axes: Axes, years: list[Year]) -> None:
    for row, year in enumerate(years):
        for column, value in enumerate([*year.months, year.total]):
            if np.isfinite(value):
                axes.text(
                    column,
                    row,
                    f"{value * 100:.1f}",
                    ha="center",
                    va="center",
                    color=COLOURS["ink"],
                    fontweight="bold" if column == len(_MONTHS) else "normal",
                )


def plot_trades(run: Run) -> Figure:
    """Draw how often closed trades returned how much, with their mean and median.

    Raises
    ------
    NothingToPlot
        No trade was closed.
    """
    from matplotlib.ticker import MaxNLocator

    result = reportable(run)
    closed = result.trades[result.trades["exit_bar"] >= 0]
    if not len(closed):
        message = f"The run on {result.bars.instrument} closed no trade."
        raise NothingToPlot(message, "Its report says which condition never held.")
    drawn, axes = figure()
    returns = closed["return_ratio"]
    low, high = min(float(returns.min()), 0.0), max(float(returns.max()), 0.0)
    bins = min(max(len(returns) // 4, _LEAST_BINS), _MOST_BINS)
    width = max((high - low) / bins, 1e-6)
    # Cut at nought, so that no bar mixes gains and losses.
    edges = width * np.arange(np.floor(low / width), np.ceil(high / width) + 1)
    for mine, colour, label in (
        (returns[returns <= 0], COLOURS["down"], "losses"),
        (returns[returns > 0], COLOURS["up"], "gains"),
    ):
        axes.hist(mine, bins=edges, color=colour, label=label, rwidth=0.94)
    mean, median = float(returns.mean()), float(np.median(returns))
    axes.axvline(mean, color=COLOURS["ink"], linewidth=1.4, label=f"mean {mean:.2%}")
    axes.axvline(
        median, color=COLOURS["ink"], linewidth=1.4, linestyle="--", label=f"median {median:.2%}"
    )
    axes.set_xlabel("return of a trade, after costs")
    axes.set_ylabel("closed trades")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    ratio_axis(axes.xaxis)
    return finished(drawn, axes, _title(result, "Returns of trades"), legend=True)


def save_plots(run: Run, folder: Path) -> list[Path]:
    """Write each picture that the run has something for as PNG; return the files.

    The folder is made where it is not there; older pictures in it are replaced.
    """
    result = reportable(run)
    drawings = {
        "price": plot_price,
        "equity": plot_equity,
        "drawdown": plot_drawdown,
        "monthly": plot_monthly,
        "trades": plot_trades,
    }
    if not (result.trades["exit_bar"] >= 0).any():
        del drawings["trades"]
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, draw in drawings.items():
        path = folder / f"{name}.png"
        draw(run).savefig(path)
        written.append(path)
    return written

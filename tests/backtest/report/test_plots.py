"""Pictures of a run: drawn without warnings, saved as PNG, refused where there is nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backtest.report.plots import (
    NothingToPlot,
    plot_drawdown,
    plot_equity,
    plot_monthly,
    plot_price,
    plot_trades,
    save_plots,
)
from backtest.report.searchplots import plot_heatmap, plot_walkforward
from tests.backtest.report.example import ExampleRun, hours, run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def two_months() -> ExampleRun:
    return run(hours(1_500), fast=6, slow=30)


def pixels(figure: Figure) -> np.ndarray[Any, np.dtype[np.float64]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), dtype=np.float64)


def texts(figure: Figure) -> str:
    from matplotlib.text import Text

    return "\n".join(one.get_text() for one in figure.findobj(Text))


def test_pictures_of_a_run_are_saved_and_hold_colour(
    two_months: ExampleRun, tmp_path: Path
) -> None:
    from matplotlib.image import imread

    written = save_plots(two_months, tmp_path / "deep" / "plots")
    assert [path.name for path in written] == [
        "price.png", "equity.png", "drawdown.png", "monthly.png", "trades.png",
    ]  # fmt: skip
    for path in written:
        picture = imread(path)
        assert picture.shape[1] == 1350
        assert len(np.unique(picture[::3, ::3, :3].reshape(-1, 3), axis=0)) > 5, path


def test_pictures_without_closed_trades_leave_their_histogram(
    two_months: ExampleRun, tmp_path: Path
) -> None:
    silent = replace(two_months, trades=two_months.trades[:0])
    assert "trades.png" not in {path.name for path in save_plots(silent, tmp_path)}
    with pytest.raises(NothingToPlot, match="closed no trade"):
        plot_trades(silent)


def test_few_bars_are_drawn_as_candles_with_their_trades() -> None:
    few = run(hours(200), fast=5, slow=20)
    figure = plot_price(few)
    assert len(figure.axes[0].patches) == 200
    assert {"bought", "sold", "mean of 5"} <= set(texts(figure).split("\n"))


def test_title_with_signs_of_formulas_is_plain_text(two_months: ExampleRun) -> None:
    odd = replace(
        two_months,
        manifest={**two_months.manifest, "strategy": {"name": r"a$\frac{b$ " + "x" * 200}},
        panes={"$^{": two_months.bars.close},
    )
    for draw in (plot_price, plot_equity, plot_drawdown, plot_monthly, plot_trades):
        assert pixels(draw(odd)).size
    assert r"a$\frac{b$" in texts(plot_equity(odd))


def test_deepest_drawdown_is_written_on_its_picture(two_months: ExampleRun) -> None:
    assert f"-{two_months.metrics['max_drawdown']:.1%}" in texts(plot_drawdown(two_months))


def test_months_of_no_bars_are_refused(two_months: ExampleRun) -> None:
    bars = hours(0)
    with pytest.raises(NothingToPlot, match="has no bars"):
        plot_monthly(replace(two_months, bars=bars, equity=two_months.equity[:0]))


def test_histogram_of_trades_counts_each_once(two_months: ExampleRun) -> None:
    closed = int((two_months.trades["exit_bar"] >= 0).sum())
    patches: Any = plot_trades(two_months).axes[0].patches
    assert sum(patch.get_height() for patch in patches) == closed


def test_heat_map_labels_axes_and_frames_the_chosen_pair() -> None:
    values = np.array([[0.5, 1.25, math.nan], [-1.0, 0.0, 2.0]])
    figure = plot_heatmap(
        [5, 10, 15], [50, 100], values,
        x_label="fast", y_label="slow", value_label="Sharpe", chosen=(10, 50),
    )  # fmt: skip
    said = texts(figure)
    assert "Sharpe by fast and slow; chosen 10, 50: 1.25" in said
    assert {"5", "10", "15", "50", "100", "fast", "slow"} <= set(said.split("\n"))
    assert pixels(figure).std() > 0


def test_heat_map_of_many_values_labels_some_of_them() -> None:
    figure = plot_heatmap(np.arange(100), np.arange(60), np.random.default_rng(1).random((60, 100)))
    axes = figure.axes[0]
    assert len(axes.get_xticks()) <= 16
    assert len(axes.get_yticks()) <= 16
    assert not axes.texts


@pytest.mark.parametrize(
    ("values", "chosen", "said"),
    [
        (np.zeros((2, 2)), None, r"2 rows and 3 columns got \(2, 2\)"),
        (np.full((2, 3), np.nan), None, "0 of them numbers"),
        (np.zeros((2, 3)), (7, 50), "7, 50 is not on the map"),
    ],
)
def test_heat_map_of_what_is_not_there_is_refused(
    values: np.ndarray[Any, np.dtype[np.float64]], chosen: tuple[float, float] | None, said: str
) -> None:
    with pytest.raises(NothingToPlot, match=said):
        plot_heatmap([5, 10, 15], [50, 100], values, chosen=chosen)


def test_walk_forward_draws_two_bars_a_window_and_the_joined_equity(
    two_months: ExampleRun,
) -> None:
    starts = [datetime(2022, month, 1, tzinfo=UTC) for month in range(1, 13)]
    inside, outside = np.linspace(1, 2, 12), np.linspace(-1, 1, 12)
    figure = plot_walkforward(
        starts, inside, outside, equity_time=two_months.bars.time, equity=two_months.equity
    )
    assert len(figure.axes) == 2
    heights = [patch.get_height() for patch in figure.axes[0].patches]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]
    assert heights == pytest.approx([*inside, *outside])
    assert pixels(figure).std() > 0
    with pytest.raises(NothingToPlot, match="0 windows"):
        plot_walkforward([], inside[:0], outside[:0])


def test_pictures_leave_the_state_of_pyplot_alone(two_months: ExampleRun) -> None:
    import sys

    plot_equity(two_months)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []

"""What a sweep says of its points: the best, its neighbours, maps, and JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from backtest.sweep.axes import BadAxis
from backtest.sweep.result import SweepResult, column_of
from tests.backtest.sweep.making import spec


def made(
    scores: list[list[float]], *, objective: str = "sharpe", words: bool = False
) -> SweepResult:
    """Return a sweep over fast (columns) and slow (rows) with these figures."""
    fast, slow = [5, 10, 15, 20, 25][: len(scores[0])], [30, 40, 50, 60, 70][: len(scores)]
    axes = [f"fast={','.join(map(str, fast))}", f"slow={','.join(map(str, slow))}"]
    asked = spec(*axes, *(["kind=simple"] if words else []), objective=objective)
    points = [(one, other) for one in fast for other in slow]
    frame = pl.DataFrame(
        {
            "point": range(len(points)),
            "fast": [one for one, _ in points],
            "slow": [other for _, other in points],
            **({"kind": ["simple"] * len(points)} if words else {}),
            objective: [scores[slow.index(b)][fast.index(a)] for a, b in points],
            "bars": [100] * len(points),
        }
    )
    return SweepResult(asked, "ab" * 32, frame, len(points), 0, 0, 1.0, "bitvavo:BTC/EUR", 100)


PEAK = [[0.0, 0.0, 0.1, 0.0], [0.1, 3.0, 0.0, 0.0], [0.0, 0.1, 0.0, 1.8], [0.0, 0.0, 1.9, 2.0]]


def test_best_when_scores_are_given_then_it_is_the_highest_and_the_first_of_equals() -> None:
    assert made(PEAK).best == {"fast": 10, "slow": 40}
    assert made([[1.0, 1.0], [1.0, 1.0]]).best == {"fast": 5, "slow": 30}
    assert made([[math.nan, 1.0], [math.nan, math.inf]]).best == {"fast": 10, "slow": 30}


def test_best_when_less_is_better_then_it_is_the_lowest() -> None:
    swept = made([[0.5, 0.2], [0.4, 0.3]], objective="max_drawdown")
    assert swept.best == {"fast": 10, "slow": 30}
    assert swept.top(2)["max_drawdown"].to_list() == [0.2, 0.3]
    assert swept.stability() is not None


def test_stability_when_the_best_stands_alone_then_it_is_a_peak() -> None:
    found = made(PEAK).stability()
    assert found is not None
    assert (found.shape, found.neighbours) == ("peak", 8)
    assert found.neighbours_mean == pytest.approx(0.3 / 8)
    assert found.kept < 0.1
    assert "peak" in found.words


def test_stability_when_the_neighbours_do_as_well_then_it_is_a_plateau() -> None:
    found = made([[0.0, 0.0, 0.0], [0.0, 1.9, 1.8], [0.0, 1.9, 2.0]]).stability()
    assert found is not None
    assert found.shape == "plateau"
    assert found.kept > 0.9


def test_stability_when_nothing_is_near_then_says_so() -> None:
    found = made([[1.0]]).stability()
    assert found is not None
    assert found.shape == "alone"
    assert "No neighbour" in found.words


def test_plateau_when_asked_for_then_the_lone_peak_is_passed_over() -> None:
    swept = made(PEAK)
    assert swept.plateau_row is not None
    assert swept.point(swept.plateau_row) == {"fast": 20, "slow": 60}


def test_heat_map_when_drawn_then_cells_are_where_their_values_are() -> None:
    drawn = made(PEAK).heat_map("fast", "slow")
    assert np.array_equal(drawn.values, np.array(PEAK))
    assert np.array_equal(made(PEAK).heat_map("slow", "fast").values, np.array(PEAK).T)
    assert json.dumps(drawn.as_dict(), allow_nan=False)


def test_heat_map_when_a_third_axis_varies_then_the_best_of_it_is_shown() -> None:
    swept = made(PEAK)
    frame = pl.concat(
        [
            swept.frame.with_columns(short=pl.lit(value=False)),
            swept.frame.with_columns(sharpe=pl.col("sharpe") - 1, short=pl.lit(value=True)),
        ]
    )
    asked = spec("fast=5:20:5", "slow=30:60:10", "short")
    three = SweepResult(asked, "ab", frame, frame.height, 0, 0, 1.0, "a:B/C", 100)
    assert np.array_equal(three.heat_map("fast", "slow").values, np.array(PEAK))
    found = three.stability()
    assert found is not None
    assert found.neighbours == 8, "another word is no neighbour"


def test_heat_map_when_an_axis_is_unknown_then_refused() -> None:
    with pytest.raises(BadAxis, match="no axis window"):
        made(PEAK).heat_map("window", "fast")
    with pytest.raises(BadAxis, match="cannot be drawn"):
        made(PEAK).heat_map("fast", "fast")
    with pytest.raises(BadAxis, match="1 axes of several numbers"):
        made([[1.0], [2.0]]).plot()


def test_column_when_a_parameter_is_called_as_a_figure_then_it_has_a_name_of_its_own() -> None:
    assert column_of("fast") == "fast"
    assert column_of("trades") != "trades"


def test_summary_when_printed_then_it_is_json_with_the_best_first() -> None:
    said = json.loads(json.dumps(made(PEAK, words=True).summary(), allow_nan=False))
    assert said["best"]["parameters"] == {"fast": 10, "slow": 40, "kind": "simple"}
    assert said["top"][0]["sharpe"] == 3.0
    assert said["points"] == {"total": 16, "done": 16, "computed": 0, "skipped": 0}

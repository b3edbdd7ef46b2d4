"""What came of a sweep: every point with its figures, the best one, and whether it stands alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from backtest.sweep.axes import Axis, AxisValue, BadAxis
from backtest.sweep.spec import SweepSpec
from candela.metrics.figures import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HeatMap", "Stability", "SweepResult", "column_of", "plateau_scores"]

Floats = npt.NDArray[np.float64]

_PLATEAU: Final = 0.5
_SHOWN: Final = 10
_FAR: Final = 2
_PAIR: Final = 2


def column_of(parameter: str) -> str:
    """Return the column of a parameter in the frame of a sweep; figures keep their names."""
    return f"{parameter} (parameter)" if parameter in {*METRICS, "point"} else parameter


@dataclass(frozen=True, slots=True)
class Stability:
    """How the neighbours of the best point do.

    Attributes
    ----------
    neighbours
        Points one step away on one axis of numbers or more, of the same words.
    best, neighbours_mean, median
        The objective at the best point, at its neighbours on average, and at the median point.
    kept
        What the neighbours keep of the best point's lead over the median: 1 all, 0 none.
    shape
        ``plateau`` where they keep half or more, else ``peak``; ``alone`` without neighbours.
    """

    neighbours: int
    best: float
    neighbours_mean: float
    median: float
    kept: float
    shape: Literal["plateau", "peak", "alone"]

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        if self.shape == "alone":
            return "No neighbour of the best point was tried; nothing says how stable it is."
        return (
            f"A {self.shape}: {self.neighbours} neighbours keep {self.kept:.0%} of its lead over"
            f" the median point ({self.best:.3g} against {self.neighbours_mean:.3g} and"
            f" {self.median:.3g})."
        )


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A figure over two axes, the best of what the others make of it.

    Attributes
    ----------
    values
        (rows of y, columns of x), NaN where nothing was tried.
    """

    x: Axis
    y: Axis
    value: str
    values: Floats

    def as_dict(self) -> dict[str, Any]:
        """Return the map as JSON holds it, None where nothing was tried."""
        return {
            "x": {"name": self.x.name, "values": list(self.x.values)},
            "y": {"name": self.y.name, "values": list(self.y.values)},
            "value": self.value,
            "values": [[_finite(one) for one in row] for row in self.values.tolist()],
        }


@dataclass(frozen=True)
class SweepResult:
    """Points and figures.

    Attributes
    ----------
    frame
        A row for each point: ``point``, its parameters, its figures; NaN where undefined.
    total
        Valid points of the sweep; fewer rows than that where it was stopped.
    skipped
        Combinations that contradict themselves, such as fast above slow.
    computed
        Points that this call ran; the others were kept before.
    seconds
        That this call took.
    bars
        Of the candles it ran on.
    """

    spec: SweepSpec
    sweep_id: str
    frame: pl.DataFrame
    total: int
    skipped: int
    computed: int
    seconds: float
    instrument: str
    bars: int

    @property
    def is_done(self) -> bool:
        """Whether every point was run."""
        return self.frame.height >= self.total

    @cached_property
    def scores(self) -> Floats:
        """(points,) the objective, more is better, -inf where undefined."""
        if not self.frame.height:
            return np.empty(0)
        values = self.frame[self.spec.objective].cast(pl.Float64).fill_null(math.nan).to_numpy()
        return np.where(np.isfinite(values), values if self.spec.is_max else -values, -np.inf)

    @property
    def best_row(self) -> int | None:
        """Row of the best point, the first of equals; None where no point has an objective."""
        scores = self.scores
        if not len(scores) or not np.isfinite(scores.max()):
            return None
        return int(np.argmax(scores))

    @property
    def plateau_row(self) -> int | None:
        """Row of the point that does best together with its neighbours."""
        if self.best_row is None:
            return None
        return int(np.argmax(plateau_scores(self.frame, self.spec.axes, self.scores)))

    def point(self, row: int) -> dict[str, AxisValue]:
        """Return the parameters of a row, by name."""
        return {axis.name: self.frame[column_of(axis.name)][row] for axis in self.spec.axes}

    @property
    def best(self) -> dict[str, AxisValue] | None:
        """The parameters of the best point."""
        return None if self.best_row is None else self.point(self.best_row)

    def figures(self, row: int) -> dict[str, float | int]:
        """Return the figures of a row, by name."""
        whole = self.frame.row(row, named=True)
        return {name: whole[name] for name in METRICS if name in whole}

    def top(self, points: int = _SHOWN) -> pl.DataFrame:
        """Return the best points, the best first."""
        order = np.argsort(-self.scores, kind="stable")[:points]
        return self.frame[order.tolist()]

    def stability(self) -> Stability | None:
        """Say whether the best point is a plateau or a peak; None where there is no best one."""
        row = self.best_row
        if row is None:
            return None
        scores = self.scores
        near = _near(_places(self.frame, self.spec.axes), row)
        near[row] = False
        known = scores[near & np.isfinite(scores)]
        sign = 1.0 if self.spec.is_max else -1.0
        best, median = float(scores[row]), float(np.median(scores[np.isfinite(scores)]))
        if not len(known):
            return Stability(0, sign * best, math.nan, sign * median, math.nan, "alone")
        mean = float(known.mean())
        lead = best - median
        kept = (mean - median) / lead if lead > 0 else 1.0
        shape = "plateau" if kept >= _PLATEAU else "peak"
        return Stability(len(known), sign * best, sign * mean, sign * median, kept, shape)

    def heat_map(self, x: str, y: str, value: str | None = None) -> HeatMap:
        """Return a figure over two axes; of several points in a cell, the best by the objective.

        Raises
        ------
        BadAxis
            No such axis, or the same twice, or no such figure.
        """
        across, up = self._axis(x), self._axis(y)
        value = value or self.spec.objective
        if x == y or value not in self.frame.columns:
            message = f"A map of {value} over {x} and {y} cannot be drawn."
            raise BadAxis(message, f"Choose two axes and one of {', '.join(METRICS)}.")
        values = np.full((len(up), len(across)), np.nan)
        columns = _place_of(self.frame, across)
        rows = _place_of(self.frame, up)
        given = self.frame[value].cast(pl.Float64).fill_null(math.nan).to_numpy()
        # The best last, so that it stays.
        for row in np.argsort(self.scores, kind="stable"):
            values[rows[row], columns[row]] = given[row]
        return HeatMap(across, up, value, values)

    def plot(self, x: str | None = None, y: str | None = None, value: str | None = None) -> Figure:
        """Draw a heat map, of the first two axes of numbers unless they are named.

        Raises
        ------
        BadAxis
            There are no two such axes.
        """
        from backtest.report.searchplots import plot_heatmap

        names = [axis.name for axis in self.spec.axes if axis.is_ordered and len(axis) > 1]
        if x is None or y is None:
            if len(names) < _PAIR:
                message = f"The sweep has {len(names)} axes of several numbers."
                raise BadAxis(message, "A heat map needs two.")
            x, y = names[0], names[1]
        drawn = self.heat_map(x, y, value)
        best = self.best
        chosen = None if best is None else (float(best[x]), float(best[y]))
        return plot_heatmap(
            [float(one) for one in drawn.x.values],
            [float(one) for one in drawn.y.values],
            drawn.values,
            x_label=x,
            y_label=y,
            value_label=drawn.value,
            chosen=chosen,
        )

    def save_plots(self, folder: Path) -> list[Path]:
        """Write a heat map for each pair of axes of numbers as PNG; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        names = [axis.name for axis in self.spec.axes if axis.is_ordered and len(axis) > 1]
        for x, y in combinations(names, _PAIR):
            path = folder / f"{x}_{y}.png"
            self.plot(x, y).savefig(str(path))  # pyright: ignore[reportUnknownMemberType]
            written.append(path)
        return written

    def summary(self, points: int = _SHOWN) -> dict[str, Any]:
        """Return what ``--json`` prints: what was asked, the best points, how stable they are."""
        row = self.best_row
        stability = self.stability()
        return {
            "sweep_id": self.sweep_id,
            "spec": self.spec.model_dump(mode="json"),
            "objective": self.spec.objective,
            "direction": "max" if self.spec.is_max else "min",
            "bars": self.bars,
            "points": {
                "total": self.total,
                "done": self.frame.height,
                "computed": self.computed,
                "skipped": self.skipped,
            },
            "is_done": self.is_done,
            "seconds": round(self.seconds, 3),
            "best": None
            if row is None
            else {
                "parameters": self.point(row),
                "metrics": {name: _finite(one) for name, one in self.figures(row).items()},
            },
            "stability": None
            if stability is None
            else {
                "shape": stability.shape,
                "neighbours": stability.neighbours,
                "kept": _finite(stability.kept),
                "words": stability.words,
            },
            "top": [
                {name: _finite(one) for name, one in line.items()}
                for line in self.top(points).iter_rows(named=True)
            ],
        }

    def _axis(self, name: str) -> Axis:
        for axis in self.spec.axes:
            if axis.name == name:
                return axis
        known = ", ".join(axis.name for axis in self.spec.axes)
        message = f"The sweep has no axis {name}."
        raise BadAxis(message, f"Its axes are {known}.")


def plateau_scores(frame: pl.DataFrame, axes: tuple[Axis, ...], scores: Floats) -> Floats:
    """Return for each point the mean of its own score and those of its neighbours.

    A neighbour without a score counts as the worst score there is: the edge of what works is no
    plateau.
    """
    known = np.isfinite(scores)
    filled = np.where(known, scores, scores[known].min() if known.any() else 0.0)
    places = _places(frame, axes)
    means = np.array([filled[_near(places, row)].mean() for row in range(len(scores))])
    return np.where(known, means, -np.inf)


def _places(frame: pl.DataFrame, axes: tuple[Axis, ...]) -> npt.NDArray[np.int64]:
    """Return (points, axes) the place of each value on its axis; words are never neighbours."""
    return np.column_stack(
        [_place_of(frame, axis) * (1 if axis.is_ordered else _FAR) for axis in axes]
    )


def _place_of(frame: pl.DataFrame, axis: Axis) -> npt.NDArray[np.int64]:
    place: Mapping[AxisValue, int] = {value: row for row, value in enumerate(axis.values)}
    return np.array([place[value] for value in frame[column_of(axis.name)]], dtype=np.int64)


def _near(places: npt.NDArray[np.int64], row: int) -> npt.NDArray[np.bool_]:
    return np.abs(places - places[row]).max(axis=1) <= 1


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

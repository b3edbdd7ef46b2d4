# pyright: reportUnknownMemberType=false
"""Search that learns where to look next: Optuna's TPE, repeatable by its seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from backtest.sweep.axes import AxisValue
from backtest.sweep.space import NoPoint, Space, random_numbers

if TYPE_CHECKING:
    import optuna

__all__ = ["Learner"]

Point = dict[str, AxisValue]
_Key = tuple[AxisValue, ...]

# Asked so often in a row for a point that is new and valid, chance takes the place of the model.
_PATIENCE: Final = 40
_COUNTED: Final = 200_000


class Learner:
    """Ask for batches of points, tell what came of them.

    The same seed and the same answers give the same points, so that a search goes on by being
    told anew what is kept. Numbers are asked for by their place on the axis, which keeps steps of
    any shape; words are categories. Points that contradict themselves, and points asked for
    before, are not given out.

    Parameters
    ----------
    trials
        Points wanted; fewer are given where there are fewer.
    """

    def __init__(self, space: Space, *, trials: int, seed: int, is_max: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._study = optuna.create_study(
            direction="maximize" if is_max else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
        )
        self._asked: list[optuna.Trial] = []
        self._told: dict[_Key, float] = {}
        self._chance: Iterator[int] = random_numbers(space, seed)
        self.total = min(trials, self._valid_points(trials))
        """Points that will be given out in all."""
        if not self.total:
            raise space.nothing()
        self.skipped = 0
        """Combinations that were asked for and contradict themselves."""

    def _valid_points(self, trials: int) -> int:
        if self._space.size > max(_COUNTED, trials):
            return trials
        return sum(
            self._space.is_valid(self._space.point(number)) for number in range(self._space.size)
        )

    def ask(self, points: int) -> list[Point]:
        """Return so many new, valid points; `tell` must follow."""
        found: list[Point] = []
        self._asked = []
        seen = set(self._told)
        while len(found) < points:
            trial, point = self._new(seen)
            seen.add(tuple(point.values()))
            self._asked.append(trial)
            found.append(point)
        return found

    def tell(self, points: Sequence[Point], values: Sequence[float]) -> None:
        """Say what came of the points last asked for; an undefined figure is no answer."""
        from optuna.trial import TrialState

        for trial, point, value in zip(self._asked, points, values, strict=True):
            self._told[tuple(point.values())] = value
            if math.isfinite(value):
                self._study.tell(trial, value)
            else:
                self._study.tell(trial, state=TrialState.FAIL)

    def _new(self, seen: set[_Key]) -> tuple[optuna.Trial, Point]:
        from optuna.trial import TrialState

        for _ in range(_PATIENCE):
            trial = self._study.ask()
            point = self._suggested(trial)
            if not self._space.is_valid(point):
                self.skipped += 1
                self._study.tell(trial, state=TrialState.FAIL)
            elif tuple(point.values()) in seen:
                known = self._told.get(tuple(point.values()), math.nan)
                if math.isfinite(known):
                    self._study.tell(trial, known)
                else:
                    self._study.tell(trial, state=TrialState.FAIL)
            else:
                return trial, point
        return self._by_chance(seen)

    def _by_chance(self, seen: set[_Key]) -> tuple[optuna.Trial, Point]:
        for number in self._chance:
            point = self._space.point(number)
            if tuple(point.values()) not in seen:
                self._study.enqueue_trial(self._places(point))
                trial = self._study.ask()
                return trial, self._suggested(trial)
        message = f"There are fewer valid points than the {self.total:,} wanted."
        raise NoPoint(message, "Ask for fewer trials.")

    def _suggested(self, trial: optuna.Trial) -> Point:
        point: Point = {}
        for axis in self._space.axes:
            if axis.is_ordered:
                place = trial.suggest_int(axis.name, 0, len(axis) - 1)
                point[axis.name] = axis.values[place]
            else:
                words = [str(value) for value in axis.values]
                chosen: Any = trial.suggest_categorical(axis.name, words)
                point[axis.name] = axis.values[words.index(chosen)]
        return point

    def _places(self, point: Mapping[str, AxisValue]) -> dict[str, Any]:
        return {
            axis.name: axis.values.index(point[axis.name])
            if axis.is_ordered
            else str(point[axis.name])
            for axis in self._space.axes
        }

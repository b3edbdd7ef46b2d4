"""The points of a sweep: counted and made one by one, those that contradict themselves left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from backtest.sweep.axes import Axis, AxisValue, BadAxis, check_value
from backtest.sweep.evaluate import PROTECTIONS
from strategies.definition import Strategy

__all__ = [
    "Chunk",
    "NoPoint",
    "Plan",
    "Point",
    "Space",
    "grid_plan",
    "random_numbers",
    "random_plan",
]

Point = dict[str, AxisValue]

_MOST_POINTS: Final = 2**53
_MOST_OF_A_GRID: Final = 2_000_000
_MANY: Final = 1_000_000
_SAMPLE: Final = 50_000
_KEPT: Final = 200_000


class NoPoint(BadAxis):
    """Every combination of the axes contradicts itself."""

    code = "no_point"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Points that are evaluated and kept together.

    Attributes
    ----------
    number
        Of the chunk; with gaps where every combination was invalid.
    first
        Number of its first point within the sweep.
    """

    number: int
    first: int
    points: list[Point]


class Space:
    """Every combination of the axes, the last one running fastest.

    Parameters
    ----------
    fixed
        Parameters that stay as they are.
    """

    def __init__(
        self, strategy: Strategy[Any], axes: Sequence[Axis], fixed: Mapping[str, Any]
    ) -> None:
        for name, value in fixed.items():
            if name not in strategy.parameters.model_fields:
                strategy.with_values({name: value})
            check_value(strategy, name, value)
        self.strategy = strategy
        self.axes = tuple(axes)
        self.fixed = dict(fixed)
        self.size = 1
        for axis in axes:
            self.size *= len(axis)
        if self.size > _MOST_POINTS:
            message = f"The axes make {self.size:.3g} combinations."
            raise BadAxis(message, "Take fewer axes or longer steps.")
        own = strategy.parameters.model_fields
        self._own = {axis.name for axis in axes if axis.name in own or axis.name not in PROTECTIONS}
        self._known: dict[tuple[AxisValue, ...], bool] = {}

    def point(self, number: int) -> Point:
        """Return the values of the combination of that number, by name."""
        values: list[AxisValue] = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis))
            values.append(axis.values[place])
        return dict(zip((axis.name for axis in self.axes), reversed(values), strict=True))

    def is_valid(self, point: Mapping[str, AxisValue]) -> bool:
        """Whether the strategy takes this combination."""
        own = tuple(value for name, value in point.items() if name in self._own)
        known = self._known.get(own)
        if known is None:
            known = self.refusal(point) is None
            if len(self._known) < _MANY:
                self._known[own] = known
        return known

    def refusal(self, point: Mapping[str, AxisValue]) -> ValidationError | None:
        """Return why the strategy does not take the combination, None where it does."""
        try:
            self.strategy.parameters(**self.parameters(point))
        except ValidationError as error:
            return error
        return None

    def parameters(self, point: Mapping[str, AxisValue]) -> dict[str, Any]:
        """Return the strategy's parameters of a point, those of the run's stops left out."""
        return self.fixed | {name: value for name, value in point.items() if name in self._own}

    def some_point(self) -> Point:
        """Return a valid point.

        Raises
        ------
        NoPoint
            There is none.
        """
        for number in random_numbers(self, 0):
            return self.point(number)
        raise self.nothing()

    def warm_up(self) -> int:
        """Return the bars that the slowest point warms up on; of very many points, of a sample."""
        longest = 0
        for number in islice(random_numbers(self, 0), _SAMPLE):
            given = self.strategy.parameters(**self.parameters(self.point(number)))
            longest = max(longest, self.strategy.warm_up(given))
        return longest

    def nothing(self) -> NoPoint:
        """Return the refusal of axes of which no combination is valid."""
        refused = self.refusal(self.point(0))
        why = refused.errors()[0]["msg"].removeprefix("Value error, ") if refused else "no point"
        message = f"Of {self.size:,} combinations none is valid; the first: {why}."
        return NoPoint(message, "Give axes that do not contradict each other.")


class Plan:
    """The chunks of a search whose points are known beforehand.

    Parameters
    ----------
    numbers
        Of the combinations in the order of trying, a range or an array.
    """

    def __init__(self, space: Space, numbers: Sequence[int], chunk: int) -> None:
        self._space = space
        self._numbers = numbers
        self._chunk = chunk
        # Of a large grid only counts are kept: its points are made again when their turn comes.
        self._kept: dict[int, list[Point]] = {}
        counts = [self._count(place) for place in range(self._chunks)]
        self._firsts = np.concatenate([[0], np.cumsum(np.array(counts, dtype=np.int64))])
        self.total = int(self._firsts[-1])
        """Valid points."""
        self.skipped = len(numbers) - self.total
        """Combinations that contradict themselves."""
        if not self.total:
            raise space.nothing()

    @property
    def _chunks(self) -> int:
        return -(-len(self._numbers) // self._chunk)

    def _count(self, number: int) -> int:
        if len(self._numbers) > _KEPT:
            return sum(1 for _ in self._valid(number))
        self._kept[number] = list(self._valid(number))
        return len(self._kept[number])

    def _valid(self, number: int) -> Iterator[Point]:
        first = number * self._chunk
        for one in self._numbers[first : first + self._chunk]:
            point = self._space.point(int(one))
            if self._space.is_valid(point):
                yield point

    def points_of(self, chunks: set[int]) -> int:
        """Return how many points those chunks hold."""
        return sum(int(self._firsts[one + 1] - self._firsts[one]) for one in chunks)

    def chunks(self, done: set[int]) -> Iterator[Chunk]:
        """Yield the chunks that are not done and hold a point, in order."""
        for number in range(self._chunks):
            first, after = int(self._firsts[number]), int(self._firsts[number + 1])
            if number not in done and after > first:
                points = self._kept.get(number)
                yield Chunk(number, first, list(self._valid(number)) if points is None else points)


def grid_plan(space: Space, chunk: int) -> Plan:
    """Return the plan that tries every valid combination.

    Raises
    ------
    BadAxis
        There are more than anybody would wait for.
    """
    if space.size > _MOST_OF_A_GRID:
        message = f"A grid of these axes has {space.size:,} combinations."
        hint = f"Take longer steps, {_MOST_OF_A_GRID:,} at most, or --method random --trials 10000."
        raise BadAxis(message, hint)
    return Plan(space, range(space.size), chunk)


def random_plan(space: Space, chunk: int, trials: int, seed: int) -> Plan:
    """Return the plan that tries so many different valid combinations, drawn by a seed.

    Where there are fewer, all are tried.
    """
    drawn = np.fromiter(islice(random_numbers(space, seed), trials), np.int64)
    if not len(drawn):
        raise space.nothing()
    return Plan(space, drawn.tolist(), chunk)


def random_numbers(space: Space, seed: int) -> Iterator[int]:
    """Yield the numbers of valid combinations in a random order, none twice."""
    random = np.random.Generator(np.random.PCG64(seed))
    if space.size <= _MANY:
        for number in random.permutation(space.size).tolist():
            if space.is_valid(space.point(number)):
                yield number
        return
    seen: set[int] = set()
    misses = 0
    # So many in a row that were seen before or are invalid: there is next to nothing left.
    while misses < _MANY:
        number = int(random.integers(space.size))
        if number in seen or not space.is_valid(space.point(number)):
            misses += 1
            continue
        misses = 0
        seen.add(number)
        yield number

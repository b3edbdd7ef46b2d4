"""Conditions of a strategy: the bars at which something holds, as events or as a mask."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from candela.market.arrays import frozen_floats, frozen_rows
from strategies.crossing import crossings, set_rows
from strategies.memory import remember, sealed

__all__ = [
    "TIES",
    "BadCondition",
    "Cross",
    "Events",
    "Mask",
    "crossed_above",
    "crossed_below",
    "events_of",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TIES: Final = 64
"""Bars that a warm-up adds for crossings: so long may lines lie on one another before they part."""


class BadCondition(StrategyError):
    """A condition is no array of booleans, or of another length than the bars."""

    code = "bad_condition"


class Events:
    """The bars at which a condition holds, oldest first; numpy sees it as a mask.

    Events are what a simulation walks over: a condition that holds at one bar in a hundred costs
    one step in a hundred. ``&``, ``|`` and ``~`` with masks or other events give masks.

    Parameters
    ----------
    rows
        (k,) rising row numbers.
    length
        Rows in all.

    Raises
    ------
    BadCondition
        The rows are no whole numbers, do not rise, or lie outside 0 to ``length``.
    """

    __slots__ = ("length", "rows")

    def __init__(self, rows: Rows, length: int) -> None:
        self.rows = _checked_rows(rows, length)
        self.length = length

    @classmethod
    def found(cls, rows: Rows, length: int) -> Events:
        """Return events of rows that are known to rise within the length: nothing is checked."""
        made = cls.__new__(cls)
        made.rows = rows
        made.length = length
        return made

    @property
    def mask(self) -> Mask:
        """(length,) whether the condition holds at each bar."""
        mask = np.zeros(self.length, dtype=np.bool_)
        mask[self.rows] = True
        return mask

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.rows.nbytes

    def __len__(self) -> int:
        return self.length

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001
        mask = self.mask
        return mask if dtype is None else mask.astype(dtype)

    def __and__(self, other: Events | Mask) -> Mask:
        return self.mask & np.asarray(other, dtype=np.bool_)

    def __or__(self, other: Events | Mask) -> Mask:
        return self.mask | np.asarray(other, dtype=np.bool_)

    def __invert__(self) -> Mask:
        return ~self.mask

    __rand__ = __and__
    __ror__ = __or__
    # Without it numpy would walk over the events itself and never ask __rand__.
    __array_ufunc__: Final = None


class Cross:
    """Where one line crosses another: found in one pass for both directions.

    A tie keeps the relation before it, so that touching is no crossing and prices on integer ticks
    give one answer; the first strict relation is a start, not a crossing. With equal lines the
    means of `strategies.indicators.sma` are equal to the last bit.
    """

    __slots__ = ("above", "below")

    def __init__(self, first: Floats, second: Floats | float) -> None:
        if not isinstance(second, np.ndarray):
            second = np.broadcast_to(np.float64(second), first.shape)
        if first.shape != second.shape:
            message = f"Lines of {first.size} and {second.size} bars cannot cross."
            raise BadCondition(message, "Compute both from the same bars.")
        length = len(first)
        room = np.empty((2, length // 2 + 1), dtype=np.int64)
        ups, downs = crossings(frozen_floats(first), frozen_floats(second), room[0], room[1])
        self.above = Events.found(sealed(room[0, :ups].copy()), length)
        """Where the first line comes to lie above the second."""
        self.below = Events.found(sealed(room[1, :downs].copy()), length)
        """Where the first line comes to lie below the second."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.above.nbytes + self.below.nbytes


def crossed_above(first: Floats, second: Floats | float) -> Events:
    """Return the bars at which the first line comes to lie above the second (see Cross)."""
    return _cross(first, second).above


def crossed_below(first: Floats, second: Floats | float) -> Events:
    """Return the bars at which the first line comes to lie below the second (see Cross)."""
    return _cross(first, second).below


def _cross(first: Floats, second: Floats | float) -> Cross:
    if isinstance(second, np.ndarray):
        return Cross(first, second)
    # A level is one number: its crossings are remembered like any indicator.
    return remember(("cross", float(second)), first, lambda: Cross(first, second))


def events_of(condition: Events | Mask | None, length: int, name: str) -> Rows:
    """Return the rows at which a condition holds.

    Raises
    ------
    BadCondition
        It is no array of booleans, or not one for each bar.
    """
    if condition is None:
        return _NONE
    if isinstance(condition, Events):
        if condition.length != length:
            _refuse_length(name, condition.length, length)
        return condition.rows
    mask = np.asarray(condition)
    if mask.dtype != np.bool_:
        message = f"{name} holds {mask.dtype}, not true or false."
        raise BadCondition(message, "Compare numbers: rsi < 30, not rsi.")
    if mask.shape != (length,):
        _refuse_length(name, mask.size, length)
    rows = np.empty(int(np.count_nonzero(mask)), dtype=np.int64)
    set_rows(np.require(mask, requirements=["C", "W"]), rows)
    return frozen_rows(rows)


def _checked_rows(rows: Rows, length: int) -> Rows:
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        message = f"Events are at rows of the shape {given.shape} and the type {given.dtype}."
        raise BadCondition(message, "Give whole row numbers, such as np.flatnonzero(mask).")
    given = frozen_rows(given)
    outside = np.flatnonzero((given < 0) | (given >= length))
    if outside.size:
        message = f"Row {given[outside[0]]} of the events lies outside {length:,} bars."
        raise BadCondition(message, f"Rows count from 0 to {length - 1}.")
    falls = np.flatnonzero(given[1:] <= given[:-1])
    if falls.size:
        message = f"Row {given[falls[0] + 1]} of the events comes after row {given[falls[0]]}."
        raise BadCondition(message, "Give each row once, oldest first.")
    return given


def _refuse_length(name: str, given: int, wanted: int) -> NoReturn:
    message = f"{name} has {given:,} values for {wanted:,} bars."
    raise BadCondition(message, "Return one value for each bar, NaN or false while warming up.")


_NONE: Final = frozen_rows(())

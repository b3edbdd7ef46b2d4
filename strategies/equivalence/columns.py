"""The columns that a strategy computes on a stretch of bars, and how two of them are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strategies.bars import Bars
from strategies.definition import Parameters, Strategy
from strategies.signals import CONDITIONS

__all__ = ["PANE", "Column", "Difference", "Table", "compute", "differing_rows", "shown"]

Column = npt.NDArray[Any]
Rows = npt.NDArray[np.intp]

PANE: Final = "pane "
# Vector instructions and scalar ones may round the last bit differently at other alignments.
_ROUNDING: Final = 1e-12
_SETTLED: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Table:
    """Every decision and every pane of a strategy on ``length`` bars, decisions first."""

    length: int
    columns: Mapping[str, Column]

    def first_difference(
        self, other: Table, *, start: int = 0, skip: int = 0, exact: bool = True
    ) -> Difference | None:
        """Return where ``other``, computed from bar ``start`` on, disagrees first.

        Its first ``skip`` rows are not compared. Any decision comes before any pane.
        """
        best: Difference | None = None
        names = [*self.columns, *(name for name in other.columns if name not in self.columns)]
        for name in sorted(names, key=lambda one: one.startswith(PANE)):
            if best is not None and name.startswith(PANE) and not best.column.startswith(PANE):
                break
            here, there = self.columns.get(name), other.columns.get(name)
            ours = None if here is None else here[start + skip : start + other.length]
            theirs = None if there is None else there[skip:]
            rows = differing_rows(ours, theirs, name, exact=exact)
            if rows.size and (best is None or start + skip + int(rows[0]) < best.row):
                row = int(rows[0])
                best = Difference(
                    start + skip + row,
                    name,
                    None if ours is None else ours[row],
                    None if theirs is None else theirs[row],
                )
        return best

    def cut(self, length: int) -> Table:
        """Return the first rows."""
        return Table(length, {name: column[:length] for name, column in self.columns.items()})

    def differs_at(self, other: Table, row: int, column: str) -> bool:
        """Whether a column of ``other``, computed from the first bar on, disagrees at a row."""
        here, there = self.columns.get(column), other.columns.get(column)
        one = slice(row, row + 1)
        ours = None if here is None else here[one]
        theirs = None if there is None else there[one]
        return bool(differing_rows(ours, theirs, column, exact=False).size)

    def turned(self, other: Table) -> tuple[bool, bool]:
        """Return whether a condition holds here but not in ``other``, and the other way round.

        ``other`` was computed from the first bar on.
        """
        gained = lost = False
        for name in CONDITIONS:
            off = np.zeros(other.length, dtype=np.bool_)
            ours = self.columns.get(name, off)[: other.length]
            theirs = other.columns.get(name, off)
            gained |= bool((ours & ~theirs).any())
            lost |= bool((theirs & ~ours).any())
        return gained, lost

    @property
    def decisions(self) -> Rows:
        """The rows at which any condition holds, oldest first."""
        held = [self.columns[name] for name in CONDITIONS if name in self.columns]
        return np.flatnonzero(np.logical_or.reduce(held)) if held else _NONE


@dataclass(frozen=True, slots=True)
class Difference:
    """The first row and column at which two computations of the same bars disagree."""

    row: int
    column: str
    whole: object
    other: object


def compute(strategy: Strategy[Any], parameters: Parameters, bars: Bars) -> Table:
    """Return what the strategy computes on these bars.

    Raises
    ------
    StrategyError
        The strategy raised, or what it returned is not one decision for each bar.
    """
    signals = strategy.signals(bars, parameters)
    length = len(bars)
    columns: dict[str, Column] = dict(signals.columns(length))
    for name, value in (("legs", signals.legs), ("expiry", signals.expiry)):
        if value != 1:
            columns[name] = np.full(length, float(value))
    for name, line in signals.panes.items():
        columns[PANE + name] = np.asarray(line, dtype=np.float64)
    return Table(length, columns)


def differing_rows(whole: Column | None, other: Column | None, name: str, *, exact: bool) -> Rows:
    """Return the rows at which two columns of equal length disagree.

    Conditions agree when they are equal; numbers to 1e-12 of them, or to 1e-9 in panes and where
    rounding may have begun elsewhere (``exact`` false). An absent column decides nothing.
    """
    if whole is None or other is None:
        there = other if whole is None else whole
        return _NONE if there is None else np.flatnonzero(_decides(there))
    unequal = whole != other
    if whole.dtype == np.bool_ or not unequal.any():
        return np.flatnonzero(unequal)
    rows = np.flatnonzero(unequal & ~(np.isnan(whole) & np.isnan(other)))
    left, right = whole[rows], other[rows]
    scale = np.maximum(np.abs(left), np.abs(right))
    if exact and not name.startswith(PANE):
        return rows[~(np.abs(left - right) <= _ROUNDING * scale)]
    far = ~(np.abs(left - right) <= _SETTLED * scale)
    if not far.any():
        return _NONE
    # The gap of two nearly equal means is small beside what was rounded: the column is the scale.
    finite = np.abs(whole[np.isfinite(whole)])
    scale = scale + (np.median(finite) if finite.size else 0.0)
    return rows[~(np.abs(left - right) <= _SETTLED * scale)]


def _decides(column: Column) -> npt.NDArray[np.bool_]:
    return column if column.dtype == np.bool_ else ~np.isnan(column)


_NONE: Final[Rows] = np.empty(0, dtype=np.intp)


def shown(value: object) -> str:
    """Return a value of a column as text."""
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    number = float(str(value))
    return "none" if np.isnan(number) else f"{number:.10g}"

"""A strategy with its parameters on bars of its own, which no fault of it can spoil for others."""

from __future__ import annotations

from typing import Any

import numpy as np

from candela.errors import CandelaError
from strategies.bars import COLUMNS, Bars
from strategies.definition import Parameters, Strategy
from strategies.equivalence.columns import Column, Table, compute
from strategies.equivalence.report import Finding
from strategies.memory import sealed

__all__ = ["Found", "Trial"]


class Found(Exception):
    """Something was found that makes further comparing pointless."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.words)
        self.finding = finding


class Trial:
    """Computes a strategy on stretches of a private copy of the bars.

    Parameters
    ----------
    bars
        Copied with its other instruments.
    """

    def __init__(self, strategy: Strategy[Any], parameters: Parameters, bars: Bars) -> None:
        self.strategy = strategy
        self.parameters = parameters
        self.bars = _copied(bars)
        self.length = len(bars)
        self.warm_up = max(int(strategy.warm_up(parameters)), 0)
        self._untouched = _contents(self.bars)

    def on(self, bars: Bars) -> Table:
        """Compute on given bars.

        Raises
        ------
        Found
            The strategy raised, or wrote into the bars.
        """
        try:
            return compute(self.strategy, self.parameters, bars)
        except CandelaError as error:
            raise Found(self._raised(error, bars)) from error

    def as_given(self) -> Table:
        """Compute on all bars with the arrays that other instruments share with them, as in a run.

        Slices share none: each has views of its own.
        """
        return self.on(_copied(self.bars))

    def beginning(self, length: int) -> Table:
        """Compute on the first ``length`` bars."""
        return self.on(self.bars[:length])

    def stretch(self, start: int, stop: int) -> Table:
        """Compute on the bars ``start`` to ``stop`` (exclusive)."""
        return self.on(self.bars[start:stop])

    def check_untouched(self, given: Bars) -> None:
        """Refuse a strategy that changed the bars it was given.

        Raises
        ------
        Found
            A column holds other values, or is another array.
        """
        for name in ("time", *COLUMNS):
            if getattr(given, name).tobytes() == self._untouched[name]:
                continue
            now = getattr(given, name)
            was = np.frombuffer(self._untouched[name], dtype=now.dtype)
            rows = np.flatnonzero(now != was) if now.shape == was.shape else np.zeros(1, np.intp)
            raise Found(self._mutated(name, int(rows[0]) if rows.size else 0))

    def at(self, bar: int) -> str:
        """Return the start of a bar as text."""
        return self.bars.at(bar)

    def _mutated(self, name: str, row: int) -> Finding:
        return Finding(
            kind="mutation",
            bar=row,
            at=self.at(min(row, self.length - 1)),
            column=name,
            whole="as given",
            prefix="changed",
            words=f"{self.strategy.name} writes into {name} of the bars it is given, at bar {row}.",
            remedy="Work on a copy: values = bars.close.copy().",
        )

    def _raised(self, error: CandelaError, bars: Bars) -> Finding:
        last = len(bars) - 1
        at = bars.at(last) if last >= 0 else ""
        if "read-only" in error.message or "readonly" in error.message:
            return self._mutated("bars", 0)
        return Finding(
            kind="raises",
            bar=last,
            at=at,
            column="",
            whole="decisions",
            prefix=type(error.__cause__ or error).__name__,
            words=f"On {len(bars):,} bars that end at {at}: {error.message}",
            remedy=error.hint or "Return Signals for any number of bars, false while warming up.",
        )


def _copied(bars: Bars, made: dict[int, Column] | None = None) -> Bars:
    """Return a copy of the bars, in which one array stays one wherever it stands."""
    known: dict[int, Column] = {} if made is None else made

    def copied(name: str) -> Column:
        array: Column = getattr(bars, name)
        return known.setdefault(id(array), sealed(array.copy()))

    return Bars(
        time=copied("time"),
        **{name: copied(name) for name in COLUMNS},
        timeframe=bars.timeframe,
        instrument=bars.instrument,
        others={name: _copied(other, known) for name, other in bars.others.items()},
    )


def _contents(bars: Bars) -> dict[str, bytes]:
    return {name: getattr(bars, name).tobytes() for name in ("time", *COLUMNS)}

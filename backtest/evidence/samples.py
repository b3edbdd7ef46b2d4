"""Samples as the tests take them: checked arrays of returns, whole trials and their block sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.errors import DataError, StrategyError

__all__ = [
    "BadEvidenceOption",
    "BadReturns",
    "BadTrials",
    "BlockSums",
    "Floats",
    "Progress",
    "TooFewReturns",
    "as_returns",
    "as_trials",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MATRIX: Final = 2
_LEAST_BLOCKS: Final = 2
Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


class BadReturns(DataError):
    """Returns that are no numbers, or not in the shape asked for."""

    code = "bad_returns"


class TooFewReturns(DataError):
    """Fewer returns than the figure needs to be defined."""

    code = "too_few_returns"


class BadTrials(StrategyError):
    """Trials that do not fit each other, or a count of them that cannot be."""

    code = "bad_trials"


class BadEvidenceOption(StrategyError):
    """An option of a test that cannot be."""

    code = "bad_evidence_option"


def as_returns(values: npt.ArrayLike, *, least: int, what: str = "returns") -> Floats:
    """Return one row of finite returns as contiguous doubles.

    Raises
    ------
    BadReturns
        Not one row, or a value that is NaN or infinite.
    TooFewReturns
        Fewer than ``least``.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadReturns(
            f"The {what} have the shape {array.shape}.", "Give one row of returns, one a bar."
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise BadReturns(
            f"The {what} hold {array[bad[0]]} at row {bad[0]}.",
            "Returns are equity over the equity before, less one; leave out rows before the first.",
        )
    if array.size < least:
        raise TooFewReturns(
            f"There are {array.size} {what}, and at least {least} are needed.",
            "Test a longer span, or a finer timeframe.",
        )
    return array


def as_trials(values: npt.ArrayLike, *, least: int) -> Floats:
    """Return a finite matrix (bars, trials) as contiguous doubles.

    Raises
    ------
    BadReturns
        Not a matrix, no trial in it, or a value that is NaN or infinite.
    TooFewReturns
        Fewer than ``least`` bars.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != _MATRIX or array.shape[1] == 0:
        raise BadReturns(
            f"The returns of the trials have the shape {array.shape}.",
            "Give a matrix with a row a bar and a column a trial.",
        )
    finite = np.isfinite(array)
    if not finite.all():
        bar, trial = (int(place) for place in np.argwhere(~finite)[0])
        raise BadReturns(
            f"Trial {trial} returns {array[bar, trial]} at bar {bar}.",
            "Leave out trials that ended in an error, and count them among the trials ever.",
        )
    if array.shape[0] < least:
        raise TooFewReturns(
            f"There are {array.shape[0]} bars of each trial, and at least {least} are needed.",
            "Test a longer span, or a finer timeframe.",
        )
    return array


@dataclass(frozen=True, slots=True)
class BlockSums:
    """The returns of many trials, summed over blocks of adjacent bars in order of time.

    Enough for Sharpe ratios of any union of blocks, at a hundredth of the size of all returns.

    Attributes
    ----------
    bars
        Bars of each block, (blocks,).
    sums
        Sums of returns, (blocks, trials).
    squares
        Sums of squared returns, (blocks, trials).
    """

    bars: Ints
    sums: Floats
    squares: Floats

    def __post_init__(self) -> None:
        """Check that the three fit each other."""
        shape = self.sums.shape
        if len(shape) != _MATRIX or self.squares.shape != shape or self.bars.shape != shape[:1]:
            raise BadTrials(
                f"Block sums of the shapes {self.bars.shape}, {shape} and {self.squares.shape}.",
                "Give bars (blocks,), sums (blocks, trials) and squares (blocks, trials).",
            )
        if shape[0] < _LEAST_BLOCKS or shape[1] < 1 or (self.bars < 1).any():
            raise BadTrials(
                f"{shape[1]} trials in {shape[0]} blocks of {self.bars.tolist()} bars.",
                "At least one trial, two blocks, and a bar in each block are needed.",
            )
        if not (np.isfinite(self.sums).all() and np.isfinite(self.squares).all()):
            raise BadReturns(
                "A block sum of returns is NaN or infinite.",
                "Leave out trials that ended in an error, and count them among the trials ever.",
            )

    @classmethod
    def of_returns(cls, returns: npt.ArrayLike, blocks: int) -> BlockSums:
        """Return the sums of a matrix (bars, trials) over blocks that differ by a bar at most.

        Raises
        ------
        BadEvidenceOption
            Fewer than two blocks.
        TooFewReturns
            Fewer than two bars a block.
        """
        if blocks < _LEAST_BLOCKS:
            raise BadEvidenceOption(f"{blocks} blocks.", "Choose two blocks or more.")
        trials = as_trials(returns, least=2 * blocks)
        starts = np.arange(blocks) * trials.shape[0] // blocks
        bars = np.diff(np.append(starts, trials.shape[0])).astype(np.int64)
        return cls(
            bars,
            np.add.reduceat(trials, starts, axis=0),
            np.add.reduceat(np.square(trials), starts, axis=0),
        )

    @property
    def trials(self) -> int:
        """Columns."""
        return self.sums.shape[1]

    def grouped(self, parts: int) -> BlockSums:
        """Return the sums over ``parts`` groups of adjacent blocks, as even as whole blocks allow.

        Raises
        ------
        BadEvidenceOption
            More parts than blocks.
        """
        blocks = self.bars.size
        if not _LEAST_BLOCKS <= parts <= blocks:
            raise BadEvidenceOption(
                f"{parts} parts of {blocks} blocks.", f"Choose 2 to {blocks} parts."
            )
        starts = np.arange(parts) * blocks // parts
        return BlockSums(
            np.add.reduceat(self.bars, starts),
            np.add.reduceat(self.sums, starts, axis=0),
            np.add.reduceat(self.squares, starts, axis=0),
        )

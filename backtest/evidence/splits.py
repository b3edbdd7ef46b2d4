"""Spans to learn on and spans to be tested on, so that no test knows its own past's future.

Sources: Lopez de Prado, "Advances in Financial Machine Learning", Wiley, 2018: purging and embargo
in chapter 7, combinatorial purged cross-validation in chapter 12.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.samples import BadEvidenceOption

__all__ = ["PurgedPaths", "Split", "combinatorial_purged", "purged_folds", "walk_forward"]

_LEAST_FOLDS: Final = 2
_MOST_SPLITS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn on and rows to test on, as ranges in order of time that do not touch."""

    train: tuple[range, ...]
    test: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class PurgedPaths:
    """Combinatorial splits, and how their test groups line up to whole histories.

    Attributes
    ----------
    splits
        One for each choice of test groups.
    groups
        The rows of each group.
    paths
        (paths, groups): the split that tests this group on this path, each split and group once.
    """

    splits: tuple[Split, ...]
    groups: tuple[range, ...]
    paths: npt.NDArray[np.int64]


def walk_forward(
    bars: int,
    *,
    train: int,
    test: int,
    step: int | None = None,
    embargo: int = 0,
    anchored: bool = False,
) -> Iterator[Split]:
    """Yield windows that learn on the past and test on what follows it.

    Parameters
    ----------
    bars
        Rows there are.
    train, test
        Rows of each; the last test may be shorter, anchored training grows.
    step
        Rows from one test to the next; by default one test, so that tests meet and never overlap.
    embargo
        Rows left out between learning and testing, for positions held over the edge.
    anchored
        Learn from the first row on, not on a rolling window.

    Raises
    ------
    BadEvidenceOption
        Lengths that are not positive, or fewer rows than the first window takes.
    """
    step = test if step is None else step
    if min(train, test, step) < 1 or embargo < 0:
        raise BadEvidenceOption(
            f"Windows of {train} and {test} rows, {step} apart, with {embargo} left out.",
            "Choose lengths of one row or more.",
        )
    if train + embargo + 1 > bars:
        raise BadEvidenceOption(
            f"{bars} rows do not hold {train} to learn on, {embargo} left out and one to test on.",
            "Choose shorter windows or a longer span.",
        )
    return _windows(bars, train, test, step, embargo, anchored=anchored)


def _windows(
    bars: int, train: int, test: int, step: int, embargo: int, *, anchored: bool
) -> Iterator[Split]:
    for start in range(train + embargo, bars, step):
        learned = start - embargo
        first = 0 if anchored else learned - train
        yield Split((range(first, learned),), (range(start, min(start + test, bars)),))


def purged_folds(ends: npt.ArrayLike, *, folds: int, embargo: int = 0) -> tuple[Split, ...]:
    """Return k-fold splits whose training holds no label that overlaps one of the test.

    Parameters
    ----------
    ends
        For each row, the last row that its label looks at: the row itself, or the end of the
        position that is opened at it.
    folds
        Adjacent parts, each tested once.
    embargo
        Rows after a test and its labels that are not learned on either.

    Raises
    ------
    BadEvidenceOption
        Labels that end before they begin or beyond the last row, or more folds than rows.
    """
    spans = _spans(ends, embargo)
    groups = _groups(spans.size, folds)
    return tuple(_purged(spans, (group,), embargo) for group in groups)


def combinatorial_purged(
    ends: npt.ArrayLike, *, groups: int, tested: int = 2, embargo: int = 0
) -> PurgedPaths:
    """Return a split for every choice of ``tested`` groups, purged, and the paths they make.

    Parameters are those of ``purged_folds``; every path is one whole history in which
    each group is tested by a model that did not learn on it.

    Raises
    ------
    BadEvidenceOption
        As there, or as many tested groups as there are.
    """
    spans = _spans(ends, embargo)
    parts = _groups(spans.size, groups)
    if not 1 <= tested < groups or math.comb(groups, tested) > _MOST_SPLITS:
        raise BadEvidenceOption(
            f"{tested} of {groups} groups to test.",
            f"Test fewer groups than there are, in at most {_MOST_SPLITS:,} splits.",
        )
    choices = list(combinations(range(groups), tested))
    paths = np.empty((math.comb(groups - 1, tested - 1), groups), np.int64)
    used = [0] * groups
    for number, choice in enumerate(choices):
        for group in choice:
            paths[used[group], group] = number
            used[group] += 1
    splits = tuple(_purged(spans, tuple(parts[g] for g in choice), embargo) for choice in choices)
    return PurgedPaths(splits, parts, paths)


def _spans(ends: npt.ArrayLike, embargo: int) -> npt.NDArray[np.int64]:
    spans = np.asarray(ends)
    if spans.ndim != 1 or spans.dtype.kind not in "iu":
        raise BadEvidenceOption(
            f"Label ends of the shape {spans.shape} and type {spans.dtype}.",
            "Give one whole number a row: the last row that its label looks at.",
        )
    rows = np.arange(spans.size)
    wrong = np.flatnonzero((spans < rows) | (spans >= spans.size))
    if wrong.size or embargo < 0:
        raise BadEvidenceOption(
            f"The label of row {wrong[0]} ends at row {spans[wrong[0]]} of {spans.size}."
            if wrong.size
            else f"An embargo of {embargo} rows.",
            "A label ends at its own row or later, at the last row at most; an embargo is no less "
            "than 0.",
        )
    return spans.astype(np.int64)


def _groups(rows: int, folds: int) -> tuple[range, ...]:
    if not _LEAST_FOLDS <= folds <= rows:
        raise BadEvidenceOption(
            f"{folds} parts of {rows} rows.", f"Choose {_LEAST_FOLDS} to {rows} parts."
        )
    edges = [fold * rows // folds for fold in range(folds + 1)]
    return tuple(range(start, end) for start, end in pairwise(edges))


def _purged(ends: npt.NDArray[np.int64], tests: tuple[range, ...], embargo: int) -> Split:
    rows = np.arange(ends.size)
    learn = np.ones(ends.size, np.bool_)
    merged = _ranges(_mask(ends.size, tests))
    for test in merged:
        last = int(ends[test.start : test.stop].max())
        # A label reaches into the test from before, or starts inside it, its labels or the embargo.
        learn &= (ends < test.start) | (rows > last + embargo)
    return Split(_ranges(learn), merged)


def _mask(rows: int, parts: tuple[range, ...]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(rows, np.bool_)
    for part in parts:
        mask[part.start : part.stop] = True
    return mask


def _ranges(mask: npt.NDArray[np.bool_]) -> tuple[range, ...]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(range(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True))

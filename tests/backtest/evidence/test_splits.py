"""Splits: what is learned on never overlaps what is tested."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence.samples import BadEvidenceOption
from backtest.evidence.splits import (
    Split,
    combinatorial_purged,
    purged_folds,
    walk_forward,
)

Ends = npt.NDArray[np.int64]


@st.composite
def label_ends(draw: st.DrawFn) -> Ends:
    rows = draw(st.integers(12, 80))
    holds = draw(st.lists(st.integers(0, 12), min_size=rows, max_size=rows))
    return np.minimum(np.arange(rows) + np.array(holds), rows - 1)


def rows_of(parts: tuple[range, ...]) -> list[int]:
    return [row for part in parts for row in part]


def assert_clean(split: Split, ends: Ends, embargo: int) -> None:
    learned = rows_of(split.train)
    for part in split.test:
        last = int(ends[part.start : part.stop].max())
        for row in learned:
            assert ends[row] < part.start or row > last + embargo
    assert not set(learned) & set(rows_of(split.test))


@given(label_ends(), st.integers(2, 6), st.integers(0, 5))
def test_purged_folds_never_learn_what_they_test(ends: Ends, folds: int, embargo: int) -> None:
    splits = purged_folds(ends, folds=folds, embargo=embargo)
    assert len(splits) == folds
    assert sorted(row for split in splits for row in rows_of(split.test)) == list(range(ends.size))
    sizes = [len(rows_of(split.test)) for split in splits]
    assert max(sizes) - min(sizes) <= 1
    for split in splits:
        assert_clean(split, ends, embargo)


@given(label_ends(), st.integers(3, 6), st.integers(1, 3), st.integers(0, 5))
def test_combinatorial_splits_never_learn_what_they_test(
    ends: Ends, groups: int, tested: int, embargo: int
) -> None:
    tested = min(tested, groups - 1)
    found = combinatorial_purged(ends, groups=groups, tested=tested, embargo=embargo)
    assert len(found.splits) == math.comb(groups, tested)
    for split in found.splits:
        assert_clean(split, ends, embargo)
    # Each path tests each group once, and every split and group is on just one path.
    assert found.paths.shape == (math.comb(groups, tested) * tested // groups, groups)
    pairs = [(int(split), group) for path in found.paths for group, split in enumerate(path)]
    assert len(set(pairs)) == len(pairs)
    for split, group in pairs:
        assert set(found.groups[group]) <= set(rows_of(found.splits[split].test))


def test_purged_folds_without_overlap_learn_all_the_rest() -> None:
    splits = purged_folds(np.arange(20), folds=4)
    assert splits[1] == Split((range(5), range(10, 20)), (range(5, 10),))


def test_purged_folds_with_held_positions_drop_just_those_that_overlap() -> None:
    # Every position is held over three more rows; two rows of embargo follow the test's last.
    ends = np.minimum(np.arange(20) + 3, 19)
    split = purged_folds(ends, folds=4, embargo=2)[1]
    assert split == Split((range(2), range(15, 20)), (range(5, 10),))


def test_combinatorial_splits_of_the_books_example_make_five_paths() -> None:
    # Lopez de Prado 2018, section 12.4: six groups, two tested, 15 splits, five paths.
    found = combinatorial_purged(np.arange(60), groups=6, tested=2)
    assert len(found.splits) == 15
    assert found.paths.shape == (5, 6)
    assert found.paths[0].tolist() == [0, 0, 1, 2, 3, 4]


@given(
    st.integers(20, 200),
    st.integers(1, 15),
    st.integers(1, 10),
    st.integers(0, 4),
    st.sampled_from(["rolling", "anchored"]),
)
def test_walk_forward_tests_follow_what_they_learned(
    bars: int, train: int, test: int, embargo: int, kind: str
) -> None:
    anchored = kind == "anchored"
    splits = list(walk_forward(bars, train=train, test=test, embargo=embargo, anchored=anchored))
    tested = [row for split in splits for row in rows_of(split.test)]
    assert tested == list(range(train + embargo, bars))
    for split in splits:
        (learned,), (seen,) = split.train, split.test
        assert learned.stop + embargo == seen.start
        assert learned.start == 0 if anchored else len(learned) == train
        assert len(seen) == min(test, bars - seen.start)


def test_walk_forward_with_its_own_step_overlaps_or_skips() -> None:
    splits = list(walk_forward(20, train=8, test=4, step=6))
    assert [split.test[0] for split in splits] == [range(8, 12), range(14, 18)]
    assert [split.train[0] for split in splits] == [range(8), range(6, 14)]


def test_splits_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadEvidenceOption, match="10 rows do not hold 9"):
        walk_forward(10, train=9, test=1, embargo=1)
    with pytest.raises(BadEvidenceOption, match="Windows of 0 and 1"):
        walk_forward(10, train=0, test=1)
    with pytest.raises(BadEvidenceOption, match="row 2 ends at row 1 of 4"):
        purged_folds([0, 1, 1, 3], folds=2)
    with pytest.raises(BadEvidenceOption, match="row 3 ends at row 4 of 4"):
        purged_folds([0, 1, 2, 4], folds=2)
    with pytest.raises(BadEvidenceOption, match="type float64"):
        purged_folds([0.0, 1.0], folds=2)
    with pytest.raises(BadEvidenceOption, match="embargo of -1"):
        purged_folds([0, 1, 2], folds=2, embargo=-1)
    with pytest.raises(BadEvidenceOption, match="5 parts of 4 rows"):
        purged_folds([0, 1, 2, 3], folds=5)
    with pytest.raises(BadEvidenceOption, match="4 of 4 groups"):
        combinatorial_purged([0, 1, 2, 3], groups=4, tested=4)

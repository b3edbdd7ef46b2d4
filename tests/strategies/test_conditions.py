"""Crossings keep the relation before a tie; events are masks in all but their size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.conditions import (
    BadCondition,
    Cross,
    Events,
    crossed_above,
    crossed_below,
    events_of,
)
from strategies.indicators import sma
from strategies.memory import Memory, remembering, sealed

Floats = npt.NDArray[np.float64]

# Few values, so that ties are common; lengths beyond the 64 rows that are compared at once.
TICKS = st.one_of(st.integers(-2, 2).map(float), st.just(float("nan")))
LINES = st.integers(0, 200).flatmap(
    lambda rows: st.tuples(
        hnp.arrays(np.float64, rows, elements=TICKS), hnp.arrays(np.float64, rows, elements=TICKS)
    )
)
MASKS = hnp.arrays(np.bool_, st.integers(0, 100))


def walked(first: Floats, second: Floats) -> tuple[list[int], list[int]]:
    """Return the crossings up and down by the words of the rule, bar by bar."""
    above, below, relation = list[int](), list[int](), 0
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        now = int(one > other) - int(one < other)
        if now and relation and now != relation:
            (above if now > 0 else below).append(row)
        relation = now or relation
    return above, below


@settings(deadline=None)
@given(LINES)
def test_cross_when_lines_tie_or_are_unknown_then_relation_before_is_kept(
    lines: tuple[Floats, Floats],
) -> None:
    cross = Cross(*lines)
    assert (cross.above.rows.tolist(), cross.below.rows.tolist()) == walked(*lines)


@settings(deadline=None)
@given(LINES)
def test_cross_when_lines_change_places_then_directions_do_too(
    lines: tuple[Floats, Floats],
) -> None:
    one, other = Cross(*lines), Cross(lines[1], lines[0])
    assert one.above.rows.tolist() == other.below.rows.tolist()


@settings(deadline=None)
@given(LINES, st.integers(0, 200))
def test_cross_when_bars_are_added_then_those_before_stay(
    lines: tuple[Floats, Floats], length: int
) -> None:
    whole = Cross(*lines).above.rows
    part = Cross(lines[0][:length], lines[1][:length]).above.rows
    assert part.tolist() == whole[whole < length].tolist()


@settings(deadline=None)
@given(
    hnp.arrays(np.int64, st.integers(60, 150), elements=st.integers(9_990, 10_010)),
    st.integers(2, 5),
    st.integers(6, 12),
    st.integers(0, 20),
)
def test_cross_of_means_when_data_begin_later_then_same_once_a_strict_relation_is_known(
    ticks: npt.NDArray[np.int64], fast: int, slow: int, start: int
) -> None:
    prices = ticks / 100
    whole = Cross(sma(prices, fast), sma(prices, slow)).above.rows
    later = prices[start:].copy()
    means = sma(later, fast), sma(later, slow)
    strict = np.flatnonzero((means[0] > means[1]) | (means[0] < means[1]))
    known = int(strict[0]) if strict.size else len(later)
    part = Cross(*means).above.rows
    assert (part + start).tolist() == whole[whole > start + known].tolist()


def test_level_when_crossed_then_events_on_both_sides_and_none_by_touching() -> None:
    line = np.array([1.0, 2.0, 3.0, 2.0, 3.0, 2.0, 1.0, 2.0])
    assert crossed_above(line, 2.0).rows.tolist() == [2]
    assert crossed_below(line, 2.0).rows.tolist() == [6]


def test_level_when_asked_again_then_computed_once() -> None:
    line = sealed(np.arange(10.0))
    memory = Memory()
    with remembering(memory):
        assert crossed_above(line, 4.5) is crossed_above(line, 4.5)
        crossed_below(line, 4.5)
        crossed_below(line, 5.5)
    assert memory.computed == 2


def test_lines_when_of_unequal_length_then_refused() -> None:
    with pytest.raises(BadCondition, match="3 and 4 bars"):
        Cross(np.zeros(3), np.zeros(4))


@settings(deadline=None)
@given(MASKS)
def test_mask_when_made_events_and_back_then_the_same(mask: npt.NDArray[np.bool_]) -> None:
    events = Events(events_of(mask, len(mask), "x"), len(mask))
    assert np.array_equal(events.mask, mask)
    assert np.array_equal(np.asarray(events), mask)
    assert np.array_equal(~events, ~mask)
    assert len(events) == len(mask)


@settings(deadline=None)
@given(st.integers(0, 60).flatmap(lambda n: st.tuples(*[hnp.arrays(np.bool_, n)] * 2)))
def test_events_when_combined_with_masks_then_as_masks_do(
    masks: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
) -> None:
    one, other = masks
    events = Events(np.flatnonzero(one), len(one))
    others = Events(np.flatnonzero(other), len(other))
    for right in (other, others):
        assert np.array_equal(events & right, one & other)
        assert np.array_equal(events | right, one | other)
    assert np.array_equal(other & events, one & other)
    assert np.array_equal(other | events, one | other)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (np.zeros(5), "float64"),
        (np.zeros(4, dtype=np.bool_), "4 values for 5"),
        (Events(np.array([1]), 4), "4 values for 5"),
        (np.zeros((5, 1), dtype=np.bool_), "5"),
    ],
)
def test_condition_when_no_mask_of_the_bars_then_refused(condition: object, said: str) -> None:
    with pytest.raises(BadCondition, match=said):
        events_of(condition, 5, "long_entries")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([3, 2], "Row 2 of the events comes after row 3"),
        ([2, 2], "Row 2 of the events comes after row 2"),
        ([-1, 2], "Row -1 of the events lies outside 5 bars"),
        ([2, 5], "Row 5 of the events lies outside 5 bars"),
        ([0.5, 2.0], "float64"),
        ([[1], [2]], r"\(2, 1\)"),
    ],
)
def test_events_when_rows_are_none_of_rising_bars_then_refused(rows: list[Any], said: str) -> None:
    with pytest.raises(BadCondition, match=said):
        Events(np.array(rows), 5)


def test_events_when_there_are_none_then_allowed() -> None:
    assert not Events(np.array([]), 5).mask.any()

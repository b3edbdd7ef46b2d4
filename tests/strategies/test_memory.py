"""Remembering changes what is computed, never what comes out."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.conditions import Cross, crossed_above
from strategies.equivalence.columns import compute
from strategies.indicators import ema, sma
from strategies.memory import Memory, current_memory, remember, remembering, sealed
from tests.strategies.clean import CLEAN
from tests.strategies.planting import Case, bars_of_a_season

SHIPPED_CASES = [one for one in CLEAN if one.strategy.function.__module__.startswith("strategies.")]


@pytest.mark.parametrize("one", SHIPPED_CASES, ids=lambda one: one.name)
def test_strategy_when_run_without_memory_or_twice_then_same_decisions(one: Case) -> None:
    bars = bars_of_a_season()[:]
    first = compute(one.strategy, one.parameters, bars)
    again = compute(one.strategy, one.parameters, bars)
    signals = one.strategy.function(bars[:], one.parameters)
    assert current_memory() is None
    assert first.first_difference(again) is None
    for name, column in signals.columns(len(bars)).items():
        assert np.array_equal(column, first.columns[name], equal_nan=True), name


def test_memory_when_the_budget_is_used_up_then_forgets_what_was_used_longest_ago() -> None:
    memory = Memory(budget=3 * 800)
    source = object()
    computed: list[str] = []

    def recalled(name: str) -> None:
        def compute_it() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            computed.append(name)
            return np.zeros(100)

        memory.recall(name, source, compute_it)

    for name in ("a", "b", "c", "a", "d", "a", "b"):
        recalled(name)
    assert computed == ["a", "b", "c", "d", "b"]
    assert memory.used == 3 * 800


def test_memory_when_one_result_exceeds_the_budget_then_kept_alone() -> None:
    memory = Memory(budget=100)
    memory.recall("large", memory, lambda: np.zeros(1_000))
    memory.recall("larger", memory, lambda: np.zeros(2_000))
    assert memory.used == 16_000


def test_remember_when_sources_are_equal_but_not_the_same_then_computed_for_each() -> None:
    memory = Memory()
    with remembering(memory):
        one, other = sealed(np.zeros(3)), sealed(np.zeros(3))
        results = [remember("key", source, lambda: np.ones(3)) for source in (one, other, one)]
    assert memory.computed == 2
    assert results[0] is results[2]


def test_remember_when_the_source_is_gone_then_its_place_names_no_other() -> None:
    memory = Memory()
    with remembering(memory):
        for number in range(200):
            source = sealed(np.full(50, float(number)))
            assert remember("key", source, lambda kept=source: kept.sum()) == 50.0 * number


def test_remember_when_threads_evaluate_then_each_has_its_own() -> None:
    memory, seen = Memory(), list[Memory | None]()
    with remembering(memory):
        thread = threading.Thread(target=lambda: seen.append(current_memory()))
        thread.start()
        thread.join()
        assert current_memory() is memory
    assert seen == [None]


def test_remembering_when_nested_or_failed_then_the_one_before_is_back() -> None:
    outer, inner = Memory(), Memory()
    with remembering(outer):
        with pytest.raises(ZeroDivisionError), remembering(inner):
            _ = 1 / 0
        assert current_memory() is outer
    assert current_memory() is None


def test_memory_when_cleared_then_empty() -> None:
    memory = Memory()
    memory.recall("a", memory, lambda: np.zeros(100))
    memory.clear()
    assert memory.used == 0
    memory.recall("a", memory, lambda: (np.zeros(10), np.zeros(10)))
    assert (memory.used, memory.computed) == (160, 2)


def test_memory_when_lines_are_made_of_lines_then_all_that_is_held_stays_within_the_budget() -> (
    None
):
    bars = bars_of_a_season()[:]
    memory = Memory(
        budget=40 * bars.close.nbytes, columns=[getattr(bars, name) for name in ("time", "close")]
    )
    made: list[weakref.ref[object]] = []
    with remembering(memory):
        for fast in range(2, 12):
            for slow in range(20, 40):
                gap = sealed(sma(bars.close, fast) - sma(bars.close, slow))
                crossed_above(gap, 0.0)
                made.append(weakref.ref(gap))
                del gap
                assert memory.used <= memory.budget
    held = sum(one() is not None for one in made)
    assert 0 < held * bars.close.nbytes <= memory.budget


def test_memory_when_an_array_is_source_and_result_then_counted_once_until_both_are_gone() -> None:
    memory = Memory(budget=1_600)
    first = memory.recall("a", memory, lambda: sealed(np.zeros(100)))
    memory.recall("b", first, lambda: sealed(np.zeros(100)))
    assert memory.used == 1_600
    # To give up the first result alone frees nothing: it is still held as a source.
    memory.recall("c", memory, lambda: sealed(np.zeros(10)))
    assert memory.used == 80


def test_cross_when_kept_then_counts_what_it_holds() -> None:
    cross = Cross(np.tile([1.0, 3.0], 50), np.full(100, 2.0))
    assert cross.nbytes == cross.above.nbytes + cross.below.nbytes == 99 * 8


@pytest.mark.parametrize("writeable", [True, False])
def test_indicator_when_a_buffer_is_filled_anew_then_computed_anew(*, writeable: bool) -> None:
    buffer = np.empty(50)
    view = buffer.view()
    view.flags.writeable = writeable
    with remembering(Memory()):
        buffer[:] = 1.0
        first = sma(view, 5)
        buffer[:] = 2.0
        assert (first[-1], sma(view, 5)[-1]) == (1.0, 2.0)


def test_indicator_when_of_bars_or_of_indicators_then_remembered() -> None:
    writable = {name: getattr(bars_of_a_season(), name).copy() for name in ("open", "high", "low")}
    season = bars_of_a_season()
    bars = Bars(
        time=season.time.copy(),
        **writable,
        close=season.close.copy(),
        volume=season.volume.copy(),
        timeframe=season.timeframe,
    )
    with remembering(bars.memory):
        lines = [ema(sma(bars.close, 5), 9) for _ in range(2)]
    assert lines[0] is lines[1]
    assert bars.memory.computed == 3  # sums, mean, mean of the mean


def test_sealed_when_of_a_view_then_a_copy_that_nobody_can_write_into() -> None:
    owner = np.zeros(4)
    one, other = sealed(owner[1:]), sealed(owner)
    assert not np.shares_memory(one, owner)
    assert other is owner
    for array in (one, other):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0

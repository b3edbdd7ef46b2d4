"""Remembering changes what is computed, never what comes out."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from strategies.equivalence.columns import compute
from strategies.memory import Memory, current_memory, remember, remembering
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
    source = np.zeros(1)
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
        one, other = np.zeros(3), np.zeros(3)
        results = [remember("key", source, lambda: np.ones(3)) for source in (one, other, one)]
    assert memory.computed == 2
    assert results[0] is results[2]


def test_remember_when_the_source_is_gone_then_its_place_names_no_other() -> None:
    memory = Memory()
    with remembering(memory):
        for number in range(200):
            source = np.full(50, float(number))
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

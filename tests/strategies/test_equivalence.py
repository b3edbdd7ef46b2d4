"""The equivalence check finds every planted leak for what it is, and accuses no clean strategy."""

from __future__ import annotations

import pytest

from strategies.equivalence.check import check_equivalence
from strategies.sample import sample_bars
from tests.strategies.clean import CLEAN
from tests.strategies.leaks import LEAKS
from tests.strategies.planting import Case, bars_of_a_season

SHIPPED_CASES = [one for one in CLEAN if one.strategy.function.__module__.startswith("strategies.")]


def test_library_when_counted_then_holds_twenty_leaks_and_fifty_clean() -> None:
    assert len({one.name for one in LEAKS}) == len(LEAKS) >= 20
    assert len({one.name for one in CLEAN}) == len(CLEAN) >= 50


@pytest.mark.parametrize("leak", LEAKS, ids=lambda one: one.name)
def test_leak_when_checked_then_found_as_what_it_is(leak: Case) -> None:
    report = check_equivalence(leak.strategy, leak.parameters, bars_of_a_season())
    assert not report.ok
    first = report.findings[0]
    assert first.kind == leak.kind, first.words
    assert first.remedy


@pytest.mark.parametrize("clean", CLEAN, ids=lambda one: one.name)
def test_clean_strategy_when_checked_then_no_alarm(clean: Case) -> None:
    report = check_equivalence(clean.strategy, clean.parameters, bars_of_a_season())
    assert report.findings == ()
    assert report.ok
    assert report.prefixes > 100


@pytest.mark.parametrize("clean", SHIPPED_CASES, ids=lambda one: one.name)
def test_shipped_strategy_when_ticks_are_coarse_and_ties_last_then_no_alarm(clean: Case) -> None:
    # Minutes of ADA at a tick of 0.03 %: closes often equal their means and one another.
    bars = sample_bars("binance:ADA/USDT:USDT")[600:]
    assert check_equivalence(clean.strategy, clean.parameters, bars).findings == ()

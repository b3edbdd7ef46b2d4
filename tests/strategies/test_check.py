"""The report of a check: what was compared, what is told, and that it is the same again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.definition import ALL_BARS, strategy
from strategies.equivalence.check import check_equivalence
from strategies.equivalence.futures import FUTURES, SHIFTS, other_future, shifted
from strategies.equivalence.report import NotEquivalent, TooFewBars
from strategies.registry import find, shipped
from strategies.sample import sample_bars
from strategies.signals import Signals
from tests.strategies.leaks import LEAKS
from tests.strategies.planting import Plain, bars_of_a_season


def test_check_when_repeated_then_compares_and_finds_the_same() -> None:
    for one in LEAKS[:6]:
        first, again = (
            dataclasses.replace(
                check_equivalence(one.strategy, one.parameters, bars_of_a_season()), seconds=0.0
            )
            for _ in range(2)
        )
        assert first == again


def test_check_when_run_then_progress_rises_to_the_end() -> None:
    shares: list[float] = []
    rule = find("ma_cross")
    report = check_equivalence(
        rule, rule.with_values(), bars_of_a_season(), progress=lambda share, _: shares.append(share)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > report.windows


def test_check_when_bars_are_few_then_refused() -> None:
    rule = find("ma_cross")
    with pytest.raises(TooFewBars, match="15 bars are too few"):
        check_equivalence(rule, rule.with_values(), sample_bars()[:15])


def test_check_when_warm_up_exceeds_the_bars_then_noted_and_not_claimed() -> None:
    rule = find("ma_cross")
    report = check_equivalence(rule, rule.with_values(), sample_bars()[:90])
    assert report.ok
    assert report.windows == 0
    assert any("165 bars is as long as the data" in note for note in report.notes)
    assert any("Nothing is decided" in note for note in report.notes)


def test_check_when_bars_allow_then_every_bar_is_the_newest_of_a_stretch() -> None:
    rule = find("ma_cross")
    report = check_equivalence(rule, rule.with_values(), bars_of_a_season())
    assert report.windows == len(bars_of_a_season()) - rule.warm_up(rule.with_values())


def test_findings_when_required_to_be_none_then_error_holds_the_words() -> None:
    report = check_equivalence(LEAKS[0].strategy, LEAKS[0].parameters, bars_of_a_season())
    with pytest.raises(NotEquivalent, match=r"negative_shift: look_ahead\. long_exits at bar 0"):
        report.require_ok("negative_shift")
    rule = find("ma_cross")
    check_equivalence(rule, rule.with_values(), bars_of_a_season()).require_ok("ma_cross")


def test_warm_up_when_short_then_finding_says_how_many_bars_would_do() -> None:
    looks_back = 73

    def rule(bars: Bars, parameters: Plain) -> Signals:
        """Compare with the close of three days before."""
        before = np.full(len(bars), np.nan)
        before[looks_back:] = bars.close[:-looks_back]
        return Signals(long_entries=bars.close > before)

    made = strategy(name="rule", parameters=Plain, warm_up=lambda _parameters: 10)(rule)
    finding = check_equivalence(made, made.with_values(), bars_of_a_season()).findings[0]
    assert finding.kind == "warm_up_too_short"
    assert "Declare a warm-up of 73 bars or more" in finding.remedy


@pytest.mark.parametrize("row", [40, 777, 1_333, 1_597])
@pytest.mark.parametrize("warm_up", [5, ALL_BARS])
def test_leak_when_it_bites_at_one_bar_alone_then_found(row: int, warm_up: int) -> None:
    bars = bars_of_a_season()
    at = bars.time[row]

    def rule(bars: Bars, parameters: Plain) -> Signals:
        """Decide rightly, and at one bar with the close of the next."""
        entries = bars.close > bars.open
        coming = np.append(bars.close[1:] > bars.close[:-1], False)[: len(bars)]
        return Signals(long_entries=entries | (coming & (bars.time == at)))

    made = strategy(name="rule", parameters=Plain, warm_up=lambda _parameters: warm_up)(rule)
    whole = made.signals(bars, made.with_values()).mask("long_entries", len(bars))
    is_used = bool(whole[row] and not bars.close[row] > bars.open[row])
    report = check_equivalence(made, made.with_values(), bars)
    if is_used:
        assert [(one.kind, one.bar) for one in report.findings] == [("look_ahead", row)]
    else:
        assert report.findings == ()


def test_futures_when_made_then_the_past_is_untouched_and_bars_are_valid() -> None:
    bars = bars_of_a_season()
    random = np.random.default_rng(1)
    for kind in FUTURES:
        made = other_future(bars, 700, kind, random)
        made.check()
        assert made[:700].digest == bars[:700].digest, kind
        assert made[700:].digest != bars[700:].digest, kind
        assert np.array_equal(made.close, made.close.round(2)), kind
        assert set(made.others) == set(bars.others)


def test_shifted_bars_when_moved_then_weekday_month_and_hour_stay() -> None:
    bars = bars_of_a_season()
    stamps = bars.time.astype("datetime64[us]")
    for cycles in SHIFTS:
        moved = shifted(bars, cycles).time.astype("datetime64[us]")
        months = moved.astype("M8[M]"), stamps.astype("M8[M]")
        assert np.array_equal(months[0].astype(int) % 12, months[1].astype(int) % 12)
        assert np.array_equal(moved - months[0], stamps - months[1])
        days = (moved.astype("M8[D]") - stamps.astype("M8[D]")).astype(int)
        assert set(days % 7) == {0}


def test_shipped_strategies_when_on_two_years_of_hours_then_all_equivalent() -> None:
    for rule in shipped():
        report = check_equivalence(rule, rule.with_values(), sample_bars(), windows=1_500)
        assert report.findings == (), rule.name
        assert report.decisions > 200

"""Verdicts: each outcome, each way to know the trials, odd input, and the rates of being wrong."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.evidence.samples import BadReturns, BadTrials, BlockSums, Floats, TooFewReturns
from backtest.evidence.sharpe import deflated_sharpe, moments
from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import Outcome, Verdict, judge
from bench.luck import SCENES, measure

if TYPE_CHECKING:
    from collections.abc import Mapping

BARS = 1500


def trials(seed: int, edge: float, count: int = 40) -> Floats:
    """Return noise, half of each move in common, with an edge of ``edge`` a bar in trial 7."""
    generator = np.random.default_rng(seed)
    moves = generator.standard_normal((BARS, count)) + generator.standard_normal((BARS, 1))
    returns = 0.01 * moves
    returns[:, 7] += 0.01 * edge
    return returns


def known(returns: Floats, chosen: int = 7, *, ever: int | None = None) -> TrialSet:
    return TrialSet.of_returns(returns, chosen, bars_per_year=252, trials_ever=ever)


def checks(verdict: Verdict) -> Mapping[str, bool]:
    return {check.name: check.passed for check in verdict.checks}


def test_verdict_on_a_strong_edge_is_skill() -> None:
    verdict = judge(known(trials(1, 0.35)))
    assert verdict.outcome is Outcome.SKILL
    assert verdict.passed
    assert all(checks(verdict).values())
    assert verdict.words.startswith("Skill: in 6.0 years and 40 trials")
    assert verdict.figures["overfitting"] < 0.05


def test_verdict_on_the_best_of_noise_is_luck() -> None:
    returns = trials(2, 0.0)
    best = int(np.argmax(returns.mean(axis=0) / returns.std(axis=0)))
    verdict = judge(known(returns, best))
    assert verdict.outcome is Outcome.LUCK
    assert "deflated_sharpe" in verdict.words
    # Half of each move in common makes forty trials worth some twenty, not forty and not one.
    assert 8 < verdict.figures["independent_trials"] < 35


def test_verdict_on_half_a_year_is_too_short_to_tell() -> None:
    verdict = judge(known(trials(1, 0.15)[:220]))
    assert verdict.outcome is Outcome.TOO_SHORT
    assert "neither luck nor a Sharpe ratio of 2 is excluded" in verdict.words
    assert verdict.figures["years"] < verdict.figures["tellable_after_years"]


def test_verdict_on_a_short_record_that_excludes_an_edge_is_luck() -> None:
    returns = trials(1, 0.0)[:400, 7]
    losing = returns - returns.mean() - 5e-4
    verdict = judge(TrialSet.of_run(losing, bars_per_year=252, trials_ever=1000))
    assert verdict.figures["years"] < verdict.figures["tellable_after_years"]
    assert verdict.figures["edge_sharpe_high"] < 2.0
    assert verdict.outcome is Outcome.LUCK


def test_verdict_on_few_bars_or_trades_is_too_short_however_good() -> None:
    few_bars = judge(known(trials(1, 0.8)[:150]))
    assert few_bars.outcome is Outcome.TOO_SHORT
    assert few_bars.words == "Too short to tell: there are too few bars."
    returns = trials(1, 0.35)
    few_trades = judge(TrialSet.of_returns(returns, 7, bars_per_year=252, trade_returns=[0.5] * 9))
    assert few_trades.outcome is Outcome.TOO_SHORT
    assert few_trades.words == "Too short to tell: there are too few trades."


def test_verdict_when_trades_lose_on_average_is_luck() -> None:
    returns = trials(1, 0.35)
    losing = np.random.default_rng(3).normal(0.0, 0.02, 200)
    verdict = judge(TrialSet.of_returns(returns, 7, bars_per_year=252, trade_returns=losing))
    assert verdict.outcome is Outcome.LUCK
    assert [name for name, passed in checks(verdict).items() if not passed] == ["trade_loss_chance"]


def test_verdict_from_block_sums_is_that_from_returns() -> None:
    for edge, outcome in ((0.35, Outcome.SKILL), (0.0, Outcome.LUCK)):
        returns = trials(1, edge)
        blocks = BlockSums.of_returns(returns, 64)
        summed = judge(TrialSet.of_blocks(blocks, 7, returns[:, 7], bars_per_year=252))
        whole = judge(known(returns))
        assert summed.outcome is whole.outcome is outcome
        assert summed.figures["overfitting"] == pytest.approx(whole.figures["overfitting"], abs=0.1)
        assert summed.figures["independent_trials"] == pytest.approx(
            whole.figures["independent_trials"], rel=0.35
        )


def test_verdict_with_more_trials_ever_is_harder() -> None:
    returns = trials(1, 0.16)
    one, many = (judge(known(returns, ever=ever)) for ever in (40, 4_000_000))
    assert one.outcome is Outcome.SKILL
    assert many.outcome is not Outcome.SKILL
    assert many.figures["independent_trials"] == pytest.approx(
        1e5 * one.figures["independent_trials"]
    )
    assert many.figures["superiority"] > one.figures["superiority"]


def test_verdict_of_one_run_alone_counts_its_unseen_siblings_in_full() -> None:
    returns = trials(4, 0.15)[:, 7]
    alone = judge(TrialSet.of_run(returns, bars_per_year=252))
    assert alone.outcome is Outcome.SKILL
    assert alone.figures["independent_trials"] == 1.0
    assert alone.figures["deflated_sharpe"] == alone.figures["probabilistic_sharpe"]
    assert "overfitting" not in alone.figures
    thousandth = judge(TrialSet.of_run(returns, bars_per_year=252, trials_ever=1000))
    assert thousandth.figures["independent_trials"] == 1000.0
    own = moments(returns)
    assert thousandth.figures["deflated_sharpe"] == pytest.approx(
        deflated_sharpe(
            own.sharpe,
            own.count,
            own.skewness,
            own.kurtosis,
            trials=1000,
            variance=1 / (own.count - 1),
        )
    )


def test_verdict_with_ratios_of_a_ledger_deflates_by_their_spread_as_published() -> None:
    returns = trials(4, 0.15)
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    whole = judge(known(returns))
    kept = [*ratios.tolist(), math.nan]
    alone = judge(TrialSet.of_run(returns[:, 7], bars_per_year=252, trials_ever=40, sharpes=kept))
    name = "deflated_sharpe_published"
    assert alone.figures[name] == pytest.approx(whole.figures[name], rel=1e-9)
    own = moments(returns[:, 7])
    assert alone.figures[name] == pytest.approx(
        deflated_sharpe(
            own.sharpe,
            own.count,
            own.skewness,
            own.kurtosis,
            trials=40,
            variance=ratios.var(ddof=1),
        ),
        rel=1e-9,
    )


def test_verdict_on_a_run_that_is_the_market_finds_no_skill() -> None:
    held = np.random.default_rng(5).normal(0.0012, 0.01, BARS)
    market = judge(TrialSet.of_run(0.5 * held, bars_per_year=252, benchmark=held))
    assert market.figures["market_share"] == pytest.approx(0.5)
    assert checks(market)["probabilistic_sharpe"]
    assert math.isnan(market.figures["edge_sharpe"])
    assert not checks(market)["deflated_sharpe"]
    assert market.outcome is not Outcome.SKILL
    without = judge(TrialSet.of_run(0.5 * held, bars_per_year=252))
    assert without.outcome is Outcome.SKILL


def test_verdict_on_a_timed_market_counts_what_holding_does_not_explain() -> None:
    generator = np.random.default_rng(6)
    held = generator.normal(0.0003, 0.01, BARS)
    timed = np.where(held + generator.normal(0, 0.05, BARS) > 0, held, 0.0)
    verdict = judge(TrialSet.of_run(timed, bars_per_year=252, benchmark=held))
    assert verdict.outcome is Outcome.SKILL
    assert verdict.figures["market_share"] == pytest.approx(0.5, abs=0.1)
    still = judge(TrialSet.of_run(timed, bars_per_year=252, benchmark=np.zeros(BARS)))
    assert still.figures["edge_sharpe"] == still.figures["sharpe"]


def test_verdict_on_returns_without_variance_is_no_skill() -> None:
    verdict = judge(TrialSet.of_run(np.zeros(BARS), bars_per_year=252))
    assert verdict.outcome is Outcome.LUCK
    assert math.isnan(verdict.figures["sharpe"])
    written = json.dumps(verdict.as_dict(), allow_nan=False)
    assert json.loads(written)["figures"]["sharpe"] is None


def test_verdict_when_a_sibling_never_trades_is_the_same_outcome() -> None:
    returns = trials(1, 0.35)
    returns[:, 3] = 0.0
    assert judge(known(returns)).outcome is Outcome.SKILL


def test_verdict_twice_is_equal_and_reports_its_steps() -> None:
    returns = trials(1, 0.2)
    seen: list[tuple[int, int]] = []
    first = judge(known(returns), seed=3, progress=lambda done, all_: seen.append((done, all_)))
    assert first == judge(known(returns), seed=3)
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_trial_sets_that_do_not_fit_are_refused() -> None:
    returns = trials(1, 0.0)
    blocks = BlockSums.of_returns(returns, 16)
    with pytest.raises(BadTrials, match="Trial 40 of 40"):
        known(returns, 40)
    with pytest.raises(BadTrials, match="39 trials ever, of which 40"):
        known(returns, ever=39)
    with pytest.raises(BadTrials, match="over 15 blocks"):
        TrialSet.of_blocks(blocks.grouped(15), 7, returns[:, 7], bars_per_year=252)
    with pytest.raises(BadTrials, match="1499 bars, the blocks 1500"):
        TrialSet.of_blocks(blocks, 7, returns[1:, 7], bars_per_year=252)
    with pytest.raises(BadTrials, match="sum to"):
        TrialSet.of_blocks(blocks, 7, returns[:, 8], bars_per_year=252)
    with pytest.raises(BadReturns, match="0 bars a year"):
        TrialSet.of_run(returns[:, 0], bars_per_year=0)
    with pytest.raises(BadReturns, match="The benchmark has 3 bars"):
        TrialSet.of_run(returns[:, 0], bars_per_year=252, benchmark=[0.1, 0.2, 0.3])
    with pytest.raises(BadReturns, match="nan at row 1"):
        TrialSet.of_run([0.1, math.nan], bars_per_year=252)
    with pytest.raises(TooFewReturns, match="7 bars"):
        judge(TrialSet.of_run([0.1] * 7, bars_per_year=252))


@pytest.mark.parametrize(
    ("scene", "expected"),
    [("noise: walk", 0), ("noise: rising, long only", 0), ("edge: planted trends", 36)],
)
def test_verdicts_on_forty_histories_are_wrong_at_the_stated_rates(
    scene: str, expected: int
) -> None:
    named = {scene.name: scene for scene in SCENES}
    # A small turn of `python -m bench.luck`: the best of 200 trials, 40 histories of each scene.
    rates, verdicts = measure(named[scene], repeats=40, trials=200, draws=200)
    assert sum(verdict.passed for verdict in verdicts) == expected
    assert rates.passed == expected / 40
    assert Counter(verdict.outcome for verdict in verdicts)[Outcome.SKILL] == expected

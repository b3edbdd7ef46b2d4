"""Reality check and superior predictive ability beside another library and exact enumeration."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from backtest.evidence.reality import (
    _long_variance,
    reality_check,
    sign_flips,
    superior_ability,
)
from backtest.evidence.samples import (
    BadEvidenceOption,
    BadReturns,
    BlockSums,
    Floats,
    TooFewReturns,
)
from backtest.evidence.sharpe import independent_trials


def family(
    seed: int, best: float, worst: float = -0.2, bars: int = 400, trials: int = 15
) -> Floats:
    """Return trials whose Sharpe ratios per bar rise evenly, half of each move in common."""
    generator = np.random.default_rng(seed)
    moves = generator.standard_normal((bars, trials)) + generator.standard_normal((bars, 1))
    return 0.01 * (moves + np.linspace(worst, best, trials))


CASES = [(1, 0.0), (2, 0.05), (3, 0.10), (4, 0.15)]


@pytest.mark.parametrize(("seed", "best"), CASES)
def test_plain_p_values_beside_another_library_agree(seed: int, best: float) -> None:
    from arch.bootstrap import SPA

    returns = family(seed, best)
    theirs = SPA(np.zeros(400), -returns, block_size=6, reps=2000, seed=seed)
    theirs.compute()
    ours = superior_ability(returns, studentised=False, block_length=6, draws=4000, seed=seed)
    assert [ours.lower, ours.consistent, ours.upper] == pytest.approx(
        theirs.pvalues.to_list(), abs=0.035
    )
    assert reality_check(returns, block_length=6, draws=4000, seed=seed) == ours.upper


@pytest.mark.parametrize(("seed", "best"), CASES)
def test_studentised_p_values_beside_another_library_on_scaled_returns_agree(
    seed: int, best: float
) -> None:
    from arch.bootstrap import SPA

    # That library does not studentise its statistic; scaled beforehand, it does.
    wild = family(seed, best) * np.geomspace(0.2, 5.0, 15)
    errors = np.sqrt(_long_variance(wild, wild.mean(axis=0), 6))
    theirs = SPA(np.zeros(400), -wild / errors, block_size=6, reps=2000, seed=seed)
    theirs.compute()
    ours = superior_ability(wild, block_length=6, draws=4000, seed=seed)
    assert [ours.lower, ours.consistent, ours.upper] == pytest.approx(
        theirs.pvalues.to_list(), abs=0.035
    )


def test_best_trial_when_worse_than_the_benchmark_is_certain_luck() -> None:
    found = superior_ability(family(5, -0.05))
    assert found.lower == found.consistent == found.upper == 1.0


@pytest.mark.parametrize("length", [1.0, 4.0, 25.0])
def test_variance_of_block_means_beside_another_library_is_the_same(length: float) -> None:
    from arch.bootstrap import SPA

    returns = family(6, 0.0, bars=301)
    theirs = SPA(np.zeros(301), -returns, block_size=int(length))
    theirs._compute_variance()
    ours = _long_variance(returns, returns.mean(axis=0), length)
    assert ours == pytest.approx(theirs._loss_diff_var, rel=1e-10)


def test_benchmark_when_given_is_what_must_be_beaten() -> None:
    returns = family(7, 0.1)
    market = family(8, 0.0)[:, 0]
    against = superior_ability(returns, benchmark=market, block_length=3)
    assert against.upper == superior_ability(returns - market[:, None], block_length=3).upper
    assert against.best == int(np.argmax(against.statistics))


def test_p_values_of_all_trials_are_never_below_that_of_the_best() -> None:
    found = superior_ability(family(9, 0.08), draws=500)
    each = [found.p_value(trial) for trial in range(15)]
    assert min(each) == each[found.best] == found.consistent
    assert found.lower <= found.consistent <= found.upper


def test_false_alarms_on_noise_stay_at_their_rate() -> None:
    alarms = [
        superior_ability(family(seed, 0.0, 0.0, bars=250, trials=20), draws=199).consistent <= 0.1
        for seed in range(200)
    ]
    # 20 expected; three standard deviations of a binomial on either side.
    assert 7 <= sum(alarms) <= 33


def test_luck_of_independent_trials_is_worth_as_many() -> None:
    strangers = np.random.default_rng(10).standard_normal((1000, 300))
    found = superior_ability(strangers, draws=400)
    assert independent_trials(float(found.luck.mean())) == pytest.approx(300, rel=0.25)
    copies = np.repeat(strangers[:, :1], 300, axis=1)
    alone = superior_ability(copies, draws=400)
    assert independent_trials(float(alone.luck.mean())) == pytest.approx(1.0, abs=0.3)


def test_trials_that_never_move_have_no_statistic() -> None:
    returns = family(11, 0.0)
    returns[:, 3] = 0.0
    found = superior_ability(returns, draws=100)
    assert found.statistics[3] == 0.0
    still = superior_ability(np.zeros((50, 4)), draws=100)
    assert still.upper == 1.0


def test_sign_flips_beside_full_enumeration_agree() -> None:
    sums = np.random.default_rng(12).standard_normal((10, 6)) + np.linspace(-0.5, 0.6, 6)
    blocks = BlockSums(np.full(10, 5), sums, sums**2)
    units = sums / np.sqrt((sums**2).sum(axis=0))
    luck = np.array([(np.array(signs) @ units).max() for signs in product((-1, 1), repeat=10)])
    exact = float((luck >= units.sum(axis=0).max() - 1e-12).mean())
    found = sign_flips(blocks, draws=20_000)
    assert found.upper == pytest.approx(exact, abs=0.01)
    assert found.lower == found.consistent == found.upper


def test_sign_flips_on_noise_alarm_at_their_rate() -> None:
    alarms = [
        sign_flips(BlockSums.of_returns(family(seed, 0.0, 0.0, 320, 40), 16), draws=199).upper
        <= 0.1
        for seed in range(300)
    ]
    assert 15 <= sum(alarms) <= 46


def test_superior_ability_reports_its_progress_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    superior_ability(
        family(13, 0.0), draws=300, progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen == [(128, 300), (256, 300), (300, 300)]


def test_superior_ability_of_what_cannot_be_is_refused() -> None:
    returns = family(14, 0.0)
    with pytest.raises(BadReturns, match="The benchmark has 399 bars"):
        superior_ability(returns, benchmark=returns[1:, 0])
    with pytest.raises(BadReturns, match=r"shape \(400, 0\)"):
        superior_ability(returns[:, :0])
    with pytest.raises(TooFewReturns, match="5 bars"):
        superior_ability(returns[:5])
    with pytest.raises(BadEvidenceOption, match="0 draws"):
        superior_ability(returns, draws=0)
    with pytest.raises(BadEvidenceOption, match="blocks of 401"):
        superior_ability(returns, block_length=401)
    with pytest.raises(BadEvidenceOption, match="Trial 15 of 15"):
        superior_ability(returns, draws=10).p_value(15)
    with pytest.raises(BadEvidenceOption, match="0 draws"):
        sign_flips(BlockSums.of_returns(returns, 4), draws=0)
    returns[3, 2] = math.nan
    with pytest.raises(BadReturns, match="Trial 2 returns nan at bar 3"):
        superior_ability(returns)

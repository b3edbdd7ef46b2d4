# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
"""Block bootstrap: lengths beside another library's, intervals that hold what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtest.evidence.bootstrap import Kind, automatic_block, bootstrap
from backtest.evidence.samples import BadEvidenceOption, BadReturns, Floats, TooFewReturns


def echoing(memory: float, bars: int, seed: int) -> Floats:
    shocks = np.random.default_rng(seed).standard_normal(bars) * 0.01
    values = np.empty(bars)
    last = 0.0
    for bar, shock in enumerate(shocks):
        last = memory * last + shock
        values[bar] = last
    return values


@pytest.mark.parametrize("memory", [0.0, 0.2, 0.5, 0.9, 0.999, -0.3])
@pytest.mark.parametrize(
    ("kind", "column"), [("stationary", "stationary"), ("circular", "circular")]
)
def test_automatic_block_beside_another_library_is_the_same(
    memory: float, kind: Kind, column: str
) -> None:
    from arch.bootstrap import optimal_block_length

    for seed in range(5):
        returns = echoing(memory, 600 + 70 * seed, seed)
        theirs = float(optimal_block_length(returns)[column].iloc[0])
        assert automatic_block(returns, kind) == pytest.approx(max(1.0, theirs), rel=1e-9)


def test_automatic_block_of_constant_returns_is_one() -> None:
    assert automatic_block(np.full(50, 0.01)) == 1.0


@pytest.mark.parametrize("length", [1.0, 1.5, 5.0, 40.0])
def test_blocks_when_drawn_are_as_long_as_asked_and_start_anywhere(length: float) -> None:
    from backtest.evidence.kernels import _block

    generator = np.random.default_rng(8)
    drawn = np.array([_block(generator, 10_000, length, 0) for _ in range(20_000)])
    # Geometric: the deviation of a length is about its mean.
    assert drawn[:, 1].mean() == pytest.approx(length, abs=4.0 * length / math.sqrt(20_000))
    assert drawn[:, 1].min() == 1
    assert np.quantile(drawn[:, 0], (0.25, 0.75)) == pytest.approx((2_500, 7_500), abs=150)
    assert _block(generator, 100, length, 1)[1] == int(length)


def test_bootstrap_twice_with_one_seed_is_equal_to_the_last_bit() -> None:
    returns = echoing(0.3, 400, 1)
    first, again, other = (bootstrap(returns, seed=seed, draws=300) for seed in (5, 5, 6))
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)


@pytest.mark.parametrize("kind", ["stationary", "circular"])
def test_bootstrap_of_independent_returns_spreads_like_theory(kind: Kind) -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.01, 900)
    found = bootstrap(returns, kind=kind, block_length=1, draws=4000, seed=3)
    assert found.draws[:, 0].mean() == pytest.approx(returns.mean(), abs=3e-5)
    assert found.draws[:, 0].std() == pytest.approx(returns.std() / 30.0, rel=0.05)
    assert found.mean.low == pytest.approx(returns.mean() - 1.645 * returns.std() / 30.0, abs=5e-5)
    assert found.mean.low < found.mean.estimate < found.mean.high
    assert found.chance_of_loss == np.mean(found.draws[:, 0] <= 0)


@pytest.mark.parametrize(("kind", "length"), [("stationary", 12.0), ("circular", 12.0)])
def test_bootstrap_of_echoing_returns_spreads_like_another_librarys(
    kind: Kind, length: float
) -> None:
    from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap

    returns = echoing(0.6, 500, 4)
    theirs_kind = StationaryBootstrap if kind == "stationary" else CircularBlockBootstrap
    theirs = theirs_kind(12, returns, seed=1).apply(np.mean, 3000)[:, 0]
    found = bootstrap(returns, kind=kind, block_length=length, draws=3000, seed=1)
    assert found.draws[:, 0].std() == pytest.approx(theirs.std(), rel=0.06)
    assert found.draws[:, 0].std() > 1.5 * returns.std() / math.sqrt(500)


def test_bootstrap_in_one_circle_keeps_every_return() -> None:
    # One block as long as the sample turns it: sums and products stay, the drawdown may not.
    returns = echoing(0.3, 60, 5)
    found = bootstrap(returns, kind="circular", block_length=60, draws=50)
    assert found.draws[:, 0] == pytest.approx(returns.mean(), abs=1e-15)
    assert found.draws[:, 1] == pytest.approx(returns.std(ddof=1), rel=1e-9)
    assert found.draws[:, 2] == pytest.approx(np.prod(1 + returns), rel=1e-12)


def test_bootstrap_figures_of_the_sample_are_its_own() -> None:
    found = bootstrap([0.1, -0.5, 0.2, 0.1, 0.0, 0.3, -0.1, 0.05], draws=20)
    equity = np.cumprod([1.1, 0.5, 1.2, 1.1, 1.0, 1.3, 0.9, 1.05])
    assert found.final_equity.estimate == pytest.approx(equity[-1])
    assert found.max_drawdown.estimate == pytest.approx(0.5)
    assert ((found.draws[:, 3] >= 0.0) & (found.draws[:, 3] < 1.0)).all()


def test_bootstrap_of_constant_returns_has_no_sharpe_ratio() -> None:
    found = bootstrap(np.full(30, 0.01), draws=10)
    assert math.isnan(found.sharpe.estimate)
    assert found.sharpe.low == found.sharpe.high == 0.0
    assert found.mean.low == pytest.approx(0.01)
    assert found.chance_of_loss == 0.0


def test_bootstrap_reports_its_progress_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    bootstrap(echoing(0, 50, 6), draws=600, progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(250, 600), (500, 600), (600, 600)]


def test_bootstrap_of_what_cannot_be_is_refused() -> None:
    returns = echoing(0, 50, 7)
    with pytest.raises(TooFewReturns, match="7 returns"):
        bootstrap(returns[:7])
    with pytest.raises(BadReturns, match=r"-1\.5 at row 2"):
        bootstrap([0.1, 0.1, -1.5, *[0.1] * 9])
    with pytest.raises(BadReturns, match="inf at row 0"):
        bootstrap([math.inf, *[0.1] * 9])
    with pytest.raises(BadEvidenceOption, match="0 draws"):
        bootstrap(returns, draws=0)
    with pytest.raises(BadEvidenceOption, match="blocks of 51"):
        bootstrap(returns, block_length=51)
    with pytest.raises(BadEvidenceOption, match="confidence of 1"):
        bootstrap(returns, confidence=1.0)
    with pytest.raises(BadEvidenceOption, match="'moving'"):
        bootstrap(returns, kind="moving")  # pyright: ignore[reportArgumentType]

"""Probability of backtest overfitting beside a plain implementation and cases that are known."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from backtest.evidence.overfitting import overfitting
from backtest.evidence.samples import (
    BadEvidenceOption,
    BadReturns,
    BadTrials,
    BlockSums,
    TooFewReturns,
)

if TYPE_CHECKING:
    from backtest.evidence.samples import Floats


def plain(returns: Floats, parts: int) -> tuple[list[float], list[float], list[float]]:
    """Follow the paper's steps word by word, on returns and not on sums."""
    blocks = np.split(returns, parts)
    logits: list[float] = []
    inside: list[float] = []
    outside: list[float] = []
    for half in combinations(range(parts), parts // 2):
        learned = np.concatenate([blocks[part] for part in half])
        tested = np.concatenate([blocks[part] for part in range(parts) if part not in half])
        first = learned.mean(axis=0) / learned.std(axis=0, ddof=1)
        second = tested.mean(axis=0) / tested.std(axis=0, ddof=1)
        best = int(np.argmax(first))
        rank = float((second < second[best]).sum() + 1)
        relative = rank / (returns.shape[1] + 1)
        logits.append(math.log(relative / (1 - relative)))
        inside.append(float(first[best]))
        outside.append(float(second[best]))
    return logits, inside, outside


@pytest.mark.parametrize(("parts", "trials", "seed"), [(2, 7, 0), (6, 12, 1), (8, 30, 2)])
def test_overfitting_beside_a_plain_implementation_is_the_same(
    parts: int, trials: int, seed: int
) -> None:
    returns = np.random.default_rng(seed).normal(0.0005, 0.01, (parts * 20, trials))
    logits, inside, outside = plain(returns, parts)
    found = overfitting(BlockSums.of_returns(returns, parts), parts=parts)
    # The order of splits differs: each is followed by its mirror image.
    assert np.sort(found.logits) == pytest.approx(np.sort(logits), abs=1e-12)
    assert np.sort(found.inside) == pytest.approx(np.sort(inside), rel=1e-9)
    assert np.sort(found.outside) == pytest.approx(np.sort(outside), rel=1e-9, abs=1e-12)
    assert found.probability == np.mean(np.array(logits) <= 0)
    assert found.probability_of_loss == np.mean(np.array(outside) < 0)
    assert [found.slope, found.intercept] == pytest.approx(
        np.polyfit(inside, outside, 1), rel=1e-6, abs=1e-9
    )


def test_overfitting_when_one_trial_dominates_is_none() -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, (480, 50))
    returns[:, 17] += 0.01
    found = overfitting(BlockSums.of_returns(returns, 16))
    assert found.probability == 0.0
    assert found.probability_of_loss == 0.0
    assert set(found.winners.tolist()) == {17}
    assert found.logits.size == 12_870


def test_overfitting_of_trials_centred_to_nothing_is_certain() -> None:
    # The paper's Monte Carlo, Sharpe ratio 0: each trial is centred, so that what it gains in one
    # half it loses in the other, and the best becomes the worst. It finds a probability of 1.
    returns = np.random.default_rng(4).normal(0, 0.01, (800, 20))
    found = overfitting(BlockSums.of_returns(returns - returns.mean(axis=0), 8), parts=8)
    assert found.probability == 1.0
    assert found.probability_of_loss == 1.0
    assert found.slope < 0


def test_overfitting_of_pure_noise_is_a_half_on_average() -> None:
    found = [
        overfitting(
            BlockSums.of_returns(np.random.default_rng(seed).normal(0, 0.01, (320, 40)), 8), parts=8
        ).probability
        for seed in range(100)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    assert 0.1 < np.std(found) < 0.3


def test_overfitting_of_equal_trials_shares_their_middle_rank() -> None:
    one = np.random.default_rng(5).normal(0, 0.01, (160, 1))
    found = overfitting(BlockSums.of_returns(np.repeat(one, 9, axis=1), 8), parts=8)
    assert found.logits == pytest.approx(0.0, abs=1e-12)


def test_overfitting_when_trials_never_trade_counts_them_as_zero() -> None:
    returns = np.random.default_rng(6).normal(0, 0.01, (160, 3)) - 0.02
    returns[:, 1] = 0.0
    found = overfitting(BlockSums.of_returns(returns, 8), parts=8)
    assert set(found.winners.tolist()) == {1}
    assert found.probability == 0.0
    assert found.inside == pytest.approx(0.0)


def test_overfitting_of_a_single_trial_is_undefined() -> None:
    returns = np.random.default_rng(7).normal(0, 0.01, (160, 1))
    found = overfitting(BlockSums.of_returns(returns, 8), parts=8)
    assert math.isnan(found.probability)
    assert math.isnan(found.slope)


def test_overfitting_on_finer_blocks_is_that_on_their_groups() -> None:
    returns = np.random.default_rng(8).normal(0, 0.01, (320, 25))
    fine = overfitting(BlockSums.of_returns(returns, 32), parts=8)
    coarse = overfitting(BlockSums.of_returns(returns, 8), parts=8)
    assert fine.logits == pytest.approx(coarse.logits)


def test_overfitting_of_ten_thousand_trials_reports_each_chunk() -> None:
    returns = np.random.default_rng(9).normal(0, 0.01, (64, 10_000))
    seen: list[tuple[int, int]] = []
    found = overfitting(
        BlockSums.of_returns(returns, 16), progress=lambda done, total: seen.append((done, total))
    )
    assert 0.0 <= found.probability <= 1.0
    assert seen[-1] == (12_870, 12_870)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_block_sums_of_uneven_bars_hold_every_bar_once() -> None:
    returns = np.random.default_rng(10).normal(0, 0.01, (103, 4))
    blocks = BlockSums.of_returns(returns, 10)
    assert blocks.bars.sum() == 103
    assert set(blocks.bars.tolist()) == {10, 11}
    assert blocks.sums.sum(axis=0) == pytest.approx(returns.sum(axis=0))
    assert blocks.squares.sum(axis=0) == pytest.approx((returns**2).sum(axis=0))


@pytest.mark.parametrize("parts", [3, 0, 22])
def test_overfitting_with_parts_that_make_no_halves_is_refused(parts: int) -> None:
    blocks = BlockSums.of_returns(np.zeros((100, 2)), 24)
    with pytest.raises(BadEvidenceOption, match=f"{parts} parts"):
        overfitting(blocks, parts=parts)


def test_overfitting_with_more_parts_than_blocks_is_refused() -> None:
    with pytest.raises(BadEvidenceOption, match="16 parts of 4 blocks"):
        overfitting(BlockSums.of_returns(np.zeros((100, 2)), 4))


def test_block_sums_that_do_not_fit_are_refused() -> None:
    bars: npt.NDArray[np.int64] = np.array([5, 5])
    with pytest.raises(BadTrials, match="shapes"):
        BlockSums(bars, np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(BadTrials, match="0 trials"):
        BlockSums(bars, np.zeros((2, 0)), np.zeros((2, 0)))
    with pytest.raises(BadReturns, match="NaN"):
        BlockSums(bars, np.full((2, 1), np.nan), np.zeros((2, 1)))
    with pytest.raises(BadReturns, match="Trial 1 returns inf at bar 2"):
        BlockSums.of_returns([[0.0, 0.0]] * 2 + [[0.0, np.inf]] + [[0.0, 0.0]] * 5, 2)
    with pytest.raises(TooFewReturns, match="3 bars"):
        BlockSums.of_returns(np.zeros((3, 1)), 2)
    with pytest.raises(BadEvidenceOption, match="1 blocks"):
        BlockSums.of_returns(np.zeros((9, 1)), 1)

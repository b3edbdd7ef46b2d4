"""The questions that a verdict asks, each with its bound and its answer in words (ADR 0018)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from backtest.evidence.bootstrap import bootstrap
from backtest.evidence.market import beyond_market, blocks_beyond_market
from backtest.evidence.overfitting import overfitting
from backtest.evidence.reality import Superiority, sign_flips, superior_ability
from backtest.evidence.samples import BlockSums, Floats
from backtest.evidence.sharpe import (
    NORMAL,
    deflated_sharpe,
    expected_maximum,
    independent_trials,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_error,
)
from backtest.evidence.trialset import TrialSet

__all__ = [
    "CONFIDENCE",
    "HOPED_SHARPE",
    "Check",
    "Findings",
    "ask_alone",
    "ask_halves",
    "ask_luck",
    "ask_record",
    "ask_redrawn",
]

CONFIDENCE: Final = 0.95
"""Wanted of the probability that a result is not luck."""
MOST_OVERFITTING: Final = 0.75
"""Above it a choice turns against itself: what was best in one half is worst in the other."""
MOST_LOSS: Final = 0.25
"""Share of halves in which a choice made in the other half may lose."""
HOPED_SHARPE: Final = 2.0
"""Per year. A record that excludes neither luck nor this is too short."""
LEAST_BARS: Final = 200
"""Below it the normal distribution is no good stand-in for that of a Sharpe ratio."""
LEAST_TRADES: Final = 10
"""Below it a record is the story of a few trades, however many bars they lasted."""
PARTS: Final = 16


@dataclass(frozen=True, slots=True)
class Check:
    """One test: its figure, the bound it is held against, and what that means."""

    name: str
    value: float
    threshold: float
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Checks and figures as they are found; a figure that is NaN passes no check."""

    checks: list[Check] = field(default_factory=list[Check])
    figures: dict[str, float] = field(default_factory=dict[str, float])

    def at_least(self, name: str, value: float, threshold: float, sentence: str) -> None:
        """Add a check that passes from the threshold up."""
        self.checks.append(Check(name, value, threshold, value >= threshold, sentence))

    def at_most(self, name: str, value: float, threshold: float, sentence: str) -> None:
        """Add a check that passes up to the threshold."""
        self.checks.append(Check(name, value, threshold, value <= threshold, sentence))

    def missed(self) -> list[str]:
        """Return the names of the checks that did not pass."""
        return [check.name for check in self.checks if not check.passed]


def ask_record(found: Findings, trials: TrialSet) -> None:
    """Ask whether there is enough of a record to ask anything else."""
    bars = trials.chosen_returns.size
    found.figures.update(
        bars=float(bars),
        years=trials.years,
        trials_seen=float(trials.trials_seen),
        trials_ever=float(trials.trials_ever),
    )
    found.at_least("bars", bars, LEAST_BARS, f"The record has {bars:,} bars.")
    if trials.trade_returns is not None:
        count = trials.trade_returns.size
        found.figures["trades"] = float(count)
        found.at_least("trades", count, LEAST_TRADES, f"It closed {count:,} trades.")


def ask_alone(found: Findings, trials: TrialSet) -> None:
    """Ask whether the run earned anything, as if it were the only one."""
    own = moments(trials.chosen_returns)
    root = math.sqrt(trials.bars_per_year)
    psr = probabilistic_sharpe(own.sharpe, own.count, own.skewness, own.kurtosis)
    sharpes = _sharpes(trials.sums(2)) if trials.sharpes is None else trials.sharpes
    spread = float(sharpes.var(ddof=1)) if sharpes.size > 1 else 1.0 / (own.count - 1)
    found.figures.update(
        sharpe=own.sharpe * root,
        sharpe_error=sharpe_error(own.sharpe, own.count, own.skewness, own.kurtosis) * root,
        skewness=own.skewness,
        kurtosis=own.kurtosis,
        probabilistic_sharpe=psr,
        # As published, from every trial and the spread of their Sharpe ratios: shown beside the
        # one that decides, which counts what trials are worth (ADR 0018).
        deflated_sharpe_published=deflated_sharpe(
            own.sharpe,
            own.count,
            own.skewness,
            own.kurtosis,
            trials=trials.trials_ever,
            variance=spread,
        ),
    )
    found.at_least(
        "probabilistic_sharpe",
        psr,
        CONFIDENCE,
        f"Taken alone, its Sharpe ratio of {own.sharpe * root:.2f} a year is above 0 with "
        f"probability {psr:.3f}.",
    )


def _sharpes(blocks: BlockSums) -> Floats:
    """Return the Sharpe ratio of each trial per bar, those without variance left out."""
    bars = float(blocks.bars.sum())
    sums = blocks.sums.sum(axis=0)
    whole = blocks.squares.sum(axis=0) * bars
    spread = whole - np.square(sums)
    moves = spread > 1e-12 * whole
    return math.sqrt((bars - 1.0) / bars) * sums[moves] / np.sqrt(spread[moves])


def ask_luck(found: Findings, trials: TrialSet, draws: int, seed: int) -> None:
    """Ask, by two tests, whether luck does as well as the run when it has as many trials."""
    held = trials.benchmark
    returns = trials.chosen_returns
    if held is not None:
        left, measure = beyond_market(returns[:, None], held)
        returns = np.ascontiguousarray(left[:, 0])
        found.figures["market_share"] = float(measure[0])
    luck = _luck(trials, returns, draws, seed)
    # Trials that are not seen are taken to be as unlike each other as those that are.
    unseen = trials.trials_ever / trials.trials_seen
    seen = independent_trials(float(luck.luck.mean())) if trials.trials_seen > 1 else 1.0
    count = min(seen * unseen, float(trials.trials_ever))
    p_value = 1.0 - (1.0 - luck.p_value(trials.chosen)) ** unseen
    edge = moments(returns)
    variance = 1.0 / (edge.count - 1)
    lucky = math.sqrt(variance) * expected_maximum(count)
    dsr = deflated_sharpe(
        edge.sharpe, edge.count, edge.skewness, edge.kurtosis, trials=count, variance=variance
    )
    needed = minimum_track_record(edge.sharpe, edge.skewness, edge.kurtosis, against=lucky)
    error = sharpe_error(edge.sharpe, edge.count, edge.skewness, edge.kurtosis)
    told = (expected_maximum(count) + NORMAL.inv_cdf(CONFIDENCE)) / HOPED_SHARPE
    root = math.sqrt(trials.bars_per_year)
    found.figures.update(
        independent_trials=count,
        edge_sharpe=edge.sharpe * root,
        edge_sharpe_high=(edge.sharpe + NORMAL.inv_cdf(CONFIDENCE) * error) * root,
        luck_sharpe=lucky * root,
        deflated_sharpe=dsr,
        superiority_lower=luck.lower,
        superiority_consistent=luck.consistent,
        superiority_upper=luck.upper,
        superiority=p_value,
        luck_block_bars=luck.block_length,
        minimum_track_record_years=needed / trials.bars_per_year,
        tellable_after_years=told * told,
    )
    what = "its Sharpe ratio" if held is None else "what holding the market does not explain"
    found.at_least(
        "deflated_sharpe",
        dsr,
        CONFIDENCE,
        f"The best of {trials.trials_ever:,} trials, worth {count:,.1f} independent ones, reaches "
        f"{lucky * root:.2f} a year by luck; {what}, {edge.sharpe * root:.2f}, exceeds that with "
        f"probability {dsr:.3f}.",
    )
    found.at_most(
        "superiority",
        p_value,
        1.0 - CONFIDENCE,
        f"Had no trial an edge, one would do as well as this in {p_value:.1%} of histories.",
    )


def _luck(trials: TrialSet, returns: Floats, draws: int, seed: int) -> Superiority:
    """Return what luck makes of the trials known, beyond the market where that is known."""
    held = trials.benchmark
    if trials.blocks is not None:
        blocks = trials.blocks
        if held is not None:
            sums = blocks_beyond_market(blocks, held)
            blocks = BlockSums(blocks.bars, sums, blocks.squares)
        return sign_flips(blocks, draws=draws, seed=seed)
    family = returns[:, None] if trials.returns is None else trials.returns
    if held is not None and trials.returns is not None:
        family = beyond_market(family, held)[0]
    return superior_ability(family, draws=draws, seed=seed)


def ask_halves(found: Findings, trials: TrialSet) -> None:
    """Ask whether what was best in one half of the time was good in the other."""
    if trials.trials_seen == 1 or trials.chosen_returns.size < 2 * PARTS:
        return
    blocks = trials.sums(PARTS)
    split = overfitting(blocks, parts=min(PARTS, blocks.bars.size // 2 * 2))
    found.figures.update(
        overfitting=split.probability,
        overfitting_loss=split.probability_of_loss,
        overfitting_slope=split.slope,
    )
    found.at_most(
        "overfitting",
        split.probability,
        MOST_OVERFITTING,
        f"The best trial of one half of the time was in the worse half of trials in the other in "
        f"{split.probability:.0%} of {split.logits.size:,} splits.",
    )
    found.at_most(
        "overfitting_loss",
        split.probability_of_loss,
        MOST_LOSS,
        f"It lost in the other half in {split.probability_of_loss:.0%} of them.",
    )


def ask_redrawn(found: Findings, trials: TrialSet, draws: int, seed: int) -> None:
    """Ask how the run could have come out, its bars and trades redrawn in blocks."""
    if moments(trials.chosen_returns).deviation == 0.0:
        return
    root = math.sqrt(trials.bars_per_year)
    bars = bootstrap(trials.chosen_returns, draws=draws, seed=seed)
    low, high = bars.sharpe.low * root, bars.sharpe.high * root
    found.figures.update(
        loss_chance=bars.chance_of_loss,
        sharpe_low=low,
        sharpe_high=high,
        final_equity_low=bars.final_equity.low,
        final_equity_high=bars.final_equity.high,
        max_drawdown_high=bars.max_drawdown.high,
    )
    found.at_most(
        "loss_chance",
        bars.chance_of_loss,
        1.0 - CONFIDENCE,
        f"Redrawn in blocks of {bars.block_length:.1f} bars it loses in {bars.chance_of_loss:.1%} "
        f"of draws; its Sharpe ratio lies between {low:.2f} and {high:.2f}.",
    )
    if trials.trade_returns is not None and trials.trade_returns.size >= LEAST_TRADES:
        trades = bootstrap(trials.trade_returns, draws=draws, seed=seed)
        found.figures["trade_loss_chance"] = trades.chance_of_loss
        found.at_most(
            "trade_loss_chance",
            trades.chance_of_loss,
            1.0 - CONFIDENCE,
            f"Its trades, redrawn, lose on average in {trades.chance_of_loss:.1%} of draws.",
        )

"""The trials of one family as a verdict needs them, checked to fit each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.evidence.samples import (
    BadReturns,
    BadTrials,
    BlockSums,
    Floats,
    as_returns,
    as_trials,
)

__all__ = ["TrialSet"]

# Sums over blocks and over bars add in another order; they agree to rounding, or are others.
_SAME_SUM: Final = 1e-6
LEAST_BLOCKS: Final = 16
"""Below it too few signs can be flipped to tell anything."""


@dataclass(frozen=True, slots=True)
class TrialSet:
    """One chosen run and all that is known of the trials it was chosen from.

    Build one by ``of_returns``, ``of_blocks`` or ``of_run``.

    Attributes
    ----------
    chosen_returns
        Bar returns of the chosen trial, (bars,).
    bars_per_year
        To put figures per year.
    trials_ever
        All trials of the family that ever ran, whichever of them are known here.
    chosen
        Which trial it is among those known.
    returns
        Bar returns of the known trials, (bars, trials); None where only sums are, or no sibling.
    blocks
        Their sums over blocks of bars; None where returns are known, or no sibling.
    trade_returns
        Of the chosen trial's closed trades in order of time; None where nobody kept them.
    benchmark
        Returns of holding the instrument over the same bars; None where there is no such thing.
    sharpes
        Sharpe ratios per bar of trials, as a ledger keeps them, for the published deflated Sharpe
        ratio; None: those of the known trials.
    """

    chosen_returns: Floats
    bars_per_year: float
    trials_ever: int
    chosen: int
    returns: Floats | None
    blocks: BlockSums | None
    trade_returns: Floats | None
    benchmark: Floats | None
    sharpes: Floats | None = None

    @property
    def trials_seen(self) -> int:
        """Trials whose returns or sums are known."""
        if self.returns is not None:
            return self.returns.shape[1]
        return self.blocks.trials if self.blocks is not None else 1

    @property
    def years(self) -> float:
        """Length of the record."""
        return self.chosen_returns.size / self.bars_per_year

    def sums(self, parts: int) -> BlockSums:
        """Return the sums of the known trials over at least ``parts`` blocks, where there are."""
        if self.blocks is not None:
            return self.blocks
        known = self.chosen_returns[:, None] if self.returns is None else self.returns
        return BlockSums.of_returns(known, parts)

    @classmethod
    def of_returns(
        cls,
        returns: npt.ArrayLike,
        chosen: int,
        *,
        bars_per_year: float,
        trials_ever: int | None = None,
        trade_returns: npt.ArrayLike | None = None,
        benchmark: npt.ArrayLike | None = None,
    ) -> TrialSet:
        """Return the set of trials whose bar returns (bars, trials) are all known.

        Raises
        ------
        BadReturns
            Values that are NaN or infinite, or shapes that do not fit.
        BadTrials
            No such trial, or fewer trials ever than are known.
        TooFewReturns
            Fewer than two bars.
        """
        trials = as_trials(returns, least=2)
        _check_choice(chosen, trials.shape[1])
        return cls(
            np.ascontiguousarray(trials[:, chosen]),
            _years(bars_per_year),
            _ever(trials_ever, trials.shape[1]),
            chosen,
            trials,
            None,
            _trades(trade_returns),
            _benchmark(benchmark, trials.shape[0]),
        )

    @classmethod
    def of_blocks(
        cls,
        blocks: BlockSums,
        chosen: int,
        chosen_returns: npt.ArrayLike,
        *,
        bars_per_year: float,
        trials_ever: int | None = None,
        trade_returns: npt.ArrayLike | None = None,
        benchmark: npt.ArrayLike | None = None,
    ) -> TrialSet:
        """Return the set of trials of which block sums are known, as a sweep keeps them.

        Raises
        ------
        BadReturns
            Values that are NaN or infinite, or shapes that do not fit.
        BadTrials
            No such trial, fewer trials ever than are known, returns of another trial, or fewer
            than 16 blocks.
        """
        own = as_returns(chosen_returns, least=2)
        _check_choice(chosen, blocks.trials)
        if blocks.bars.size < LEAST_BLOCKS:
            raise BadTrials(
                f"The trials are summed over {blocks.bars.size} blocks.",
                f"Keep the sums of {LEAST_BLOCKS} blocks at least; 64 tell more.",
            )
        if own.size != int(blocks.bars.sum()):
            raise BadTrials(
                f"The chosen trial has {own.size} bars, the blocks {int(blocks.bars.sum())}.",
                "Run the chosen trial again over the span of the sweep.",
            )
        total, known = float(own.sum()), float(blocks.sums[:, chosen].sum())
        if not math.isclose(total, known, rel_tol=_SAME_SUM, abs_tol=_SAME_SUM):
            raise BadTrials(
                f"The chosen trial's returns sum to {total:.9g}, its blocks to {known:.9g}.",
                "Give the bar returns of the very trial that the blocks hold in that column.",
            )
        return cls(
            own,
            _years(bars_per_year),
            _ever(trials_ever, blocks.trials),
            chosen,
            None,
            blocks,
            _trades(trade_returns),
            _benchmark(benchmark, own.size),
        )

    @classmethod
    def of_run(
        cls,
        returns: npt.ArrayLike,
        *,
        bars_per_year: float,
        trials_ever: int = 1,
        trade_returns: npt.ArrayLike | None = None,
        benchmark: npt.ArrayLike | None = None,
        sharpes: npt.ArrayLike | None = None,
    ) -> TrialSet:
        """Return the set of one run, of whose siblings only the number is known, or their ratios.

        ``sharpes`` are those of all trials per bar; undefined ones are left out.

        Raises
        ------
        BadReturns
            Values that are NaN or infinite, or shapes that do not fit.
        BadTrials
            No trial ever.
        """
        own = as_returns(returns, least=2)
        return cls(
            own,
            _years(bars_per_year),
            _ever(trials_ever, 1),
            0,
            None,
            None,
            _trades(trade_returns),
            _benchmark(benchmark, own.size),
            None if sharpes is None else _defined(sharpes),
        )


def _defined(sharpes: npt.ArrayLike) -> Floats:
    ratios = np.asarray(sharpes, dtype=np.float64).ravel()
    return ratios[np.isfinite(ratios)]


def _check_choice(chosen: int, trials: int) -> None:
    if not 0 <= chosen < trials:
        raise BadTrials(f"Trial {chosen} of {trials} was chosen.", "Count trials from 0.")


def _ever(trials_ever: int | None, seen: int) -> int:
    ever = seen if trials_ever is None else trials_ever
    if ever < seen:
        raise BadTrials(
            f"{ever} trials ever, of which {seen} are known.",
            "Count every trial of the family, those known among them.",
        )
    return ever


def _years(bars_per_year: float) -> float:
    if not (bars_per_year > 0.0 and math.isfinite(bars_per_year)):
        raise BadReturns(
            f"{bars_per_year} bars a year.", "Give how many bars of this timeframe a year has."
        )
    return float(bars_per_year)


def _trades(returns: npt.ArrayLike | None) -> Floats | None:
    return None if returns is None else as_returns(returns, least=0, what="returns of trades")


def _benchmark(returns: npt.ArrayLike | None, bars: int) -> Floats | None:
    if returns is None:
        return None
    held = as_returns(returns, least=2, what="returns of the benchmark")
    if held.size != bars:
        raise BadReturns(
            f"The benchmark has {held.size} bars, the trials {bars}.",
            "Give the benchmark's return for each bar of the trials.",
        )
    return held

"""The result of a fixed-payout backtest: contracts, equity, figures, ruin and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from backtest.manifest import finite
from candela.payout.assessment import RuinEstimate, assess
from candela.payout.contracts import Outcome
from candela.payout.ruin import LadderTooLarge
from candela.payout.rules import PayoutRules
from strategies.bars import Bars

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PayoutResult", "RuinRange", "mean_payout"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]

_PERCENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class RuinRange:
    """Ruin at the win rate that was seen, and at both ends of its 95 % interval."""

    observed: RuinEstimate
    at_lowest: RuinEstimate
    at_highest: RuinEstimate

    def as_dict(self) -> dict[str, Any]:
        """Return figures and words as JSON can hold them."""
        return {
            "observed": self.observed.as_dict(),
            "at_lowest": self.at_lowest.as_dict(),
            "at_highest": self.at_highest.as_dict(),
        }


@dataclass(frozen=True)
class PayoutResult:
    """What came of calls and puts.

    Attributes
    ----------
    metrics
        Figures by name as of any result, with ``win_rate`` over decided contracts (a refunded tie
        decides nothing), its Wilson interval ``win_rate_low`` and ``win_rate_high``,
        ``break_even_rate`` and ``edge`` at the mean payout, ``return_on_stakes``, ``ties``,
        ``skipped``, ``late`` and ``ruin_bar``. NaN where undefined.
    contracts
        CONTRACT records in order of entry.
    equity, free_cash
        (n,) money at each close, with and without the stakes of open contracts.
    """

    bars: Bars
    rules: PayoutRules
    cash: Decimal
    metrics: dict[str, float | int]
    contracts: Records
    equity: Floats
    free_cash: Floats
    sums: Records
    panes: Mapping[str, Floats]
    _payouts_vary: bool = field(repr=False)
    _manifest: Callable[[], dict[str, Any]] = field(repr=False)

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything that decided the outcome, and its hash as ``id``."""
        return self._written_manifest

    @cached_property
    def _written_manifest(self) -> dict[str, Any]:
        return self._manifest()

    @property
    def trades(self) -> Records:
        """The contracts, as what the ledger keeps of a run."""
        return self.contracts

    @property
    def trades_digest(self) -> str:
        """Their digest."""
        return self.contracts_digest

    @cached_property
    def ruin(self) -> RuinRange | None:
        """The ruin of these stakes; none for a share of the cash, or without a decided contract.

        Raises
        ------
        LadderTooLarge
            More bankrolls can be reached than can be enumerated.
        """
        win_rate = float(self.metrics["win_rate"])
        rules = self.rules
        if self._payouts_vary:
            # Whole percents, rounded down: finer ones reach more bankrolls than can be enumerated.
            mean = Decimal(mean_payout(self.contracts, rules)).quantize(_PERCENT, ROUND_DOWN)
            rules = rules.model_copy(update={"payout": max(mean, _PERCENT)})
        ladder = rules.ladder(self.cash) if np.isfinite(win_rate) else None
        if ladder is None:
            return None
        tie_rate = float(self.metrics["tie_rate"]) if rules.refund_ties else 0.0
        return RuinRange(
            *(
                assess(ladder, float(self.metrics[name]), tie_rate=tie_rate)
                for name in ("win_rate", "win_rate_low", "win_rate_high")
            )
        )

    @cached_property
    def contracts_digest(self) -> str:
        """The sha256 of the contracts: equal for equal contracts at equal times."""
        digest = hashlib.sha256(len(self.contracts).to_bytes(8, "little"))
        time, expiries = self.bars.time, self.contracts["expiry_bar"]
        if len(self.contracts):
            digest.update(time[self.contracts["entry_bar"]].astype("<i8").tobytes())
            digest.update(np.where(expiries < 0, -1, time[expiries]).astype("<i8").tobytes())
        for name in self.contracts.dtype.names or ():
            if name not in {"entry_bar", "expiry_bar"}:
                kind = self.contracts.dtype[name].newbyteorder("<")
                digest.update(np.ascontiguousarray(self.contracts[name], dtype=kind).data)
        return f"sha256:{digest.hexdigest()}"

    def contracts_frame(self) -> pl.DataFrame:
        """Return the contracts with times and words, oldest entry first."""
        import polars as pl

        time, expiries = self.bars.time, self.contracts["expiry_bar"]
        kind = pl.Datetime("us", "UTC")
        length = self.bars.timeframe.seconds * 1_000_000
        begins = 0 if self.rules.fill == "next_open" else length
        settled_at = [None if row < 0 else int(time[row]) + length for row in expiries]
        names = ("ladder_step", "stake", "payout", "entry_price", "expiry_price", "pnl")
        return pl.DataFrame(
            {
                "entry_at": pl.Series(time[self.contracts["entry_bar"]] + begins).cast(kind),
                "expiry_at": pl.Series(settled_at, dtype=pl.Int64).cast(kind),
                "side": ["call" if one > 0 else "put" for one in self.contracts["direction"]],
                "outcome": [Outcome(one).name.lower() for one in self.contracts["outcome"]],
                **{name: self.contracts[name] for name in names},
            }
        )

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints: manifest, metrics, ruin, the digest of the contracts."""
        ruin: dict[str, Any] | None
        try:
            ruin = None if self.ruin is None else self.ruin.as_dict()
        except LadderTooLarge as error:
            ruin = {"refused": error.as_dict()}
        return {
            "manifest": self.manifest,
            "metrics": {name: finite(value) for name, value in self.metrics.items()},
            "ruin": ruin,
            "contracts_digest": self.contracts_digest,
        }


def mean_payout(contracts: Records, rules: PayoutRules) -> float:
    """Return the mean payout at the entries of contracts; that of the rules without any."""
    payouts = contracts["payout"]
    # The mean of many equal numbers misses them by a last digit.
    if len(payouts) == 0 or payouts.min() == payouts.max():
        return float(payouts[0]) if len(payouts) else float(rules.payout)
    return float(payouts.mean())

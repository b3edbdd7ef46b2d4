"""A run of calls and puts as a report reads it: contracts as trades, and a part on its ruin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from backtest.report.numerals import count, percent
from backtest.report.reportable import Candles, Floats, Records, Section
from candela.errors import CandelaError
from candela.fills.records import FILL, TRADE, Reason

if TYPE_CHECKING:
    from backtest.payout import PayoutResult

__all__ = ["BetsSection", "BetsView", "is_fixed_payout", "view_of_bets"]


@dataclass(frozen=True, slots=True)
class BetsSection:
    """What a fixed-payout run adds to its report."""

    title: str
    figures: Mapping[str, object]
    svg: str | None = None


@dataclass(frozen=True, slots=True)
class BetsView:
    """A fixed-payout run with the attributes of any other; a trade's units are its stake."""

    manifest: Mapping[str, object]
    metrics: Mapping[str, float]
    trades: Records
    fills: Records
    trades_digest: str
    bars: Candles
    equity: Floats
    benchmark: Floats
    position: Floats
    signals: object
    panes: Mapping[str, Floats]
    extra_sections: Sequence[Section]


def is_fixed_payout(result: object) -> TypeGuard[PayoutResult]:
    """Whether a run is one of contracts, not of trades."""
    return hasattr(result, "contracts")


def view_of_bets(run: PayoutResult) -> BetsView:
    """Return a run of contracts with the attributes that reports and pictures read."""
    bars = run.bars
    first = float(run.metrics["initial_equity"])
    held = first * bars.close / bars.open[0] if len(bars) else np.zeros(0)
    at_risk = np.zeros(len(bars))
    np.divide(run.equity - run.free_cash, bars.close, out=at_risk, where=bars.close > 0)
    return BetsView(
        manifest=run.manifest,
        metrics=run.metrics,
        trades=_trades(run.contracts),
        fills=np.zeros(0, dtype=FILL),
        trades_digest=run.contracts_digest,
        bars=bars,
        equity=run.equity,
        benchmark=held,
        position=at_risk,
        signals=None,
        panes=run.panes,
        extra_sections=[_section(run)],
    )


def _trades(contracts: Records) -> Records:
    trades = np.zeros(len(contracts), dtype=TRADE)
    trades["entry_bar"] = contracts["entry_bar"]
    trades["exit_bar"] = contracts["expiry_bar"]
    trades["direction"] = contracts["direction"]
    is_open = contracts["expiry_bar"] < 0
    trades["reason"] = np.where(is_open, int(Reason.STILL_OPEN), int(Reason.EXPIRY))
    trades["legs"] = 1
    trades["units"] = contracts["stake"]
    trades["entry_price"] = contracts["entry_price"]
    trades["exit_price"] = contracts["expiry_price"]
    trades["pnl"] = contracts["pnl"]
    np.divide(
        contracts["pnl"],
        contracts["stake"],
        out=trades["return_ratio"],
        where=contracts["stake"] > 0,
    )
    return trades


def _section(run: PayoutResult) -> BetsSection:
    metrics = run.metrics

    def value(name: str) -> float:
        return float(metrics.get(name, float("nan")))

    figures: dict[str, object] = {
        "Wins needed to break even": percent(value("break_even_rate")),
        "Won": f"{percent(value('win_rate'))}, by 95 % between {percent(value('win_rate_low'))}"
        f" and {percent(value('win_rate_high'))}",
        "Mean gain of a contract over its stake": percent(value("edge"), signed=True),
        "Gain over everything staked": percent(value("return_on_stakes"), signed=True),
        "Mean payout of a win": percent(value("mean_payout")),
        "Contracts decided": count(value("decided")),
        "Ties": count(value("ties")),
        "Decisions skipped, too many being open": count(value("skipped")),
    }
    return BetsSection("Break-even and ruin", figures | _ruin(run))


def _ruin(run: PayoutResult) -> dict[str, object]:
    try:
        ruin = run.ruin
    except CandelaError as refused:
        return {"Ruin": str(refused)}
    if ruin is None:
        return {"Ruin": "Stakes are a share of the cash, or no contract was decided: no ladder."}
    return {
        "Ruin at the win rate seen": " ".join(ruin.observed.words),
        "Ruin at the lowest win rate that the record allows": " ".join(ruin.at_lowest.words),
    }

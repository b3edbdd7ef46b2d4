"""The figures of a run with plain words: the headline, every figure, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from backtest.report.drawdowns import Drawdown, worst_drawdowns
from backtest.report.numerals import amount, count, instant, percent, plain, span, tone
from backtest.report.reportable import Reportable

__all__ = ["CostRow", "Tile", "cost_rows", "fall_rows", "in_a_sentence", "quote_currency", "tiles"]


class Tile(NamedTuple):
    """A headline figure."""

    label: str
    value: str
    note: str
    tone: str = ""


class CostRow(NamedTuple):
    """One kind of cost."""

    name: str
    money: str
    share: str


class FallRow(NamedTuple):
    """One fall from a peak."""

    depth: str
    peak: str
    trough: str
    recovered: str
    length: str


def quote_currency(instrument: str) -> str:
    """Return the currency of the money in a run on ``venue:BASE/QUOTE``; empty where unknown."""
    symbol = instrument.partition(":")[2]
    pair, _, settlement = symbol.partition(":")
    return settlement or pair.partition("/")[2]


def _figure(metrics: Mapping[str, float], name: str) -> float:
    value = metrics.get(name)
    return float("nan") if value is None else float(value)


def in_a_sentence(result: Reportable, unit: str) -> str:
    """Return what happened to the money, in plain words."""
    bars, metrics = result.bars, result.metrics
    first, last = _figure(metrics, "initial_equity"), _figure(metrics, "final_equity")
    length = span(len(bars) * bars.timeframe.seconds)
    said = (
        f"{amount(first, unit=unit)} became {amount(last, unit=unit)} in {length} of candles"
        f" ({percent(_figure(metrics, 'total_return'), signed=True)})."
    )
    held = _figure(metrics, "benchmark_return")
    if math.isfinite(held):
        said += f" Buying and holding over the same time made {percent(held, signed=True)}."
    fall = _figure(metrics, "max_drawdown")
    if fall > 0:
        said += f" At its worst it stood {percent(fall)} below an earlier peak."
    return said


def tiles(metrics: Mapping[str, float], unit: str) -> list[Tile]:
    """Return the headline figures, most important first."""

    def value(name: str) -> float:
        return _figure(metrics, name)

    total, held = value("total_return"), value("benchmark_return")
    costs = value("fees") + value("slippage") - value("funding")
    last = Tile("Costs", amount(costs, unit=unit), "fees, slippage, funding")
    if "break_even_rate" in metrics:
        needed = percent(value("break_even_rate"), 1)
        last = Tile("Must win to break even", needed, "of the decided contracts")
    return [
        Tile("Return after costs", percent(total, signed=True), "over the whole span", tone(total)),
        Tile("Buy and hold", percent(held, signed=True), "the same span", tone(held)),
        Tile("Return a year", percent(value("cagr"), signed=True), "compounded", tone(total)),
        Tile(
            "Deepest fall",
            percent(value("max_drawdown")),
            f"longest under water {span(value('longest_drawdown_s'))}",
        ),
        Tile("Sharpe", plain(value("sharpe")), "return per unit of its swings, a year"),
        Tile("Sortino", plain(value("sortino")), "the same, counting falls only"),
        Tile(
            "Trades",
            count(value("trades")),
            f"{count(value('open_trades'))} still open",
        ),
        Tile("Won", percent(value("win_rate"), 1), "of the closed trades"),
        Tile("Profit factor", plain(value("profit_factor")), "all gains over all losses"),
        Tile("A trade brings", amount(value("expectancy"), unit=unit), "mean, after costs"),
        Tile("In the market", percent(value("exposure"), 1), "of the bars"),
        last,
    ]


def cost_rows(metrics: Mapping[str, float], unit: str) -> list[CostRow]:
    """Return what trading cost, each as a share of the profit before costs.

    The profit before costs is the change of equity with fees, slippage and funding added back.
    """
    fees, slippage = _figure(metrics, "fees"), _figure(metrics, "slippage")
    funding = -_figure(metrics, "funding")
    net = _figure(metrics, "final_equity") - _figure(metrics, "initial_equity")
    total = fees + slippage + funding
    gross = net + total

    def share(value: float) -> str:
        return percent(value / gross, 1) if gross > 0 else "-"

    def row(name: str, value: float, shared: str) -> CostRow:
        return CostRow(name, amount(value, unit=unit), shared)

    return [
        row("Profit before costs", gross, "100 %" if gross > 0 else ""),
        row("Fees", fees, share(fees)),
        row("Slippage, spread and impact", slippage, share(slippage)),
        row("Funding paid (negative: received)", funding, share(funding)),
        row("All costs", total, share(total)),
        row("Profit after costs", net, share(net)),
    ]


def fall_rows(result: Reportable, initial: float) -> list[FallRow]:
    """Return the worst drawdowns in words, deepest first."""
    bars = result.bars
    time = bars.time

    def row(fall: Drawdown) -> FallRow:
        end = len(bars) if fall.recovered is None else fall.recovered
        return FallRow(
            depth=percent(fall.depth_ratio),
            peak=instant(int(time[fall.peak])) if fall.peak >= 0 else "the start",
            trough=instant(int(time[fall.trough])),
            recovered="not yet" if fall.recovered is None else instant(int(time[end])),
            length=span((end - max(fall.peak, 0)) * bars.timeframe.seconds),
        )

    return [row(fall) for fall in worst_drawdowns(result.equity, initial)]

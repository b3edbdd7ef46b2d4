"""The words of each figure: label, unit, definition and source, for all that show it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WORDS", "MetricWords", "Unit"]

Unit = Literal["quote", "ratio", "number", "count", "bars", "seconds"]
"""What a figure counts; a ratio is a share or a return (0.05 is 5 %), a number has no unit."""


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How a figure is named and explained.

    Parameters
    ----------
    label
        For tables and charts.
    unit
        What it counts.
    definition
        One sentence.
    source
        Where the formula is from, or whose convention it is.
    """

    label: str
    unit: Unit
    definition: str
    source: str


_PLAIN: Final = "by definition"
_VECTORBT: Final = "as vectorbt"
_SHARPE: Final = "Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21(1), 1994"
_SORTINO: Final = (
    "Sortino and Price, Performance Measurement in a Downside Risk Framework, Journal of"
    " Investing 3(3), 1994"
)
_CALMAR: Final = (
    "Young, Calmar Ratio: A Smoother Tool, Futures, October 1991; of the whole span, as vectorbt"
)
_MOMENTS: Final = (
    "Bailey and López de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), 2012"
)

# fmt: off
_ROWS: Final[tuple[tuple[str, str, Unit, str, str], ...]] = (
    ("initial_equity", "Initial equity", "quote",
     "Cash before the first bar.", _PLAIN),
    ("final_equity", "Final equity", "quote",
     "Cash and open positions at the last close.", _PLAIN),
    ("total_return", "Total return", "ratio",
     "Final over initial equity, less 1.", _PLAIN),
    ("cagr", "Growth a year", "ratio",
     ("The yearly growth that compounds to the total return over the calendar time of the span, in"
     " years of 365 days; under a year it is an extrapolation."), _VECTORBT),
    ("volatility", "Volatility a year", "ratio",
     "Sample standard deviation of the bar returns times the root of the bars of a year.",
     _VECTORBT),
    ("sharpe", "Sharpe ratio", "number",
     ("Mean over sample standard deviation of the bar returns, times the root of the bars of a"
     " year; no risk-free rate is taken off."), _SHARPE),
    ("sortino", "Sortino ratio", "number",
     ("Mean bar return over the root of the mean square of the negative ones (all bars counted),"
     " times the root of the bars of a year."), _SORTINO),
    ("calmar", "Calmar ratio", "number",
     "Growth a year over the deepest drawdown, both of the whole span.", _CALMAR),
    ("max_drawdown", "Deepest drawdown", "ratio",
     ("Largest fall of equity at a close below its highest value before, as a share of that value;"
     " the initial equity counts as one."), "as empyrical"),
    ("longest_drawdown_bars", "Longest drawdown", "bars",
     "Most bars in a row that close below the highest equity before.", _VECTORBT),
    ("longest_drawdown_s", "Time of the longest drawdown", "seconds",
     "The bars of the longest drawdown times their length; gaps and nights are not counted.",
     _VECTORBT),
    ("trades", "Trades", "count",
     "Round trips from flat to flat, with those still open at the end.", _PLAIN),
    ("closed_trades", "Closed trades", "count",
     "Round trips that ended.", _PLAIN),
    ("open_trades", "Open trades", "count",
     "Round trips still open at the end; they count in no figure of wins and losses.", _PLAIN),
    ("orders", "Orders filled", "count",
     "Fills: every entry, added leg, partial exit and exit.", _PLAIN),
    ("rejected_orders", "Orders rejected", "count",
     "Entries refused by a rule of the venue or for want of cash.", _PLAIN),
    ("win_rate", "Win rate", "ratio",
     "Closed trades with a profit after all costs, as a share of the closed ones.", _VECTORBT),
    ("profit_factor", "Profit factor", "number",
     "What the winning trades gained over what the losing ones lost.", _VECTORBT),
    ("expectancy", "Expectancy", "quote",
     "Mean profit of a closed trade after all costs.", _VECTORBT),
    ("expectancy_ratio", "Mean return of a trade", "ratio",
     "Mean return of a closed trade on the value of its entries.", _PLAIN),
    ("average_win", "Average win", "ratio",
     "Mean return of the winning trades on the value of their entries.", _VECTORBT),
    ("average_loss", "Average loss", "ratio",
     "Mean return of the losing trades on the value of their entries; negative.", _VECTORBT),
    ("best_trade", "Best trade", "ratio",
     "Highest return of a closed trade.", _VECTORBT),
    ("worst_trade", "Worst trade", "ratio",
     "Lowest return of a closed trade.", _VECTORBT),
    ("longest_win_streak", "Longest winning streak", "count",
     "Most winning trades in a row, in order of entry.", _VECTORBT),
    ("longest_loss_streak", "Longest losing streak", "count",
     "Most losing trades in a row, in order of entry.", _VECTORBT),
    ("exposure", "Exposure", "ratio",
     "Bars at whose close a position was held, as a share of all.", _PLAIN),
    ("turnover", "Turnover a year", "number",
     "Value of all fills over the initial equity, a year of 365 days.", _PLAIN),
    ("fees", "Fees", "quote",
     "Fees of all fills.", _PLAIN),
    ("slippage", "Slippage", "quote",
     "Lost to slippage, spread and impact, against the prices before them.", _PLAIN),
    ("funding", "Funding", "quote",
     "Funding received; negative where it was paid.", _PLAIN),
    ("benchmark_return", "Return of buy and hold", "ratio",
     "Return of buying at the start and holding to the end of the same bars.", _PLAIN),
    ("skewness", "Skewness", "number",
     "Third standardised moment of the bar returns, not corrected for the sample.", _MOMENTS),
    ("kurtosis", "Kurtosis", "number",
     ("Fourth standardised moment of the bar returns, not corrected for the sample; 3 for a normal"
     " distribution."), _MOMENTS),
    ("bars", "Bars", "bars",
     "Bars simulated.", _PLAIN),
    ("bars_per_year", "Bars a year", "number",
     "Bars that a year of the market has, by which figures are annualised.", _VECTORBT),
)
# fmt: on

WORDS: Final[Mapping[str, MetricWords]] = MappingProxyType(
    {row[0]: MetricWords(*row[1:]) for row in _ROWS}
)
"""The words of every figure by its name, in the order of the figures."""

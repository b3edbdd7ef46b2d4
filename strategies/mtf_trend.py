"""Multi-timeframe trend: enter on the bars at hand, in the direction of a longer timeframe."""

from __future__ import annotations

from candela.market.timeframe import Timeframe
from strategies.bars import Bars
from strategies.conditions import TIES, crossed_above
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import MeanKind, ema_settles, mean
from strategies.signals import Signals

__all__ = ["mtf_trend"]


class MtfTrend(Parameters):
    """How much longer the longer bars are, and a mean on each of the two."""

    # A multiple, not a name such as 4h: the warm-up in bars then follows from the parameters.
    longer: int = parameter(
        4, "Bars that make one of the longer timeframe: 4 of 1h are 4h.", ge=2, le=1_440
    )
    trend: int = parameter(50, "Longer bars of the trend's mean.", ge=2, le=1_000, unit="bars")
    entry: int = parameter(20, "Bars of the mean to enter by.", ge=2, le=5_000, unit="bars")
    kind: MeanKind = parameter("simple", "Simple or exponential means.")


def _warm_up(parameters: MtfTrend) -> int:
    settles = (0, 0)
    if parameters.kind == "exponential":
        settles = ema_settles(parameters.trend), ema_settles(parameters.entry)
    # Two more longer bars: one entered in the middle, one not closed yet.
    longer = parameters.longer * (parameters.trend + settles[0] + 2)
    return max(longer, parameters.entry + settles[1] + TIES + 1)


@strategy(
    name="mtf_trend",
    parameters=MtfTrend,
    warm_up=_warm_up,
    source="A. Elder, Trading for a Living, 1993 (triple screen: trade on one timeframe in the"
    " direction of a longer one)",
)
def mtf_trend(bars: Bars, parameters: MtfTrend) -> Signals:
    """Buy a close above its mean while the longer timeframe rises, sell when that has turned."""
    longer = bars.higher(Timeframe(bars.timeframe.seconds * parameters.longer))
    trend = mean(longer.bars.close, parameters.trend, parameters.kind)
    level, last = longer.align(trend), longer.align(longer.bars.close)
    entry = mean(bars.close, parameters.entry, parameters.kind)
    return Signals(
        long_entries=crossed_above(bars.close, entry) & (last > level),
        long_exits=last < level,
        panes={f"mean {parameters.entry}": entry, "trend": level},
    )

"""Grid: buys at lines below a moving centre, sells piece by piece on the way back to it."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals

__all__ = ["grid"]


class Grid(Parameters):
    """Where the lines lie, and how much is bought and sold at each."""

    window: int = parameter(168, "Bars of the mean that is the centre.", ge=2, le=10_000,
                            unit="bars")  # fmt: skip
    spacing: float = parameter(
        0.01, "From line to line.", ge=0.0005, le=0.2, unit="ratio", step=0.0005
    )
    lines: int = parameter(5, "Lines below the centre, and legs of the position.", ge=1, le=50)
    share: float = parameter(
        0.2, "Size of a leg, in the unit of the run's sizing (share of equity); 0: the run's own.",
        ge=0, le=1, step=0.01,
    )  # fmt: skip
    sold: float = parameter(
        0.5, "Share of the position sold at each line on the way up; all at the centre.",
        ge=0.01, le=1, unit="ratio", step=0.01,
    )  # fmt: skip


@strategy(
    name="grid",
    parameters=Grid,
    warm_up=lambda parameters: parameters.window + 1,
    source="A. Taranto, S. Khan, Gambler's ruin problem and bi-directional grid constrained"
    " trading and investment strategies, Investment Management and Financial Innovations 17(3),"
    " 2020 (one direction of it)",
)
def grid(bars: Bars, parameters: Grid) -> Signals:
    """Bid at the next line below the close; sell a part at each line above, all at the centre.

    The lines of a bar follow from the closed bars alone: centre times powers of 1 + spacing. Which
    lines are held is the position's affair, so nothing is remembered here.
    """
    centre = sma(bars.close, parameters.window)
    step = np.log1p(parameters.spacing)
    line = np.log(bars.close / centre) / step
    before = np.log(np.append(np.nan, bars.close)[:-1] / centre) / step
    leaves = np.minimum(np.floor(line), 0) > np.floor(before)
    # The highest line strictly below the close, the first below the centre at most.
    bid = np.minimum(np.ceil(line) - 1, -1)
    price = centre * np.exp(step * np.where(bid >= -parameters.lines, bid, np.nan))
    return Signals(
        long_entries=~np.isnan(price) & ~leaves,
        long_exits=leaves,
        exit_fraction=np.where(line >= 0, 1.0, parameters.sold),
        limit_price=price,
        size=parameters.share or None,
        legs=parameters.lines,
        panes={"centre": centre, "bid": price},
    )

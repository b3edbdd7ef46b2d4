"""Runs a strategy at many points of its parameters, sharing whatever they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.run import backtest, decisions_of, is_quick_for
from backtest.spec import Protection
from candela.fills.full import FinerBars, Funding
from candela.fills.model import FillModel
from candela.fills.quick import Detail, simulate_quick
from candela.metrics.sums import EQUITY_SUMS
from candela.metrics.trades import TRADE_SUMS, sums_of_trades
from strategies.bars import Bars
from strategies.definition import Parameters, Strategy

__all__ = ["PROTECTIONS", "Evaluated", "evaluate"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]
Point = Mapping[str, Any]

PROTECTIONS: Final = ("stop_loss", "take_profit")
"""Names that a point may hold beside the strategy's own parameters: stops of the run."""

# Points are visited in tiles: of the parameter with most values so many at a time, all others
# within. The indicators of a tile then stay in the processor's cache.
_TILE: Final = 8


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Sums of (k,) points, in the order in which they were given; ``done`` says how far it came."""

    sums: Records
    trade_sums: Records
    done: npt.NDArray[np.bool_]


def evaluate(
    strategy: Strategy[Any],
    bars: Bars,
    points: Sequence[Point],
    *,
    model: FillModel,
    cash: float,
    protection: Protection | None = None,
    detail: Detail = "sweep",
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Evaluated:
    """Run every point.

    Points that differ in their stops and targets only share their decisions; points that share an
    indicator compute it once. The strategy does nothing for it.

    Parameters
    ----------
    points
        Values by name. ``stop_loss`` and ``take_profit`` are stops of the run, unless the strategy
        has parameters of that name.
    detail
        ``sweep``: all figures but skewness and kurtosis; ``returns``: final equity, orders, costs.
    progress
        Told how many points are done, now and then.
    should_stop
        Asked between decisions; what is done until then is returned.

    Raises
    ------
    BadParameters, StrategyFailed, BadSignals, BadCondition
        A point cannot be run.
    """
    kept = protection or Protection()
    own = set(strategy.parameters.model_fields)
    sums, trade_sums = np.zeros(len(points), EQUITY_SUMS), np.zeros(len(points), TRADE_SUMS)
    done = np.zeros(len(points), np.bool_)
    count = 0
    vary = any(name in point for point in points for name in PROTECTIONS if name not in own)
    for chosen, rows in _groups(strategy, points, own):
        if should_stop is not None and should_stop():
            break
        signals = strategy.signals(bars, chosen)
        if is_quick_for(signals, model, kept):
            stops, targets = _levels(signals, kept, points, rows, own) if vary else (None, None)
            run = simulate_quick(
                bars,
                decisions_of(signals, len(bars), kept, stops, targets),
                model,
                cash,
                with_trades=False,
                detail=detail,
            )
            # A point that shares its decisions with no other, as most do, is placed by its number.
            where = rows[0] if len(rows) == 1 else rows
            sums[where], trade_sums[where] = run.sums, run.trade_sums
        else:
            for row in rows:
                protected = kept.model_copy(update=_protections(points[row], own))
                one = backtest(
                    strategy,
                    bars,
                    chosen,
                    cash=cash,
                    model=model,
                    protection=protected,
                    funding=funding,
                    finer=finer,
                )
                sums[row], trade_sums[row] = one.sums[0], sums_of_trades(one.trades)[0]
        for row in rows:
            done[row] = True
        count += len(rows)
        if progress is not None:
            progress(count)
    return Evaluated(sums, trade_sums, done)


def _groups(
    strategy: Strategy[Any], points: Sequence[Point], own: set[str]
) -> Iterator[tuple[Parameters, list[int]]]:
    """Yield the distinct parameters with the points that have them, tile by tile."""
    groups: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for row, point in enumerate(points):
        values = tuple(
            (name, value) for name, value in point.items() if name in own or name not in PROTECTIONS
        )
        groups.setdefault(values, []).append(row)
    for values in _in_tiles(list(groups)):
        yield strategy.with_values(dict(values)), groups[values]


def _in_tiles(
    groups: list[tuple[tuple[str, Any], ...]],
) -> list[tuple[tuple[str, Any], ...]]:
    """Order parameter values so that the longest axis advances a tile at a time."""
    distinct: dict[str, dict[Any, int]] = {}
    for values in groups:
        for name, value in values:
            distinct.setdefault(name, {}).setdefault(value, len(distinct[name]))
    if len(distinct) < 2:  # noqa: PLR2004 - one axis has nothing to share
        return groups
    longest = max(distinct, key=lambda name: len(distinct[name]))
    place = distinct[longest]
    tile_of = [
        place[dict(values)[longest]] // _TILE if longest in dict(values) else 0 for values in groups
    ]
    order = sorted(range(len(groups)), key=lambda row: (tile_of[row], row))
    return [groups[row] for row in order]


def _protections(point: Point, own: set[str]) -> dict[str, Any]:
    return {name: point[name] for name in PROTECTIONS if name in point and name not in own}


def _levels(
    signals: Any, protection: Protection, points: Sequence[Point], rows: list[int], own: set[str]
) -> tuple[Floats, Floats]:
    found: list[Floats] = []
    for name in PROTECTIONS:
        given = getattr(protection, name)
        usual = getattr(signals, name) if given is None else given
        usual = np.nan if usual is None else float(usual)
        if name in own:
            found.append(np.full(len(rows), usual))
            continue
        given_here = (points[row].get(name) for row in rows)
        found.append(
            np.array([usual if one is None else one for one in given_here], dtype=np.float64)
        )
    return found[0], found[1]

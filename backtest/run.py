"""Runs a strategy over bars: the quick simulator where the case allows it, else bar by bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.manifest import (
    Gaps,
    Origin,
    bars_digest,
    joint_digest,
    series_digest,
    write_manifest,
)
from backtest.result import Curves, Result
from backtest.spec import BadSpec, Protection
from candela.fills.curves import curve_of_trades, fills_of_trades
from candela.fills.full import FinerBars, Funding, simulate
from candela.fills.intents import Intents
from candela.fills.model import FillModel
from candela.fills.quick import Decisions, QuickRun, is_quick, simulate_quick
from candela.market.arrays import frozen_floats
from candela.metrics.calendar import ALWAYS, bars_per_year, calendar_of
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from strategies.bars import Bars
from strategies.definition import Parameters, Strategy
from strategies.signals import Signals

__all__ = [
    "backtest",
    "decisions_of",
    "intents_of",
    "is_quick_for",
    "manifest_of",
    "origin_of",
    "year_of",
]

Floats = npt.NDArray[np.float64]

_DEFAULT_CASH: Final = 10_000.0
_MODEL: Final = FillModel()
_PROTECTION: Final = Protection()


def backtest(
    strategy: Strategy[Any],
    bars: Bars,
    parameters: Mapping[str, Any] | Parameters | None = None,
    *,
    cash: float = _DEFAULT_CASH,
    model: FillModel = _MODEL,
    protection: Protection = _PROTECTION,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    origin: Origin | None = None,
    seed: int = 0,
) -> Result:
    """Run one strategy on one instrument.

    Parameters
    ----------
    parameters
        Values by name, defaults where absent.
    cash
        Quote at the start.
    protection
        Stops and targets in the place of those that the strategy gives.
    funding, finer
        Rates of a perpetual and finer bars, where the model asks for them.
    origin
        Where the bars came from; without it the manifest knows their digest only.

    Raises
    ------
    BadParameters, StrategyFailed, BadSignals, BadCondition
        The strategy cannot be run so, or went wrong.
    BadSpec
        There are no bars, no cash, or the strategy bets on fixed payouts.
    NoSimulation
        The bars do not allow what the model asks for.
    """
    chosen = parameters if isinstance(parameters, Parameters) else strategy.with_values(parameters)
    if len(bars) == 0:
        message = "There are no bars to run on."
        raise BadSpec(message, "Choose a span that holds candles.")
    if not 0 < cash < np.inf:
        message = f"A run cannot start with {cash} in cash."
        raise BadSpec(message, "Give a positive amount.")
    if strategy.kind == "fixed_payout":
        message = f"{strategy.name} bets on fixed payouts; it trades no spot position."
        raise BadSpec(message, "Run it with backtest.payout, or: candela backtest --payout 0.8.")
    signals = strategy.signals(bars, chosen)
    if is_quick_for(signals, model, protection):
        run = simulate_quick(
            bars, decisions_of(signals, len(bars), protection), model, cash, with_trades=True
        )
        trades, sums, trade_sums = run.trades, run.sums, run.trade_sums
        curves = partial(_quick_curves, run, bars, model, cash)
    else:
        full = simulate(
            bars,
            intents_of(signals, len(bars), protection),
            model,
            cash,
            funding=funding,
            finer=finer,
            bars_per_year=year_of(bars),
        )
        trades, sums, trade_sums = full.trades, full.sums, sums_of_trades(full.trades)
        curves = partial(Curves, full.equity, full.position, full.fills)
    return Result(
        bars=bars,
        signals=signals,
        metrics=figures(
            sums,
            trade_sums,
            bars_per_year=year_of(bars),
            span_s=float(bars.time[-1] - bars.time[0]) / 1e6 + bars.timeframe.seconds,
            timeframe_s=bars.timeframe.seconds,
            benchmark_return=float(bars.close[-1] / bars.open[0] - 1.0),
        ),
        trades=trades,
        sums=sums,
        cash=cash,
        model=model,
        _curves=curves,
        _manifest=partial(
            manifest_of,
            strategy,
            chosen,
            partial(origin_of, bars, model=model, funding=funding, finer=finer),
            model,
            protection,
            cash,
            seed,
            origin,
        ),
    )


def is_quick_for(signals: Signals, model: FillModel, protection: Protection) -> bool:
    """Whether the quick simulator can express signals, model and protection."""
    return (
        is_quick(model)
        and signals.legs == 1
        and signals.size is None
        and signals.limit_price is None
        and signals.exit_fraction is None
        and signals.trailing_stop is None
        and protection.trailing_stop is None
        and not isinstance(_level(signals.stop_loss, protection.stop_loss), np.ndarray)
        and not isinstance(_level(signals.take_profit, protection.take_profit), np.ndarray)
    )


def _level(own: Floats | float | None, given: float | None) -> Floats | float | None:
    return own if given is None else given


def decisions_of(
    signals: Signals,
    length: int,
    protection: Protection = _PROTECTION,
    stops: Floats | None = None,
    targets: Floats | None = None,
) -> Decisions:
    """Return the decision bars for the quick simulator, one account or one for each stop."""
    if stops is None or targets is None:
        stop = _level(signals.stop_loss, protection.stop_loss)
        target = _level(signals.take_profit, protection.take_profit)
        stops = np.array([np.nan if stop is None else stop], dtype=np.float64)
        targets = np.array([np.nan if target is None else target], dtype=np.float64)
    return Decisions(
        signals.rows("long_entries", length),
        signals.rows("long_exits", length),
        signals.rows("short_entries", length),
        signals.rows("short_exits", length),
        stops,
        targets,
    )


def intents_of(signals: Signals, length: int, protection: Protection = _PROTECTION) -> Intents:
    """Return the decisions for the full simulator."""

    def mask(name: str) -> npt.NDArray[np.bool_] | None:
        return None if getattr(signals, name) is None else signals.mask(name, length)

    return Intents(
        long_entry=mask("long_entries"),
        long_exit=mask("long_exits"),
        short_entry=mask("short_entries"),
        short_exit=mask("short_exits"),
        size=signals.size,
        stop_loss=_level(signals.stop_loss, protection.stop_loss),
        take_profit=_level(signals.take_profit, protection.take_profit),
        trailing_stop=_level(signals.trailing_stop, protection.trailing_stop),
        limit_price=signals.limit_price,
        exit_fraction=signals.exit_fraction,
        legs=signals.legs,
    )


def year_of(bars: Bars) -> float:
    """Return the bars a year of an instrument's market; around the clock where it has no name."""
    calendar = calendar_of(bars.instrument) if bars.instrument else ALWAYS
    return bars_per_year(bars.timeframe.seconds, calendar)


def _quick_curves(run: QuickRun, bars: Bars, model: FillModel, cash: float) -> Curves:
    taker = model.costs.taker_fee_bps / 1e4
    slippage = (model.costs.slippage_bps + model.costs.spread_bps / 2.0) / 1e4
    equity, position = np.empty(len(bars)), np.empty(len(bars))
    curve_of_trades(run.trades, bars.close, cash, taker, equity, position)
    fills = fills_of_trades(run.trades, taker, model.costs.maker_bps / 1e4, slippage)
    return Curves(frozen_floats(equity), frozen_floats(position), fills)


def origin_of(
    bars: Bars,
    *,
    model: FillModel = _MODEL,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
) -> Origin:
    """Return what is known of bars that came from nowhere in particular.

    Parameters
    ----------
    model
        Says whether funding and finer bars count.
    """
    step = bars.timeframe.seconds * 1_000_000
    expected = int((bars.time[-1] - bars.time[0]) // step) + 1
    name = bars.instrument
    rates = minutes = None
    if model.costs.funding and funding is not None:
        rates = series_digest({name: funding})
    if model.execution.intrabar == "minutes" and finer is not None:
        minutes = series_digest({name: finer})
    return Origin(
        instruments=(name,) if name else (),
        timeframe=str(bars.timeframe),
        since=bars.at(0),
        until=None,
        as_of=None,
        digest=joint_digest(bars_digest(bars), rates, minutes),
        rows=len(bars),
        gaps=Gaps(expected - len(bars), expected, bars.at(0), bars.at(len(bars) - 1)),
        reads=tuple(sorted(set(bars.others) - {name})),
        funding_digest=rates,
        finer_digest=minutes,
    )


def manifest_of(
    strategy: Strategy[Any],
    parameters: Parameters,
    found: Callable[[], Origin],
    model: FillModel,
    protection: Protection,
    cash: float,
    seed: int,
    origin: Origin | None,
    kind: str = "backtest",
) -> dict[str, Any]:
    """Return the manifest of a run; without an origin, ``found`` says what the bars are."""
    return write_manifest(
        strategy={"name": strategy.name, "source_digest": strategy.source_digest},
        parameters=parameters.model_dump(),
        origin=origin or found(),
        model=model,
        protection=protection.model_dump(),
        cash=cash,
        seed=seed,
        kind=kind,
    )

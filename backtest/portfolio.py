"""Runs a strategy on several instruments that share one pool of cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import numpy.typing as npt

from backtest.manifest import (
    Gaps,
    Origin,
    finite,
    joint_digest,
    series_digest,
)
from backtest.result import digest_of_trades, trades_frame
from backtest.run import manifest_of, origin_of, year_of
from backtest.spec import BadSpec, Protection
from candela.fills.full import Funding
from candela.fills.model import FillModel
from candela.fills.pool_intents import Events, PoolIntents
from candela.fills.portfolio import PoolBars, simulate_portfolio
from candela.market.arrays import frozen_floats, frozen_rows
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from strategies.bars import Bars
from strategies.definition import Parameters, Strategy
from strategies.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

__all__ = ["PortfolioResult", "backtest_portfolio"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

_MODEL: Final = FillModel()
_PROTECTION: Final = Protection()
_CONDITIONS: Final = ("long_entries", "long_exits", "short_entries", "short_exits")
_NUMBERS: Final = ("size", "stop_loss", "take_profit", "trailing_stop", "exit_fraction")
_INDEX_START: Final = 100.0


class _Table:
    """(m, n) candles on the same times, NaN where an instrument had none; made when asked for."""

    def __init__(self, every: Sequence[Bars], places: Sequence[Rows], time: Rows) -> None:
        self.every, self.places, self.time = every, places, time

    @cached_property
    def open(self) -> Floats:
        return self._table("open")

    @cached_property
    def high(self) -> Floats:
        return self._table("high")

    @cached_property
    def low(self) -> Floats:
        return self._table("low")

    @cached_property
    def close(self) -> Floats:
        return self._table("close")

    @cached_property
    def volume(self) -> Floats:
        return self._table("volume")

    def _table(self, name: str) -> Floats:
        if all(len(place) == len(self.time) for place in self.places):
            return frozen_floats(np.stack([getattr(bars, name) for bars in self.every]))
        made = np.full((len(self.every), len(self.time)), np.nan)
        for row, (bars, place) in enumerate(zip(self.every, self.places, strict=True)):
            made[row, place] = getattr(bars, name)
        return frozen_floats(made)


@dataclass(frozen=True)
class PortfolioResult:
    """What came of a run on several instruments; trades name theirs by its place in ``members``.

    Attributes
    ----------
    members
        Bars by instrument.
    equity, cash_curve
        (n,) quote at each close of the common axis of times.
    held
        (n,) positions at each close.
    """

    members: Mapping[str, Bars]
    signals: Mapping[str, Signals]
    time: Rows
    metrics: dict[str, float | int]
    trades: Records
    fills: Records
    equity: Floats
    cash_curve: Floats
    held: Rows
    sums: Records
    cash: float
    model: FillModel
    _table: _Table = field(repr=False)
    _manifest: Callable[[], dict[str, Any]] = field(repr=False)

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything that decided the outcome, and its hash as ``id``."""
        return self._written_manifest

    @cached_property
    def _written_manifest(self) -> dict[str, Any]:
        return self._manifest()

    @property
    def trades_digest(self) -> str:
        """The sha256 of the trades: equal for equal trades at equal times."""
        return digest_of_trades(self.trades, self.time)

    @property
    def bars(self) -> Bars:
        """(n,) an index of all instruments in equal parts, 100 at the first open of each.

        The part of one that begins later waits as cash: it counts as 100 until then.
        """
        return self._index

    @cached_property
    def _index(self) -> Bars:
        table = self._table
        start = _first_of_each(table.open)
        columns = (table.open, table.high, table.low, table.close)
        open_, high, low, close = (
            np.mean(_carried(column, table.close, start) / start * _INDEX_START, axis=0)
            for column in columns
        )
        first = next(iter(self.members.values()))
        return Bars(
            time=self.time,
            open=open_,
            high=np.maximum.reduce([open_, high, low, close]),
            low=np.minimum.reduce([open_, high, low, close]),
            close=close,
            volume=np.nansum(table.volume * table.close, axis=0),
            timeframe=first.timeframe,
            instrument="index:" + "+".join(name.partition(":")[2] for name in self.members),
        )

    @property
    def benchmark(self) -> Floats:
        """(n,) the cash in equal parts in every instrument, held and never sold, without costs."""
        return self.cash / self.bars.open[0] * self.bars.close

    @property
    def position(self) -> Floats:
        """(n,) units of the index that are worth what the positions are, at each close."""
        return (self.equity - self.cash_curve) / self.bars.close

    @property
    def panes(self) -> Mapping[str, Floats]:
        """Nothing: lines of one instrument mean nothing on an index."""
        return {}

    def trades_frame(self) -> pl.DataFrame:
        """Return the trades with instruments, times and words, oldest entry first."""
        import polars as pl

        names = list(self.members)
        return trades_frame(self.trades, self.time).with_columns(
            instrument=pl.Series([names[int(one)] for one in self.trades["instrument"]])
        )

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints: manifest, metrics and the digest of the trades."""
        return {
            "manifest": self.manifest,
            "metrics": {name: finite(value) for name, value in self.metrics.items()},
            "trades_digest": self.trades_digest,
        }


def backtest_portfolio(
    strategy: Strategy[Any],
    members: Mapping[str, Bars],
    parameters: Mapping[str, Any] | Parameters | None = None,
    *,
    cash: float,
    model: FillModel = _MODEL,
    protection: Protection = _PROTECTION,
    funding: Mapping[str, Funding] | None = None,
    origin: Origin | None = None,
    seed: int = 0,
) -> PortfolioResult:
    """Run one strategy on each instrument; entries draw on one pool of cash.

    The strategy sees each instrument's own bars. Scarce cash serves instruments in the order given.

    Raises
    ------
    BadParameters, StrategyFailed, BadSignals, BadCondition
        The strategy cannot be run so, or went wrong.
    BadSpec
        There are no instruments or bars, they are quoted in several currencies, or a limit price is
        asked for.
    NoSimulation
        The bars do not allow what the model asks for.
    """
    chosen = parameters if isinstance(parameters, Parameters) else strategy.with_values(parameters)
    if not members or any(len(bars) == 0 for bars in members.values()):
        message = "A portfolio needs instruments with bars."
        raise BadSpec(message, "Choose a span that holds candles of each.")
    _refuse_currencies(list(members))
    signals = {name: strategy.signals(bars, chosen) for name, bars in members.items()}
    if any(one.limit_price is not None for one in signals.values()):
        message = f"{strategy.name} places limit orders, which a shared pool of cash does not fill."
        raise BadSpec(message, "Run it on one instrument at a time.")
    every = list(members.values())
    time = every[0].time
    if all(bars.time is time or np.array_equal(bars.time, time) for bars in every[1:]):
        places = [np.arange(len(time))] * len(every)
    else:
        time = frozen_rows(np.unique(np.concatenate([bars.time for bars in every])))
        places = [np.searchsorted(time, bars.time) for bars in every]
    table = _Table(every, places, time)
    run = simulate_portfolio(
        cast("PoolBars", table),  # its columns are properties that keep what they made
        _intents_of(list(signals.values()), places, len(time), protection),
        model,
        cash,
        funding=[(funding or {}).get(name) for name in members],
        bars_per_year=year_of(every[0]),
    )
    held = np.array([bars.close[-1] / bars.open[0] for bars in every])
    return PortfolioResult(
        members=members,
        signals=signals,
        time=time,
        metrics=figures(
            run.sums,
            sums_of_trades(run.trades),
            bars_per_year=year_of(every[0]),
            span_s=float(time[-1] - time[0]) / 1e6 + every[0].timeframe.seconds,
            timeframe_s=every[0].timeframe.seconds,
            benchmark_return=float(held.mean() - 1.0),
        ),
        trades=run.trades,
        fills=run.fills,
        equity=run.equity,
        cash_curve=run.cash,
        held=run.held,
        sums=run.sums,
        cash=cash,
        model=model,
        _table=table,
        _manifest=partial(
            manifest_of,
            strategy,
            chosen,
            partial(_origin_of, every, (funding or {}) if model.costs.funding else {}),
            model,
            protection,
            cash,
            seed,
            origin,
            kind="portfolio",
        ),
    )


def _refuse_currencies(names: list[str]) -> None:
    """One pool of cash is of one currency: nothing is converted."""
    quotes = {name: name.partition(":")[2].partition(":")[0].partition("/")[2] for name in names}
    if len(set(quotes.values())) > 1:
        said = ", ".join(f"{name} in {quote or 'no currency'}" for name, quote in quotes.items())
        message = f"One pool of cash cannot hold several currencies: {said}."
        raise BadSpec(message, "Choose instruments that are quoted in the same one.")


def _intents_of(
    signals: Sequence[Signals], places: Sequence[Rows], length: int, protection: Protection
) -> PoolIntents:
    events: dict[str, Events] = {}
    for name in _CONDITIONS:
        rows = [
            place[one.rows(name, len(place))] for one, place in zip(signals, places, strict=True)
        ]
        offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
        events[name] = Events(frozen_rows(np.concatenate(rows)), frozen_rows(offsets))
    numbers: dict[str, Floats | float | None] = {}
    for name in _NUMBERS:
        given = getattr(protection, name, None)
        numbers[name] = given if given is not None else _number(name, signals, places, length)
    return PoolIntents(
        long_entry=events["long_entries"],
        long_exit=events["long_exits"],
        short_entry=events["short_entries"],
        short_exit=events["short_exits"],
        legs=max(one.legs for one in signals),
        **numbers,
    )


def _number(
    name: str, signals: Sequence[Signals], places: Sequence[Rows], length: int
) -> Floats | float | None:
    values = [getattr(one, name) for one in signals]
    if all(value is None for value in values):
        return None
    table = np.full((len(signals), length), np.nan)
    for row, (value, place) in enumerate(zip(values, places, strict=True)):
        table[row, place] = np.nan if value is None else value
    return frozen_floats(table)


def _first_of_each(table: Floats) -> Floats:
    """Return (m, 1) the first value of each row that is there."""
    return table[np.arange(len(table)), (~np.isnan(table)).argmax(axis=1)][:, None]


def _carried(table: Floats, close: Floats, start: Floats) -> Floats:
    """Return the table with holes filled by the last close before, the first ones by ``start``."""
    holes = np.isnan(table)
    if not holes.any():
        return table
    rows: Rows = np.arange(close.shape[1], dtype=np.int64) * ~np.isnan(close)
    last: Rows = np.maximum.accumulate(rows, axis=1)
    before = np.take_along_axis(close, last, axis=1)
    return np.where(holes, np.where(np.isnan(before), start, before), table)


def _origin_of(every: Sequence[Bars], funding: Mapping[str, Funding]) -> Origin:
    origins = [origin_of(bars) for bars in every]
    instruments = tuple(bars.instrument for bars in every)
    digests, rates = [one.digest for one in origins], series_digest(funding)
    return Origin(
        instruments=instruments,
        timeframe=origins[0].timeframe,
        since=None,
        until=None,
        as_of=None,
        digest=joint_digest(digests[0], *digests[1:], rates),
        rows=sum(one.rows for one in origins),
        gaps=Gaps.over(one.gaps for one in origins),
        reads=tuple(sorted({name for one in origins for name in one.reads} - {*instruments})),
        funding_digest=rates,
    )

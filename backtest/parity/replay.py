"""The replay of a bot: its strategy, its terms and the bars it saw, through the fill model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.parity.words import Leg, Trip, exact
from backtest.run import intents_of, year_of
from backtest.spec import Protection
from candela.errors import StrategyError
from candela.fills.full import simulate
from candela.fills.intents import Intents
from candela.fills.model import FillModel
from candela.fills.records import Reason
from strategies.bars import Bars
from strategies.definition import Strategy

__all__ = ["NothingToReplay", "Replay", "Span", "of_spot", "replay"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_SECOND: Final = 1_000_000
_NONE: Final = Protection()
_WORDS: Final[Mapping[Reason, str]] = {
    Reason.SIGNAL: "signal",
    Reason.STOP: "stop",
    Reason.TARGET: "target",
    Reason.TRAILING: "trailing",
    Reason.LIMIT: "signal",
    Reason.REVERSAL: "signal",
}


class NothingToReplay(StrategyError):
    """There is no bar on which the bot could have decided."""

    code = "nothing_to_replay"


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which the bot was to run: decisions of bars that end in it count.

    Parameters
    ----------
    stopped_at
        None: still running.
    """

    started_at: datetime
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What the backtest makes of a bot's time.

    Attributes
    ----------
    trips
        In order of time; what is still held is marked at the last close.
    last_close
        Quote per base, and the start of its bar.
    """

    trips: tuple[Trip, ...]
    last_close: Fraction
    last_bar: datetime
    bars: int


def replay(
    strategy: Strategy[Any],
    parameters: Mapping[str, Any],
    bars: Bars,
    spans: Sequence[Span],
    *,
    model: FillModel,
    protection: Protection,
    capital: Decimal,
    fallback: Protection = _NONE,
    at_limit: bool = False,
    heard: frozenset[datetime] = frozenset(),
    until: datetime | None = None,
) -> Replay:
    """Run a bot's time again, flat at its start, on spot: it buys and sells what it bought.

    Parameters
    ----------
    bars
        With the warm-up before the first span.
    spans
        When it was to run: what other bars decide is left out, levels are watched all the same.
    protection, fallback
        In place of what the strategy says, and where it says nothing.
    at_limit
        Entries without a price of their own rest at the close that they were decided on.
    heard
        Starts of bars that it decided on, also where they ended just before it began.
    until
        Bars that end after it are left out.

    Raises
    ------
    NothingToReplay
        No bar ends within the spans.
    StrategyFailed, BadSignals, BadCondition, BadIntents, NoSimulation
        The strategy cannot be run so, or went wrong.
    """
    if until is not None:
        last = int(
            np.searchsorted(bars.time, _micros(until) - bars.timeframe.seconds * _SECOND, "right")
        )
        bars = bars[:last]
    runs = _running(bars, spans) | np.isin(bars.time, [_micros(bar) for bar in heard])
    if not runs.any():
        message = "No bar ended while the bot was to run."
        raise NothingToReplay(message, "Compare it after it has seen a bar.")
    signals = strategy.signals(bars, strategy.with_values(parameters))
    first = int(runs.argmax())
    wanted = _protected(intents_of(signals, len(bars), protection), fallback, len(bars))
    if at_limit:
        said = wanted.limit_price
        said = np.broadcast_to(np.asarray(math.nan if said is None else said), len(bars))
        wanted = replace(wanted, limit_price=np.where(np.isnan(said), bars.close, said))
    intents = of_spot(wanted, signals.legs, runs, first)
    seen = bars[first:]
    done = simulate(seen, intents, model, float(capital), bars_per_year=year_of(bars))
    close = exact(float(seen.close[-1]))
    return Replay(
        trips=tuple(_trips(done.fills, done.trades, seen, close, model)),
        last_close=close,
        last_bar=_at(int(seen.time[-1])),
        bars=len(seen),
    )


def _protected(intents: Intents, fallback: Protection, rows: int) -> Intents:
    """Give intents the levels that a bot's limits stand in with."""
    names = ("stop_loss", "take_profit", "trailing_stop")
    levels: dict[str, Floats | float] = {}
    for name in names:
        level = getattr(fallback, name)
        if level is not None:
            said = getattr(intents, name)
            said = np.broadcast_to(np.asarray(math.nan if said is None else said), rows)
            levels[name] = np.where(said > 0, said, level)
    return replace(intents, **levels) if levels else intents


def _running(bars: Bars, spans: Sequence[Span]) -> Bools:
    """(n,) whether the bot was to decide at the end of each bar."""
    ends = bars.time + bars.timeframe.seconds * _SECOND
    found = np.zeros(len(bars), np.bool_)
    for span in spans:
        inside = ends >= _micros(span.started_at)
        if span.stopped_at is not None:
            inside &= ends < _micros(span.stopped_at)
        found |= inside
    return found


def of_spot(intents: Intents, legs: int, runs: Bools, first: int) -> Intents:
    """Turn what a strategy wants into what a spot bot does: a short entry closes the long.

    Parameters
    ----------
    runs
        (n,) whether the bot was to decide at the end of each bar; on others it does nothing.
    first
        Bar at which it begins; those before are left out.
    """
    rows = len(runs)
    long_entry, long_exit, short_entry, short_exit = (
        np.broadcast_to(one, rows) for one in intents.conditions(rows)
    )
    # Entry and exit of one side at once are neither, and entries of both sides are none.
    clash = long_entry & long_exit
    enters, exits = long_entry & ~clash, long_exit & ~clash
    shorts = short_entry & ~short_exit
    clash = enters & shorts
    enters, shorts = enters & ~clash, shorts & ~clash
    fraction = intents.exit_fraction
    if fraction is not None:
        # A short entry would reverse: it leaves nothing of the long.
        fraction = np.where(shorts, 1.0, np.broadcast_to(np.asarray(fraction, np.float64), rows))

    def cut(values: Floats | float | None) -> Floats | float | None:
        return values[first:] if isinstance(values, np.ndarray) else values

    return Intents(
        long_entry=np.ascontiguousarray((enters & runs)[first:]),
        long_exit=np.ascontiguousarray(((exits | shorts) & runs)[first:]),
        size=cut(intents.size),
        stop_loss=cut(intents.stop_loss),
        take_profit=cut(intents.take_profit),
        trailing_stop=cut(intents.trailing_stop),
        limit_price=cut(intents.limit_price),
        exit_fraction=cut(fraction),
        legs=legs,
    )


def _trips(
    fills: npt.NDArray[np.void],
    trades: npt.NDArray[np.void],
    bars: Bars,
    close: Fraction,
    model: FillModel,
) -> list[Trip]:
    """Cut the fills into trips: each trade's own, from its entry to its exit."""
    trips: list[Trip] = []
    row = 0
    last_bar = _at(int(bars.time[-1]))
    for _ in trades:
        legs: list[Leg] = []
        held = Fraction(0)
        while row < len(fills):
            fill = fills[row]
            sign = int(fill["side"])
            if sign > 0 and legs and held == 0:
                break
            quantity, price = exact(float(fill["units"])), exact(float(fill["price"]))
            slipped = exact(float(fill["slippage"])) / quantity
            legs.append(
                Leg(
                    sign=sign,
                    quantity=quantity,
                    price=price,
                    reference=price - sign * slipped,
                    fee=exact(float(fill["fee"])),
                    decided_bar=_decided(fill, bars, model),
                    reason=_WORDS.get(Reason(int(fill["reason"])), "signal"),
                )
            )
            row += 1
            held += sign * quantity
            # Doubles: what a partial exit leaves is exact only to the last bit.
            if abs(held) <= abs(quantity) * Fraction(1, 10**12):
                legs[-1] = replace(legs[-1], quantity=quantity + sign * -held)
                held = Fraction(0)
                break
        if held:
            legs.append(Leg(-1, held, close, close, Fraction(0), last_bar, is_mark=True))
        trips.append(Trip(legs[0].decided_bar, tuple(legs)))
    return trips


def _decided(fill: np.void, bars: Bars, model: FillModel) -> datetime:
    """Return the start of the bar whose close, or whose inside, decided a fill."""
    row = int(fill["bar"])
    is_decided_before = Reason(int(fill["reason"])) in {Reason.SIGNAL, Reason.LIMIT} and (
        model.execution.fill == "next_open" or Reason(int(fill["reason"])) is Reason.LIMIT
    )
    return _at(int(bars.time[max(row - 1, 0) if is_decided_before else row]))


def _at(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // _SECOND, UTC)


def _micros(at: datetime) -> int:
    return round(at.timestamp()) * _SECOND

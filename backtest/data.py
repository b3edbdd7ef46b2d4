"""Candles of a run: read, checked for gaps, and turned into bars that know where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from backtest.barcache import BarCache, Kept, cache_key
from backtest.gaps import count_gaps
from backtest.manifest import Gaps, Origin, joint_digest, series_digest
from backtest.spec import BacktestSpec
from candela.candles.funding import read_funding_rates
from candela.candles.read import known_at, read_candles
from candela.errors import DataError
from candela.fills.full import FinerBars, Funding
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from strategies.alignment import beside
from strategies.bars import Bars

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["Loaded", "NoCandles", "NoFunding", "TooManyGaps", "load_bars"]

_FINER: Final = Timeframe(60)
_MILLISECOND: Final = 1_000


class NoCandles(DataError):
    """The span holds no candles."""

    code = "no_candles"


class TooManyGaps(DataError):
    """More of the span is absent than the run allows."""

    code = "too_many_gaps"


class NoFunding(DataError):
    """Funding is to be paid and no rates are stored."""

    code = "no_funding"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Bars of each instrument of a run, in the order asked for.

    Attributes
    ----------
    bars
        By instrument, each on its own times; what a strategy reads besides is on the same times,
        NaN where it had no candle.
    origin
        Of all of them.
    funding, finer
        Rates and minutes by instrument, where the run asks for them.
    """

    bars: Mapping[str, Bars]
    origin: Origin
    funding: Mapping[str, Funding]
    finer: Mapping[str, FinerBars]

    @property
    def first(self) -> Bars:
        """The bars of the first instrument."""
        return next(iter(self.bars.values()))


def load_bars(
    database: Database,
    spec: BacktestSpec,
    also: tuple[str, ...] = (),
    *,
    cache: BarCache | None = None,
) -> Loaded:
    """Read the candles of a run.

    Parameters
    ----------
    also
        Instruments that the strategy reads and does not trade.
    cache
        Where bars are kept between runs; the database is then only asked whether it knows more.

    Raises
    ------
    NoSuchInstrument, NoSuchSeries
        Nothing stored answers; the message says what is.
    NoCandles, TooManyGaps, NoFunding
        The span is empty, has more holes than ``gap_limit``, or lacks rates.
    """
    names = (*spec.instruments, *(name for name in also if name not in spec.instruments))
    kept = {name: _kept(database, name, spec, cache) for name in names}
    for name, one in kept.items():
        _refuse_gaps(name, one.gaps, spec.gap_limit)
    bars = _bars({name: one.bars for name, one in kept.items()}, spec, also)
    funding = _funding(database, spec, bars)
    finer, minutes_as_of = _finer(database, spec)
    rates, minutes = series_digest(funding), series_digest(finer)
    digests = [one.digest for one in kept.values()]
    origin = Origin(
        instruments=spec.instruments,
        timeframe=spec.timeframe,
        since=_text(spec.since),
        until=_text(spec.until),
        as_of=_latest([*(one.as_of for one in kept.values()), *minutes_as_of]),
        digest=joint_digest(digests[0], *digests[1:], rates, minutes),
        rows=sum(len(one.bars) for one in kept.values()),
        gaps=Gaps.over(one.gaps for one in kept.values()),
        reads=names[len(spec.instruments) :],
        funding_digest=rates,
        finer_digest=minutes,
    )
    return Loaded(bars=bars, origin=origin, funding=funding, finer=finer)


def _kept(database: Database, name: str, spec: BacktestSpec, cache: BarCache | None) -> Kept:
    instrument, timeframe = Instrument.parse(name), Timeframe.parse(spec.timeframe)
    since, until = _text(spec.since), _text(spec.until)
    if cache is not None:
        known = _text(known_at(database, instrument, timeframe, as_of=spec.as_of))
        found = cache.get(cache_key(name, spec.timeframe, since, until, known))
        if found is not None:
            return found
    candles = read_candles(
        database, instrument, timeframe, spec.since, spec.until, as_of=spec.as_of
    )
    if candles.frame.is_empty():
        _refuse_nothing(database, name, timeframe, spec)
    bars = Bars.from_frame(candles.frame, timeframe, name)
    kept = Kept(
        bars, candles.digest, count_gaps(bars.time, timeframe, instrument), _text(candles.as_of)
    )
    if cache is not None:
        cache.put(cache_key(name, spec.timeframe, since, until, kept.as_of), kept)
    return kept


def _refuse_nothing(
    database: Database, name: str, timeframe: Timeframe, spec: BacktestSpec
) -> NoReturn:
    whole = read_candles(database, Instrument.parse(name), timeframe, as_of=spec.as_of).frame
    span = f"from {_text(spec.since) or 'the beginning'} to {_text(spec.until) or 'now'}"
    message = f"There are no {timeframe} candles of {name} {span}."
    if whole.is_empty():
        raise NoCandles(message, "None were known then; leave as-of out, or import candles.")
    first, last = _text(whole["time"][0]), _text(whole["time"][-1])
    raise NoCandles(message, f"Stored are {first} to {last}.")


def _refuse_gaps(name: str, gaps: Gaps, limit: float) -> None:
    if gaps.share > limit:
        message = (
            f"{gaps.missing:,} of {gaps.expected:,} candles of {name} are absent,"
            f" {gaps.share:.1%} of the span; the limit is {limit:.1%}."
        )
        raise TooManyGaps(
            message, "Repair them (candela candles gaps), or allow more with gap_limit."
        )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _latest(instants: list[str | None]) -> str | None:
    """Return the latest: as texts, those with a part of a second sort before those without."""
    known = [one for one in instants if one is not None]
    return max(known, key=datetime.fromisoformat, default=None)


def _bars(bars: Mapping[str, Bars], spec: BacktestSpec, also: tuple[str, ...]) -> dict[str, Bars]:
    # A strategy may be run on an instrument that it reads besides, so it stands beside itself.
    read = {other: bars[other] for other in also}
    return {name: beside(bars[name], read) if read else bars[name] for name in spec.instruments}


def _funding(
    database: Database, spec: BacktestSpec, bars: Mapping[str, Bars]
) -> dict[str, Funding]:
    """Return the settlements within the span: what comes later is no part of the run."""
    if not spec.costs.funding:
        return {}
    step = Timeframe.parse(spec.timeframe).seconds * 1_000 * _MILLISECOND
    first = min(int(one.time[0]) for one in bars.values())
    end = max(int(one.time[-1]) for one in bars.values()) + step
    found: dict[str, Funding] = {}
    for name in spec.instruments:
        frame = read_funding_rates(database, Instrument.parse(name))
        if frame.is_empty():
            message = f"No funding rates of {name} are stored."
            raise NoFunding(message, "Import them (candela funding import FILE), or leave funding.")
        times = frame["time"].dt.cast_time_unit("us").to_physical().to_numpy()
        # Venues date a settlement a few milliseconds late.
        second = 1_000 * _MILLISECOND
        times = (times + second // 2) // second * second
        inside = slice(*np.searchsorted(times, (first, end)).tolist())
        found[name] = Funding(times[inside], frame["funding_rate"].to_numpy()[inside])
    return found


def _finer(database: Database, spec: BacktestSpec) -> tuple[dict[str, FinerBars], list[str | None]]:
    """Return the minutes by instrument, and when the newest of each became known."""
    if spec.execution.intrabar != "minutes":
        return {}, []
    found: dict[str, FinerBars] = {}
    as_of: list[str | None] = []
    for name in spec.instruments:
        candles = read_candles(
            database, Instrument.parse(name), _FINER, spec.since, spec.until, as_of=spec.as_of
        )
        frame = candles.frame
        as_of.append(_text(candles.as_of))
        if frame.is_empty():
            message = f"No minutes of {name} are stored for the span."
            raise NoCandles(message, "Import minutes, or choose intrabar worst_case.")
        found[name] = FinerBars(
            frame["time"].dt.cast_time_unit("us").to_physical().to_numpy(),
            frame["open"].to_numpy(),
            frame["high"].to_numpy(),
            frame["low"].to_numpy(),
            frame["close"].to_numpy(),
        )
    return found, as_of

"""The proof: a bot's time run again on the bars it saw, and every difference named."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from backtest.parity.attribution import Parity, attribute
from backtest.parity.reading import BotTime, Seen, evidence_of, signals_of, trips_of
from backtest.parity.replay import NothingToReplay, Replay, replay
from backtest.parity.words import Evidence, rounded
from backtest.spec import Protection
from candela.candles.read import read_candles
from candela.db.connect import Role
from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from strategies.bars import Bars
from strategies.registry import SHIPPED, find, in_file

if TYPE_CHECKING:
    from candela.db.connect import Database
    from strategies.definition import Strategy

__all__ = ["Proof", "prove"]

_MARGIN_BARS: Final = 5
_REVISIONS: Final = """
SELECT DISTINCT b.known_at
FROM market.candle_revisions AS r
INNER JOIN market.instruments AS i USING (instrument_id)
INNER JOIN market.batches AS b ON b.batch_id = r.replaced_by
WHERE i.venue = %(venue)s AND i.symbol = %(symbol)s AND r.time >= %(since)s
ORDER BY b.known_at
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """A parity with what it was made of.

    Attributes
    ----------
    since, until
        First start of the bot, and the end of the last bar that was replayed.
    """

    bot: BotTime
    parity: Parity
    since: datetime
    until: datetime
    bars: int
    evaluated: int

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored and printed."""
        return {
            "bot": self.bot.name,
            "version": self.bot.version,
            "strategy": self.bot.strategy,
            "instrument": self.bot.instrument,
            "timeframe": self.bot.timeframe,
            "mode": self.bot.mode,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "bars": self.bars,
            "evaluated": self.evaluated,
            "is_explained": self.parity.is_explained,
            **self.parity.as_dict(),
        }


def prove(database: Database, bot: BotTime) -> Proof:
    """Compare a bot with its backtest, for the pipelines role, which sees every tenant.

    Raises
    ------
    NothingToReplay
        It has not seen a bar yet, or bets on fixed payouts.
    StrategyFailed, NoSuchSeries, NoSuchInstrument
        Its strategy or its candles cannot be had any more.
    """
    if bot.kind != "spot":
        message = f"{bot.name} bets on fixed payouts, which fill at no price of a bar."
        raise NothingToReplay(message, "Compare its win rate with: candela backtest --payout.")
    with database.connect(Role.PIPELINES) as connection:
        seen = signals_of(connection, bot)
        if not seen:
            message = f"{bot.name} has seen no bar yet."
            raise NothingToReplay(message, "Let it run for a while.")
        evidence = evidence_of(connection, bot, seen)
    timeframe = Timeframe.parse(bot.timeframe)
    until = max(seen) + timedelta(seconds=timeframe.seconds)
    strategy = _strategy_of(bot)
    config = bot.config
    model, protection = _model(bot), _protection(config)
    bars, digests = _bars_as_seen(database, bot, timeframe, seen, until)
    evidence = _with_differences(evidence, seen, bars, digests)
    done = _replayed(strategy, bot, bars, model, protection, until)
    today = _bars(database, bot, timeframe, None, until)
    revision = Decimal(0)
    if today.digest != bars.digest:
        now = _replayed(strategy, bot, today, model, protection, until)
        revision = _pnl(done) - _pnl(now)
    with database.connect(Role.PIPELINES) as connection:
        trips = trips_of(connection, bot, done.last_close, done.last_bar)
    sizing = model.sizing.kind
    parity = attribute(
        trips,
        done.trips,
        evidence,
        capital=Decimal(str(config["capital"])),
        follows_equity=sizing not in {"fixed_value", "fixed_units", "martingale"},
        follows_price=sizing != "fixed_units",
        lot=bot.lot,
        revision=revision,
    )
    return Proof(bot, parity, bot.since, until, done.bars, len(seen))


def _replayed(
    strategy: Strategy[Any],
    bot: BotTime,
    bars: Bars,
    model: FillModel,
    protection: Protection,
    until: datetime,
) -> Replay:
    return replay(
        strategy,
        bot.parameters,
        bars,
        bot.spans,
        model=model,
        protection=protection,
        capital=Decimal(str(bot.config["capital"])),
        until=until,
    )


def _pnl(done: Replay) -> Decimal:
    return rounded(sum((trip.pnl for trip in done.trips), start=done.last_close * 0))


def _strategy_of(bot: BotTime) -> Strategy[Any]:
    """Return the very text that ran: the shipped one while unchanged, else the one kept."""
    if bot.strategy in SHIPPED and bot.source is None:
        return find(bot.strategy)
    with tempfile.TemporaryDirectory(prefix="candela-parity-") as folder:
        path = Path(folder) / f"{bot.strategy}.py"
        path.write_text(bot.source or "", encoding="utf-8")
        return next(one for one in in_file(path) if one.name == bot.strategy)


def _model(bot: BotTime) -> FillModel:
    config = bot.config
    return FillModel(
        costs=Costs(**config.get("costs", {})),
        rules=VenueRules(
            lot=float(bot.lot), tick=float(bot.tick), minimum_notional=float(bot.minimum_notional)
        ),
        sizing=Sizing(**config.get("sizing", {})),
    )


def _protection(config: Mapping[str, Any]) -> Protection:
    names = ("stop_loss", "take_profit", "trailing_stop")
    return Protection(
        **{name: float(config[name]) for name in names if config.get(name) is not None}
    )


def _bars(
    database: Database,
    bot: BotTime,
    timeframe: Timeframe,
    as_of: datetime | None,
    until: datetime,
) -> Bars:
    since = bot.since - timedelta(seconds=timeframe.seconds * (bot.warm_up + _MARGIN_BARS))
    candles = read_candles(
        database,
        Instrument.parse(bot.instrument),
        timeframe,
        timeframe.floor(since),
        until,
        as_of=as_of,
        role=Role.PIPELINES,
    )
    return Bars.from_frame(candles.frame, timeframe, bot.instrument)


def _bars_as_seen(
    database: Database,
    bot: BotTime,
    timeframe: Timeframe,
    seen: Mapping[datetime, Seen],
    until: datetime,
) -> tuple[Bars, dict[datetime, str]]:
    """Return each bar as it was known when it was decided on, and what each evaluation says it saw.

    Candles are read once for each time between two corrections, of which there are few.
    """
    instrument = Instrument.parse(bot.instrument)
    with database.connect(Role.PIPELINES) as connection:
        rows = connection.execute(
            _REVISIONS,
            {"venue": instrument.venue, "symbol": instrument.symbol, "since": bot.since},
        ).fetchall()
    corrected = [row[0] for row in rows]
    digests = {bar: one.bars_digest for bar, one in seen.items()}
    if not corrected:
        return _bars(database, bot, timeframe, None, until), digests
    frames: list[pl.DataFrame] = []
    reads = _readings(corrected, seen)
    for number, (as_of, bars) in enumerate(reads):
        whole = _frame(database, bot, timeframe, as_of, until)
        first = None if number == 0 else min(bars)
        last = None if number == len(reads) - 1 else min(reads[number + 1][1])
        if first is not None:
            whole = whole.filter(pl.col("time") >= first)
        if last is not None:
            whole = whole.filter(pl.col("time") < last)
        frames.append(whole)
    return Bars.from_frame(pl.concat(frames), timeframe, bot.instrument), digests


def _readings(
    corrected: Sequence[datetime], seen: Mapping[datetime, Seen]
) -> list[tuple[datetime, list[datetime]]]:
    """Group bars by the corrections known at their decision; each group is one reading."""
    groups: dict[int, list[datetime]] = {}
    for bar, one in sorted(seen.items()):
        groups.setdefault(sum(at <= one.known_at for at in corrected), []).append(bar)
    return [(max(seen[bar].known_at for bar in bars), bars) for _, bars in sorted(groups.items())]


def _frame(
    database: Database, bot: BotTime, timeframe: Timeframe, as_of: datetime, until: datetime
) -> pl.DataFrame:
    since = bot.since - timedelta(seconds=timeframe.seconds * (bot.warm_up + _MARGIN_BARS))
    return read_candles(
        database,
        Instrument.parse(bot.instrument),
        timeframe,
        timeframe.floor(since),
        until,
        as_of=as_of,
        role=Role.PIPELINES,
    ).frame


def _with_differences(
    evidence: Mapping[datetime, Evidence],
    seen: Mapping[datetime, Seen],
    bars: Bars,
    digests: Mapping[datetime, str],
) -> dict[datetime, Evidence]:
    """Say of each bar whether its evaluation saw other candles than the replay."""
    rows = {int(time): row for row, time in enumerate(bars.time)}
    found: dict[datetime, Evidence] = {}
    for bar, known in evidence.items():
        one = seen.get(bar)
        if one is None or one.first_bar_at is None:
            found[bar] = known
            continue
        first = rows.get(round(one.first_bar_at.timestamp()) * 1_000_000)
        last = rows.get(round(bar.timestamp()) * 1_000_000)
        differs = first is None or last is None or bars[first : last + 1].digest != digests[bar]
        found[bar] = replace(known, differs=differs)
    return found

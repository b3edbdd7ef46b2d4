"""The proof: a bot's time run again on the bars it saw, and every difference named."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.parity.attribution import Parity, attribute
from backtest.parity.candles import SeenCandles, with_differences
from backtest.parity.reading import BotTime, evidence_of, signals_of, trips_of
from backtest.parity.replay import NothingToReplay, Replay, replay
from backtest.parity.words import rounded
from backtest.spec import Protection
from candela.bots.config import config_from
from candela.db.connect import Role
from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from candela.market.timeframe import Timeframe
from strategies.registry import SHIPPED, find, in_file

if TYPE_CHECKING:
    from candela.db.connect import Database
    from strategies.bars import Bars
    from strategies.definition import Strategy

__all__ = ["Proof", "prove"]


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
    if bot.stopped_at is not None:
        until = min(until, bot.stopped_at)
    strategy = _strategy_of(bot)
    config = bot.config
    model = _model(bot)
    candles = SeenCandles(database, bot, seen, until)
    bars = candles.as_seen()
    evidence = with_differences(evidence, seen, bars)
    heard = frozenset(bar for bar, known in evidence.items() if known.is_decided)
    done = _replayed(strategy, bot, bars, model, heard, until)
    today = candles.known_by(None)
    revision = Decimal(0)
    if today.digest != bars.digest:
        now = _replayed(strategy, bot, today, model, heard, until)
        revision = _pnl(done) - _pnl(now)
    with database.connect(Role.PIPELINES) as connection:
        trips, carried = trips_of(connection, bot, done.last_close, done.last_bar, until)
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
        carried_until=carried,
    )
    return Proof(bot, parity, bot.since, until, done.bars, len(seen))


def _replayed(
    strategy: Strategy[Any],
    bot: BotTime,
    bars: Bars,
    model: FillModel,
    heard: frozenset[datetime],
    until: datetime,
) -> Replay:
    return replay(
        strategy,
        bot.parameters,
        bars,
        bot.spans,
        model=model,
        protection=_protection(bot.config, "{}"),
        fallback=_protection(bot.config.get("limits", {}), "{}_ratio"),
        capital=Decimal(str(bot.config["capital"])),
        at_limit=bot.config.get("order") == "limit",
        heard=heard,
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
    values = config_from(bot.config).to_backtest()
    return FillModel(
        costs=Costs(**values["costs"]),
        rules=VenueRules(
            lot=float(bot.lot), tick=float(bot.tick), minimum_notional=float(bot.minimum_notional)
        ),
        sizing=Sizing(**values["sizing"]),
    )


def _protection(values: Mapping[str, Any], key: str) -> Protection:
    given = {
        name: values.get(key.format(name)) for name in ("stop_loss", "take_profit", "trailing_stop")
    }
    return Protection(**{name: float(value) for name, value in given.items() if value is not None})

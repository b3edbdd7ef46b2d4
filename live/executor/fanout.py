"""From one signal or quote to all bots that it concerns, without a task for any of them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast
from uuid import UUID

from candela.clock import Clock
from candela.ids import new_id
from candela.market.timeframe import Timeframe
from candela.orders.words import Quote
from candela.risk.facts import BarStatus
from live.bots.conditions import Conditions, SignalBar
from live.bots.guard import guard_of
from live.bots.runner import BotRunner
from live.executor.accounts import TenantWork
from live.executor.batch import Batch, Leases
from live.executor.betting import Betting
from live.executor.rows import DefinitionRow
from live.executor.settling import Settler
from live.metrics.figures import Figures

__all__ = ["FanOut", "Quotes", "Signal"]

_LOG: Final = logging.getLogger(__name__)
_KEPT_CLOSES: Final = 600


class Quotes(Protocol):
    """Live prices: one subscription an instrument, however many bots look at it."""

    def latest(self, instrument: str) -> Quote | None:
        """Return the last quote, None where it is stale or there is none."""
        ...


class Signal(Protocol):
    """What the evaluation of a definition on a bar brought."""

    @property
    def definition_id(self) -> str:
        """Of what was evaluated."""
        ...

    @property
    def bar_at(self) -> datetime:
        """Start of the bar."""
        ...

    @property
    def status(self) -> str:
        """``ok``, or why there is no decision."""
        ...

    @property
    def decision(self) -> Mapping[str, Any]:
        """Conditions and values at the bar."""
        ...


@dataclass(slots=True)
class _Listeners:
    """The bots of a definition, and what is remembered of its bars."""

    interval: timedelta
    lookback: int
    bots: dict[UUID, tuple[TenantWork, BotRunner]] = field(
        default_factory=dict[UUID, tuple[TenantWork, BotRunner]]
    )
    last_bar_at: datetime | None = None
    bars_since_bad: int | None = None
    closes: deque[float] = field(default_factory=lambda: deque[float](maxlen=_KEPT_CLOSES))


class FanOut:
    """Knows which bots listen to what; decides for all of them in one batch a moment.

    Parameters
    ----------
    on_broken
        Called with the bots of a definition that cannot be evaluated, and why.
    betting
        Where bots go that bet on fixed payouts.
    """

    def __init__(
        self,
        settler: Settler,
        leases: Leases,
        quotes: Quotes,
        clock: Clock,
        figures: Figures,
        on_broken: Callable[[list[tuple[TenantWork, BotRunner]], str], None],
        betting: Betting | None = None,
    ) -> None:
        self.betting = betting
        self._settler = settler
        self._leases = leases
        self._quotes = quotes
        self._clock = clock
        self._figures = figures
        self._on_broken = on_broken
        self._listeners: dict[str, _Listeners] = {}
        self._guarded: dict[str, dict[UUID, tuple[TenantWork, BotRunner]]] = defaultdict(dict)
        self._best: dict[UUID, BotRunner] = {}
        self.turn = asyncio.Lock()
        """Held from looking at the books to having written: one batch follows another."""

    @property
    def definitions(self) -> frozenset[str]:
        """Definitions that bots listen to."""
        return frozenset(self._listeners)

    @property
    def instruments(self) -> frozenset[str]:
        """Instruments whose quotes positions are watched by."""
        return frozenset(name for name, bots in self._guarded.items() if bots)

    # --- who listens ------------------------------------------------------------------------------

    def knows(self, definition_id: str) -> bool:
        """Whether any bot listens to a definition."""
        return definition_id in self._listeners

    def learn(self, row: DefinitionRow, timeframe: Timeframe) -> None:
        """Remember what the last signals of a definition said."""
        known = _Listeners(timeframe.delta, row.warm_up, last_bar_at=row.last_bar_at)
        known.closes.extend(row.closes)
        if row.bad_bar_at is not None:
            known.bars_since_bad = row.good_since
        self._listeners.setdefault(row.definition_id, known)

    def add(self, tenant: TenantWork, runner: BotRunner) -> None:
        """Let a bot listen to its definition."""
        self._listeners[runner.definition_id].bots[runner.bot_id] = (tenant, runner)
        self.watch(tenant, runner)

    def remove(self, runner: BotRunner) -> None:
        """Let a bot hear no more."""
        listeners = self._listeners.get(runner.definition_id)
        if listeners is not None:
            listeners.bots.pop(runner.bot_id, None)
            if not listeners.bots:
                del self._listeners[runner.definition_id]
        self._unwatch(runner)

    def watch(self, tenant: TenantWork, runner: BotRunner) -> None:
        """Look at quotes for what a bot holds now, or no more."""
        account = tenant.accounts.get(runner.account.account_id)
        rules = None if account is None else account.rules.get(runner.symbol)
        runner.guard = None
        if rules is not None:
            runner.guard = guard_of(runner.position, runner.config.limits, rules, runner.first)
        if runner.guard is None:
            self._unwatch(runner)
        else:
            self._guarded[runner.config.instrument][runner.bot_id] = (tenant, runner)

    def _unwatch(self, runner: BotRunner) -> None:
        runner.guard = None
        guarded = self._guarded.get(runner.config.instrument)
        if guarded is not None:
            guarded.pop(runner.bot_id, None)
        self._best.pop(runner.bot_id, None)

    def betted(self) -> frozenset[str]:
        """Return the instruments that open bets are on."""
        return frozenset[str]() if self.betting is None else self.betting.instruments()

    async def close_bets(self, tenants: Iterable[UUID]) -> None:
        """Let go of the fixed-payout accounts of tenants at once."""
        if self.betting is not None:
            await self.betting.close(set(tenants))

    # --- what they hear ---------------------------------------------------------------------------

    async def signals(self, signals: Iterable[Signal], only: Collection[UUID] | None = None) -> int:
        """Let bots decide on signals, bar after bar; return how many intents were committed.

        Parameters
        ----------
        only
            Bots that begin now and hear what the others have heard; None: all.
        """
        by_bar: dict[datetime, list[Signal]] = defaultdict(list)
        for signal in signals:
            if signal.definition_id in self._listeners:
                by_bar[signal.bar_at].append(signal)
        committed = 0
        for bar_at in sorted(by_bar):
            async with self.turn:
                batch = self.batch()
                closed_at: datetime | None = None
                for signal in by_bar[bar_at]:
                    bar = self._bar(signal)
                    if bar is not None:
                        closed_at = bar.closed_at
                        self._decide(batch, bar, only)
                committed += await self._settler.settle(batch, closed_at)
                if self.betting is not None:
                    committed += await self.betting.settle()
        return committed

    async def quote(self, instrument: str, quote: Quote) -> int:
        """Look at the positions of an instrument; return how many intents were committed."""
        if self.betting is not None:
            self.betting.on_quote(instrument, quote)
        async with self.turn:
            batch = self.batch()
            self._look(batch, instrument, quote)
            return await self._settler.settle(batch) if batch.ordered else 0

    def _look(self, batch: Batch, instrument: str, quote: Quote) -> None:
        for tenant, runner in list(self._guarded.get(instrument, {}).values()):
            guard = runner.guard
            if guard is None:
                continue
            is_inside = (guard.floor is None or quote.bid > guard.floor) and (
                guard.ceiling is None or quote.bid < guard.ceiling
            )
            if is_inside and not (guard.follows and quote.bid > guard.protection.best):
                continue
            due = guard.due(quote)
            if due is not None and due.reason in _STOPS and _is_covered(runner, quote):
                continue
            if due is not None:
                batch.due(tenant, runner, due, quote)
            elif guard.follows:
                self._rise(tenant, runner, quote)

    def risen(self) -> list[tuple[BotRunner, Any]]:
        """Return the best prices that rose since they were asked for last, to be kept."""
        found = [(runner, runner.position.best_price) for runner in self._best.values()]
        self._best.clear()
        return found

    def batch(self) -> Batch:
        """Return an empty batch at the present moment."""
        now = self._clock.now()
        return Batch(now, self._leases, lambda: new_id(now))

    def quote_of(self, runner: BotRunner) -> Quote | None:
        """Return the last quote of what a bot trades."""
        return self._quotes.latest(runner.config.instrument)

    def _rise(self, tenant: TenantWork, runner: BotRunner, quote: Quote) -> None:
        position = runner.position
        best = position.best_price or position.mean_price
        if quote.bid > best:
            runner.position = replace(position, best_price=quote.bid)
            self._best[runner.bot_id] = runner
            self.watch(tenant, runner)

    def _bar(self, signal: Signal) -> SignalBar | None:
        known = self._listeners[signal.definition_id]
        if known.last_bar_at is not None and signal.bar_at < known.last_bar_at:
            return None
        self._figures.count("candela_signals_total", signal.status)
        said = Conditions.read(signal.decision)
        if signal.bar_at != known.last_bar_at:
            known.last_bar_at = signal.bar_at
            if signal.status != "ok":
                known.bars_since_bad = 0
            else:
                if known.bars_since_bad is not None:
                    known.bars_since_bad += 1
                known.closes.append(said.close)
        return SignalBar(
            definition_id=signal.definition_id,
            bar_at=signal.bar_at,
            interval=known.interval,
            status=cast("BarStatus", signal.status),
            conditions=said,
            bars_since_bad=known.bars_since_bad,
            lookback=known.lookback,
            closes=tuple(known.closes),
        )

    def _decide(self, batch: Batch, bar: SignalBar, only: Collection[UUID] | None) -> None:
        bots = list(self._listeners[bar.definition_id].bots.values())
        for tenant, runner in bots:
            if only is not None and runner.bot_id not in only:
                continue
            quote = self._quotes.latest(runner.config.instrument)
            if runner.config.payout is None:
                batch.signal(tenant, runner, bar, quote)
            elif self.betting is not None:
                self.betting.hear(tenant, runner, bar, quote)
        if bar.status == "failed":
            _LOG.warning("definition %s cannot be evaluated", bar.definition_id)
            self._on_broken(bots, "its strategy failed")


_STOPS: Final = frozenset({"stop", "trailing"})


def _is_covered(runner: BotRunner, quote: Quote) -> bool:
    """Return whether the venue itself sells here, by a stop that rests."""
    return runner.shield is not None and runner.shield.covers(quote.bid)

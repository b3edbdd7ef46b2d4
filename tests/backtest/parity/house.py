"""The market of a rehearsal, and the venue of its paper accounts, with troubles by script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.brokers.paper import PaperBroker
from candela.brokers.port import NoInformation
from candela.clock import FixedClock
from candela.money import ceiled, floored
from candela.orders.words import InstrumentRules, Outcome, OutcomeKind, Quote, Side, VenueOrderState
from tests.live.executor.worlds import Prices

if TYPE_CHECKING:
    from candela.brokers.paper import CostsOf, PaperVenue
    from candela.brokers.port import SpotBroker
    from candela.fills.model import Costs
    from candela.orders.records import Account, AccountBook
    from candela.orders.words import OrderRequest
    from live.executor.venues import Venues
    from live.feed.replay import ReplaySeries

__all__ = ["Day", "RehearsedMarket", "TroubledHouse", "Troubles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What goes wrong, by the starts of the bars at which it does.

    Parameters
    ----------
    missing, broken
        Absent when they are due, or impossible; the true bars come some bars later.
    outage
        Closes in [from, to): nobody evaluates.
    deaf
        Closes in [from, to): signals are made, and no executor hears them.
    refused, halved
        The next purchase after the bar is refused by the venue, or filled by half.
    charged
        What the paper accounts pay, where that is not what their bots expect.
    corrected
        Closes that candles are given after all was decided.
    """

    missing: frozenset[datetime] = frozenset()
    broken: frozenset[datetime] = frozenset()
    outage: tuple[datetime, datetime] | None = None
    deaf: tuple[datetime, datetime] | None = None
    refused: frozenset[datetime] = frozenset()
    halved: frozenset[datetime] = frozenset()
    charged: Costs | None = None
    corrected: Mapping[datetime, float] = field(default_factory=dict[datetime, float])


class RehearsedMarket(Prices):
    """Prices between the four of a bar: open, the nearer extreme of its way, the other, close."""

    def __init__(
        self, series: ReplaySeries, rules: InstrumentRules, clock: FixedClock, spread: Decimal
    ) -> None:
        super().__init__(clock)
        self._name = str(series.instrument)
        self._interval = series.timeframe.delta
        self._timeframe = series.timeframe
        self._rules = rules
        self._half = spread / 2
        self._bars = {
            start.astimezone(UTC): values
            for start, *values in series.frame.select(
                "time", "open", "high", "low", "close"
            ).iter_rows()
        }
        self._last = 0.0

    def latest(self, instrument: str) -> Quote | None:
        """Return the best prices of the moment."""
        return self._quote() if instrument == self._name else None

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices of the moment."""
        if symbol != self._rules.symbol:
            raise NoInformation(f"no price of {symbol}", "Ask for what is rehearsed.")
        return self._quote()

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return the rules of the one symbol."""
        del symbol, refresh
        return self._rules

    def _quote(self) -> Quote:
        middle = Decimal(repr(self._price(self.clock.now())))
        tick = self._rules.tick
        return Quote(
            self._rules.symbol,
            floored(middle * (1 - self._half), tick),
            ceiled(middle * (1 + self._half), tick),
            self.clock.now(),
        )

    def _price(self, at: datetime) -> float:
        start = self._timeframe.floor(at)
        bar = self._bars.get(start)
        if bar is None:
            # Nothing was traded: the last price holds.
            return self._last
        open_, high, low, close = bar
        way = (open_, low, high, close) if close >= open_ else (open_, high, low, close)
        part = (at - start) / self._interval * 3
        leg = min(int(part), 2)
        price = way[leg] + (way[leg + 1] - way[leg]) * (part - leg)
        self._last = close
        return round(price, 8)


@dataclass(slots=True)
class Day:
    """What goes wrong now: ``none``, ``refused`` or ``halved``."""

    trouble: str = "none"


class _Counter(PaperBroker):
    """A paper account at a venue that has troubles."""

    def __init__(self, place: PaperVenue, costs: Costs | None, costs_of: CostsOf, day: Day) -> None:
        super().__init__(place, costs=costs, costs_of=None if costs else costs_of, latency_s=0.0)
        self._day = day

    async def submit(self, request: OrderRequest) -> Outcome:
        """Refuse, or fill a part, where the script says so."""
        if request.side is not Side.BUY or self._day.trouble == "none":
            return await super().submit(request)
        if self._day.trouble == "refused":
            return Outcome(OutcomeKind.REFUSED, "-2010 insufficient balance", "-2010")
        # Nothing is told of the half as if it were the whole.
        events, self._events = self._events, None
        lot = (await self.rules(request.symbol)).lot
        half = replace(request, quantity=floored(request.quantity / 2, lot))
        await super().submit(half)
        self._events = events
        order = self._account.orders[request.client_id]
        order.request, order.state = request, VenueOrderState.CANCELED
        return Outcome(OutcomeKind.ACCEPTED, report=order.report())


@dataclass(frozen=True, slots=True)
class TroubledHouse:
    """Opens paper accounts at the venue with troubles."""

    venues: Venues
    day: Day
    charged: Costs | None

    async def open(self, account: Account, book: AccountBook, costs_of: CostsOf) -> SpotBroker:
        """Return the account's broker with what the ledger says of it."""
        broker = _Counter(self.venues.paper(account.venue), self.charged, costs_of, self.day)
        await broker.restore(book.orders, book.balances)
        return broker

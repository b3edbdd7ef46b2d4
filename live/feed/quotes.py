"""Quotes: one subscription a symbol however many bots look at it, and never an old price."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from candela.errors import CandelaError
from candela.market.instrument import Instrument
from candela.orders.words import Quote

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.venues.client import VenueClient

__all__ = ["QuoteHub", "QuoteSource", "VenueQuotes"]

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 1.0
_STALE: Final = timedelta(seconds=15)
_LONGEST_WAIT_S: Final = 60.0


class QuoteSource(Protocol):
    """Asks for the quotes of several symbols of one venue at once."""

    async def read(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Return what there is of the symbols.

        Raises
        ------
        CandelaError
            The venue does not answer.
        """
        ...


class VenueQuotes:
    """Best prices over REST: one request for all symbols of a venue."""

    def __init__(self, client: VenueClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Return what the venue gives, at the time before it was asked."""
        asked_at = self._clock.now()
        found = await asyncio.to_thread(self._client.best_prices, list(symbols))
        return {one.symbol: Quote(one.symbol, one.bid, one.ask, asked_at) for one in found}


@dataclass(slots=True)
class _Venue:
    """One venue's subscription."""

    source: QuoteSource
    task: asyncio.Task[None]


class QuoteHub:
    """Hold the last quote of each watched instrument and say which have changed.

    Watching costs nothing at the venue beyond the first watcher of an instrument; a venue is asked
    once for all its symbols, each second.

    Parameters
    ----------
    source_of
        Makes the source of a venue, when its first symbol is watched.
    stale_after
        Age from which a quote is none.
    """

    def __init__(
        self,
        source_of: Callable[[str], QuoteSource],
        clock: Clock,
        *,
        poll_s: float = _POLL_S,
        stale_after: timedelta = _STALE,
    ) -> None:
        self._source_of = source_of
        self._clock = clock
        self._poll_s = poll_s
        self._stale_after = stale_after
        self._watched: Counter[Instrument] = Counter()
        self._quotes: dict[str, Quote] = {}
        self._changed: dict[str, Quote] = {}
        self._news = asyncio.Event()
        self._venues: dict[str, _Venue] = {}
        self.requests = 0

    def watch(self, instrument: Instrument) -> None:
        """Keep quotes of an instrument coming; to be undone by `unwatch`, once for each call."""
        self._watched[instrument] += 1
        if instrument.venue not in self._venues:
            source = self._source_of(instrument.venue)
            task = asyncio.create_task(self._poll(instrument.venue, source))
            self._venues[instrument.venue] = _Venue(source, task)

    def unwatch(self, instrument: Instrument) -> None:
        """Take one watcher away; with the last one the quotes stop."""
        self._watched[instrument] -= 1
        if self._watched[instrument] <= 0:
            del self._watched[instrument]
            self._quotes.pop(str(instrument), None)
            self._changed.pop(str(instrument), None)

    def latest(self, instrument: str) -> Quote | None:
        """Return the last quote of ``venue:SYMBOL``, None where it is stale or there is none."""
        quote = self._quotes.get(instrument)
        if quote is None or self._clock.now() - quote.at > self._stale_after:
            return None
        return quote

    def age_of(self, instrument: str) -> timedelta | None:
        """Return how old the last quote is, None where there never was one."""
        quote = self._quotes.get(instrument)
        return None if quote is None else self._clock.now() - quote.at

    def put(self, venue: str, quotes: Mapping[str, Quote]) -> None:
        """Take in quotes from a stream or a poll; an older one than is known changes nothing."""
        for symbol, quote in quotes.items():
            name = f"{venue}:{symbol}"
            known = self._quotes.get(name)
            if known is not None and quote.at <= known.at:
                continue
            self._quotes[name] = quote
            if known is None or (known.bid, known.ask) != (quote.bid, quote.ask):
                self._changed[name] = quote
        if self._changed:
            self._news.set()

    async def changes(self) -> Mapping[str, Quote]:
        """Wait for quotes that changed since the last call: the newest of each instrument.

        For one reader, who fans them out: a slow one sees fewer, never older ones.
        """
        while not self._changed:
            self._news.clear()
            await self._news.wait()
        found, self._changed = self._changed, {}
        return found

    async def close(self) -> None:
        """Stop asking."""
        tasks = [one.task for one in self._venues.values()]
        self._venues.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, venue: str, source: QuoteSource) -> None:
        failures = 0
        while True:
            symbols = sorted(one.symbol for one in self._watched if one.venue == venue)
            if symbols:
                try:
                    self.requests += 1
                    self.put(venue, await source.read(symbols))
                    failures = 0
                except CandelaError as error:
                    failures += 1
                    if failures == 1:
                        _LOG.warning("No quotes of %s for now: %s", venue, error)
            await asyncio.sleep(min(self._poll_s * 2.0 ** min(failures, 10), _LONGEST_WAIT_S))

"""Brokers of accounts: paper over live quotes, venues with a key that is opened in memory alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from candela.brokers.keys import VenueKey
from candela.brokers.opening import VenueBrokers
from candela.brokers.paper import CostsOf, PaperMarket, PaperVenue
from candela.brokers.port import SpotBroker
from candela.brokers.spot import VenueBroker
from candela.clock import Clock
from candela.db.connect import Database, Role
from candela.desk.secrets import open_secret
from candela.desk.session import tenant_session
from candela.orders.records import Account, AccountBook
from candela.orders.words import InstrumentRules, Quote
from candela.vault.credential import Credential
from live.executor.keylook import ENVIRONMENTS

if TYPE_CHECKING:
    from candela.vault.masterkeys import MasterKeys

__all__ = ["KeyRing", "LatestQuotes", "PublicMarket", "Venues"]


class LatestQuotes(Protocol):
    """Where quotes are looked up that somebody subscribed to already."""

    def latest(self, instrument: str) -> Quote | None:
        """Return the last quote, None where it is stale or there is none."""
        ...


class KeyRing:
    """Opens the keys of accounts, one at a time, and writes down that it did.

    Parameters
    ----------
    used_by
        Name of the executor, for the record.
    """

    def __init__(self, database: Database, masters: MasterKeys, used_by: str, clock: Clock) -> None:
        self._database = database
        self._masters = masters
        self._used_by = used_by
        self._clock = clock
        self._turn = asyncio.Lock()

    async def key_of(self, account: Account) -> VenueKey:
        """Return the key of an account; whoever asked wipes it.

        Raises
        ------
        NoSecret
            It is gone.
        VaultError
            It cannot be opened.
        """
        async with self._turn:
            return await asyncio.to_thread(self._open, account)

    def _open(self, account: Account) -> VenueKey:
        assert account.secret_id is not None  # noqa: S101 - the schema demands it of these modes
        with tenant_session(self._database, account.key.tenant_id, role=Role.EXECUTOR) as session:
            parts = open_secret(
                session,
                self._masters,
                account.secret_id,
                why="trade",
                used_by=self._used_by,
                clock=self._clock,
            )
        return VenueKey(parts["api_key"], parts["secret"], parts.get("password"))


class PublicMarket:
    """A venue's public side, for paper accounts: shared quotes, else one asked for."""

    def __init__(self, venue: str, quotes: LatestQuotes, public: VenueBroker) -> None:
        self._venue = venue
        self._quotes = quotes
        self._public = public

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices now."""
        known = self._quotes.latest(f"{self._venue}:{symbol}")
        return known if known is not None else await self._public.quote(symbol)

    async def rules(self, symbol: str, *, refresh: bool = False) -> InstrumentRules:
        """Return what the venue allows on a symbol."""
        return await self._public.rules(symbol, refresh=refresh)

    async def close(self) -> None:
        """Let go of it."""
        await self._public.close()


class Venues:
    """Makes the broker of each account.

    Parameters
    ----------
    keys
        None: accounts with a key cannot be opened.
    market_of
        Gives the public side of a venue, for paper; None: the venue itself.
    """

    def __init__(
        self,
        houses: VenueBrokers,
        quotes: LatestQuotes,
        clock: Clock,
        keys: KeyRing,
        market_of: Callable[[str], PaperMarket] | None = None,
    ) -> None:
        self._houses = houses
        self._quotes = quotes
        self._clock = clock
        self._keys = keys
        self._market_of = market_of
        self._paper: dict[str, PaperVenue] = {}
        self._public: list[PublicMarket] = []
        self._opened: list[VenueKey] = []

    async def open(self, account: Account, book: AccountBook, costs_of: CostsOf) -> SpotBroker:
        """Return the broker of an account; of a paper account with what our ledger says of it."""
        if account.mode == "paper":
            broker = self.paper(account.venue).open(costs_of=costs_of)
            await broker.restore(book.orders, book.balances)
            return broker
        key = await self._keys.key_of(account)
        self._opened.append(key)
        return self._houses.open(account.venue, key, environment=ENVIRONMENTS[account.mode])

    def paper(self, venue: str) -> PaperVenue:
        """Return the paper side of a venue, which all its paper accounts share."""
        found = self._paper.get(venue)
        if found is None:
            market = self._market_of(venue) if self._market_of else self._public_side(venue)
            found = self._paper[venue] = PaperVenue(venue, market, self._clock)
        return found

    def on_quote(self, venue: str, quote: Quote) -> None:
        """Meet the paper orders that rest at a venue with new prices."""
        found = self._paper.get(venue)
        if found is not None:
            found.on_quote(quote)

    async def close(self) -> None:
        """Overwrite the keys, and let go of all connections."""
        for key in self._opened:
            key.wipe()
        self._opened.clear()
        for market in self._public:
            await market.close()
        await self._houses.close()

    def _public_side(self, venue: str) -> PublicMarket:
        nobody = VenueKey(Credential(""), Credential(""))
        made = PublicMarket(venue, self._quotes, self._houses.open(venue, nobody))
        self._public.append(made)
        return made

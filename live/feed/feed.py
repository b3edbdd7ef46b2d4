"""The feed of an executor: the bars of the venues that it holds, for every definition in use."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import psycopg

from candela.db.connect import Role
from live.feed.venue import VenueFeed
from live.signals.definitions import registered, wanted_definitions
from live.signals.worker import window_of
from live.streams.link import DatabaseLink

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from live.feed.clients import VenueClients
    from live.signals.definitions import SeriesKey
    from live.store.port import Lease
    from live.streams.publisher import Publisher

__all__ = ["FEED_SHARDS", "Feed", "shard_of_venue"]

_LOG: Final = logging.getLogger(__name__)
_REFRESH_S: Final = 5.0

FEED_SHARDS: Final = 8
"""Parts into which venues are divided, by name."""


def shard_of_venue(venue: str) -> int:
    """Return the part of a venue, for leases of kind feed."""
    digest = hashlib.blake2b(venue.encode(), digest_size=2).digest()
    return int.from_bytes(digest) % FEED_SHARDS


class Feed:
    """Keep one reader for each venue that is held here and that running bots need.

    Two holders of a venue at once, as at a takeover, do no harm: both store the same, and signals
    are decided once whoever tells of the bar.

    Parameters
    ----------
    leases
        Returns the leases of kind feed that are held now, by part.
    venues
        None: all that definitions name; else these alone, as where a replay serves the others.
    """

    def __init__(
        self,
        database: Database,
        clients: VenueClients,
        publisher: Publisher,
        clock: Clock,
        leases: Callable[[], Mapping[int, Lease]],
        *,
        venues: frozenset[str] | None = None,
    ) -> None:
        self._database = database
        self._clients = clients
        self._publisher = publisher
        self._clock = clock
        self._leases = leases
        self._only = venues
        self._link = DatabaseLink(database, Role.PIPELINES, "feed")
        self._feeds: dict[str, tuple[VenueFeed, asyncio.Task[None]]] = {}

    @property
    def venues(self) -> Mapping[str, VenueFeed]:
        """The readers at work, by venue."""
        return {venue: feed for venue, (feed, _) in self._feeds.items()}

    async def run(self) -> None:
        """Work until cancelled; a reader that fails ends this with its error."""
        try:
            while True:
                try:
                    await self.refresh()
                except psycopg.OperationalError as error:
                    _LOG.warning("The definitions in use cannot be read now: %s", error)
                for _, task in self._feeds.values():
                    if task.done():
                        task.result()
                await asyncio.sleep(_REFRESH_S)
        finally:
            await self._stop(list(self._feeds))
            await self._link.close()

    async def refresh(self) -> None:
        """Read which series are needed, and begin or end readers accordingly."""
        async with self._link.use() as connection:
            wanted = await wanted_definitions(connection)
            definitions = await registered(connection, wanted)
        needs: dict[str, dict[SeriesKey, int]] = defaultdict(dict)
        for one in definitions.values():
            for series in one.needs:
                rows = needs[series[0].venue].get(series, 0)
                needs[series[0].venue][series] = max(rows, window_of(one.warm_up))
        held = self._leases()
        own = {
            venue
            for venue in needs
            if shard_of_venue(venue) in held and (self._only is None or venue in self._only)
        }
        await self._stop([venue for venue in self._feeds if venue not in own])
        for venue in sorted(own):
            if venue not in self._feeds:
                client = self._clients.of(venue)
                feed = VenueFeed(client, self._database, self._publisher, self._clock)
                self._feeds[venue] = (feed, asyncio.create_task(feed.run()))
            self._feeds[venue][0].want(needs[venue])

    async def _stop(self, venues: list[str]) -> None:
        tasks = [self._feeds.pop(venue)[1] for venue in venues]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Venue clients: one a venue and process, shared by bars and quotes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candela.venues.client import VenueClient

__all__ = ["VenueClients"]


class VenueClients:
    """Open the client of a venue when it is first asked for.

    Parameters
    ----------
    open_client
        Makes one; see `candela.venues.opening.open_venue`.
    """

    def __init__(self, open_client: Callable[[str], VenueClient]) -> None:
        self._open_client = open_client
        self._clients: dict[str, VenueClient] = {}

    def of(self, venue: str) -> VenueClient:
        """Return the client of a venue; nothing is asked of the venue yet."""
        if venue not in self._clients:
            self._clients[venue] = self._open_client(venue)
        return self._clients[venue]

    async def close(self) -> None:
        """Close them all."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await asyncio.to_thread(client.close)

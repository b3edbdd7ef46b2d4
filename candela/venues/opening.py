"""Opening a venue: a client with the shared budget, pointed at the venue or at a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.venues.budget import RequestBudget
from candela.venues.client import VenueClient, never
from candela.venues.gateway import VenueGateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from candela.clock import Clock

__all__ = ["open_venue"]


def open_venue(
    venue: str,
    *,
    redis_url: str | None,
    clock: Clock,
    timeout_s: float,
    share: float,
    gateway: str | None = None,
    gateway_ca: Path | None = None,
    should_stop: Callable[[], bool] = never,
) -> VenueClient:
    """Return a client of the venue; no request is sent before its first call.

    Parameters
    ----------
    gateway, gateway_ca
        Loopback address and authority of a sandbox that stands in for every venue.

    Raises
    ------
    BadGateway
        The gateway is not a loopback address, or its authority file is absent.
    """
    return VenueClient(
        venue,
        budget=RequestBudget(venue, redis_url, share=share),
        clock=clock,
        gateway=VenueGateway.parse(gateway, gateway_ca) if gateway else None,
        timeout_s=timeout_s,
        should_stop=should_stop,
    )

"""Opening brokers of real venues: which adapter a venue has, and what its accounts share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candela.brokers.binance import BinanceBroker
from candela.brokers.bybit import BybitBroker
from candela.brokers.codes.binance import BINANCE
from candela.brokers.codes.bybit import BYBIT
from candela.brokers.codes.kraken import KRAKEN
from candela.brokers.generic import GenericBroker, generic_codes
from candela.brokers.house import SEND_TIMEOUT_S, VenueHouse
from candela.brokers.kraken import KrakenBroker
from candela.venues.door import Environment

if TYPE_CHECKING:
    from candela.brokers.codes.ruling import CodeTable
    from candela.brokers.keys import VenueKey
    from candela.brokers.spot import VenueBroker
    from candela.brokers.stream import Pace
    from candela.clock import Clock
    from candela.venues.gateway import VenueGateway

__all__ = ["ADAPTERS", "Adapter", "VenueBrokers"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A venue's adapter and its codes."""

    broker: type[VenueBroker]
    codes: CodeTable


ADAPTERS: Final[dict[str, Adapter]] = {
    "binance": Adapter(BinanceBroker, BINANCE),
    "bybit": Adapter(BybitBroker, BYBIT),
    "kraken": Adapter(KrakenBroker, KRAKEN),
}
"""Venues with an adapter of their own; every other one of ccxt is traded by what it declares."""


class VenueBrokers:
    """Make brokers, one for each account, that share one house a venue and environment.

    Used in one event loop.

    Parameters
    ----------
    redis_url
        Where request budgets are shared with other processes; None for this one alone.
    gateway
        A loopback server that stands in for every venue.
    pace
        How soon streams are found out.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        redis_url: str | None = None,
        gateway: VenueGateway | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
        pace: Pace | None = None,
    ) -> None:
        self._clock = clock
        self._redis_url = redis_url
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._pace = pace
        self._houses: dict[tuple[str, Environment], VenueHouse] = {}

    def house(self, venue: str, environment: Environment = Environment.LIVE) -> VenueHouse:
        """Return what the accounts of a venue share."""
        known = self._houses.get((venue, environment))
        if known is None:
            adapter = ADAPTERS.get(venue)
            known = VenueHouse(
                venue,
                codes=adapter.codes if adapter is not None else generic_codes(venue),
                clock=self._clock,
                environment=environment,
                redis_url=self._redis_url,
                gateway=self._gateway,
                timeout_s=self._timeout_s,
            )
            self._houses[venue, environment] = known
        return known

    def open(
        self,
        venue: str,
        keys: VenueKey,
        *,
        environment: Environment = Environment.LIVE,
    ) -> VenueBroker:
        """Return the broker of an account; nothing is asked of the venue before its first call.

        Raises
        ------
        UnknownVenue
            No exchange of ccxt has that id.
        EnvironmentNotOffered
            The venue has no such playground.
        VenueUnsupported
            The venue lacks calls that are needed.
        """
        adapter = ADAPTERS.get(venue)
        broker = adapter.broker if adapter is not None else GenericBroker
        return broker(self.house(venue, environment), keys, pace=self._pace)

    async def close(self) -> None:
        """Let go of all connections; close the brokers first."""
        for house in self._houses.values():
            await house.close()
        self._houses.clear()

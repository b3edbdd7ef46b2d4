"""What a venue offers: asked of it, else as it was last known, else an error."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.clock import SystemClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.venues.answers import ListedSymbol
from candela.venues.budget import RequestBudget
from candela.venues.catalogue import write_catalogue
from candela.venues.client import VenueClient
from candela.venues.errors import TimeframeNotOffered, UnknownVenue, VenueUnavailable
from candela.venues.gateway import VenueGateway
from candela.venues.listings import market_of
from candela.venues.retry import RetryPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from candela.bots.market import Market

BTC = Instrument("binance", "BTC/USDT")
MINUTE = Timeframe(60)
LISTED = ListedSymbol("BTC/USDT", "spot", "BTC", "USDT", True, 0.01, 0.00001, 5.0)  # noqa: FBT003


@pytest.fixture
def silent(tmp_path: Path) -> VenueGateway:
    """Give a gateway that nobody answers at."""
    authority = tmp_path / "authority.pem"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    import trustme

    trustme.CA().cert_pem.write_to_path(str(authority))
    return VenueGateway("127.0.0.1", port, authority)


def ask(
    database: Database, gateway: VenueGateway, instrument: Instrument, timeframe: Timeframe
) -> Market:
    client = VenueClient(
        instrument.venue,
        budget=RequestBudget(instrument.venue, None),
        clock=SystemClock(),
        gateway=gateway,
        policy=RetryPolicy(attempts=1, base_s=0.01),
    )
    with client, database.connect(Role.APP, autocommit=True) as connection:
        return market_of(connection, client, instrument, timeframe)


def test_market_when_the_venue_is_silent_then_as_it_was_last_known(
    database: Database, silent: VenueGateway
) -> None:
    with pytest.raises(VenueUnavailable):
        ask(database, silent, BTC, MINUTE)
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        now = datetime(2026, 3, 2, tzinfo=UTC)
        write_catalogue(connection, "binance", [LISTED], source="venue", now=now)
    found = ask(database, silent, BTC, MINUTE)
    assert found.is_assumed
    rules = found.rules
    assert (rules.base, rules.quote, rules.is_trading) == ("BTC", "USDT", True)
    assert (rules.tick, rules.lot, rules.minimum_notional) == (
        Decimal("0.01"),
        Decimal("0.00001"),
        Decimal(5),
    )
    assert rules.taker_fee == Decimal("0.001")
    with pytest.raises(VenueUnavailable):
        ask(database, silent, Instrument("binance", "ETH/USDT"), MINUTE)


def test_market_when_venue_or_timeframe_is_none_then_refused_without_asking(
    database: Database, silent: VenueGateway
) -> None:
    with pytest.raises(UnknownVenue):
        ask(database, silent, Instrument("binanc", "BTC/USDT"), MINUTE)
    with pytest.raises(TimeframeNotOffered):
        ask(database, silent, BTC, Timeframe(420))

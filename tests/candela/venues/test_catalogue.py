"""The catalogue and the rankings, from a venue, from the shipped list, and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import pytest

from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.venues.answers import Ticker
from candela.venues.catalogue import fallback_symbols, fallback_venues, refresh_catalogue
from candela.venues.errors import UnknownVenue, VenueUnavailable
from candela.venues.rankings import rank, refresh_rankings
from tests.fixtures.exchange.faults import Fault
from tests.fixtures.exchange.ledger import generated, utc
from tests.fixtures.exchange.plugin import exchange, venue_client
from tests.fixtures.exchange.server import ServerTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from candela.db.connect import Database
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]

START = utc("2026-01-01")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DOWN = Fault("html", times=99, status=503)


@pytest.fixture
def pipelines(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        yield connection


@pytest.fixture
def listed(exchange: ExchangeDouble) -> ExchangeDouble:
    """Three symbols."""
    for seed, symbol in enumerate(("BTC/USDT", "ETH/USDT", "ADA/USDT:USDT")):
        exchange.ledger.add(symbol, generated(START, 3_000, seed=seed))
    exchange.time = ServerTime(START + timedelta(minutes=2_500))
    return exchange


def rows(connection: psycopg.Connection, statement: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(statement).fetchall()


def test_refresh_writes_venue_and_instruments(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    report = refresh_catalogue(pipelines, venue_client(), now=NOW)
    assert (report.source, report.listed, report.new, report.delisted) == ("venue", 3, 3, 0)
    assert rows(pipelines, "SELECT venue, kind, source, refreshed_at FROM market.venues") == [
        ("binance", "exchange", "venue", NOW)
    ]
    found = rows(
        pipelines,
        "SELECT symbol, kind, base_ccy, quote_ccy, is_active, price_tick::text, amount_step::text,"
        " minimum_cost::text FROM market.instruments ORDER BY symbol",
    )
    assert found == [
        ("ADA/USDT:USDT", "perpetual", "ADA", "USDT", True, "0.01", "0.00001", "5"),
        ("BTC/USDT", "spot", "BTC", "USDT", True, "0.01", "0.00001", "5"),
        ("ETH/USDT", "spot", "ETH", "USDT", True, "0.01", "0.00001", "5"),
    ]


def test_refresh_again_changes_nothing_and_a_delisted_symbol_is_kept_as_inactive(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    refresh_catalogue(pipelines, client, now=NOW)
    before = rows(pipelines, "SELECT xmin::text FROM market.instruments ORDER BY symbol")
    again = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=5))
    assert (again.new, again.changed, again.delisted) == (0, 0, 0)
    assert rows(pipelines, "SELECT xmin::text FROM market.instruments ORDER BY symbol") == before
    kept = listed.ledger.series.pop("ETH/USDT")
    gone = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=10))
    assert (gone.listed, gone.delisted) == (2, 1)
    states = "SELECT symbol, is_active FROM market.instruments ORDER BY symbol"
    assert rows(pipelines, states)[-1] == ("ETH/USDT", False)
    listed.ledger.series["ETH/USDT"] = kept
    back = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=15))
    assert (back.new, back.changed) == (0, 1)
    assert rows(pipelines, states)[-1] == ("ETH/USDT", True)


def test_refresh_when_the_venue_is_down_and_nothing_is_known_takes_the_shipped_list(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    listed.script(DOWN)
    report = refresh_catalogue(pipelines, venue_client(), now=NOW)
    assert report.source == "fallback"
    assert report.listed == len(fallback_symbols("binance"))
    assert "HTTP 503" in str(report.reason)
    assert rows(pipelines, "SELECT source FROM market.venues") == [("fallback",)]
    listed.clear()
    healed = refresh_catalogue(pipelines, venue_client(), now=NOW + timedelta(minutes=5))
    assert (healed.source, healed.listed) == ("venue", 3)
    assert rows(pipelines, "SELECT source FROM market.venues") == [("venue",)]


def test_refresh_when_the_venue_is_down_keeps_what_is_known(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    refresh_catalogue(pipelines, client, now=NOW)
    listed.script(DOWN)
    report = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=5))
    assert (report.source, report.listed) == ("kept", 3)
    assert rows(pipelines, "SELECT source, refreshed_at FROM market.venues") == [("venue", NOW)]


def test_refresh_when_the_symbols_come_cut_delists_nothing(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    refresh_catalogue(pipelines, client, now=NOW)
    listed.script(Fault("cut", path="exchangeInfo", times=2), Fault("empty", path="exchangeInfo"))
    report = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=5))
    assert (report.source, report.listed, report.delisted) == ("venue", 3, 0)


def test_refresh_when_one_part_of_the_venue_comes_empty_delists_nothing(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    refresh_catalogue(pipelines, client, now=NOW)
    listed.script(Fault("empty", path="/fapi/v1/exchangeInfo"))
    report = refresh_catalogue(pipelines, client, now=NOW + timedelta(minutes=5))
    assert (report.source, report.listed, report.delisted) == ("venue", 3, 0)


def test_refresh_of_a_venue_that_the_shipped_list_lacks_tells_why(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    with pytest.raises(VenueUnavailable):
        refresh_catalogue(pipelines, venue_client("bitbank"), now=NOW)
    with pytest.raises(UnknownVenue):
        refresh_catalogue(pipelines, venue_client("nowhere"), now=NOW)
    assert rows(pipelines, "SELECT count(*) FROM market.venues") == [(0,)]


def test_shipped_list_names_instruments_of_exchanges_that_ccxt_knows() -> None:
    import ccxt.async_support as ccxt

    assert len(fallback_venues()) >= 10
    for venue in fallback_venues():
        assert venue in ccxt.exchanges
        symbols = fallback_symbols(venue)
        assert len(symbols) >= 20
        assert all(str(Instrument(venue, one.symbol)) for one in symbols)
    assert fallback_symbols("nowhere") == []


def test_rank_places_the_largest_first_and_leaves_the_unknown_without_a_place() -> None:
    ranked = rank(
        [
            Ticker("A", 1.0, 50.0, -0.1),
            Ticker("B", 2.0, 70.0, None),
            Ticker("C", 3.0, None, 0.2),
            Ticker("D", 4.0, float("nan"), 0.2),
        ]
    )
    places = {one.symbol: (one.volume_rank, one.change_rank) for one in ranked}
    assert places == {"A": (2, 3), "B": (1, None), "C": (None, 1), "D": (None, 2)}


def test_rankings_are_stored_once_an_instant(
    pipelines: psycopg.Connection, listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    ranked = refresh_rankings(pipelines, client, now=NOW)
    refresh_rankings(pipelines, client, now=NOW)
    stored = rows(
        pipelines,
        "SELECT symbol, volume_rank, change_rank, quote_volume_24h, last_price"
        " FROM market.rankings ORDER BY symbol",
    )
    assert stored == [
        (one.symbol, one.volume_rank, one.change_rank, one.quote_volume, one.last) for one in ranked
    ]
    assert sorted(place for _, place, *_ in stored) == [1, 2]

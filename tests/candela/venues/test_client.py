"""The venue client: what it asks, what it believes, what it says when it cannot."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from candela.clock import SystemClock
from candela.market.timeframe import Timeframe
from candela.venues import door
from candela.venues.budget import RequestBudget
from candela.venues.client import VenueClient
from candela.venues.errors import (
    VenueLibraryTooOld,
    VenueUnavailable,
    VenueUnsupported,
)
from candela.venues.gateway import BadGateway, VenueGateway
from candela.venues.retry import RetryPolicy
from tests.fixtures.exchange.faults import Fault
from tests.fixtures.exchange.ledger import generated, utc
from tests.fixtures.exchange.plugin import FAST, exchange, gateway_of, venue_client
from tests.fixtures.exchange.server import ServerTime

if TYPE_CHECKING:
    from tests.fixtures.exchange.plugin import MakeClient
    from tests.fixtures.exchange.server import ExchangeDouble

__all__ = ["exchange", "venue_client"]

START = utc("2026-01-01")
MINUTE = Timeframe(60)


@pytest.fixture
def listed(exchange: ExchangeDouble) -> ExchangeDouble:
    """Four symbols, a day and a half old."""
    exchange.ledger.add("BTC/USDT", generated(START, 3_000))
    exchange.ledger.add("ETH/USDT", generated(START, 3_000, seed=2))
    exchange.ledger.add("BTC/USD", generated(START, 3_000))
    exchange.ledger.add("ADA/USDT:USDT", generated(START, 3_000, seed=3))
    exchange.time = ServerTime(START + timedelta(minutes=2_500, seconds=30))
    return exchange


def test_installed_ccxt_is_at_least_the_floor() -> None:
    door.require_library()
    assert tuple(map(int, version("ccxt").split("."))) >= tuple(
        map(int, door.CCXT_FLOOR.split("."))
    )


def test_ccxt_below_the_floor_is_refused_with_both_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def old(_: str) -> str:
        return "4.5.64"

    monkeypatch.setattr(door, "version", old)
    with pytest.raises(VenueLibraryTooOld, match=r"4\.5\.64 is installed.*4\.5\.90"):
        door.require_library()


def test_symbols_of_all_kinds_are_typed_with_ticks(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    listed.ledger.halted.add("ETH/USDT")
    found = {one.symbol: one for one in venue_client().symbols()}
    assert set(found) == {"BTC/USDT", "ETH/USDT", "BTC/USD", "ADA/USDT:USDT"}
    bitcoin = found["BTC/USDT"]
    assert (bitcoin.kind, bitcoin.base, bitcoin.quote, bitcoin.is_active) == (
        "spot",
        "BTC",
        "USDT",
        True,
    )
    assert (bitcoin.price_tick, bitcoin.amount_step, bitcoin.minimum_cost) == (0.01, 0.00001, 5.0)
    assert found["ADA/USDT:USDT"].kind == "perpetual"
    assert not found["ETH/USDT"].is_active


def test_symbols_of_a_venue_that_counts_digits_have_no_ticks(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    found = venue_client("bitfinex").symbols()
    assert {one.symbol for one in found} == {"BTC/USDT", "ETH/USDT", "BTC/USD"}
    assert all(one.price_tick is None for one in found)


def test_candles_of_a_spot_symbol_load_no_other_kind(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    client.candles("BTC/USDT", MINUTE, START, START + timedelta(hours=1), 100)
    assert {one.host for one in listed.log} == {"api.binance.com"}
    client.candles("ADA/USDT:USDT", MINUTE, START, START + timedelta(hours=1), 100)
    assert {one.path for one in listed.log if one.host == "fapi.binance.com"} == {
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/klines",
    }


@pytest.mark.parametrize("venue", ["binance", "bitfinex"])
def test_tickers_give_turnover_and_change(
    listed: ExchangeDouble, venue_client: MakeClient, venue: str
) -> None:
    (bitcoin,) = (one for one in venue_client(venue).tickers() if one.symbol == "BTC/USDT")
    rows = listed.ledger.page(
        "BTC/USDT", 60, listed.time.now() - timedelta(days=1), None, 9_999, listed.time.now()
    )
    assert bitcoin.last == pytest.approx(rows[-1][4])
    assert bitcoin.change_ratio == pytest.approx(rows[-1][4] / rows[0][1] - 1, abs=2e-5)
    assert bitcoin.quote_volume == pytest.approx(sum(row[5] * row[4] for row in rows), rel=0.02)


def test_tickers_of_a_venue_without_such_a_call_are_refused(venue_client: MakeClient) -> None:
    with pytest.raises(VenueUnsupported, match="no call for all tickers"):
        venue_client("bitbank").tickers()


def test_tickers_when_the_answer_is_empty_are_not_believed(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    listed.script(Fault("empty", path="24hr"))
    assert len(venue_client().tickers()) == 3


def test_tickers_when_the_body_is_cut_are_asked_for_again(
    listed: ExchangeDouble, venue_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    listed.script(Fault("cut", path="24hr"))
    assert len(venue_client().tickers()) == 3
    assert any("the body is cut or is not JSON" in text for text in caplog.messages)


@pytest.mark.parametrize("skew_s", [-60, 60])
@pytest.mark.parametrize("venue", ["binance", "bitfinex"])
def test_server_now_follows_the_venue_never_ahead_of_it(
    listed: ExchangeDouble, venue_client: MakeClient, venue: str, skew_s: float
) -> None:
    listed.time = ServerTime(None, skew_s=skew_s)
    now = venue_client(venue).server_now()
    truth = listed.time.now()
    assert now <= truth
    assert truth - now < timedelta(seconds=20)


def test_server_now_when_a_request_is_refused_for_its_time_is_measured_again(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    client.server_now()
    listed.script(
        Fault("error", path="klines", status=400, body='{"code":-1021,"msg":"outside window"}')
    )
    page = client.candles("BTC/USDT", MINUTE, START, START + timedelta(hours=1), 100)
    assert page.frame.height == 60
    times = [one.path.rsplit("/", 1)[-1] for one in listed.log]
    assert times == ["time", "exchangeInfo", "klines", "time", "klines"]


def test_attempts_are_bounded_and_each_is_logged(
    listed: ExchangeDouble, venue_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    listed.script(Fault("html", path="klines", times=99, status=502))
    client = venue_client()
    with pytest.raises(VenueUnavailable, match=r"in 6 attempts; the last: HTTP 502") as caught:
        client.candles("BTC/USDT", MINUTE, START, START + timedelta(hours=1), 100)
    assert caught.value.retryable
    assert len(listed.pages()) == 6
    for attempt in range(1, 6):
        assert any(f"attempt {attempt} of 6 failed (HTTP 502" in text for text in caplog.messages)


def test_client_works_inside_a_running_loop(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    async def notebook() -> int:
        return (
            venue_client()
            .candles("BTC/USDT", MINUTE, START, START + timedelta(hours=1), 100)
            .frame.height
        )

    assert asyncio.run(notebook()) == 60


def test_client_after_close_can_be_used_again(
    listed: ExchangeDouble, venue_client: MakeClient
) -> None:
    client = venue_client()
    client.symbols()
    client.close()
    client.close()
    assert len(client.symbols()) == 4


def test_client_that_trusts_only_the_public_authorities_refuses_the_gateway(
    listed: ExchangeDouble, tmp_path: Path
) -> None:
    gateway = VenueGateway("127.0.0.1", listed.port, Path(certifi.where()))
    budget = RequestBudget("binance", None)
    policy = RetryPolicy(attempts=2, base_s=0.01)
    with (
        VenueClient(
            "binance", budget=budget, clock=SystemClock(), gateway=gateway, policy=policy
        ) as client,
        pytest.raises(VenueUnavailable, match="Certificate"),
    ):
        client.server_now()


def test_client_with_a_gateway_reaches_no_other_machine(
    listed: ExchangeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []

    def look_up(*names: object, **_: object) -> None:
        looked_up.append(names)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    budget = RequestBudget("kraken", None)
    with (
        VenueClient(
            "kraken", budget=budget, clock=SystemClock(), gateway=gateway_of(listed), policy=FAST
        ) as client,
        pytest.raises(VenueUnavailable),
    ):
        # The double has no certificate for Kraken: refused there, not looked for elsewhere.
        client.server_now()
    assert looked_up == []


@pytest.mark.parametrize(
    "text", ["api.binance.com:443", "10.0.0.1:8443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", ""]
)
def test_gateway_beyond_this_machine_is_refused(text: str, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text("")
    with pytest.raises(BadGateway, match="not a loopback address"):
        VenueGateway.parse(text, authority)


def test_gateway_without_its_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGateway, match="CANDELA_VENUE_GATEWAY_CA"):
        VenueGateway.parse("localhost:8443", tmp_path / "none.pem")


def test_import_of_the_client_loads_no_ccxt() -> None:
    code = (
        "import sys, candela.venues.client, candela.venues.catalogue, candela.candles.fetching;"
        "assert not {'ccxt', 'aiohttp', 'pandas', 'redis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(("venue", "symbol"), [("binance", "BTC/USDT"), ("bitfinex", "BTC/USD")])
def test_candles_up_to_a_future_instant_leave_out_the_open_one(
    listed: ExchangeDouble, venue_client: MakeClient, venue: str, symbol: str
) -> None:
    listed.time = ServerTime(START + timedelta(minutes=2_500, seconds=30), stands=True)
    since, until = START + timedelta(minutes=2_490), START + timedelta(days=9)
    page = venue_client(venue).candles(symbol, MINUTE, since, until, 100)
    assert page.frame["time"].to_list() == [since + timedelta(minutes=n) for n in range(10)]
    assert page.follower_at == START + timedelta(minutes=2_500)

"""What the accounts of a venue share: the listing, the clock, the budget, and its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from candela.brokers.keys import VenueKey
from candela.brokers.opening import VenueBrokers
from candela.brokers.port import CredentialsDead, NoInformation
from candela.clock import SystemClock
from candela.orders.words import OutcomeKind
from candela.vault.credential import Credential, CredentialWiped
from candela.venues.door import Environment
from candela.venues.errors import EnvironmentNotOffered, UnknownVenue
from sandbox.faults import Fault
from tests.candela.brokers.checks import market
from tests.candela.brokers.places import TIMEOUT_S, Bench, BinancePlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.brokers.codes.ruling import Ruling
    from candela.brokers.spot import VenueBroker
    from candela.venues.classify import Answer
    from candela.venues.gateway import VenueGateway

SMALL = Decimal("0.001")


@pytest.fixture(scope="module")
def place() -> Iterator[BinancePlace]:
    """Serve the sandbox."""
    with BinancePlace() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quiet(place: BinancePlace) -> None:
    place.clear()


def brokers_at(gateway: VenueGateway, redis_url: str | None = None) -> VenueBrokers:
    return VenueBrokers(
        clock=SystemClock(), gateway=gateway, timeout_s=TIMEOUT_S, redis_url=redis_url
    )


def opened(place: BinancePlace, brokers: VenueBrokers) -> tuple[VenueBroker, Bench]:
    key, secret = place.sandbox.add_account({"USDT": "10000"})
    broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
    return broker, Bench(broker, place, key, secret)


def asked(place: BinancePlace, path: str) -> int:
    return sum(one.path == path for one in place.sandbox.ledger.requests())


def test_accounts_when_they_are_many_then_share_one_listing_clock_and_context(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        before = asked(place, "/api/v3/exchangeInfo"), asked(place, "/api/v3/time")
        benches = [opened(place, brokers) for _ in range(12)]
        await asyncio.gather(*(broker.balances() for broker, _ in benches))
        assert asked(place, "/api/v3/exchangeInfo") == before[0] + 1
        assert asked(place, "/api/v3/time") <= before[1] + 3
        exchanges = [broker.wire.exchange for broker, _ in benches]
        for name in ("markets", "session", "ssl_context"):
            assert len({id(getattr(one, name)) for one in exchanges}) == 1
        for broker, _ in benches:
            await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_throttle_of_the_address_when_one_account_gets_it_then_all_wait_in_all_processes(
    place: BinancePlace, redis_url: str
) -> None:
    async def run() -> None:
        first, second = (brokers_at(place.sandbox.gateway, redis_url) for _ in range(2))
        one, bench = opened(place, first)
        other, foreign = opened(place, second)
        await one.balances()
        await other.balances()
        place.trouble("throttle", is_send=True)
        fault = place.sandbox.faults.script[-1]
        fault.retry_after_s = 60
        sent = await one.submit(market(bench, size=SMALL))
        assert (sent.kind, sent.wait_s) == (OutcomeKind.THROTTLED, 60.0)
        before = place.requests()
        held = await other.submit(market(foreign, size=SMALL))
        assert held.kind is OutcomeKind.THROTTLED
        assert held.wait_s > 50
        with pytest.raises(NoInformation, match="left alone"):
            await other.balances()
        assert place.requests() == before
        for broker, brokers in ((one, first), (other, second)):
            await broker.close()
            await brokers.close()

    asyncio.run(run())


def test_clock_when_the_venue_refuses_the_time_then_every_account_is_set_right(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        (one, bench), (other, _) = opened(place, brokers), opened(place, brokers)
        await one.balances()
        await other.balances()
        # The clocks drift apart by more than a signature is good for.
        for broker in (one, other):
            broker.wire.exchange.options["timeDifference"] += 60_000
        sent = await one.submit(market(bench, size=SMALL))
        assert sent.kind is OutcomeKind.ACCEPTED
        assert place.orders(bench.key) == 1
        assert abs(other.wire.exchange.options["timeDifference"]) < 1_000
        await asyncio.gather(one.close(), other.close())
        await brokers.close()

    asyncio.run(run())


def test_executions_when_pages_are_partial_then_are_complete_all_the_same(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        broker, bench = opened(place, brokers)
        since = SystemClock().now() - timedelta(hours=1)
        for _ in range(9):
            await broker.submit(market(bench, size=SMALL))
        # Each page but the last empty one holds the first half of what it should.
        fault = Fault("partial_page", path="myTrades", times=3)
        place.sandbox.call(lambda: place.sandbox.faults.add(fault))
        found = await broker.executions("BTC/USDT", since)
        assert [one.trade_id for one in found] == [
            str(one.trade_id) for one in place.sandbox.ledger.executions(bench.key)
        ]
        await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_balances_when_the_venue_shows_none_at_all_then_are_not_taken_for_zero(
    place: BinancePlace,
) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        key, secret = place.sandbox.add_account({})
        broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
        with pytest.raises(NoInformation, match="not even zeros"):
            await broker.balances()
        await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_playground_when_a_venue_has_none_then_is_refused_by_name(place: BinancePlace) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        key = VenueKey(Credential("k"), Credential("c2VjcmV0"))
        for environment in (Environment.TESTNET, Environment.DEMO):
            with pytest.raises(EnvironmentNotOffered, match=f"kraken has no {environment}"):
                brokers.open("kraken", key, environment=environment)
        with pytest.raises(UnknownVenue, match="binanse"):
            brokers.open("binanse", key)
        await brokers.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        (Environment.LIVE, "api.binance.com"),
        (Environment.TESTNET, "testnet.binance.vision"),
        (Environment.DEMO, "demo-api.binance.com"),
    ],
)
def test_environment_when_it_is_chosen_then_only_its_hosts_are_asked(
    place: BinancePlace, environment: Environment, host: str
) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        key, secret = place.sandbox.add_account({"USDT": "10000"})
        sealed = VenueKey(Credential(key), Credential(secret))
        broker = brokers.open("binance", sealed, environment=environment)
        house, hosts = broker.house, set[str]()
        take_in = house.take_in

        async def noted(answer: Answer, ruling: Ruling) -> None:
            hosts.add(answer.place.split("/")[0])
            await take_in(answer, ruling)

        house.take_in = noted
        assert (await broker.rights()).can_trade is True
        assert (await broker.balances())["USDT"].total == 10_000
        assert hosts == {host}
        await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_key_when_it_is_wiped_or_cannot_sign_then_nothing_is_sent(place: BinancePlace) -> None:
    async def run() -> None:
        brokers = brokers_at(place.sandbox.gateway)
        key, secret = place.sandbox.add_account({"USDT": "10000"})
        sealed = VenueKey(Credential(key), Credential(secret))
        broker = brokers.open("binance", sealed)
        await broker.balances()
        before = place.requests()
        sealed.wipe()
        bench = Bench(broker, place, key, secret)
        sent = await broker.submit(market(bench, size=SMALL))
        assert (sent.kind, sent.code) == (OutcomeKind.CREDENTIALS_DEAD, "local")
        with pytest.raises(CredentialsDead):
            await broker.balances()
        assert place.requests() == before
        with pytest.raises(CredentialWiped):
            sealed.reveal_secret()
        await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_venue_when_no_connection_can_be_made_then_nothing_was_sent(place: BinancePlace) -> None:
    async def run() -> None:
        with BinancePlace() as gone:
            brokers = brokers_at(gone.sandbox.gateway)
            key, secret = gone.sandbox.add_account({"USDT": "10000"})
            broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
            # A request on an old connection would prove nothing.
            broker.wire.exchange.session.connector._force_close = True
            await broker.balances()
        bench = Bench(broker, place, key, secret)
        sent = await broker.submit(market(bench, size=SMALL))
        assert (sent.kind, sent.code) == (OutcomeKind.THROTTLED, "offline")
        with pytest.raises(NoInformation, match="no connection"):
            await broker.balances()
        await broker.close()
        await brokers.close()

    asyncio.run(run())


def test_key_when_shown_then_tells_nothing() -> None:
    key = VenueKey(Credential("public-half-123"), Credential("secret-half-456"))
    for text in (repr(key), str(key), f"{key}"):
        assert "half" not in text
    assert key.redacted("no secret-half-456 of public-half-123") == "no *** of ***"

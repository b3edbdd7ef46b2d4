"""A venue, and what of an executor asks it about keys, beside the API of the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from candela.brokers.opening import VenueBrokers
from candela.clock import SystemClock
from candela.ids import shard_of
from live.executor.keychecks import KeyChecks
from sandbox.venue import SandboxVenue
from tests.live.executor.worlds import People, Prices, World

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from candela.vault.masterkeys import MasterKeys
    from tests.fixtures.api import Api, Person

    Executor = Callable[[Person], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def venue() -> Iterator[SandboxVenue]:
    """Give a venue that the real client takes for Binance."""
    with SandboxVenue(["BTC/USDT"]) as opened:
        yield opened


@pytest.fixture
def executor(api: Api, venue: SandboxVenue, masters: MasterKeys) -> Executor:
    """Ask about the keys of a person for the time of a block."""

    async def work(person: Person, ending: threading.Event) -> None:
        world = World(People(api.database, api.clock), Prices(api.clock), {})
        tenant = person.desk.user.tenant_id
        world.crew.known[shard_of(tenant)] = (tenant,)
        houses = VenueBrokers(clock=SystemClock(), redis_url=None, gateway=venue.gateway)
        checks = KeyChecks(
            api.database, masters, "tests", api.clock, houses, world.crew, look_s=0.1
        )
        running = asyncio.create_task(checks.run())
        await asyncio.wait(
            [running, asyncio.create_task(asyncio.to_thread(ending.wait))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
        await houses.close()
        world.crew.known.clear()
        await world.close()

    @contextmanager
    def at_work(person: Person) -> Generator[None]:
        ending = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(work(person, ending))
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()
        assert failures == []

    return at_work

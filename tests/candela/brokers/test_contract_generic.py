"""The adapter for any other venue against the one contract of spot adapters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.candela.brokers.contract import CHECKS
from tests.candela.brokers.places import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.candela.brokers.places import Place


@pytest.fixture(scope="module", params=("generic",))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Serve one venue for all checks; each has an account of its own."""
    with PLACES[request.param]() as opened:
        yield opened


@pytest.mark.parametrize("name", CHECKS)
def test_contract_of_spot_brokers_always_holds(place: Place, name: str) -> None:
    place.clear()

    async def run() -> None:
        bench = await place.open()
        try:
            await CHECKS[name](bench)
        finally:
            await bench.close()

    asyncio.run(run())

"""The real client against the sandbox: ccxt under the exchange's own names."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from candela.clock import FixedClock
from candela.venues.gateway import connector
from sandbox.venue import SandboxVenue

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sandbox.faults import Fault

START = datetime(2022, 12, 13, 12, tzinfo=UTC)
SYMBOL = "BTC/USDT"
BALANCES = {"USDT": "10000", "BTC": "1"}


@asynccontextmanager
async def client(
    venue: SandboxVenue,
    key: str = "",
    secret: str = "",
    *,
    timeout_s: float = 5.0,
    live: bool = False,
    own_clock: bool = False,
) -> AsyncGenerator[Any]:
    """Open ccxt's binance, or with ``live`` that of ccxt.pro, through the venue's gateway."""
    import ccxt.async_support
    import ccxt.pro

    made = cast("Any", ccxt.pro if live else ccxt.async_support)
    async with aiohttp.ClientSession(connector=connector(venue.gateway)) as session:
        exchange = made.binance(
            {
                "apiKey": key,
                "secret": secret,
                "session": session,
                "timeout": round(timeout_s * 1_000),
                "enableRateLimit": False,
                "options": {
                    "fetchMarkets": {"types": ["spot"]},
                    "defaultType": "spot",
                    "fetchCurrencies": False,
                    "fetchMargins": False,
                },
            }
        )
        exchange.has["fetchCurrencies"] = False
        exchange.timeout_on_exit = 0
        if not own_clock:
            exchange.nonce = venue.clock.told_ms
        try:
            await exchange.load_markets()
            yield exchange
        finally:
            await exchange.close()
    # Connections under TLS need a moment to close after their session.
    await asyncio.sleep(0.05)


def ask(
    venue: SandboxVenue,
    act: Callable[[Any], Awaitable[Any]],
    *,
    key: str = "",
    secret: str = "",
    timeout_s: float = 5.0,
    live: bool = False,
    own_clock: bool = False,
) -> Any:
    """Do something with a client, from its opening to its close, and return what comes of it.

    The client's time is the venue's, unless it has its own.
    """

    async def run() -> Any:
        async with client(
            venue, key, secret, timeout_s=timeout_s, live=live, own_clock=own_clock
        ) as exchange:
            return await act(exchange)

    return asyncio.run(run())


def standing(**options: Any) -> SandboxVenue:
    """Return a venue whose time stands at noon until it is advanced."""
    return SandboxVenue(clock=FixedClock(START), **options)


def faulty(venue: SandboxVenue, *faults: Fault) -> None:
    """Let these go wrong next."""
    venue.script(faults)

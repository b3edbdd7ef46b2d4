"""What every broker of fixed payouts has to do; adding one is one line in `STAGES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from candela.brokers.keys import VenueKey
from candela.brokers.paper_payout import PaperPayoutVenue
from candela.brokers.payout_port import Direction, PayoutBroker, PayoutRequest
from candela.brokers.rehearsal_payout import RehearsalPayoutBroker
from candela.clock import Clock, FixedClock
from candela.orders.words import Quote
from candela.payout.rules import PayoutRules
from candela.vault.credential import Credential
from sandbox.faults import Fault
from sandbox.payout.broker import PayoutBroker as Rehearsal
from tests.sandbox.harness import standing

__all__ = ["ASSET", "STAGES", "Stage", "Trouble", "wish"]

ASSET: Final = "BTC/USDT"
START: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a stage can do to a broker; None: it cannot.

    Parameters
    ----------
    lose_answer
        The next purchase is taken and its answer lost.
    lose_request
        The next purchase never arrives.
    """

    lose_answer: Callable[[], None] | None = None
    lose_request: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A broker with 100 on its account, and what moves its time.

    Parameters
    ----------
    forward
        Lets so many seconds pass, with prices at their end.
    stranger
        A broker with a key that does not exist; None: there are no keys.
    """

    broker: PayoutBroker
    clock: Clock
    forward: Callable[[float], Awaitable[None]]
    trouble: Trouble = Trouble()
    stranger: PayoutBroker | None = None


def wish(stage: Stage, name: str = "one", **changes: object) -> PayoutRequest:
    """Return a call of 10 that expires in a minute."""
    values: dict[str, object] = {
        "request_id": name,
        "asset": ASSET,
        "direction": Direction.CALL,
        "stake": Decimal(10),
        "expires_at": stage.clock.now() + timedelta(minutes=1),
    }
    return PayoutRequest(**(values | changes))  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def paper() -> AsyncGenerator[Stage]:
    """Set the stage of paper."""
    clock = FixedClock(START)
    venue = PaperPayoutVenue("paper", {ASSET: PayoutRules(payout=Decimal("0.85"))}, clock)
    broker = venue.open("USDT")
    broker.restore((), Decimal(100))
    price = Decimal(50_000)
    venue.on_quote(Quote(ASSET, price, price, clock.at))

    async def forward(seconds: float) -> None:
        for _ in range(round(seconds)):
            clock.at += timedelta(seconds=1)
            venue.on_quote(Quote(ASSET, price + 5, price + 5, clock.at))

    yield Stage(broker, clock, forward)


@asynccontextmanager
async def rehearsal() -> AsyncGenerator[Stage]:
    """Set the stage of the sandbox's broker, whose clock is far from ours and stands still."""
    with standing() as venue, Rehearsal(venue) as opened:
        key, secret = opened.add_customer("100")
        clock = FixedClock(START)
        names = {ASSET: "BTCUSDT"}

        def made(secret: str) -> RehearsalPayoutBroker:
            known = VenueKey(Credential(key), Credential(secret))
            return RehearsalPayoutBroker(opened.url, known, clock, names)

        async def forward(seconds: float) -> None:
            clock.at += timedelta(seconds=seconds)
            await asyncio.to_thread(venue.advance, seconds)

        broker, stranger = made(secret), made("wrong")
        trouble = Trouble(
            lose_answer=lambda: venue.script([Fault("open_dropped")]),
            lose_request=lambda: venue.script([Fault("open_lost")]),
        )
        try:
            yield Stage(broker, clock, forward, trouble, stranger)
        finally:
            await broker.close()
            await stranger.close()


STAGES: Final[dict[str, Callable[[], AbstractAsyncContextManager[Stage]]]] = {
    "paper": paper,
    "rehearsal": rehearsal,
}

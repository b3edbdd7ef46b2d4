"""Sends are signed in time or not at all, with the instant that was allowed, whatever stalls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from candela.brokers.binance import BinanceBroker
from candela.brokers.keys import VenueKey
from candela.brokers.opening import VenueBrokers
from candela.brokers.sending import SENDING, Send, SigningClock
from candela.clock import Clock, SystemClock
from candela.ids import client_order_id, new_id
from candela.orders.fence import SEND_WITHIN_S
from candela.orders.words import OrderKind, OrderRequest, Outcome, OutcomeKind, Side
from candela.vault.credential import Credential
from sandbox.venue import SandboxVenue

SYMBOL = "BTC/USDT"


@dataclass
class WrongClock:
    """A clock that is wrong by so much."""

    wrong_s: float

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(seconds=self.wrong_s)


def an_order(clock: Clock, left_s: float = SEND_WITHIN_S) -> OrderRequest:
    now = clock.now()
    intent: UUID = new_id(now)
    return OrderRequest(
        client_order_id(intent, 1),
        SYMBOL,
        Side.BUY,
        OrderKind.MARKET,
        Decimal("0.001"),
        send_by=now + timedelta(seconds=left_s),
    )


def opened(venue: SandboxVenue, clock: Clock) -> VenueBrokers:
    return VenueBrokers(clock=clock, gateway=venue.gateway)


def test_signing_clock_stands_while_a_send_is_signed() -> None:
    clock = WrongClock(0)
    signing, at = SigningClock(clock), clock.now()
    token = SENDING.set(Send(by=0.0, signed_at=at))
    try:
        clock.wrong_s = 3_600
        assert signing.now() == at
    finally:
        SENDING.reset(token)
    assert signing.now() > at


def test_fence_of_binance_counts_window_engine_lag_and_clock() -> None:
    parts = (BinanceBroker.receive_s, BinanceBroker.engine_s, BinanceBroker.lag_s)
    assert parts == (2.0, 10.0, 1.0)
    with SandboxVenue(symbols=(SYMBOL,)) as venue:

        async def run() -> float:
            brokers = opened(venue, SystemClock())
            broker = brokers.open("binance", VenueKey(Credential("k"), Credential("s")))
            fence_s = broker.fence_s
            await broker.close()
            await brokers.close()
            return fence_s

        assert asyncio.run(run()) == 14.0


@pytest.mark.parametrize("wrong_s", [-60.0, 60.0])
def test_order_of_a_clock_that_is_a_minute_wrong_is_taken_and_a_jump_costs_nothing(
    wrong_s: float,
) -> None:
    with SandboxVenue(symbols=(SYMBOL,)) as venue:
        key, secret = venue.add_account({"USDT": "100000"})
        clock = WrongClock(wrong_s)

        async def run() -> list[Outcome]:
            brokers = opened(venue, clock)
            broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
            outcomes = [await broker.submit(an_order(clock))]
            # More than the window, either way: refused, measured anew, sent once more.
            for jump_s in (5.0, -10.0):
                clock.wrong_s += jump_s
                outcomes.append(await broker.submit(an_order(clock)))
            await broker.close()
            await brokers.close()
            return outcomes

        kinds = [outcome.kind for outcome in asyncio.run(run())]
        assert kinds == [OutcomeKind.ACCEPTED] * 3
        assert len(venue.ledger.orders(key)) == 3


def test_send_that_a_stall_of_six_seconds_makes_late_never_leaves_and_the_next_is_taken() -> None:
    with SandboxVenue(symbols=(SYMBOL,)) as venue:
        key, secret = venue.add_account({"USDT": "100000"})
        clock = SystemClock()

        async def run() -> tuple[Outcome, Outcome, Outcome]:
            brokers = opened(venue, clock)
            broker = brokers.open("binance", VenueKey(Credential(key), Credential(secret)))
            await broker.balances()
            late = await broker.submit(an_order(clock, left_s=-4))
            under_way = asyncio.create_task(broker.submit(an_order(clock)))
            await asyncio.sleep(0)
            time.sleep(6)  # noqa: ASYNC251 - the loop is what stalls
            stalled, after = await under_way, await broker.submit(an_order(clock))
            await broker.close()
            await brokers.close()
            return late, stalled, after

        late, stalled, after = asyncio.run(run())
        assert late.kind is OutcomeKind.THROTTLED
        assert late.signed_at is None
        assert after.kind is OutcomeKind.ACCEPTED
        # What had left before the stall is at the venue, what had not never will be.
        taken = 1 + (stalled.kind is OutcomeKind.ACCEPTED)
        assert len(venue.ledger.orders(key)) == taken
        assert stalled.kind in {OutcomeKind.ACCEPTED, OutcomeKind.THROTTLED}

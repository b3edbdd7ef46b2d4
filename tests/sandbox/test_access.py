"""Keys, signatures, time stamps, request weights and bans, as the real client meets them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sandbox.venue import SandboxVenue
from tests.sandbox.harness import BALANCES, SYMBOL, ask, standing


def test_wrong_secret_is_refused_as_a_wrong_signature() -> None:
    with standing() as venue:
        key, _ = venue.add_account(BALANCES)
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            ask(venue, lambda x: x.fetch_balance(), key=key, secret="other")


def test_key_of_another_form_or_unknown_or_revoked_is_refused() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        with pytest.raises(ccxt.AuthenticationError, match="-2014"):
            ask(venue, lambda x: x.fetch_balance(), key="short", secret=secret)
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            ask(venue, lambda x: x.fetch_balance(), key="k" * 64, secret=secret)
        venue.account(key).revoked = True
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            ask(venue, lambda x: x.fetch_balance(), key=key, secret=secret)


def test_key_without_the_right_to_trade_reads_but_places_nothing() -> None:
    async def act(x: Any) -> float:
        with pytest.raises(ccxt.BaseError, match="-2015"):
            await x.create_order(SYMBOL, "market", "buy", 0.01)
        return (await x.fetch_balance())["USDT"]["free"]

    with standing() as venue:
        key, secret = venue.add_account(BALANCES, can_trade=False)
        assert ask(venue, act, key=key, secret=secret) == 10_000
        assert venue.ledger.orders() == []


@pytest.mark.parametrize("skew_s", [-60, -11, 5, 60])
def test_clock_that_is_off_refuses_until_the_client_asks_for_the_time(skew_s: float) -> None:
    async def act(x: Any) -> float:
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await x.fetch_balance()
        await x.load_time_difference()
        return (await x.fetch_balance())["USDT"]["free"]

    with SandboxVenue() as venue:
        key, secret = venue.add_account(BALANCES)
        # A venue ahead of the client finds its stamps old, one behind finds them in the future.
        venue.clock.skew_s = skew_s if skew_s < 0 else skew_s + 10
        assert ask(venue, act, key=key, secret=secret, own_clock=True) == 10_000


def test_faster_venue_takes_the_clients_own_clock() -> None:
    with SandboxVenue(speed=60) as venue:
        key, secret = venue.add_account(BALANCES)
        assert ask(venue, lambda x: x.fetch_balance(), key=key, secret=secret, own_clock=True)


def test_weights_used_up_are_answered_429_then_418_until_the_ban_is_over() -> None:
    async def act(x: Any) -> list[str | None]:
        waits: list[str | None] = []
        for _ in range(5):
            try:
                await x.public_get_exchangeinfo()
                waits.append(None)
            except ccxt.DDoSProtection:
                waits.append(x.last_response_headers["Retry-After"])
        return waits

    with standing() as venue:
        venue.limits.weight, venue.limits.patience, venue.limits.ban_s = 60, 1, 120
        waits = ask(venue, act)
        statuses = [one.status for one in venue.ledger.requests()]
        venue.advance(119)
        assert not venue.call(lambda: _is_let_in(venue))
        venue.advance(2)
        assert venue.call(lambda: _is_let_in(venue))
    # Loading the markets asked for the symbols once more before.
    assert statuses == [200, 200, 200, 429, 418, 418]
    assert waits == [None, None, "60", "120", "120"]


def _is_let_in(venue: SandboxVenue) -> bool:
    from sandbox.answers import Refusal

    try:
        venue.limits.charge("127.0.0.1", 1)
    except Refusal:
        return False
    return True


def test_headers_of_answers_count_weight_and_orders() -> None:
    async def act(x: Any) -> dict[str, str]:
        await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000)
        return dict(x.last_response_headers)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        headers = ask(venue, act, key=key, secret=secret)
        used = venue.limits.used("127.0.0.1")
    assert headers["X-MBX-USED-WEIGHT-1M"] == str(used) == "21"
    assert headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_orders_above_the_count_are_refused_and_filled_ones_are_not_counted() -> None:
    async def act(x: Any) -> None:
        for _ in range(5):
            await x.create_order(SYMBOL, "market", "buy", 0.001)
        for _ in range(3):
            await x.create_order(SYMBOL, "limit", "buy", 0.001, 15_000)
        with pytest.raises(ccxt.BaseError, match="-1015"):
            await x.create_order(SYMBOL, "limit", "buy", 0.001, 15_000)

    with standing() as venue:
        venue.limits.orders_10s = 3
        key, secret = venue.add_account(BALANCES)
        ask(venue, act, key=key, secret=secret)
        assert len(venue.ledger.orders(key)) == 8


def test_secret_never_shows_in_ledger_or_representation() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        assert secret not in str(venue.ledger.everything())
        assert secret not in repr(venue.account(key))

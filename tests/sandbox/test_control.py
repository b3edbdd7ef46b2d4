"""The control interface: what it changes, and what it refuses."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import ccxt
import pytest

from sandbox.remote import Remote, SandboxRefused, SandboxUnreachable
from tests.sandbox.harness import BALANCES, SYMBOL, ask, standing

if TYPE_CHECKING:
    from collections.abc import Generator

    from sandbox.venue import SandboxVenue


@pytest.fixture
def venue() -> Generator[SandboxVenue]:
    with standing() as opened:
        yield opened


def test_account_opened_by_control_trades_until_it_is_revoked(venue: SandboxVenue) -> None:
    remote = Remote(venue.control_url)
    given = remote.ask("POST", "accounts", {"name": "b", "balances": BALANCES})

    async def act(x: Any) -> None:
        await x.create_order(SYMBOL, "market", "buy", 0.01)
        remote.ask("PATCH", "accounts/b", {"revoked": True})
        # After one success the client takes a revoked key for a ban that passes.
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):
            await x.create_order(SYMBOL, "market", "buy", 0.01)

    ask(venue, act, key=given["key"], secret=given["secret"])
    ledger = remote.ask("GET", "ledger")
    assert len(ledger["executions"]) == 1
    assert given["secret"] not in str(ledger)
    assert given["key"] not in str(ledger)


def test_filters_changed_by_control_hold_from_the_next_order(venue: SandboxVenue) -> None:
    key, secret = venue.add_account(BALANCES)
    remote = Remote(venue.control_url)

    async def act(x: Any) -> None:
        await x.create_order(SYMBOL, "market", "buy", 0.00123)
        remote.ask("PATCH", "symbols/BTCUSDT", {"step": "0.001", "min_notional": "50"})
        with pytest.raises(ccxt.InvalidOrder, match="LOT_SIZE"):
            await x.create_order(SYMBOL, "market", "buy", 0.00123)
        with pytest.raises(ccxt.BaseError, match="NOTIONAL"):
            await x.create_order(SYMBOL, "market", "buy", 0.002)
        market = (await x.load_markets(reload=True))[SYMBOL]
        assert (market["precision"]["amount"], market["limits"]["cost"]["min"]) == (0.001, 50)

    ask(venue, act, key=key, secret=secret)


def test_symbol_halted_for_a_time_trades_again_after_it(venue: SandboxVenue) -> None:
    remote = Remote(venue.control_url)
    remote.ask("PATCH", "symbols/BTCUSDT", {"status": "BREAK", "for_s": 60})
    venue.advance(59)
    assert remote.ask("GET", "state")["symbols"]["BTCUSDT"] == "BREAK"
    venue.advance(2)
    assert remote.ask("GET", "state")["symbols"]["BTCUSDT"] == "TRADING"


def test_trade_and_withdrawal_by_hand_are_in_the_ledger(venue: SandboxVenue) -> None:
    key, _ = venue.add_account(BALANCES, name="b")
    remote = Remote(venue.control_url)
    traded = {"account": "b", "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5"}
    assert remote.ask("POST", "trades", traded)["clientOrderId"].startswith("web_")
    moved = {"account": "b", "asset": "USDT", "amount": "-100"}
    remote.ask("POST", "transfers", moved)
    held = {asset: sum(two) for asset, two in venue.ledger.balances(key).items()}
    assert held == venue.ledger.recomputed(key)
    kinds = [one.kind for one in venue.ledger.transfers(key)]
    assert kinds == ["opening", "opening", "withdrawal"]
    with pytest.raises(SandboxRefused, match="insufficient"):
        remote.ask("POST", "transfers", moved | {"amount": "-1000000"})


def test_clock_fees_limits_and_seed_are_set_by_control(venue: SandboxVenue) -> None:
    remote = Remote(venue.control_url)
    told = remote.ask("POST", "clock", {"skew_s": -30})
    assert told["told_ms"] - told["now_ms"] == -30_000
    assert remote.ask("PATCH", "fees", {"bps": "7.5", "asset": "BNB"})["asset"] == "BNB"
    assert remote.ask("PATCH", "limits", {"weight": 1_200})["weight"] == 1_200
    assert remote.ask("POST", "seed", {"seed": 3, "rate_ratio": 0.1})["seed"]["seed"] == 3
    assert remote.ask("DELETE", "faults")["cleared"] == 0
    assert remote.ask("GET", "faults")["seed"] is None


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "nothing", {}),
        ("POST", "faults", {"kind": "nope"}),
        ("POST", "faults", {"faults": 3}),
        ("DELETE", "faults/first", {}),
        ("POST", "seed", {"seed": 1}),
        ("POST", "seed", {"seed": 1, "rate_ratio": 7}),
        ("POST", "clock", {"skew_s": "soon"}),
        ("PATCH", "accounts/none", {}),
        ("PATCH", "symbols/NOPE", {"status": "BREAK"}),
        ("PATCH", "symbols/BTCUSDT", {"status": "SHUT"}),
        ("PATCH", "symbols/BTCUSDT", {"step": "-1"}),
        ("POST", "streams", {"action": "sing"}),
    ],
)
def test_control_asked_for_nonsense_says_why_not(
    venue: SandboxVenue, method: str, path: str, content: dict[str, Any]
) -> None:
    with pytest.raises(SandboxRefused) as refused:
        Remote(venue.control_url).ask(method, path, content)
    assert len(str(refused.value)) > 10


def test_page_in_a_browser_cannot_steer_the_venue(venue: SandboxVenue) -> None:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{venue.control_url}/control/faults", method="DELETE", headers={"Origin": "https://x.y"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)  # noqa: S310
    refused.value.close()
    assert refused.value.code == 403


def test_sandbox_that_is_gone_is_told_from_one_that_refuses() -> None:
    with standing() as opened:
        url = opened.control_url
    with pytest.raises(SandboxUnreachable):
        Remote(url).ask("GET", "state")

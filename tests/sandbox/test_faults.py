"""Every fault of an answer or of an order, as the real client observes it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sandbox.faults import ANSWERS, BadFault, Chance, Fault
from sandbox.venue import SandboxVenue
from tests.sandbox.harness import BALANCES, SYMBOL, ask, faulty, standing

ORDER: dict[str, Any] = {"method": "POST", "path": "/api/v3/order$"}
SEEN: list[tuple[Fault, type[Exception] | None]] = [
    (Fault("hang", seconds=0.7, **ORDER), ccxt.RequestTimeout),
    (Fault("reset", **ORDER), ccxt.ExchangeNotAvailable),
    (Fault("html", **ORDER), ccxt.ExchangeNotAvailable),
    (Fault("empty", **ORDER), ccxt.ExchangeNotAvailable),
    (Fault("half", **ORDER), ccxt.ExchangeNotAvailable),
    (Fault("wrong", status=520, **ORDER), ccxt.ExchangeNotAvailable),
    (Fault("error", status=400, code=-1000, message="odd", **ORDER), ccxt.OperationFailed),
    (Fault("timeout", **ORDER), ccxt.RequestTimeout),
    (Fault("unexpected", **ORDER), ccxt.OperationFailed),
    (Fault("overload", **ORDER), ccxt.OperationFailed),
    (Fault("throttle", retry_after_s=3, **ORDER), ccxt.DDoSProtection),
    (Fault("ban", retry_after_s=3, **ORDER), ccxt.DDoSProtection),
    (Fault("revoked", **ORDER), ccxt.AuthenticationError),
    (Fault("clock", **ORDER), ccxt.InvalidNonce),
    (Fault("outage", **ORDER), ccxt.ExchangeNotAvailable),
]


def place(venue: SandboxVenue, key: str, secret: str, *, timeout_s: float = 5.0) -> Any:
    async def act(x: Any) -> Any:
        try:
            return await x.create_order(SYMBOL, "market", "buy", 0.01)
        except ccxt.BaseError as error:
            return error

    return ask(venue, act, key=key, secret=secret, timeout_s=timeout_s)


@pytest.mark.parametrize("number", range(len(SEEN)), ids=[one.kind for one, _ in SEEN])
def test_fault_before_execution_reaches_the_client_and_executes_nothing(number: int) -> None:
    fault, expected = SEEN[number]
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault.read({k: v for k, v in fault.as_dict().items() if k in _FIELDS}))
        seen = place(venue, key, secret, timeout_s=0.4)
        assert isinstance(seen, expected or Exception), seen
        assert venue.ledger.orders() == []
        logged = venue.ledger.requests()[-1]
        assert (logged.fault, logged.executed) == (fault.kind, False)


_FIELDS = {*ORDER, "kind", "status", "code", "message", "seconds", "executes", "retry_after_s"}


@pytest.mark.parametrize(
    "kind", ["hang", "reset", "html", "empty", "half", "wrong", "timeout", "unexpected", "error"]
)
def test_fault_after_execution_looks_the_same_and_the_order_is_done(kind: str) -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault(kind, executes="yes", seconds=0.7, **ORDER))
        seen = place(venue, key, secret, timeout_s=0.4)
        assert isinstance(seen, ccxt.OperationFailed), seen
        assert [one.status for one in venue.ledger.orders()] == ["FILLED"]
        assert venue.ledger.requests()[-1].executed


def test_order_executed_later_appears_when_its_delay_is_over() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("timeout", executes="later", delay_s=8, **ORDER))
        assert isinstance(place(venue, key, secret), ccxt.RequestTimeout)
        venue.advance(7)
        assert venue.ledger.orders() == []
        venue.advance(2)
        assert [one.status for one in venue.ledger.orders()] == ["FILLED"]


def test_cut_body_of_a_good_answer_raises_nothing_in_the_client() -> None:
    async def act(x: Any) -> Any:
        return await x.fetch_balance()

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("cut", path="account"))
        assert "USDT" not in ask(venue, act, key=key, secret=secret)


def test_answer_shorter_than_it_says_is_an_error_although_the_order_is_done() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("short", **ORDER))
        assert isinstance(place(venue, key, secret), ccxt.BaseError)
        assert len(venue.ledger.executions()) == 1


def test_slow_request_is_too_old_when_it_is_looked_at() -> None:
    async def act(x: Any) -> None:
        x.options["recvWindow"] = 200
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await x.create_order(SYMBOL, "market", "buy", 0.01)

    with SandboxVenue() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("slow", seconds=0.4, **ORDER))
        ask(venue, act, key=key, secret=secret)
        assert venue.ledger.orders() == []


def test_right_answers_that_come_late_or_in_drops_are_taken() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("late_answer", seconds=0.1, **ORDER), Fault("drip", seconds=0.1))
        assert place(venue, key, secret)["status"] == "closed"
        assert {"late_answer", "drip"} == set(venue.faults.hits)


def test_lists_come_empty_or_half_where_a_fault_says_so() -> None:
    async def act(x: Any) -> tuple[int, int, int]:
        for _ in range(4):
            await x.create_order(SYMBOL, "market", "buy", 0.001)
        counts = [len(await x.fetch_my_trades(SYMBOL)) for _ in range(3)]
        return counts[0], counts[1], counts[2]

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("empty_list", path="myTrades"), Fault("partial_page", path="myTrades"))
        assert ask(venue, act, key=key, secret=secret) == (0, 2, 4)


def test_lagging_queries_do_not_find_a_new_order_or_its_trades() -> None:
    async def act(x: Any) -> None:
        await x.create_order(SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": "lag"})
        named = {"origClientOrderId": "lag"}
        with pytest.raises(ccxt.OrderNotFound):
            await x.fetch_order(None, SYMBOL, named)
        venue.advance(4)
        assert (await x.fetch_order(None, SYMBOL, named))["status"] == "closed"
        assert await x.fetch_my_trades(SYMBOL) == []
        venue.advance(30)
        assert len(await x.fetch_my_trades(SYMBOL)) == 1

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("query_lag", seconds=3), Fault("trade_lag", seconds=30))
        ask(venue, act, key=key, secret=secret)


def test_cancellation_that_a_fill_wins_is_refused_and_the_order_is_filled() -> None:
    async def act(x: Any) -> None:
        order = await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000)
        with pytest.raises(ccxt.OrderNotFound):
            await x.cancel_order(order["id"], SYMBOL)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("fill_wins"))
        ask(venue, act, key=key, secret=secret)
        assert [one.status for one in venue.ledger.orders()] == ["FILLED"]
        assert venue.ledger.requests()[-1].code == -2011


def test_fill_after_cancellation_is_booked_on_the_cancelled_order() -> None:
    async def act(x: Any) -> None:
        order = await x.create_order(SYMBOL, "limit", "buy", 0.01, 15_000)
        await x.cancel_order(order["id"], SYMBOL)

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("late_fill", seconds=3_600, ratio=0.5))
        ask(venue, act, key=key, secret=secret)
        venue.advance(3_605)
        (order,) = venue.ledger.orders()
        assert (order.status, str(order.executed)) == ("CANCELED", "0.00500")
        assert _agrees(venue, key)


def test_order_expired_in_match_keeps_what_was_filled() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("expire_in_match", ratio=0.25))
        seen = place(venue, key, secret)
        (order,) = venue.ledger.orders()
        assert (order.status, seen["filled"]) == ("EXPIRED_IN_MATCH", 0.0025)
        assert _agrees(venue, key)


def _agrees(venue: SandboxVenue, key: str) -> bool:
    held = {asset: sum(two) for asset, two in venue.ledger.balances(key).items()}
    return held == venue.ledger.recomputed(key)


def test_outage_answers_503_to_everything_until_its_time_is_over() -> None:
    async def act(x: Any) -> None:
        venue.script([Fault("outage", for_s=6 * 3_600)])
        for _ in range(3):
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await x.fetch_time()
        venue.advance(6 * 3_600 - 1)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await x.fetch_time()
        venue.advance(2)
        assert await x.fetch_time() == venue.clock.now_ms()

    with standing() as venue:
        ask(venue, act)


def test_fault_strikes_only_what_it_matches_and_only_so_often() -> None:
    async def act(x: Any) -> list[bool]:
        done: list[bool] = []
        for name in ("a1", "b1", "b2", "b3", "b4"):
            try:
                await x.create_order(
                    SYMBOL, "market", "buy", 0.01, None, {"newClientOrderId": name}
                )
                done.append(True)
            except ccxt.ExchangeNotAvailable:
                done.append(False)
        return done

    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("html", client="^b", symbol="BTCUSDT", skip=1, times=2))
        assert ask(venue, act, key=key, secret=secret) == [True, True, False, False, True]
        assert venue.faults.active() == []


def test_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    def drawn(seed: int) -> list[str]:
        chance = Chance(seed, 0.3)
        found = [chance.draw("POST", "/api/v3/order") for _ in range(200)]
        return [f"{one.kind} {one.executes} {one.delay_s}" if one else "-" for one in found]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert 30 < sum(one != "-" for one in drawn(7)) < 90


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "nope"},
        {},
        {"kind": "reset", "where": "x"},
        {"kind": "reset", "times": "2"},
        {"kind": "reset", "path": "("},
        {"kind": "reset", "executes": "maybe"},
        {"kind": "reset", "ratio": 2.0},
    ],
)
def test_fault_that_cannot_be_is_refused_with_what_can(content: dict[str, Any]) -> None:
    with pytest.raises(BadFault) as refused:
        Fault.read(content)
    assert refused.value.hint


def test_every_fault_of_an_answer_is_exercised_here() -> None:
    right = {"cut", "short", "slow", "late_answer", "drip", "empty_list", "partial_page", "blank"}
    assert {one.kind for one, _ in SEEN} | right == set(ANSWERS)


def test_blank_answer_to_an_order_raises_nothing_although_it_is_done() -> None:
    with standing() as venue:
        key, secret = venue.add_account(BALANCES)
        faulty(venue, Fault("blank", **ORDER))
        seen = place(venue, key, secret)
        assert not isinstance(seen, Exception)
        assert seen["id"] is None
        assert len(venue.ledger.executions()) == 1

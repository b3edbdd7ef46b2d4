"""What every spot adapter must do when answers are lost, late or wrong."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import pytest

from candela.brokers.port import CredentialsDead, NoInformation
from candela.clock import SystemClock
from candela.errors import CandelaError
from candela.orders.words import OutcomeKind
from tests.candela.brokers.checks import check, limit, market, named, outcome

if TYPE_CHECKING:
    from tests.candela.brokers.places import Bench

# Nothing was executed, or all was: the adapter must not be able to tell.
_LOST: Final = [
    (kind, executes)
    for kind in ("reset", "html", "cut", "blank", "hang")
    for executes in (False, True)
]


@check
async def lost_answer_to_a_send_is_unknown_whether_it_was_executed_or_not(bench: Bench) -> None:
    # The listing is loaded first, so that the trouble strikes the send.
    await bench.broker.rules(bench.place.symbol)
    for kind, executes in _LOST:
        if kind not in bench.place.troubles:
            continue
        if kind in {"cut", "blank"} and not executes:
            continue
        before = bench.place.orders(bench.key)
        bench.place.trouble(kind, is_send=True, executes=executes)
        request = market(bench)
        outcome(await bench.broker.submit(request), OutcomeKind.UNKNOWN)
        assert bench.place.orders(bench.key) == before + executes, (kind, executes)
        found = await bench.broker.find(bench.place.symbol, request.client_id)
        assert (found is not None) is executes


@check
async def lost_answer_to_a_cancellation_is_unknown(bench: Bench) -> None:
    request = await limit(bench)
    outcome(await bench.broker.submit(request), OutcomeKind.ACCEPTED)
    if "html" in bench.place.troubles:
        bench.place.trouble("html", is_send=True)
        found = await bench.broker.cancel(bench.place.symbol, request.client_id, None)
        outcome(found, OutcomeKind.UNKNOWN)


@check
async def throttled_send_did_nothing_and_says_how_long(bench: Bench) -> None:
    await bench.broker.rules(bench.place.symbol)
    bench.place.trouble("throttle", is_send=True)
    found = outcome(await bench.broker.submit(market(bench)), OutcomeKind.THROTTLED)
    assert found.wait_s > 0
    assert bench.place.orders(bench.key) == 0
    bench.place.clear()
    await asyncio.sleep(0.3 if bench.place.has_network else 0)
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.ACCEPTED)


@check
async def revoked_key_is_told_from_all_else_also_after_a_success(bench: Bench) -> None:
    if "dead" not in bench.place.troubles:
        return
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.ACCEPTED)
    bench.place.trouble("dead", is_send=True)
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.CREDENTIALS_DEAD)
    bench.place.trouble("dead", is_send=False)
    with pytest.raises(CredentialsDead):
        await bench.broker.balances()
    assert bench.place.orders(bench.key) == 1


@check
async def refused_time_is_measured_anew_and_the_order_is_sent_once(bench: Bench) -> None:
    if "clock" not in bench.place.troubles:
        return
    await bench.broker.rules(bench.place.symbol)
    bench.place.trouble("clock", is_send=True)
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.ACCEPTED)
    assert bench.place.orders(bench.key) == 1
    bench.place.trouble("clock", is_send=True, times=2)
    outcome(await bench.broker.submit(market(bench)), OutcomeKind.REFUSED)
    assert bench.place.orders(bench.key) == 1


@check
async def question_without_a_usable_answer_is_never_none(bench: Bench) -> None:
    symbol, since = bench.place.symbol, SystemClock().now()
    await bench.broker.rules(symbol)
    questions: list[Callable[[], Awaitable[object]]] = [
        bench.broker.balances,
        lambda: bench.broker.find(symbol, named()),
        lambda: bench.broker.open_orders(frozenset({symbol})),
        lambda: bench.broker.executions(symbol, since),
    ]
    for kind in ("html", "cut", "blank", "reset", "throttle"):
        if kind not in bench.place.troubles or not bench.place.has_network:
            continue
        # All of them once; how an answer is lost is judged in one place for all.
        for question in questions if kind == "html" else questions[:1]:
            bench.place.trouble(kind, is_send=False, times=4)
            with pytest.raises(NoInformation):
                await question()
            bench.place.clear()
            await asyncio.sleep(0.25 if kind == "throttle" else 0)
    if not bench.place.has_network:
        bench.place.trouble("throttle", is_send=False)
        with pytest.raises(NoInformation):
            await bench.broker.quote(symbol)
        bench.place.clear()


@check
async def question_is_asked_again_once_where_the_answer_is_lost(bench: Bench) -> None:
    if not bench.place.has_network:
        return
    await bench.broker.balances()
    bench.place.trouble("html", is_send=False)
    assert await bench.broker.balances()


@check
async def send_is_never_repeated(bench: Bench) -> None:
    if not bench.place.has_network:
        return
    await bench.broker.balances()
    for kind in ("html", "reset", "blank"):
        before = bench.place.requests()
        bench.place.trouble(kind, is_send=True)
        outcome(await bench.broker.submit(market(bench)), OutcomeKind.UNKNOWN)
        assert bench.place.requests() == before + 1


@check
async def secret_is_in_no_error_outcome_log_or_repr(bench: Bench) -> None:
    lines: list[str] = []

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logging.Formatter().format(record))

    catcher = Catcher()
    # ccxt's own lines below INFO hold whole requests, which the logging of Candela never lets out.
    loud = logging.getLogger("candela")
    level = loud.level
    loud.addHandler(catcher)
    loud.setLevel(logging.DEBUG)
    texts: list[str] = [repr(bench.broker), repr(vars(bench.broker))]
    try:
        await bench.broker.rules(bench.place.symbol)
        for kind in ("html", "reset", "hang", "dead", "clock", "throttle"):
            if kind not in bench.place.troubles:
                continue
            bench.place.trouble(kind, is_send=True, times=2)
            texts.append(repr(await bench.broker.submit(market(bench))))
            bench.place.clear()
            await asyncio.sleep(0.3 if kind == "throttle" else 0)
            bench.place.trouble(kind, is_send=False, times=2)
            try:
                await bench.broker.balances()
            except CandelaError as error:
                texts.append("".join(traceback.format_exception(error)))
                # Not even where nobody prints it.
                texts.append(repr(error.__context__))
            bench.place.clear()
            await asyncio.sleep(0.3 if kind == "throttle" else 0)
    finally:
        loud.removeHandler(catcher)
        loud.setLevel(level)
    shown = "\n".join(texts + lines)
    assert bench.secret not in shown
    assert bench.key not in shown
    assert "signature" not in shown

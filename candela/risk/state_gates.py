"""Gates on states and times: kill switches, bot and account, the bar decided on, trading hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.gates import Gate, ask
from candela.money import EXACT
from candela.risk.facts import HALT_SCOPES
from candela.risk.hours import hours_open, local_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.risk.facts import BarSeen, EntryRequest, Halt, RiskFacts
    from candela.risk.limits import RiskLimits

__all__ = ["state_gates", "time_gates"]

_SECOND = timedelta(seconds=1)


def state_gates(facts: RiskFacts) -> Iterator[Gate]:
    """Give the gates on kill switches and states, in order."""
    for scope in HALT_SCOPES:
        on = [halt for halt in facts.halts if halt.scope == scope]
        phrase = f"The kill switch of the {scope} is {{value}}; it has to be {{limit}}."
        yield ask(f"kill_switch_{scope}", _switch(on), "equal", "off", phrase)
    if facts.account_state is not None:
        phrase = "The account is {value}; entries need it {limit}."
        yield ask("account_state", facts.account_state, "equal", "active", phrase)
    if facts.bot_state is not None:
        phrase = "The bot is {value}; entries need it {limit}."
        yield ask("bot_state", facts.bot_state, "equal", "running", phrase)


def time_gates(
    request: EntryRequest, facts: RiskFacts, limits: RiskLimits, now: datetime
) -> Iterator[Gate]:
    """Give the gates on the bar, the age of the decision and trading hours, in order."""
    if request.bar is not None:
        yield from _bar_gates(request.bar, limits, now)
    yield ask(
        "decision_age",
        now,
        "below",
        request.valid_until,
        "It is {value}; the decision was worth something before {limit}.",
    )
    hours = limits.trading_hours
    if hours is not None:
        zone = hours.zone or facts.zone
        yield Gate(
            "trading_hours",
            hours_open(now, hours.windows, zone),
            local_words(now, zone),
            "within",
            hours.windows,
            "It is {value}; entries are allowed {limit}.",
        )
    cool_until = None
    if limits.cool_down_s and facts.last_loss_at is not None:
        cool_until = facts.last_loss_at + timedelta(seconds=limits.cool_down_s)
    yield ask(
        "cool_down",
        now,
        "at_least",
        cool_until,
        "It is {value}; the last loss rests until {limit}.",
    )


def _bar_gates(bar: BarSeen, limits: RiskLimits, now: datetime) -> Iterator[Gate]:
    yield ask("bar_quality", bar.status, "equal", "ok", "The bar is {value}; it has to be {limit}.")
    yield ask(
        "bar_history",
        bar.bars_since_bad,
        "at_least",
        _looked_back(bar, limits),
        "{value} good bars since the last bad one; the strategy looks back {limit}.",
    )
    yield ask(
        "bar_closed", bar.closed_at, "at_most", now, "The bar closes at {value}; it is {limit}."
    )
    oldest = EXACT.multiply(_seconds(bar.interval), limits.bar_age_intervals)
    yield ask(
        "bar_age",
        _seconds(now - bar.closed_at),
        "below",
        oldest,
        "The bar closed {value} s ago; less than {limit} s are allowed.",
    )


def _looked_back(bar: BarSeen, limits: RiskLimits) -> int | None:
    if limits.bad_bar != "hold" or bar.bars_since_bad is None or not bar.lookback:
        return None
    return bar.lookback


def _switch(on: list[Halt]) -> str:
    if not on:
        return "off"
    first = min(on, key=lambda halt: halt.since)
    return f"on since {first.since.isoformat()} ({first.reason})"


def _seconds(span: timedelta) -> Decimal:
    # Through whole microseconds: a quotient of floats would not reproduce the decision.
    return EXACT.divide(Decimal(span // (_SECOND / 1_000_000)), Decimal(1_000_000))

"""Backtests that a tenant asks for: checked whole, counted by its plan, shown and cancelled."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from api.backtests import repository
from api.backtests.errors import (
    BacktestOver,
    BacktestQueueFull,
    BadBacktest,
    NoReport,
    UnknownBacktest,
)
from api.backtests.schemas import Backtest, BacktestPage
from api.kit.paging import read_cursor, write_cursor
from candela.audit.record import record
from candela.candles.series import route
from candela.desk.users import subscription_of
from candela.gates import ask
from candela.ids import new_id
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.plans import plan_named, refuse_beyond

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from api.backtests.schemas import NewBacktest
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller
    from candela.plans import Entitlements
    from strategies.definition import Strategy

__all__ = ["MOST_OPEN", "MOST_POINTS", "backtest_page", "cancel", "one", "order", "report"]

MOST_OPEN: Final = 20
"""Backtests of a tenant that wait or are worked on at once."""
MOST_POINTS: Final = 10_000
"""Combinations of one sweep."""


def order(session: TenantSession, caller: Caller, asked: NewBacktest, *, clock: Clock) -> Backtest:
    """Ask for a backtest; a worker takes it up.

    Raises
    ------
    UnknownStrategy, BadParameters, BadBacktest
        There is no such strategy, or what is asked of it cannot be.
    NoSuchInstrument, NoSuchSeries
        No candles of that timeframe are stored.
    PlanLimitReached
        The plan includes no more of them this month, no sweeps, or no candles so old.
    BacktestQueueFull
        Too many are under way.
    """
    now = clock.now()
    strategy = _strategy(asked.strategy)
    kind = _kind(asked, strategy)
    spec = _spec(asked, strategy)
    session.lock()
    plan = _plan(session, now)
    for name in spec["instruments"]:
        route(session.connection, Instrument.parse(name), Timeframe.parse(spec["timeframe"]))
    _refuse_beyond_plan(session, plan, asked, now)
    if plan.history_days is not None and asked.since is None:
        spec["since"] = _shown_from(plan.history_days, now).isoformat()
    if repository.open_orders(session) >= MOST_OPEN:
        message = f"{MOST_OPEN} backtests wait or are worked on."
        raise BacktestQueueFull(message, "Wait for one to end, or cancel one.")
    order_id = new_id(now)
    if kind == "sweep":
        spec = {"base": spec, "axes": asked.axes}
    repository.add(
        session,
        order_id=order_id,
        user_id=caller.user_id,
        kind=kind,
        strategy=strategy.name,
        spec=spec,
        at=now,
    )
    detail = {"strategy": strategy.name, "kind": kind, "instruments": asked.instruments}
    record(
        session, caller.actor, "backtest.order", "backtest", order_id, clock=clock, detail=detail
    )
    return one(session, order_id)


def one(session: TenantSession, order_id: UUID) -> Backtest:
    """Return a backtest with its figures.

    Raises
    ------
    UnknownBacktest
        The tenant has none of that id.
    """
    row = repository.one(session, order_id)
    if row is None:
        _refuse_unknown(order_id)
    return _shown(row)


def backtest_page(
    session: TenantSession, *, state: str | None, cursor: str | None, limit: int, now: datetime
) -> BacktestPage:
    """Return backtests, newest first, and what the plan includes.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    at, behind = read_cursor(cursor)
    values = {"state": state, "at": at, "id": behind, "limit": limit + 1}
    rows = repository.page(session, values)
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return BacktestPage(
        items=[_shown(row) for row in shown],
        next_cursor=None
        if last is None
        else write_cursor(last["requested_at"], last["backtest_id"]),
        used_this_month=repository.asked_since(session, _month(now)),
        included_per_month=_plan(session, now).backtests_per_month,
    )


def report(session: TenantSession, order_id: UUID) -> bytes:
    """Return the report of a backtest, HTML gzipped.

    Raises
    ------
    UnknownBacktest
        The tenant has none of that id.
    NoReport
        It is not done, or of a kind without report.
    """
    found = repository.report(session, order_id)
    if found is None:
        state = one(session, order_id).state
        message = f"Backtest {order_id} is {state} and has no report."
        raise NoReport(message, "A report is there once a backtest is done; a sweep has none.")
    return found


def cancel(session: TenantSession, caller: Caller, order_id: UUID, *, clock: Clock) -> Backtest:
    """Cancel a backtest that waits or is worked on; cancelling it again changes nothing.

    Raises
    ------
    UnknownBacktest
        The tenant has none of that id.
    BacktestOver
        It is done or failed.
    """
    before = one(session, order_id)
    if before.state == "cancelled":
        return before
    state = repository.cancel(session, order_id, clock.now())
    if state != "cancelled":
        message = f"Backtest {order_id} is {state}."
        raise BacktestOver(message, "There is nothing left to cancel.")
    record(session, caller.actor, "backtest.cancel", "backtest", order_id, clock=clock)
    return one(session, order_id)


def _refuse_unknown(order_id: UUID) -> NoReturn:
    message = f"There is no backtest {order_id}."
    raise UnknownBacktest(message, "List the backtests to see their ids.")


def _shown(row: dict[str, Any]) -> Backtest:
    if row.pop("family_id") is None:
        row["trials"] = None
    return Backtest.model_validate(row)


def _strategy(name: str) -> Strategy[Any]:
    # Loads compiled loops, so only when one is asked for.
    from strategies.registry import SHIPPED, UnknownStrategy, find

    # Never a file: a name from outside must not become a path.
    if name not in SHIPPED:
        message = f"There is no strategy {name!r}."
        raise UnknownStrategy(message, f"There are: {', '.join(SHIPPED)}.")
    return find(name)


def _kind(asked: NewBacktest, strategy: Strategy[Any]) -> str:
    several, bets = len(asked.instruments) > 1, strategy.kind == "fixed_payout"
    if (asked.axes is not None or bets) and several:
        message = f"{len(asked.instruments)} instruments, and this runs on one."
        raise BadBacktest(message, "Ask for each by itself.")
    if asked.axes is not None and bets:
        message = f"{strategy.name} bets on fixed payouts, of which no sweep is made."
        raise BadBacktest(message, "Leave axes out.")
    if asked.payout is not None and not bets:
        message = f"{strategy.name} buys and sells, so payout terms mean nothing to it."
        raise BadBacktest(message, "Leave payout out.")
    if asked.axes is not None:
        return "sweep"
    return "payout" if bets else "portfolio" if several else "backtest"


def _spec(asked: NewBacktest, strategy: Strategy[Any]) -> dict[str, Any]:
    """Return the spec as the workbench reads it, its parameters checked by the definition."""
    parameters = strategy.with_values(asked.parameters)
    names = [str(Instrument.parse(name)) for name in asked.instruments]
    if len(set(names)) < len(names):
        message = f"An instrument is named twice: {', '.join(names)}."
        raise BadBacktest(message, "Name each once.")
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        message = f"The span from {asked.since.isoformat()} to {asked.until.isoformat()} is empty."
        raise BadBacktest(message, "since must be before until.")
    _check_axes(asked, strategy)
    given = parameters.model_dump(mode="json")
    for name in asked.axes or {}:
        given.pop(name)
    spec: dict[str, Any] = asked.model_dump(
        mode="json", exclude={"axes", "cash", "parameters", "instruments"}, exclude_none=True
    )
    return {
        **spec,
        "timeframe": str(Timeframe.parse(asked.timeframe)),
        "parameters": given,
        "instruments": names,
        "cash": float(asked.cash),
    }


def _check_axes(asked: NewBacktest, strategy: Strategy[Any]) -> None:
    axes = asked.axes or {}
    points = math.prod(len(values) for values in axes.values())
    if points > MOST_POINTS:
        message = f"The axes have {points:,} combinations."
        raise BadBacktest(message, f"A sweep has at most {MOST_POINTS:,}.")
    fields = strategy.parameters.model_fields
    for name in axes:
        if name not in fields:
            message = f"{strategy.name} has no parameter {name}."
            raise BadBacktest(message, f"It takes {', '.join(fields)}.")


def _plan(session: TenantSession, now: datetime) -> Entitlements:
    subscription = subscription_of(session)
    return plan_named(subscription.plan if subscription.in_force(now) else "free")


def _refuse_beyond_plan(
    session: TenantSession, plan: Entitlements, asked: NewBacktest, now: datetime
) -> None:
    gates = [
        ask(
            "plan_backtests_per_month",
            repository.asked_since(session, _month(now)) + 1,
            "at_most",
            plan.backtests_per_month,
            "{value} backtests this month with this one; limit of the plan"
            f" {plan.plan}: {{limit}}.",
        )
    ]
    if asked.axes is not None:
        phrase = f"Sweeps need optimisation, which the plan {plan.plan} has {{value}}."
        has = "included" if plan.optimisation else "not included"
        gates.append(ask("plan_optimisation", has, "equal", "included", phrase))
    if plan.history_days is not None and asked.since is not None:
        days = math.ceil((now - asked.since) / timedelta(days=1))
        phrase = f"Candles of {{value}} days are asked for; the plan {plan.plan} has {{limit}}."
        gates.append(ask("plan_history_days", days, "at_most", plan.history_days, phrase))
    refuse_beyond(gates)


def _shown_from(days: int, now: datetime) -> datetime:
    return now - timedelta(days=days)


def _month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

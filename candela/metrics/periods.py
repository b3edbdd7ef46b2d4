"""Figures by day, week, month and over all, and equity day by day; pure, by a zone's calendar."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np

from candela.metrics.calendar import bars_per_year
from candela.metrics.curves import sums_of
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from candela.money import EXACT

__all__ = [
    "EVER",
    "Deal",
    "Execution",
    "Flow",
    "Period",
    "PeriodFigures",
    "Point",
    "figures_by_period",
    "points_of",
    "starts_of",
]

Period = Literal["day", "week", "month", "all"]
EVER: Final = date(1970, 1, 1)
"""First day of the period ``all``."""

_ZERO: Final = Decimal(0)
_DAY_S: Final = 86_400.0
_DAY: Final = timedelta(days=1)
_RATIOS: Final = (
    *("win_rate", "profit_factor", "average_win", "average_loss", "expectancy_ratio"),
    *("total_return", "max_drawdown", "volatility", "sharpe", "sortino"),
)
_TRADE: Final = np.dtype(
    [("exit_bar", np.int64), ("pnl", np.float64), ("return_ratio", np.float64)]
)


@dataclass(frozen=True, slots=True)
class Deal:
    """A closed trade; amounts in the currency of the series.

    Parameters
    ----------
    key
        Orders trades that were opened at one instant.
    cost
        What it was entered with: value of the entries, or the stake.
    """

    key: str
    opened_at: datetime
    closed_at: datetime
    pnl: Decimal
    cost: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class Flow:
    """Capital that was put in; negative: taken out."""

    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Point:
    """A day on which something changed; equity is that of its end."""

    day: date
    profit: Decimal
    deposits: Decimal
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures:
    """Figures of a period; a ratio that is not defined is None.

    Parameters
    ----------
    days
        Samples of the daily returns.
    average_win, average_loss, expectancy_ratio
        Mean returns, of what the trades were entered with.
    """

    period: Period
    starts_on: date
    trades: int
    wins: int
    losses: int
    fills: int
    days: int
    net_profit: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    best_trade: Decimal | None
    worst_trade: Decimal | None
    fees: Decimal
    volume: Decimal
    deposits: Decimal
    equity: Decimal
    longest_win_streak: int
    longest_loss_streak: int
    win_rate: float | None
    profit_factor: float | None
    average_win: float | None
    average_loss: float | None
    expectancy_ratio: float | None
    total_return: float | None
    max_drawdown: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None


@dataclass(slots=True)
class _Share:
    """What belongs to one period."""

    deals: list[Deal] = field(default_factory=list[Deal])
    executions: list[Execution] = field(default_factory=list[Execution])


def starts_of(day: date) -> dict[Period, date]:
    """Return the first day of each period that holds a day; weeks begin on Monday."""
    return {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "all": EVER,
    }


def points_of(deals: Iterable[Deal], flows: Iterable[Flow], zone: ZoneInfo) -> list[Point]:
    """Return equity at the end of each day on which something changed, in order of time.

    Open positions count as what they cost: their gain comes with the trade that closes them.
    """
    profits: defaultdict[date, Decimal] = defaultdict(Decimal)
    deposits: defaultdict[date, Decimal] = defaultdict(Decimal)
    for deal in deals:
        day = _day(deal.closed_at, zone)
        profits[day] = EXACT.add(profits[day], deal.pnl)
    for flow in flows:
        day = _day(flow.at, zone)
        deposits[day] = EXACT.add(deposits[day], flow.amount)
    points: list[Point] = []
    equity = _ZERO
    for day in sorted(profits.keys() | deposits.keys()):
        profit, deposit = profits.get(day, _ZERO), deposits.get(day, _ZERO)
        equity = EXACT.add(equity, EXACT.add(profit, deposit))
        points.append(Point(day, profit, deposit, equity))
    return points


def figures_by_period(
    deals: Sequence[Deal],
    flows: Sequence[Flow],
    executions: Sequence[Execution],
    *,
    zone: ZoneInfo,
    through: date,
) -> list[PeriodFigures]:
    """Return the figures of every period in which something happened, in order.

    A trade belongs to the day on which it was closed, a fill to that on which it was executed.
    Daily returns are the day's profit on the equity before it and what was put in that day; days
    without a trade count as 0.

    Parameters
    ----------
    through
        Last day whose return is counted: today in the zone.
    """
    points = points_of(deals, flows, zone)
    shares: defaultdict[tuple[Period, date], _Share] = defaultdict(_Share)
    for deal in sorted(deals, key=lambda one: (one.opened_at, one.key)):
        for key in starts_of(_day(deal.closed_at, zone)).items():
            shares[key].deals.append(deal)
    for execution in executions:
        for key in starts_of(_day(execution.at, zone)).items():
            shares[key].executions.append(execution)
    by_period: defaultdict[tuple[Period, date], list[Point]] = defaultdict(list)
    for point in points:
        for key in starts_of(point.day).items():
            by_period[key].append(point)
    daily = _returns(points, through)
    order = get_args(Period)
    wanted = sorted(shares.keys() | by_period.keys(), key=lambda key: (order.index(key[0]), key[1]))
    return [
        _figures_of(key, shares.get(key, _Share()), by_period.get(key, []), points, daily)
        for key in wanted
    ]


def _figures_of(
    key: tuple[Period, date],
    share: _Share,
    own: list[Point],
    points: list[Point],
    daily: tuple[date, list[float]],
) -> PeriodFigures:
    period, starts_on = key
    pnls = [deal.pnl for deal in share.deals]
    returns = _returns_in(key, daily)
    known = _ratios(share.deals, returns)
    streaks = known.pop("longest_win_streak"), known.pop("longest_loss_streak")
    end = _end_of(period, starts_on)
    equity = own[-1].equity if own else _equity_before(points, end)
    return PeriodFigures(
        period=period,
        starts_on=starts_on,
        trades=len(pnls),
        wins=sum(pnl > 0 for pnl in pnls),
        losses=sum(pnl < 0 for pnl in pnls),
        fills=len(share.executions),
        days=len(returns),
        net_profit=_sum(pnls),
        gross_profit=_sum(pnl for pnl in pnls if pnl > 0),
        gross_loss=_sum(-pnl for pnl in pnls if pnl < 0),
        best_trade=max(pnls, default=None),
        worst_trade=min(pnls, default=None),
        fees=_sum(deal.fees for deal in share.deals),
        volume=_sum(one.value for one in share.executions),
        deposits=_sum(point.deposits for point in own),
        equity=equity,
        longest_win_streak=int(streaks[0] or 0),
        longest_loss_streak=int(streaks[1] or 0),
        **known,
    )


def _ratios(deals: list[Deal], returns: list[float]) -> dict[str, float | None]:
    """Return the ratios by the kernel's own definitions."""
    rows = np.zeros(len(deals), _TRADE)
    for number, deal in enumerate(deals):
        ratio = float(deal.pnl / deal.cost) if deal.cost else 0.0
        rows[number] = (0, float(deal.pnl), ratio)
    curve = np.cumprod(1.0 + np.array(returns, np.float64), dtype=np.float64)
    made = figures(
        sums_of(curve, 1.0),
        sums_of_trades(rows),
        bars_per_year=bars_per_year(_DAY_S),
        span_s=_DAY_S * len(returns),
        timeframe_s=_DAY_S,
    )
    names = (*_RATIOS, "longest_win_streak", "longest_loss_streak")
    return {name: None if math.isnan(made[name]) else made[name] for name in names}


def _returns(points: list[Point], through: date) -> tuple[date, list[float]]:
    """Return the first day and the return of each day from it on."""
    if not points:
        return through, []
    by_day = {point.day: point for point in points}
    first = points[0].day
    out: list[float] = []
    before = _ZERO
    for number in range((max(through, points[-1].day) - first).days + 1):
        point = by_day.get(first + _DAY * number)
        if point is None:
            out.append(0.0)
            continue
        base = before + point.deposits
        # More than all cannot be lost of what is shown as a share.
        out.append(max(float(point.profit / base), -1.0) if base > 0 else 0.0)
        before = point.equity
    return first, out


def _returns_in(key: tuple[Period, date], daily: tuple[date, list[float]]) -> list[float]:
    first, returns = daily
    start = max((key[1] - first).days, 0)
    end = (_end_of(*key) - first).days
    return returns[start : max(end, 0)]


def _equity_before(points: list[Point], end: date) -> Decimal:
    return next((point.equity for point in reversed(points) if point.day < end), _ZERO)


def _end_of(period: Period, starts_on: date) -> date:
    """Return the first day after a period."""
    match period:
        case "day":
            return starts_on + _DAY
        case "week":
            return starts_on + _DAY * 7
        case "month":
            return (starts_on + _DAY * 31).replace(day=1)
        case "all":
            return date.max


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add up without rounding."""
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()

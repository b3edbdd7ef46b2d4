"""Figures by period, and equity day by day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.kit.amounts import Amount

__all__ = [
    "EquityOut",
    "EquityPoint",
    "EquitySeries",
    "MetricPeriod",
    "MetricsOut",
    "PeriodName",
    "Ratio",
    "ScopeName",
    "TradeMode",
]

PeriodName = Literal["day", "week", "month", "all"]
ScopeName = Literal["bot", "account", "user"]
TradeMode = Literal["paper", "demo", "live"]


class Ratio(BaseModel):
    """A figure with the number of samples that it rests on."""

    value: float | None = Field(
        description="null: not defined, or of fewer samples than say anything", examples=[0.56]
    )
    samples: int = Field(description="trades, wins, losses or days it rests on", examples=[48])
    fewest: int = Field(description="samples below which value is null", examples=[5])


class MetricPeriod(BaseModel):
    """Figures of a bot, an account or a user in one period; money in its currency."""

    scope: ScopeName
    scope_id: UUID = Field(description="of the bot or account; of scope user that of the tenant")
    mode: TradeMode = Field(description="modes are never added up")
    currency: str = Field(description="currencies are never added up", examples=["USDT"])
    period: PeriodName
    starts_on: date = Field(
        description="first day, Monday of a week; 1970-01-01 for all", examples=["2026-03-02"]
    )
    trades: int = Field(description="closed in the period")
    wins: int
    losses: int
    fills: int = Field(description="executed in the period")
    days: int = Field(description="calendar days since the first one of the series")
    net_profit: Amount = Field(description="of closed trades, after fees", examples=["12.5"])
    gross_profit: Amount = Field(description="sum of the wins", examples=["20"])
    gross_loss: Amount = Field(description="sum of the losses, positive", examples=["7.5"])
    best_trade: Amount | None = Field(description="null: no trade", examples=["6.1"])
    worst_trade: Amount | None = Field(description="null: no trade", examples=["-2.4"])
    fees: Amount = Field(examples=["0.31"])
    volume: Amount = Field(description="value of the fills", examples=["840"])
    deposits: Amount = Field(description="capital put in, less what was taken out", examples=["0"])
    equity: Amount = Field(
        description="at the end: capital and profit of closed trades; open ones as they cost",
        examples=["1012.5"],
    )
    longest_win_streak: int
    longest_loss_streak: int
    win_rate: Ratio = Field(description="share of trades that won, 0 to 1")
    profit_factor: Ratio = Field(description="gross profit by gross loss")
    expectancy_ratio: Ratio = Field(description="mean return of a trade on what it cost")
    average_win: Ratio = Field(description="mean return of the wins")
    average_loss: Ratio = Field(description="mean return of the losses, negative")
    total_return: Ratio = Field(description="daily returns compounded")
    max_drawdown: Ratio = Field(description="of daily equity without deposits, 0 to 1")
    volatility: Ratio = Field(description="of daily returns, a year")
    sharpe: Ratio = Field(description="of daily returns, a year of 365 days, no interest")
    sortino: Ratio = Field(description="of daily returns, a year of 365 days")
    computed_at: datetime = Field(description="when a figure of it last changed")


class MetricsOut(BaseModel):
    """Figures by period, the newest first."""

    zone: str = Field(description="whose days are meant", examples=["Europe/Madrid"])
    items: list[MetricPeriod]
    has_more: bool = Field(description="whether older ones were left out; ask with an earlier to")


class EquityPoint(BaseModel):
    """A day on which something changed."""

    day: date
    profit: Amount = Field(description="of trades closed that day", examples=["12.5"])
    deposits: Amount = Field(examples=["0"])
    equity: Amount = Field(description="at the end of the day", examples=["1012.5"])


class EquitySeries(BaseModel):
    """One curve; between its days equity stands."""

    mode: TradeMode
    currency: str
    points: list[EquityPoint] = Field(description="in order of time")


class EquityOut(BaseModel):
    """Equity day by day, a curve for each mode and currency."""

    zone: str
    scope: ScopeName
    scope_id: UUID
    series: list[EquitySeries]
    has_more: bool = Field(description="whether older days were left out; ask with an earlier to")

"""What the catalogue of plans shows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PlanView", "PlansView"]


class PlanView(BaseModel):
    """A plan: what it costs and includes; null is no limit."""

    model_config = ConfigDict(frozen=True)

    plan: Literal["free", "basic", "pro", "enterprise"]
    price_month: str = Field(description="US dollars a month", examples=["29"])
    price_year: str = Field(description="US dollars a year: ten months", examples=["290"])
    ccy: str = Field(description="currency of the prices", examples=["USD"])
    active_bots: int | None = Field(description="bots that run at once", examples=[3])
    symbols: int | None = Field(description="different instruments of bots that run")
    trades_per_day: int | None = Field(description="entries a day in the account's zone")
    payout_stake_cap: str | None = Field(description="largest stake of a fixed payout, US dollars")
    spot_capital_cap: str | None = Field(description="most that spot positions cost, US dollars")
    modes: list[Literal["paper", "demo", "live"]] = Field(description="accounts that may trade")
    history_days: int | None = Field(description="how far back candles are shown, days")
    log_retention_days: int = Field(description="how long logs of bots are kept, days")
    multi_timeframe: bool = Field(description="whether a bot may read several timeframes")
    advice: Literal["none", "one", "ensemble", "premium"]
    backtests_per_month: int | None
    optimisation: bool = Field(description="whether sweeps and walk-forward are included")
    api: Literal["none", "read", "full"] = Field(description="what API tokens may do")
    support: Literal["community", "email", "priority"]


class PlansView(BaseModel):
    """All plans, the smallest first."""

    model_config = ConfigDict(frozen=True)

    items: list[PlanView]
    can_buy: bool = Field(description="whether plans can be bought at this installation")

"""Backtests as they are asked for and shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.kit.fields import Instant, InstrumentName, Label, TimeframeName
from api.kit.paging import Page
from candela.fills.model import Costs, Execution, Sizing
from candela.payout.rules import PayoutRules

__all__ = ["Backtest", "BacktestPage", "NewBacktest", "Protection", "State"]

Ratio = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Scalar = bool | int | float | str


class Protection(BaseModel):
    """Stops and targets, in the place of those that the strategy gives."""

    model_config = ConfigDict(extra="forbid")

    stop_loss: Ratio | None = Field(default=None, description="ratio of the fill price")
    take_profit: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = Field(
        default=None, description="ratio of the fill price"
    )
    trailing_stop: Ratio | None = Field(
        default=None, description="ratio of the best price since the fill"
    )


class NewBacktest(BaseModel):
    """A backtest that is wanted; with axes it is a sweep of their combinations."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "strategy": "ma_cross",
                    "parameters": {"fast": 10, "slow": 40},
                    "instruments": ["binance:BTC/USDT"],
                    "timeframe": "1h",
                    "cash": "10000",
                    "costs": {"taker_fee_bps": 10},
                }
            ]
        },
    )

    strategy: Label = Field(description="name, as in GET /strategies", examples=["ma_cross"])
    parameters: dict[Label, Any] = Field(
        default_factory=dict[str, Any],
        max_length=50,
        description="by the schema of the strategy; the rest are its defaults",
    )
    instruments: list[InstrumentName] = Field(
        min_length=1, max_length=20, description="several are one portfolio"
    )
    timeframe: TimeframeName
    since: Instant | None = Field(
        default=None, description="first candle; absent: as far back as the plan shows"
    )
    until: Instant | None = Field(default=None, description="candles before it; absent: the newest")
    cash: Decimal = Field(
        default=Decimal(10_000),
        gt=0,
        le=1_000_000_000,
        max_digits=20,
        decimal_places=8,
        description="quote, at the start",
    )
    execution: Execution = Field(default=Execution(), description="when and how orders fill")
    costs: Costs = Field(default=Costs(), description="fees, slippage and spread, in bps")
    sizing: Sizing = Field(default=Sizing(), description="how large an entry is")
    protection: Protection = Field(default=Protection())
    payout: PayoutRules | None = Field(
        default=None, description="of strategies that bet on fixed payouts"
    )
    gap_limit: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2, description="largest share of absent candles that is still simulated"
    )
    axes: dict[Label, Annotated[list[Scalar], Field(min_length=1, max_length=1_000)]] | None = (
        Field(
            default=None,
            min_length=1,
            max_length=4,
            description="values by parameter; plans with optimisation",
            examples=[{"fast": [5, 10, 15], "slow": [40, 60]}],
        )
    )


class Backtest(BaseModel):
    """A backtest that was asked for, and what came of it."""

    backtest_id: UUID
    kind: Literal["backtest", "portfolio", "payout", "walkforward", "sweep"]
    strategy: str
    spec: dict[str, Any] = Field(description="what was asked for, all of it")
    state: State
    progress_ratio: float = Field(description="0 to 1")
    progress_note: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_id: str | None = Field(description="digest of the manifest; equal runs have one")
    sweep_id: str | None
    figures: dict[str, Any] | None = Field(
        description="by the metric definitions; null where undefined, Infinity as text"
    )
    trials: int | None = Field(
        description="ever tried of this strategy on these instruments: what a verdict counts with"
    )
    error: dict[str, Any] | None = Field(description="code, message and hint, where it failed")
    has_report: bool


class BacktestPage(Page[Backtest]):
    """Backtests of the tenant, newest first."""

    used_this_month: int = Field(description="asked for since the first of the month, UTC")
    included_per_month: int | None = Field(description="by the plan; null: without end")

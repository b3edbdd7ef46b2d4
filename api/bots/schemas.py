"""Bots as they go over the wire: amounts as texts in the quote currency, instants in UTC."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.configs.schemas import EXAMPLE, Config, RuinIn
from api.kit.amounts import Amount
from api.kit.texts import Text
from candela.bots.config import BotConfig

__all__ = [
    "BotIn",
    "BotOut",
    "BotPatch",
    "BotWithConfig",
    "ConfigIn",
    "ConfigOut",
    "DecisionOut",
    "HaltOut",
    "OrderOut",
    "PositionNow",
    "RunOut",
    "StartIn",
    "StatusOut",
    "StopIn",
    "VersionOut",
]

Name = Annotated[Text, Field(min_length=1, max_length=60, description="unique of the tenant")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BotIn(_In):
    """A bot to be made; it is stopped at first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "trend",
                    "account_id": "0195a1b2-0000-7000-8000-000000000001",
                    "config": EXAMPLE,
                }
            ]
        },
    )

    name: Name
    account_id: UUID = Field(description="account that it trades")
    config: Config
    ruin: RuinIn | None = Field(default=None, description="with limits.martingale only")


class BotPatch(_In):
    """What can change while a bot runs."""

    name: Name


class ConfigIn(_In):
    """Another configuration of a stopped bot, as a whole."""

    config: Config
    ruin: RuinIn | None = Field(default=None, description="with limits.martingale only")


class StartIn(_In):
    """What trading money asks for; paper needs none of it."""

    confirm_capital: (
        Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=18, allow_inf_nan=False)]
        | None
    ) = Field(
        default=None,
        description="live accounts: the bot's capital, typed again, in the quote currency",
        examples=["250"],
    )


class StopIn(_In):
    """How a bot stops."""

    flatten: StrictBool = Field(default=False, description="true: what it holds is sold first")


class BotOut(BaseModel):
    """A bot as its owner sees it."""

    bot_id: UUID
    name: str
    account_id: UUID
    account: str = Field(description="name of the account")
    venue: str = Field(examples=["binance"])
    kind: Literal["spot", "fixed_payout"]
    mode: Literal["paper", "demo", "live"]
    quote_ccy: str = Field(description="currency of the account and of capital")
    strategy: str
    instrument: str
    timeframe: str
    capital: Amount = Field(description="quote currency")
    version: int = Field(description="of its configuration, from 1")
    wanted: Literal["running", "stopped"] = Field(description="what its owner wants")
    wanted_at: datetime
    flatten_on_stop: bool
    state: str = Field(description="what the executor says that works on it")
    state_reason: str | None
    state_at: datetime
    created_at: datetime


class BotWithConfig(BotOut):
    """A bot with its configuration."""

    config: BotConfig
    definition_id: str = Field(description="what is evaluated for it; bots may share one")


class ConfigOut(BaseModel):
    """A configuration with its version; the header ETag names the version."""

    version: int
    config: BotConfig


class VersionOut(BaseModel):
    """A configuration that a bot had or has."""

    version: int
    config: dict[str, Any] = Field(description="as it was written then")
    definition_id: str
    created_by: str
    created_at: datetime


class RunOut(BaseModel):
    """A time in which an executor worked on a bot."""

    run_id: UUID
    version: int
    started_at: datetime
    stopped_at: datetime | None = Field(description="null: it goes on")
    stop_reason: str | None


class DecisionOut(BaseModel):
    """A decision with the gates that it met, in order: why, or why not."""

    decision_id: UUID
    symbol: str
    bar_at: datetime = Field(description="start of the bar whose close was decided on")
    leg: str
    action: str = Field(examples=["enter"])
    outcome: Literal["intent", "refused", "nothing"]
    decided_by: str | None = Field(description="the gate that refused; null: none did")
    why: str = Field(description="the sentence of that gate, or of the last one")
    gates: list[dict[str, Any]] = Field(
        description="each with value, rule, limit and words",
        examples=[[{"gate": "plan_capital", "passed": True, "value": "50", "limit": "100"}]],
    )
    decided_at: datetime
    intent_state: str | None
    intent_reason: str | None


class OrderOut(BaseModel):
    """An attempt to trade: base quantities, quote prices."""

    client_id: str
    symbol: str
    source: str = Field(description="signal, protection, manual or flatten")
    leg: str
    attempt: int
    side: str
    kind: str
    quantity: Amount
    price: Amount | None
    executed: Amount
    state: str
    reason: str | None
    created_at: datetime
    final_at: datetime | None
    venue_order_id: str | None


class HaltOut(BaseModel):
    """A kill switch that is on."""

    halt_id: UUID
    scope: Literal["platform", "tenant", "account", "bot"]
    account_id: UUID | None
    bot_id: UUID | None
    name: str | None = Field(description="of the account or bot")
    flatten: bool = Field(description="what is held in its scope is sold")
    reason: str
    halted_by: str
    halted_at: datetime


class PositionNow(BaseModel):
    """What a bot holds; base quantities, quote prices."""

    symbol: str
    quantity: Amount
    mean_price: Amount
    best_price: Amount | None
    legs: int
    realised: Amount = Field(description="over the life of the bot, after fees")
    opened_at: datetime | None


class StatusOut(BaseModel):
    """How a bot stands; the header ETag lets who polls be told that nothing changed (304)."""

    bot: BotOut
    words: str = Field(description="whether it does what is wanted, and if not, why")
    is_active: bool
    executor_is_alive: bool
    executor_seen_at: datetime | None
    halts: list[HaltOut]
    last_decision: DecisionOut | None
    position: PositionNow | None
    open_orders: list[OrderOut]
    pnl_today: Amount = Field(description="quote, after fees, of trades closed today")
    trades_today: int
    pnl_total: Amount
    zone: str = Field(description="whose calendar day today is")
    broken: str | None = Field(description="why its strategy is not evaluated any more")
    late_since: datetime | None

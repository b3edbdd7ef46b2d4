"""What trades look like over the wire: money as strings, instants in UTC."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.kit.fields import Instant, Label
from api.kit.paging import LONGEST, Page

__all__ = [
    "ExportFilters",
    "FillLine",
    "LineageBar",
    "OrderLine",
    "Reason",
    "TradeDetail",
    "TradeFilters",
    "TradeLine",
    "TradePage",
    "TradeTotals",
]

Kind = Literal["spot", "fixed_payout"]
Mode = Literal["paper", "demo", "live"]
Status = Literal["open", "closed", "won", "lost", "drawn", "unknown", "void"]


class ExportFilters(BaseModel):
    """Which trades; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    bot: UUID | None = Field(default=None, description="id of a bot")
    account: UUID | None = Field(default=None, description="id of an account")
    symbol: Label | None = Field(default=None, examples=["BTC/USDT"])
    mode: Mode | None = Field(default=None, description="paper, demo or live")
    kind: Kind | None = Field(default=None)
    status: Status | None = Field(default=None)
    manual: bool | None = Field(default=None, description="asked for by hand, or by a bot")
    result: Literal["win", "loss", "even"] | None = Field(
        default=None, description="of trades that are over, after fees"
    )
    since: Instant | None = Field(default=None, description="opened at it or later")
    until: Instant | None = Field(default=None, description="opened before it")


class TradeFilters(ExportFilters):
    """Which trades, and which page of them."""

    limit: int = Field(default=50, ge=1, le=LONGEST, description="most rows of the page")
    cursor: str | None = Field(
        default=None, max_length=500, description="next_cursor of the page before"
    )
    totals: bool = Field(default=False, description="whether to sum all that the filters let by")


class TradeLine(BaseModel):
    """A trade from flat to flat, or a fixed-payout contract."""

    trade_id: UUID
    bot_id: UUID | None = Field(description="null: asked for by hand")
    bot: str | None = Field(description="name of the bot", examples=["BTC trend"])
    account_id: UUID
    account: str = Field(description="name of the account", examples=["paper"])
    kind: Kind
    mode: Mode = Field(description="of its account; paper and live are never summed together")
    symbol: str = Field(examples=["BTC/USDT"])
    direction: Literal["long", "short", "call", "put"]
    status: Status
    quantity: Decimal = Field(description="base", examples=["0.01"])
    entry_price: Decimal | None = Field(description="quote per base, mean of its fills")
    exit_price: Decimal | None = Field(description="quote per base, mean of its fills")
    entry_value: Decimal = Field(description="quote")
    exit_value: Decimal = Field(description="quote")
    fees: Decimal = Field(description="quote")
    pnl: Decimal | None = Field(description="quote, after fees; null while open")
    exit_reason: str | None
    opened_at: datetime
    closed_at: datetime | None
    stake: Decimal | None = Field(description="quote; of a contract")
    payout_ratio: Decimal | None = Field(description="profit of a win over its stake")
    expires_at: datetime | None = Field(description="of a contract")
    ladder_step: int | None = Field(description="of a ladder of stakes, from 0")


class TradeTotals(BaseModel):
    """Sums of the trades that the filters let by, of one mode and currency."""

    mode: Mode
    ccy: str = Field(description="quote currency of the account", examples=["USDT"])
    trades: int
    closed: int = Field(description="those that are over")
    wins: int
    losses: int
    pnl: Decimal = Field(description="quote, after fees")
    fees: Decimal = Field(description="quote")


class TradePage(Page[TradeLine]):
    """Trades, newest first."""

    totals: list[TradeTotals] | None = Field(
        default=None, description="where asked for: of all pages, by mode and currency"
    )


class FillLine(BaseModel):
    """An execution at the venue."""

    venue_trade_id: str
    client_id: str
    side: str
    quantity: Decimal = Field(description="base")
    price: Decimal = Field(description="quote per base")
    fee: Decimal = Field(description="in fee_ccy")
    fee_ccy: str
    is_maker: bool
    executed_at: datetime
    booked_at: datetime


class OrderLine(BaseModel):
    """An attempt of an intent."""

    client_id: str
    intent_id: UUID
    source: str = Field(description="signal, protection, manual or flatten")
    leg: str
    attempt: int
    side: str
    kind: str
    quantity: Decimal = Field(description="base")
    price: Decimal | None = Field(description="quote per base")
    executed: Decimal = Field(description="base")
    state: str
    reason: str | None
    reference_price: Decimal | None = Field(description="what the decision expected")
    venue_order_id: str | None
    created_at: datetime
    sent_at: datetime | None
    final_at: datetime | None


class LineageBar(BaseModel):
    """The closed candle that a decision was made on, as it is stored now."""

    opened_at: datetime
    timeframe: str
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    flags: int
    batch_id: int = Field(description="the batch that brought it")
    known_at: datetime | None = Field(description="when that was")
    source: str | None = Field(description="where that came from")
    revisions: int = Field(description="earlier values that later batches replaced")


class Reason(BaseModel):
    """A decision with the gates that it met, in order, and its bar."""

    decision_id: UUID
    bar_at: datetime
    leg: str
    action: str
    outcome: Literal["intent", "refused", "nothing"]
    decided_by: str | None
    gates: list[dict[str, Any]]
    decided_at: datetime
    strategy: str | None
    parameters: dict[str, Any] | None
    source_digest: str | None = Field(description="sha256 of the strategy's text")
    bar: LineageBar | None = Field(description="null: not stored here")


class TradeDetail(TradeLine):
    """A trade with all that led to it: orders, fills, decisions, bars."""

    orders: list[OrderLine]
    fills: list[FillLine]
    decisions: list[Reason]

"""Candles, instruments and venues over the wire; shared by all tenants."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from api.kit.paging import Page

__all__ = ["Candle", "CandleSpan", "Quality", "Symbol", "SymbolPage", "Venue", "VenueList"]


class Candle(BaseModel):
    """A closed candle; prices are quote per base, as 64-bit floats like the venue's own."""

    time: datetime = Field(description="its start")
    open: float
    high: float
    low: float
    close: float
    volume: float | None = Field(description="base; null where the source has none")


class CandleSpan(BaseModel):
    """Closed candles, oldest first."""

    instrument: str = Field(examples=["binance:BTC/USDT"])
    timeframe: str = Field(examples=["1h"])
    candles: list[Candle]
    history_from: datetime | None = Field(
        description="the plan shows none before it; null: all are shown"
    )
    next_from: datetime | None = Field(
        description="from of the next part of the span; null: this was the last"
    )


class Symbol(BaseModel):
    """What is traded at a venue; steps and minimum are those it last published."""

    instrument: str = Field(examples=["binance:BTC/USDT"])
    venue: str
    symbol: str
    kind: str = Field(examples=["spot"])
    base_ccy: str | None
    quote_ccy: str | None
    is_active: bool = Field(description="false once the venue no longer lists it")
    price_tick: Decimal | None = Field(description="quote per base")
    amount_step: Decimal | None = Field(description="base")
    minimum_cost: Decimal | None = Field(description="quote")
    timeframes: list[str] = Field(description="of the candles that are stored")


class SymbolPage(Page[Symbol]):
    """Symbols in the order of their names."""


class Venue(BaseModel):
    """Where instruments are traded."""

    venue: str
    kind: Literal["exchange", "file"] = Field(description="file: candles come from files only")
    source: str | None = Field(description="venue, or fallback: the list that ships")
    refreshed_at: datetime | None
    instruments: int


class VenueList(BaseModel):
    """All venues that are known."""

    items: list[Venue]


class Quality(BaseModel):
    """What became of the rows of a series, and which candles are absent and why."""

    instrument: str
    timeframe: str
    rows_read: int
    rows_new: int
    rows_changed: int
    rows_refused: int
    rows_flagged: int
    missing_not_fetched: int
    missing_no_trades: int
    missing_source_hole: int
    missing_outage: int
    missing_closed: int

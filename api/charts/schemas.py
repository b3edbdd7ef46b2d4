"""A bot's chart as it goes over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.kit.amounts import Amount

__all__ = ["CandleOut", "ChartOut", "MarkerOut"]


class CandleOut(BaseModel):
    """A candle; prices as floats, since they are drawn and not booked."""

    time: datetime = Field(description="start, UTC")
    open: float
    high: float
    low: float
    close: float
    volume: float | None = Field(description="base; null: the source has none")


class MarkerOut(BaseModel):
    """A fill of the bot."""

    at: datetime
    side: Literal["buy", "sell"]
    price: Amount
    quantity: Amount


class ChartOut(BaseModel):
    """Candles of a bot's series with its fills on them, oldest first."""

    instrument: str
    timeframe: str
    candles: list[CandleOut]
    markers: list[MarkerOut] = Field(description="within the span of the candles")

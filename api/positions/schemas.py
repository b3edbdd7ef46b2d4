"""What is held, as it goes over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.kit.amounts import Amount

__all__ = ["ExternalOut", "PositionOut"]


class PositionOut(BaseModel):
    """What a bot holds of an instrument; base quantities, quote prices."""

    bot_id: UUID
    bot: str = Field(description="name of the bot")
    account_id: UUID
    account: str
    mode: Literal["paper", "demo", "live"]
    venue: str
    symbol: str
    quantity: Amount
    mean_price: Amount
    best_price: Amount | None
    legs: int
    realised: Amount = Field(description="over the life of the bot, after fees, in quote")
    fees: Amount
    dust: Amount = Field(description="base left over from closed trades, too little to be sold")
    mark_price: Amount | None = Field(description="last close that is stored; null: none is")
    marked_at: datetime | None = Field(description="start of that candle")
    unrealised: Amount | None = Field(description="gain at the mark, before fees, in quote")
    is_protected_at_venue: bool = Field(description="a stop rests at the venue")
    opened_at: datetime | None
    updated_at: datetime


class ExternalOut(BaseModel):
    """What an account holds that no bot bought: deposits, own trades, orders by hand."""

    account_id: UUID
    account: str
    mode: Literal["paper", "demo", "live"]
    ccy: str
    quantity: Amount = Field(description="total less what bots hold; negative: unexplained")
    reserved: Amount = Field(description="held back by open orders")
    updated_at: datetime

"""Orders by hand as they go over the wire: base quantities and quote prices as texts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.kit.amounts import Amount
from api.kit.texts import Text

__all__ = ["FillOut", "OrderIn", "PayoutOrderIn", "RequestOut", "RequestWhole", "SpotOrderIn"]

Positive = Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=18, allow_inf_nan=False)]
Symbol = Annotated[
    Text, Field(min_length=1, max_length=60, description="such as BTC/USDT", examples=["BTC/USDT"])
]


class SpotOrderIn(BaseModel):
    """An order of no bot: at the market, or with a price at that limit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "spot",
                    "account_id": "0195a1b2-0000-7000-8000-000000000001",
                    "symbol": "BTC/USDT",
                    "side": "buy",
                    "quantity": "0.001",
                }
            ]
        },
    )

    kind: Literal["spot"]
    account_id: UUID
    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Positive = Field(description="base")
    price: Positive | None = Field(default=None, description="quote per base; null: at the market")
    valid_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        default=60, description="seconds in which an executor has to take it"
    )


class PayoutOrderIn(BaseModel):
    """A contract by hand: its price is above or below at its end."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["fixed_payout"]
    account_id: UUID
    symbol: Symbol
    direction: Literal["call", "put"]
    stake: Positive = Field(description="currency of the account")
    expiry_s: Annotated[int, Field(ge=1, le=86_400)] = Field(description="seconds until its end")


OrderIn = Annotated[SpotOrderIn | PayoutOrderIn, Field(discriminator="kind")]


class RequestOut(BaseModel):
    """An order by hand, and what became of it."""

    request_id: UUID
    account: str
    symbol: str
    side: Literal["buy", "sell"]
    kind: Literal["market", "limit"]
    quantity: Amount
    price: Amount | None
    valid_until: datetime | None
    state: str = Field(description="waiting, taken, refused or lapsed", examples=["taken"])
    reason: str | None
    requested_at: datetime
    answered_at: datetime | None
    is_final: bool = Field(description="nothing more can come of it")
    executed: Amount | None = Field(description="base filled so far")
    value: Amount | None = Field(description="what that was worth, in quote")


class FillOut(BaseModel):
    """A part of an order that was traded."""

    trade_id: str
    quantity: Amount
    price: Amount
    fee: Amount
    fee_ccy: str
    is_maker: bool
    executed_at: datetime


class RequestWhole(RequestOut):
    """An order by hand with the gates that it met and its fills."""

    intent_state: str | None
    intent_reason: str | None
    gates: list[dict[str, Any]] | None = Field(description="in order; null: not judged yet")
    fills: list[FillOut]
